"""Commands that work on payments."""

from dataclasses import asdict
from typing import Annotated

import typer

from payctl.commands import render
from payctl.commands.app import PAYMENTS, app
from payctl.commands.drills import pay_at_rate
from payctl.commands.options import Run, command
from payctl.payments import pay as paying
from stacksets.errors import ToolError


@command(app, PAYMENTS)
def pay(
    run: Run,
    *,
    amount: Annotated[str, typer.Option(help="In the currency's own units.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    payment_id: Annotated[str, typer.Option("--id", help="The payment's id; a new one if not given.")] = "",
    timestamp: Annotated[str, typer.Option(help="ISO 8601 with zone, or epoch seconds; now if not given.")] = "",
    region: Annotated[list[str] | None, typer.Option(help="Where; the home Region if not given.")] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In every Region: it is charged once.")] = False,
    domain: Annotated[
        bool, typer.Option("--domain", help="At the environment's domain name, signed for any Region (SigV4A).")
    ] = False,
    status: Annotated[str, typer.Option("--status", help="Look at this payment instead.", metavar="ID")] = "",
    rate: Annotated[float, typer.Option(help="Make payments of random amounts, so many a second.", min=0)] = 0.0,
    lasting: Annotated[str, typer.Option("--for", help="With --rate: how long.", metavar="TIME")] = "10s",
    regions: Annotated[str, typer.Option(help="With --rate: where the clients are, a,b or all.")] = "all",
) -> None:
    """Make a payment, signed with your credentials, or look at one. Exit code 1 unless it is made or accepted.

    Example: `payctl pay --amount 99.99 --id TXN001 --everywhere`, or `payctl pay --rate 50 --for 30s --regions all`
    """
    if rate:
        pay_at_rate(run, rate=rate, lasting=lasting, regions=regions)
        return
    if bool(amount) == bool(status):
        raise ToolError("give --amount to pay, or --status ID to look at a payment")
    with run.open() as environment:
        asked = environment.regions if everywhere else paying.chosen(environment, region or ())
        if status:
            replies = paying.look(environment, status, asked)
        else:
            transaction = paying.payment(payment_id=payment_id, amount=amount, currency=currency, timestamp=timestamp)
            replies = (
                paying.pay_at_domain(environment, transaction)
                if domain
                else paying.pay(environment, transaction, asked)
            )
    if run.as_json:
        render.as_json([asdict(reply) for reply in replies])
    else:
        render.replies(replies)
    if not paying.good(replies):
        raise typer.Exit(1)
