"""Checks of payments, and of the functions that make them."""

import time
from typing import Any, Final

from botocore.exceptions import ClientError
from payments.protocol.record import receipt_key

from payctl.acceptance.check import Checks, Group, RefutedError, require
from payctl.acceptance.deploying import domain
from payctl.acceptance.site import Site
from payctl.payments import books, logs, pay

CHECKS: Final = Checks(Group.PAY)
check = CHECKS.check
UNANSWERED: Final = "no answer"  # what a function logs where a call of AWS was not answered
IDLE: Final = 45.0
WRITE_UNIT: Final = 1024  # bytes


@check(
    "pay-at-once",
    source="An alias may take five minutes to count for KMS: until then a Region cannot write its peers' "
    "cells, answers 503, and its alarm PeerUnanswered is on.",
    minutes=5,
)
def pay_at_once(site: Site) -> None:
    """Payments settle in every Region soon after the first deployment."""
    for region in site.regions:
        payment = site.new_payment()
        site.until(
            lambda region=region, payment=payment: site.post(payment, region).status in (200, 201),  # type: ignore[misc]
            aws=600,
            local=10,
            seen=f"{region}: {payment} is not settled",
        )
    site.facts["paid_at"] = time.time()


@check(
    "cold-tls",
    source="Python 3.13 on arm64: every call of AWS is made with it.",
    not_local="the local cloud speaks no TLS",
)
def cold_tls(site: Site) -> None:
    """The functions' runtime finds the system's certificates by ssl.create_default_context()."""
    reply = site.post(site.new_payment())
    require(reply.status == 201, f"a payment is answered {reply.status}")


@check(
    "problem-json",
    source="It is a response parameter over a template of application/json: which one wins is not documented.",
)
def problem_json(site: Site) -> None:
    """A refusal by the gateway itself has the content type application/problem+json, once."""
    for region in site.regions:
        answer = site.unsigned("POST", "/payments", region, body={})
        kind = answer.headers.get("Content-Type", "")
        site.show(f"{region}: {answer.status} {kind}")
        require(answer.status == 403, f"{region}: an unsigned request is answered {answer.status}")
        require(kind == "application/problem+json", f"{region}: Content-Type is {kind}")


@check(
    "replay",
    source="API reference, UpdateItem; the functions speak the protocol themselves.",
)
def replay(site: Site) -> None:
    """DynamoDB shows the item that refused a condition (ALL_OLD) in the plain JSON protocol: the second POST of a
    payment answers 200."""
    payment = site.new_payment()
    first, again = site.post(payment), site.post(payment, site.regions[1])
    require(first.status == 201, f"the first POST is answered {first.status}")
    require(again.status == 200 and again.replayed, f"the second POST is answered {again.status}")
    require(again.body == first.body, "the second answer is not the first")


@check(
    "receipts-everywhere",
    source="For DynamoDB the alias condition is documented to work through a service; for replication it is "
    "not. With bucket keys the destination's key must allow kms:Decrypt too.",
    minutes=5,
)
def receipts_everywhere(site: Site) -> None:
    """A receipt is replicated into both other buckets under each one's own key, whose use is bound to its alias
    (kms:ResourceAliases) by way of S3."""
    payment, environment = site.new_payment(), site.environment
    require(site.post(payment).status == 201, "the payment was not settled")

    def replica(region: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = site.client("s3", region).head_object(
                Bucket=environment.names.receipts(region), Key=receipt_key(payment)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise
        return found if region == site.home or found.get("ReplicationStatus") == "REPLICA" else None

    for region in site.regions:
        found = site.until(
            lambda region=region: replica(region),  # type: ignore[misc]
            aws=900,
            local=10,
            seen=f"{region}: no replica of the receipt of {payment}",
        )
        site.show(f"{region}: {found.get('ReplicationStatus')}, key {found.get('SSEKMSKeyId')}")
        own = environment.api_outputs[region]["KeyArn"]
        require(found.get("SSEKMSKeyId") == own, f"{region}: the receipt is not under its Region's key")


@check(
    "receipt-once",
    source="S3 user guide, conditional writes.",
    minutes=2,
)
def receipt_once(site: Site) -> None:
    """S3 answers 412 to If-None-Match: * on a key that exists, with the right s3:PutObject alone: a receipt has one
    content in every bucket."""
    ids = site.sample()["ids"]
    for region in site.regions:
        found = books.read(site.environment, region, only=ids, prefix=ids[0].partition("-")[0])
        several = {
            payment: count
            for payment, versions in found.receipts.items()
            if len(versions) > 1 and (count := len(books.contents(site.environment, region, payment, versions))) > 1
        }
        site.show(f"{region}: {len(found.receipts)} receipts, {len(several)} with several contents")
        require(not several, f"{region}: receipts with several contents: {sorted(several)[:3]}")
    _require_silent(site, "WriteReceipt")


@check(
    "registers-everywhere",
    source="kms:ResourceAliases and kms:ViaService on key/* of the peer's Region (KMS guide, alias conditions).",
)
def registers_everywhere(site: Site) -> None:
    """A Region writes its peers' cells by their keys' aliases, through DynamoDB."""
    for region in site.regions:
        payment = site.new_payment()
        require(site.post(payment, region).status == 201, f"{region}: the payment was not settled")
        held = site.environment.cloud.everywhere(
            lambda peer, payment=payment: payment in _cells(site, peer, [payment])  # type: ignore[misc]
        )
        site.show(f"accepted in {region}, cells: {held}")
        require(all(held.values()), f"{region}: no cell in {[peer for peer, there in held.items() if not there]}")


@check(
    "item-size",
    source="Counted, by the rules of the developer guide (item sizes); a processor's address adds its own length.",
)
def item_size(site: Site) -> None:
    """Cells and records of payments settled by ledger stay below 1 KB, one write unit a write, for ids of 64
    characters."""
    payment = (site.new_payment() + "x" * 64)[:64]
    require(site.post(payment).status == 201, "the payment was not settled")
    payments = [payment, *site.sample()["ids"]]
    for region in site.regions:
        for table in (site.environment.names.register(region), site.environment.names.table):
            largest = max(map(_size, books.items(site.environment, region, table, payments).values()), default=0)
            site.show(f"{table} in {region}: {largest} bytes at most")
            require(largest < WRITE_UNIT, f"{region}: an item of {table} has {largest} bytes")


def _cells(site: Site, region: str, payments: list[str]) -> dict[str, Any]:
    return books.items(site.environment, region, site.environment.names.register(region), payments)


def _size(item: Any) -> int:
    """Bytes of an item, numbers at their longest (developer guide, "DynamoDB item sizes and formats")."""
    return sum(
        len(name.encode()) + (21 if isinstance(value, int | float) else len(str(value).encode()))
        for name, value in item.items()
    )


@check(
    "latency-under-load",
    source="The load client of the drills has that many threads; limits.reserved_concurrency bounds what a "
    "Region does.",
    minutes=2,
)
def latency_under_load(site: Site) -> None:
    """With up to 24 requests in flight the API answers every request within 10 s, and few of them with 503."""
    sample = site.sample()
    unknown = sum(count for status, count in sample["answers"].items() if int(status) >= 500 or status == "0")
    site.show(f"longest answer {sample['longest']:.2f} s, {unknown} of {sample['requests']} without an outcome")
    require(sample["longest"] < 10, f"an answer took {sample['longest']:.1f} s")
    require(unknown <= sample["requests"] * 0.02, f"{unknown} of {sample['requests']} answers do not tell the outcome")
    require(set(sample["outcomes"]) == {"SETTLED"}, f"outcomes {sample['outcomes']}")


@check(
    "warm-calls",
    source="True of a TLS 1.3 server made with Python; the functions poll their sockets (`payments/replies.py`).",
    not_local="the local cloud speaks no TLS",
    minutes=2,
)
def warm_calls(site: Site) -> None:
    """A reply on a kept TLS connection makes its socket readable, and nothing else does: no call of a warm function
    goes unanswered."""
    site.sample()
    _require_silent(site, UNANSWERED)


def _require_silent(site: Site, word: str) -> None:
    """Raises RefutedError where a function logged an unanswered call, with this word, while the sample was made."""
    sample = site.facts["sample"]
    lines = logs.read(site.environment, {"processor": UNANSWERED}, since=sample["began"])
    unanswered = [line for line in lines if word in line.text and line.at <= sample["ended"] * 1000]
    site.show(f"{len(unanswered)} lines with {word!r}", *(f"{line.region}: {line.text}" for line in unanswered[:3]))
    require(not unanswered, f"{len(unanswered)} calls were not answered")


@check(
    "third-vote",
    source="What is sent before a function answers should arrive although Lambda freezes it: no page says so.",
    minutes=2,
)
def third_vote(site: Site) -> None:
    """The third Region is told although no answer of it is waited for: nearly every cell has its vote."""
    ids = site.sample()["ids"]
    missing = {region: sum("accepted" not in cell for cell in _voted(site, region, ids)) for region in site.regions}
    site.show(f"of {len(ids)} payments, cells without a vote: {missing}")
    require(max(missing.values()) <= len(ids) * 0.02, f"cells without a vote: {missing}")


def _voted(site: Site, region: str, ids: list[str]) -> list[Any]:
    cells = _cells(site, region, ids)
    return [cells.get(payment, {}) for payment in ids]


@check(
    "idle-connections",
    source="Connections unused for 50 s are not trusted (http.IDLE_SECONDS); services may close idle ones "
    "earlier, and a frozen function does not see that.",
    minutes=1,
)
def idle_connections(site: Site) -> None:
    """A kept connection that was idle for 45 s still answers."""
    site.sample()
    since = max(site.facts["sample"]["ended"], site.facts.get("paid_at", 0.0))
    wait = max(0.0, since + IDLE - time.time()) * site.patience
    site.show(f"waited {wait:.0f} s more")
    time.sleep(wait)
    began = time.time()
    reply = site.post(site.new_payment())
    require(reply.status == 201, f"a payment is answered {reply.status}")
    lines = logs.read(site.environment, {"processor": UNANSWERED}, since=began)
    require(not lines, f"a call on an idle connection was not answered: {lines[0].text if lines else ''}")


@check(
    "domain",
    source="Not seen: it takes a domain, and the package awscrt.",
    not_local="no name leads to the local cloud",
)
def pay_at_the_domain(site: Site) -> None:
    """A payment signed for any Region (SigV4A, region set *, service execute-api) is taken at the custom domain."""
    domain(site)
    transaction = pay.payment(payment_id=site.new_payment(), amount="1.00", currency="EUR", timestamp="")
    (reply,) = pay.pay_at_domain(site.environment, transaction)
    site.show(f"{reply.status} {reply.meaning}")
    if reply.status != 201:
        raise RefutedError(f"a payment at the domain is answered {reply.status}: {reply.body}")
