"""Commands on payments that machines cannot finish, and on registers that come back."""

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from stacksets import logs as reading
from stacksets import pay as paying
from stacksets import render
from stacksets.app import PAYMENTS, Yes, app
from stacksets.errors import PayctlError
from stacksets.run import Run, command, confirmer

# The functions' code is loaded by what needs it, not by every `payctl --help`.


@command(app, PAYMENTS)
def parked(run: Run) -> None:
    """List the payments that wait for the processor or for you, with their age. Exit code 2 if there are any.

    Example: `payctl parked`
    """
    from stacksets.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        found = Registers(environment).parked()
    entries = [
        {
            "payment": each.payment,
            "status": each.status,
            "region": each.value.region if each.value else "",
            "rail": each.value.rail if each.value else "",
            "accepted_at": _moment(each.accepted_at),
            "attempted_at": _moment(each.attempted_at),
        }
        for each in found
    ]
    if run.as_json:
        render.as_json(entries)
    elif entries:
        render.table("", tuple(entries[0]), [tuple(entry.values()) for entry in entries])
        print("ask the processor, then: payctl resolve ID --settled REFERENCE, or --not-charged --reason TEXT")
    else:
        print("no payment is parked")
    if entries:
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
    """Close a payment in doubt, once and for all, with your identity in the record. Refused if the processor disagrees.

    Example: `payctl resolve TXN001 --settled ch_123`
    """
    from stacksets.registers import Registers, Ruling, record  # noqa: PLC0415

    if bool(settled) == not_charged:
        raise PayctlError("say how it ended: --settled REFERENCE, or --not-charged --reason TEXT")
    if not_charged and not reason:
        raise PayctlError("--not-charged needs a reason for the record", remedy="add --reason TEXT")
    with run.open() as environment:
        status = record.SETTLED if settled else record.NOT_CHARGED
        confirm = confirmer(yes=yes, report=environment.report, verb=f"close {payment} as {status}")
        if not confirm([f"write {status} of {payment} in two of three Regions, for good"]):
            raise PayctlError("nothing was changed")
        ruling = Ruling(
            status=status, by=environment.cloud.caller, reference=settled, reason=reason, unchecked=unchecked
        )
        done = Registers(environment).resolve(payment, ruling)
    if not done.done:
        raise PayctlError(f"{payment} was not closed: {done.says}")
    if run.as_json:
        render.as_json({"payment": payment, "status": status, "says": done.says})
    else:
        print(f"{payment}: {done.says}")


@command(app, PAYMENTS)
def rejoin(
    run: Run, region: Annotated[str, typer.Argument(help="The Region whose register was lost.")], *, yes: Yes = False
) -> None:
    """Teach a lost or restored register every payment from both others; only then is it asked again. Repeatable.

    Example: `payctl rejoin eu-west-1`
    """
    from stacksets.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        paying.chosen(environment, (region,))
        confirm = confirmer(yes=yes, report=environment.report, verb="rejoin")
        if not confirm([f"bar the register of {region}, teach it every payment, then use it again"]):
            raise PayctlError("nothing was changed")
        environment.report.phase(f"Teach the register of {region}")
        found = Registers(environment).rejoin(region)
    if run.as_json:
        render.as_json(asdict(found))
    if found.refused:
        payment, says = next(iter(found.refused.items()))
        raise PayctlError(
            f"{region} stays barred: {len(found.refused)} payments could not be taught, {payment} first: {says}",
            remedy=f"repeat `payctl rejoin {region}`",
        )
    if not run.as_json:
        print(f"{region} serves again: {found.taught} payments taught")


@command(app, PAYMENTS)
def logs(
    run: Run,
    payment: Annotated[str, typer.Argument(help="The payment's id.", metavar="ID")],
    *,
    minutes: Annotated[float, typer.Option(help="How far back.", min=0)] = 60.0,
    follow: Annotated[float, typer.Option(help="Wait for more lines, so many seconds.", min=0)] = 0.0,
) -> None:
    """Show a payment's way through the logs of all Regions, in the order of time. Read only.

    Logs never hold an id, only its hash. Example: `payctl logs TXN001 --follow 60`
    """
    from stacksets.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        intent = Registers(environment).inspect(payment).intent
        words = reading.marks(payment, intent.hash if intent else "")
        now = time.time()
        count = 0
        for line in reading.follow(environment, words, since=now - minutes * 60, until=now + follow):
            count += 1
            if run.as_json:
                print(render.one_line(asdict(line)), flush=True)
            else:
                at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
                print(f"{at} {line.region:<14} {line.group:<9} {line.text}", flush=True)
    if not count:
        print(f"no line of {payment} in the last {minutes:.0f} minutes", file=sys.stderr)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
