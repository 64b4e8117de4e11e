"""The command that asks a processor's sandbox whether it keeps its contract."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from payments.processors.common import SECRET

from builder import settings as settings_file
from builder.allowed import PROCESSOR_URL
from payctl import card_numbers
from payctl.commands.options import PAYMENTS, Command, Run, Yes
from payctl.commands.show import render
from payctl.endpoint import loopback
from payctl.processors.conformance import Kept, Promise, findings, report
from stacksets.errors import ToolError
from stacksets.progress import Words

VARIABLE: Final = "PROCESSOR_SECRET"
LIVE: Final = ("sk_live_", "rk_live_")
SOURCES: Final = {"stripe": ("pm_card_visa", "pm_card_chargeCustomerFail")}
"""By kind: what its sandbox charges, and what it declines."""
STYLES: Final = {Kept.YES: "green", Kept.NO: "red", Kept.NOT_PROMISED: "yellow", Kept.UNCHECKED: "dim"}

app = typer.Typer()


@app.command("processor-check", cls=Command, rich_help_panel=PAYMENTS)
def run_processor_check(
    run: Run,
    url: Annotated[str, typer.Argument(help="The sandbox; processor.url of the settings if not given.")] = "",
    *,
    source: Annotated[str, typer.Option(help="What is charged, where the sandbox needs it.", metavar="TOKEN")] = "",
    declined: Annotated[str, typer.Option(help="A source that the sandbox declines.", metavar="TOKEN")] = "",
    record: Annotated[Path, typer.Option(help="Remembers a key, for a later run to use again.", metavar="FILE")] = Path(
        "build/processor-check.json"
    ),
    yes: Yes = False,
) -> None:
    """Check that a processor's sandbox keeps what the settings promise. It is charged there a dozen times.

    The secret is read from PROCESSOR_SECRET. Exit code 1 where the settings rely on what the processor does not keep.
    Example: `PROCESSOR_SECRET=sk_test_... payctl processor-check https://api.stripe.com`
    """
    card_numbers.refuse_in_settings(run.options.settings)
    settings = settings_file.load(run.options.settings).processor
    url, secret = (url or settings.url).rstrip("/"), os.environ.get(VARIABLE, "")
    if not PROCESSOR_URL.fullmatch(url):
        raise ToolError(f"{url!r} is no address of a processor", remedy="give it as https://HOST[:PORT][/PATH]")
    if run.options.local and not loopback(url):
        raise ToolError(f"--local never leaves this machine, and the address is {url}", remedy="leave --local out")
    if not SECRET.fullmatch(secret):
        raise ToolError(f"{VARIABLE} has a blank, a line's end or the like in it", remedy="set it without")
    if secret.startswith(LIVE):
        raise ToolError(f"{VARIABLE} is a live key, which would move money", remedy="use one of the test mode")
    if not (yes or loopback(url)):
        _confirm(url)
    usual = SOURCES.get(settings.kind, ("", ""))
    promise = Promise(
        url,
        settings.kind,
        settings.deduplicates,
        settings.key_lifetime_hours,
        source or usual[0],
        declined or usual[1],
        record,
    )
    told = report(promise, list(findings(promise, secret)))
    run.answer(told, _show)
    if told["counts"][Kept.NO]:
        raise typer.Exit(1)


def _confirm(url: str) -> None:
    """Ask before anything is charged away from this machine."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ToolError(
            f"nothing was charged: {url} is not on this machine, and there is no terminal to ask at",
            remedy="add --yes if it is a sandbox",
        )
    if not typer.confirm(f"Is {url} a sandbox, where charges move no money?", default=False, err=True):
        raise ToolError("nothing was charged")


def _show(told: Mapping[str, Any]) -> None:
    """`payctl processor-check` for people."""
    rows = [
        (Words(finding.verdict, STYLES[finding.verdict]), finding.check, finding.says) for finding in told["findings"]
    ]
    render.table("", ("", "check", "seen"), rows)
    render.say(", ".join(f"{count} {verdict}" for verdict, count in told["counts"].items() if count))
