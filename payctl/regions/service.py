"""Takes a Region out of service, and puts it back: looks first, turns the switch, and looks again until clients and DNS
see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payctl import signed_http
from payctl.environment import Environment
from payctl.payments import membership
from payctl.payments.due import index
from payctl.regions import checkers, switch
from payctl.regions.running import executions_in
from payctl.regions.switch import TakenOut
from stacksets.errors import ToolError

WELL, OUT, SILENT = "ok", "out", "no answer"
"""What `GET /health` says, beside "unavailable": lambda/payments/health.py."""
NEEDED: Final = 2  # Regions that serve: one alone is no majority once it is asked
HEALTH_SECONDS: Final = 30.0
DNS_SECONDS: Final = 180.0
NO_DOMAIN: Final = "no domain: clients that ask GET /health see it"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A Region and its service. `taken_out` is None where it is in service; `changed`: by this run. `health`: what each
    Region's `GET /health` says. `dns`: "in", "out", or why that cannot be said. `due` payments and `executions` are
    those that the Region itself still has to finish."""

    region: str
    taken_out: TakenOut | None
    changed: bool
    health: Mapping[str, str]
    dns: str
    due: int
    executions: int
    failure: str = ""
    """What is not yet as it should be; "" if all is."""


def health(environment: Environment) -> dict[str, str]:
    """What each Region's `GET /health` says now. Read only."""

    def ask(region: str) -> str:
        outputs = environment.api_outputs
        if region not in outputs:
            return SILENT
        answer = signed_http.send("GET", f"{signed_http.address(environment.cloud, region, outputs[region])}/health")
        told = str(answer.fields.get("status", ""))
        return told if told in (WELL, OUT, "unavailable") else SILENT

    return environment.cloud.everywhere(ask)


def require_out(environment: Environment, region: str) -> None:
    """Raise ToolError unless enough other Regions serve. Read only."""
    others = {other: told for other, told in health(environment).items() if other != region}
    if list(others.values()).count(WELL) < NEEDED:
        ill = ", ".join(f"{other} ({told})" for other, told in others.items() if told != WELL)
        raise ToolError(
            f"{region} is needed: without it fewer than {NEEDED} Regions would serve, because of {ill}",
            remedy="bring that back first: see `payctl status`",
        )


def require_in(environment: Environment, region: str) -> None:
    """Raise ToolError unless the Region can serve. Read only."""
    if reason := membership.idle(environment).get(region):
        raise ToolError(
            f"{region} cannot serve: its register is not in use: {reason}", remedy=f"run `payctl rejoin {region}`"
        )
    told = health(environment)[region]
    if told not in (WELL, OUT):
        raise ToolError(f"{region} cannot serve: GET /health says: {told}", remedy="see `payctl status`")


def take_out(environment: Environment, region: str, reason: str) -> Service:
    """Take it out, unless it is out. Raises ToolError where it is needed, also where another one left meanwhile: then
    it is put back."""
    changed = switch.take_out(environment, region, reason)
    if changed:
        try:
            require_out(environment, region)
        except BaseException:
            switch.put_in(environment, region)
            raise
    return _settled(environment, region, changed=changed, wanted=OUT)


def put_in(environment: Environment, region: str) -> Service:
    """Put it back, unless it is in service."""
    return _settled(environment, region, changed=switch.put_in(environment, region), wanted=WELL)


def _settled(environment: Environment, region: str, *, changed: bool, wanted: str) -> Service:
    """Wait until clients and DNS see it; how it is then."""
    told = health(environment)
    for _ in environment.pace.ticks(HEALTH_SECONDS):
        told = health(environment)
        environment.report.line(region, told[region].upper(), "GET /health")
        if told[region] == wanted:
            break
    dns, late = _dns(environment, region, wanted=wanted)
    failure = f"GET /health still says: {told[region]}" if told[region] != wanted else late
    return Service(
        region=region,
        taken_out=switch.read(environment, region),
        changed=changed,
        health=told,
        dns=dns,
        due=index.count(environment, region),
        executions=executions_in(environment, region),
        failure=failure,
    )


def _dns(environment: Environment, region: str, *, wanted: str) -> tuple[str, str]:
    """Where DNS leads, and what is wrong with that after some minutes ("" if nothing is)."""
    try:
        check = checkers.health_check(environment, region)
        if not check:
            return NO_DOMAIN, ""
        seen = checkers.ask(environment, region, check)
        for _ in environment.pace.ticks(DNS_SECONDS):
            seen = checkers.ask(environment, region, check)
            if seen.healthy == (wanted == WELL):
                return f"{'in' if seen.healthy else 'out'}: {seen}", ""
            environment.report.line(region, "WAITING", f"DNS: {seen}")
    except ToolError as error:  # the Region is as it was asked to be, whatever may be seen of that
        return f"unknown: {error.message}", ""
    return f"{'in' if seen.healthy else 'out'}: {seen}", f"DNS has not followed: {seen}"
