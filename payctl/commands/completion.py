"""What a shell offers on Tab as values: Regions, merchants, drills, faults, operations. Nothing where none are known.

Each is called by the shell's completion with what was typed before; what it says beside its answer would be drawn into
the command line, so it says nothing, whatever fails.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Final

import typer

from builder import settings as settings_file
from builder.settings import Settings
from payctl.acceptance.check import Group
from payctl.cloud import Cloud
from payctl.drills import scenarios
from payctl.drills.local_cloud import LocalCloud
from payctl.names import Names
from stacksets.client import StackSetClient

FAULTS: Final[Mapping[str, str]] = {
    "region-down": "a Region does not answer",
    "service-down": "a service of a Region does not answer",
    "cut": "nothing passes between two Regions",
    "latency": "what passes between two Regions takes longer",
    "lag": "replicas of tables are late",
    "slow-stacks": "stacks take longer",
    "undelegated": "the internet does not see a hosted zone",
    "errors": "a share of the calls fails",
}
HOW: Final[Mapping[str, str]] = {
    "fail": "500, nothing was done",
    "throttle": "too many requests",
    "lose-reply": "done, and no answer",
    "conflict": "a transaction is cancelled",
}
OPERATIONS: Final = 10  # the newest

Offer = tuple[str, str]
Source = Callable[[typer.Context], Iterator[Offer]]


def offering(source: Source) -> Callable[[typer.Context, str], list[Offer]]:
    """The values that begin as what was typed."""

    @wraps(source)
    def complete(ctx: typer.Context, incomplete: str) -> list[Offer]:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            try:
                return [offer for offer in source(ctx) if offer[0].startswith(incomplete)]
            except Exception:  # noqa: BLE001 - no settings, no credentials, no network: nothing to offer
                return []

    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str, "return": list[Offer]}
    del complete.__wrapped__  # Typer reads the signature through it
    return complete


def _settings(ctx: typer.Context) -> Settings:
    return settings_file.load(Path(ctx.params.get("settings") or settings_file.DEFAULT_FILE))


def _cloud(ctx: typer.Context) -> Cloud:
    local, endpoint = bool(ctx.params.get("local")), str(ctx.params.get("endpoint") or "")
    return Cloud.of(_settings(ctx), local=local, endpoint=endpoint)


@offering
def regions(ctx: typer.Context) -> Iterator[Offer]:
    """The Regions of the settings, home first."""
    settings = _settings(ctx)
    for region in settings.regions:
        yield region, "home" if region == settings.home else ""


@offering
def merchants(ctx: typer.Context) -> Iterator[Offer]:
    """The merchants of the settings."""
    for merchant in _settings(ctx).merchants:
        yield merchant, ""


@offering
def drills(_: typer.Context) -> Iterator[Offer]:
    """Every drill."""
    for name, scenario in scenarios.SCENARIOS.items():
        yield name, (scenario.__doc__ or "").partition("\n")[0]


@offering
def fault_kinds(_: typer.Context) -> Iterator[Offer]:
    """Every kind of fault."""
    yield from FAULTS.items()


@offering
def fault_effects(_: typer.Context) -> Iterator[Offer]:
    """What becomes of a call."""
    yield from HOW.items()


@offering
def faults(ctx: typer.Context) -> Iterator[Offer]:
    """The faults that are set."""
    for fault in LocalCloud.of(_cloud(ctx), "faults").faults()["faults"]:
        yield fault["id"], " ".join(str(value) for name, value in fault.items() if name != "id")


@offering
def operations(ctx: typer.Context) -> Iterator[Offer]:
    """The newest operations on the StackSet, open ones first."""
    cloud = _cloud(ctx)
    names = Names(environment=cloud.settings.environment, account=cloud.account)
    newest = StackSetClient(cloud.stack_sets, names.stack_set).operations()[:OPERATIONS]
    for operation in sorted(newest, key=lambda each: each.status.done):
        yield operation.id, f"{operation.action} {operation.status}"


@offering
def groups(_: typer.Context) -> Iterator[Offer]:
    """The groups of acceptance checks."""
    for group in Group:
        yield group.value, ""
