"""The command that follows a payment through the logs."""

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from payctl.commands import render
from payctl.commands.app import PAYMENTS, app
from payctl.commands.options import Run, command
from payctl.payments import logs as reading

# The functions' code is loaded by what needs it, not by every `payctl --help`.


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
    from payctl.payments.registers import Registers  # noqa: PLC0415

    with run.open() as environment:
        intent = Registers(environment).inspect(payment).intent
        digest = intent.hash if intent else ""
        now = time.time()
        count = 0
        for line in reading.follow(environment, payment, digest, since=now - minutes * 60, until=now + follow):
            count += 1
            if run.as_json:
                print(render.one_line(asdict(line)), flush=True)
            else:
                at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
                print(f"{at} {line.region:<14} {line.group:<9} {line.text}", flush=True)
    if not count:
        print(f"no line of {payment} in the last {minutes:.0f} minutes", file=sys.stderr)
