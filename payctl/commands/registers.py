"""Commands on payments that machines may not finish, and on a register that lost its memory."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from payctl.commands import render
from payctl.commands.app import PAYMENTS, Yes, app
from payctl.commands.options import Run, command, confirmer
from payctl.payments import pay
from stacksets.errors import ToolError

if TYPE_CHECKING:
    from payctl.payments.parked import Waiting

# The functions' code is loaded by what needs it, not by every `payctl --help`.

COLUMNS = ("payment", "amount", "age", "decided for", "why", "idempotency key")


@command(app, PAYMENTS)
def parked(run: Run) -> None:
    """List the payments that wait for the processor or for you: why, how much, for how long. Read only.

    Exit code 0: none; 2: some; 1: it could not be found out. Example: `payctl parked`
    """
    from payctl.payments.parked import waiting  # noqa: PLC0415
    from payctl.payments.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        registers = Registers(environment)
        found = [waiting(registers.context(), standing) for standing in registers.parked()]
    if run.as_json:
        render.as_json([asdict(each) for each in found])
    elif found:
        render.table("", COLUMNS, [_row(each) for each in found])
        print("ask the processor about the key, then: payctl resolve ID --settled REFERENCE")
        print("                                   or: payctl resolve ID --not-charged --reason TEXT")
    else:
        print("no payment is parked")
    if found:
        raise typer.Exit(2)


@command(app, PAYMENTS)
def resolve(
    run: Run,
    payment: Annotated[str, typer.Argument(help="The payment's id.", metavar="ID")],
    *,
    settled: Annotated[str, typer.Option(help="It was charged: the processor's reference.", metavar="REFERENCE")] = "",
    not_charged: Annotated[bool, typer.Option("--not-charged", help="It was not charged; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="The processor is gone for good: do not ask it.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Close a payment in doubt, once and for all, with your identity in the record.

    Refused if the processor knows better, or too early: `--not-charged` needs its word that the key is cancelled, or
    an hour since the attempt. Example: `payctl resolve TXN001 --settled ch_123`
    """
    from payctl.payments.parked import refusal, ruling, waiting  # noqa: PLC0415
    from payctl.payments.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        decision = ruling(
            by=environment.cloud.caller, settled=settled, not_charged=not_charged, reason=reason, unchecked=unchecked
        )
        registers = Registers(environment)
        context, standing = registers.context(), registers.inspect(payment)
        if not standing.accepted_at and standing.answered > 1:
            raise ToolError(f"{payment} was not closed: no Region knows it", remedy="see `payctl parked`")
        known = waiting(context, standing)
        confirm = confirmer(yes=yes, report=environment.report, verb=f"close {payment} as {decision.status}")
        steps = [
            f"{payment}: {known.amount} {known.currency}, decided for {known.region or 'no Region'}, {known.why}",
            f"the processor knows it as {known.idempotency_key or 'nothing'}",
            f"{decision.status} is written in two of three Regions, for good, by {decision.by}",
        ]
        if not confirm(steps):
            raise ToolError("nothing was changed")
        done = registers.resolve(payment, decision)
    if not done.done:
        raise refusal(context, standing, done, registers.settings(environment.home).secret)
    if run.as_json:
        render.as_json({"payment": payment, "status": decision.status, "by": decision.by, "says": done.says})
    else:
        print(f"{payment}: {done.says} by {decision.by}")


@command(app, PAYMENTS)
def rejoin(
    run: Run, region: Annotated[str, typer.Argument(help="The Region whose register was lost.")], *, yes: Yes = False
) -> None:
    """Teach a lost or restored register every payment from both others; only then is it asked again.

    Begin as soon as it is lost: until all functions know that they must not ask it, an empty table is a danger.
    Teaching begins 16 minutes later, when no function is left that asked the old one. Repeat the command after
    anything that stops it. Example: `payctl rejoin eu-west-1`
    """
    from payctl.payments.rejoin import rejoin as rejoin_register  # noqa: PLC0415

    with run.open() as environment:
        pay.chosen(environment, (region,))
        confirm = confirmer(yes=yes, report=environment.report, verb="rejoin")
        if not confirm([f"bar the register of {region}, teach it every payment, then use it again"]):
            raise ToolError("nothing was changed")
        found = rejoin_register(environment, region)
    if run.as_json:
        render.as_json(asdict(found))
    if found.refused:
        payment, says = next(iter(found.refused.items()))
        raise ToolError(
            f"{region} stays barred: {payment} could not be taught: {says}"
            + (f" (and {len(found.refused) - 1} more)" if len(found.refused) > 1 else ""),
            remedy=f"repeat `payctl rejoin {region}`",
        )
    if not run.as_json:
        print(f"{region} serves again: {found.taught} payments taught, {found.known} were known")


def _row(each: "Waiting") -> tuple[str, ...]:
    amount = f"{each.amount} {each.currency}".strip()
    return (each.payment, amount, duration(each.age), each.region, each.why, each.idempotency_key)


def duration(seconds: int) -> str:
    """Seconds as the largest two units: `2 h 5 min`."""
    for size, unit, smaller, word in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {word}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"
