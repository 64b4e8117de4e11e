"""Payments as a whole, and Regions out of service, shown to people."""

import json

from payctl.commands.show.render import console, say, state, table
from payctl.regions.service import Service
from payctl.views.listing import Listing
from payctl.views.timeline import Whole
from stacksets.progress import Words


def service(of: Service) -> None:
    """`payctl region` for people."""
    already = "" if of.changed else ", as before"
    say(f"{of.taken_out or f'{of.region} is in service'}{already}")
    say(f"GET /health: {', '.join(f'{region} {told}' for region, told in of.health.items())}")
    say(f"DNS: {of.dns}")
    say(f"still to finish there: {of.due} payments, {of.executions} workflow executions")


def listing(found: Listing) -> None:
    """`payctl payments list` for people."""
    rows = [
        (each.time, each.id, state(each.status), Words(f"{each.amount} {each.currency}"), each.region)
        for each in found.payments
    ]
    if rows:
        table("", ("time", "payment", "status", "amount", "Region"), rows)
    more = f", the newest {len(rows)} shown: more with --limit" if found.found > len(rows) else ""
    say(f"{found.found} payments{more}")
    if found.unseen:
        say(f"{found.unseen} more are due, and were not looked at: see `payctl parked` and `payctl status`")


def whole(of: Whole) -> None:
    """`payctl payments show` for people."""
    out = console()
    out.print(Words(f"{of.id} ", "bold"), state(of.status), f" {of.amount} {of.currency}, {of.time}")
    details = {"charged for": of.region, "processor's reference": of.reference, "idempotency key": of.idempotency_key}
    details |= {name: json.dumps(value) for name, value in of.details.items()}
    for name, value in (details | {"parked": of.why, "ruling": of.ruling}).items():
        if value:
            out.print(f"{name}: {value}")
    rows = [(each.region, each.record, each.cell, each.receipt, Words(each.trouble, "red")) for each in of.copies]
    table("", ("Region", "record", "register", "receipt", ""), rows)
    table("", ("at", "Region", "by", "what"), [(each.at, each.region, each.source, each.what) for each in of.events])
