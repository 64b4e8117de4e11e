"""How many payments a second `payctl rejoin` teaches from one machine: production code, real time, and Regions as far
away as on AWS. The payments are made up when they are asked for, so that ten million of them fit into memory.

    python -m bench.rejoin                 what `make bench` does: half a minute
    python -m bench.rejoin 10000000        so many payments, for an hour at most
"""

import argparse
import asyncio
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

import boto3
from payments.protocol.idempotency import due_shard
from payments.protocol.ports import LEDGER
from payments.protocol.values import SETTLED, Payment, conclude, intent_of, value_of

from bench.measure import Comparison
from bench.server import Connection, listen, served
from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.environment import Environment
from payctl.payments.registers import Registers
from payctl.payments.teaching.lesson import Lesson
from stacksets.progress import Reporter
from stacksets.waiting import STEADY

HOME, LOST, FAR = "us-east-1", "eu-west-1", "ap-southeast-1"
LATENCY = {HOME: 0.005, LOST: 0.07, FAR: 0.2}
"""Seconds until an answer comes to the operator, who is at home."""
LEAST = 2800
"""Payments a second: ten million in an hour."""
PAYMENTS = 100_000
BALLOTS = 0.005
"""Share of payments that are decided and not yet final."""
PAGE = 1400
"""Items of a page of Scan: a megabyte."""
EPOCH = int(time.time()) - 86_400
SAMPLE = intent_of(Payment("p0000000", 9999, "USD", EPOCH * 10**6, "111122223333"))
VALUE = value_of(HOME, SAMPLE.hash, EPOCH, LEDGER)
RESULT = conclude(SAMPLE, VALUE, SETTLED).text


class Tables:
    """Three registers and what is shown of them, made up by number; what is taught is remembered by number."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taught = bytearray(count)

    def cell(self, number: int) -> dict[str, dict[str, str]]:
        payment = f"p{number:07d}"
        text = SAMPLE.text.replace("p0000000", payment)
        digest = hashlib.sha256(text.encode()).hexdigest()
        held = {
            "TransactionId": {"S": payment},
            "hash": {"S": digest},
            "intent": {"S": text},
            "accepted_at": {"N": str(EPOCH)},
            "promised": {"N": "1000001"},
            "accepted_ballot": {"N": "1000001"},
            "accepted": {"S": VALUE.text.replace(SAMPLE.hash, digest)},
        }
        if number % EVERY:
            held["result"] = {"S": RESULT.replace(SAMPLE.hash, digest)}
        else:
            held |= {"due_shard": {"S": due_shard(payment)}, "due_at": {"N": str(EPOCH)}}
        return held

    def text(self, number: int, names: frozenset[str]) -> str:
        """These attributes of a cell as JSON, or those of its record."""
        payment = f"p{number:07d}"
        digest = hashlib.sha256(SAMPLE.text.replace("p0000000", payment).encode()).hexdigest()
        return sample(names, final=bool(number % EVERY)).replace("p0000000", payment).replace(SAMPLE.hash, digest)

    def scan(self, fields: Any, region: str) -> str:
        part, parts = fields["Segment"], fields["TotalSegments"]
        begin = int(fields.get("ExclusiveStartKey", {}).get("TransactionId", {}).get("S", f"p{part - parts:07d}")[1:])
        numbers = list(range(begin + parts, self.count, parts)[:PAGE])
        last = f', "LastEvaluatedKey": {{"TransactionId": {{"S": "p{numbers[-1]:07d}"}}}}' if numbers else ""
        items = ",".join(self.text(number, LISTED) for number in numbers if region != LOST or self.taught[number])
        return f'{{"Items": [{items}]{last}}}'

    def batch_get(self, fields: Any) -> str:
        ((table, wanted),) = fields["RequestItems"].items()
        numbers = map(number_of, wanted["Keys"])
        if "register" in table:
            shown = [self.text(number, WANTED) for number in numbers]
        else:
            shown = [self.text(number, RECORD) for number in numbers if number % EVERY]
        return f'{{"Responses": {{"{table}": [{",".join(shown)}]}}, "UnprocessedKeys": {{}}}}'

    def statements(self, fields: Any) -> Any:
        for one in fields["Statements"]:
            self.taught[number_of({"TransactionId": one["Parameters"][0]})] = 1
        return {"Responses": [{}] * len(fields["Statements"])}

    def update(self, fields: Any, region: str) -> Any:
        """A cell takes every ballot: those of the others are decided, and only the lost one's is new."""
        values = fields["ExpressionAttributeValues"]
        number = number_of(fields["Key"])
        if region == LOST:
            self.taught[number] = 1
        cell = self.cell(number) if region != LOST else {"TransactionId": fields["Key"]["TransactionId"]}
        ballot = {"promised": values[":ballot"]} if ":ballot" in values else {}
        vote = {"accepted_ballot": ballot["promised"], "accepted": values[":value"]} if ":value" in values else {}
        held = {"hash": values[":hash"], "intent": values[":intent"]} if ":hash" in values else {}
        return {"Attributes": {**cell, **held, **ballot, **vote}}

    def listed(self, query: dict[str, list[str]]) -> bytes:
        """Receipts of all that are final."""
        after = int(query["start-after"][0].removeprefix("receipts/p")[:7])
        keys = "".join(
            f"<Contents><Key>receipts/p{number:07d}.json</Key><Size>300</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(after, min(after + 1000, self.count))
        )
        more = str(after + 1000 < self.count).lower()
        return f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{keys}</ListBucketResult>".encode()

    def answer(self, action: str, fields: Any, region: str) -> Any:
        match action:
            case "Scan":
                return self.scan(fields, region)
            case "BatchGetItem":
                return self.batch_get(fields)
            case "BatchExecuteStatement":
                return self.statements(fields)
            case "UpdateItem":
                return self.update(fields, region)
            case "GetItem":
                taught = region != LOST or self.taught[number_of(fields["Key"])]
                return {"Item": self.cell(number_of(fields["Key"]))} if taught else {}
        raise AssertionError(action)


@cache
def sample(names: frozenset[str], *, final: bool) -> str:
    """Of the first payment that is final, or is not, under the id and hash of the sample."""
    cell = Tables(2).cell(1 if final else 0)
    shown = {"Content": cell["result"], **cell} if final else cell
    text = json.dumps({name: value for name, value in shown.items() if name in names})
    return text.replace("p0000001", "p0000000").replace(cell["hash"]["S"], SAMPLE.hash)


LISTED = frozenset({"TransactionId", "result"})
RECORD = frozenset({"TransactionId", "Content"})
WANTED = frozenset({"TransactionId", "hash", "intent", "accepted_at", "result"})
EVERY = round(1 / BALLOTS)


def number_of(key: Any) -> int:
    """Which payment a key names."""
    return int(key["TransactionId"]["S"][1:])


class Operator(Connection):
    """Each request is answered after its Region's latency."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.tables = tables

    def requested(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        if "authorization" not in headers:
            self._send(json.dumps({"taught": sum(self.tables.taught)}).encode(), 0)
            return
        region = headers["authorization"].split("/")[2]
        if method == "GET":
            query = parse_qs(unquote(urlsplit(path).query))
            self._send(self.tables.listed(query), LATENCY[region])
            return
        action = headers["x-amz-target"].partition(".")[2]
        answer = self.tables.answer(action, json.loads(body), region)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self._send(text.encode(), LATENCY[region])

    def _send(self, body: bytes, after: float) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        asyncio.get_running_loop().call_later(after, self.transport.write, head + body)


class Told(Reporter):
    """On standard error, every ten seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def line(self, name: str, state: str, detail: str = "") -> None:
        if time.monotonic() - self.last > 10:
            self.last = time.monotonic()
            print(f"    {name} {state.lower()} {detail}", file=sys.stderr, flush=True)


def teach(address: str) -> None:
    """Teach all; prints its seconds, those of processor time, and the peak of its memory in MiB."""
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name=HOME)  # noqa: S106
    cloud = Cloud(settings_file.load(), session=session, endpoint=address)
    vars(cloud)["account"] = "111122223333"
    environment = Environment(cloud, Told(), STEADY)
    vars(environment)["nearest"] = HOME
    vars(environment)["parameters"] = {}
    registers = Registers(environment)
    context = registers.context(HOME)
    began = time.monotonic()
    done = Lesson(environment, LOST, context, registers.taught_by_ballot(LOST, HOME)).teach()
    assert not done.refused, done.refused  # noqa: S101 - a measurement of nothing else
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([done.taught, time.monotonic() - began, time.process_time(), memory]))


def measured(count: int) -> str:
    """One rejoin in a process of its own; a line with its verdict."""
    with served("bench.rejoin", "--serve", str(count)) as address:
        child = [sys.executable, "-m", "bench.rejoin", "--teach", address]
        ran = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        with urlopen(address) as answer:  # noqa: S310 - loopback
            there = json.load(answer)["taught"]
    taught, seconds, busy, mebibytes = json.loads(ran.stdout)
    rate = taught / seconds
    kept = "kept" if rate >= LEAST and taught == there == count else "NOT kept"
    return (
        f"{taught:,} payments, {BALLOTS:.1%} of them by ballot: {rate:,.0f} a second (at least {LEAST:,}: {kept})\n"
        f"    {seconds:.1f} s, of which {busy:.1f} s of processor time, {mebibytes:.0f} MiB"
    )


def comparisons(*, peers: bool) -> list[Comparison]:  # noqa: ARG001 - every module of the bench is asked so
    """Prints what it measures: it is no comparison of commands."""
    print("Rejoin of one Region's register (5 ms to the operator's own Region, 70 and 200 ms to the others)")
    print(f"  {measured(PAYMENTS)}\n", flush=True)
    return []


def main() -> int:
    """Print what is measured; a limit that is exceeded is printed and no error."""
    parser = argparse.ArgumentParser(prog="python -m bench.rejoin", description=__doc__)
    parser.add_argument("payments", nargs="?", type=int, default=PAYMENTS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--teach", metavar="ADDRESS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        tables = Tables(options.serve)
        asyncio.run(listen(lambda: Operator(tables)))
    elif options.teach:
        teach(options.teach)
    else:
        print(measured(options.payments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
