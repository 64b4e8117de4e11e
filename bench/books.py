"""`payctl reconcile` over generated payments: seconds, and the peak of its memory, which is to stay below 1 GB.

    python -m bench.books [PAYMENTS]    a million of them unless another number is given
    make bench BOOKS="1000000 10000000"    one after the other; ten million take an hour

Three Regions answer from another process, after the latencies that AWS has between Regions; one payment of 100,000 is
wrong, and everything else is as it should be.
"""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from bench.measure import Comparison
from bench.server import served

LATENCY: Final = {"us-east-1": 0.005, "eu-west-1": 0.09, "ap-southeast-1": 0.2}
"""Seconds, seen from the first of them."""
WRONG: Final = 100_000
"""One payment of so many lacks its record and its receipt in the last Region."""
RECORDS, CELLS, KEYS = 2_200, 800, 1_000
"""What a page holds: 1 MB of items before they are cut down to what was asked for; what S3 lists."""
MEBIBYTES: Final = 1024
PAYMENTS: Final = 1_000_000
ACCOUNT: Final = "arn:aws:iam::111122223333:role/caller"
ROOT: Final = Path(__file__).parents[1]


def comparisons(*, peers: bool) -> list[Comparison]:  # noqa: ARG001 - every module of the bench is asked so
    """Prints what it measures: it is no comparison of commands."""
    for payments in os.environ.get("BOOKS", str(PAYMENTS)).split():
        print(measured(int(payments)), flush=True)
    print()
    return []


def measured(payments: int) -> str:
    """One run, in a process of its own; a line with its verdict."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "lambda"), str(ROOT)])}
    with TemporaryDirectory() as folder, served("bench.books", "--serve", str(payments), environ=paths) as address:
        child = [sys.executable, "-m", "bench.books", "--run", address]
        ran = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True, env=paths, cwd=folder)  # noqa: S603
    seconds, busy, mebibytes, disk, counted, counts = json.loads(ran.stdout)
    right = counted == payments and counts == {"missing receipt": wrong(payments), "missing record": wrong(payments)}
    kept = "kept" if mebibytes < MEBIBYTES and right else "NOT kept"
    return (
        f"reconcile of {payments:,} payments: {seconds:.0f} s, of which {busy:.0f} s of processor time; "
        f"{mebibytes:.0f} MiB at most (under {MEBIBYTES}: {kept}), {disk:.0f} MiB in the file; found {counts}"
    )


def wrong(payments: int) -> int:
    """How many of them are."""
    return len(range(0, payments, WRONG))


def run(address: str) -> None:
    """One comparison; prints its seconds, those of processor time, the peak of its memory and its file in MiB, and what
    was found."""
    from builder import settings  # noqa: PLC0415 - the server needs none of these
    from payctl.cloud import Cloud  # noqa: PLC0415
    from payctl.environment import Environment  # noqa: PLC0415
    from payctl.payments import reconcile  # noqa: PLC0415
    from stacksets.progress import Silent  # noqa: PLC0415
    from stacksets.waiting import Pace  # noqa: PLC0415

    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    cloud = Cloud.of(settings.load(ROOT / "deployment.toml", {}), endpoint=address)
    reconcile._dead_letters = lambda *_: None  # they are not what grows
    began = time.monotonic()
    found = reconcile.reconcile(Environment(cloud, Silent(), Pace()), keep=True)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    disk = Path(found.books).stat().st_size / 2**20
    print(json.dumps([seconds, time.process_time(), peak, disk, found.payments, found.counts]))


class Regions(BaseHTTPRequestHandler):
    """What three Regions hold of generated payments; as much of AWS as reconcile asks."""

    protocol_version = "HTTP/1.1"
    payments = 0

    def do_POST(self) -> None:
        """STS, a Scan, or a BatchGetItem of records."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "X-Amz-Target" not in self.headers:
            self._answer(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/x</Arn>"
                "<Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
            return
        asked = json.loads(body)
        if "RequestItems" in asked:
            ((table, wanted),) = asked["RequestItems"].items()
            numbers = [int(key["TransactionId"]["S"].removeprefix("TXN-")) for key in wanted["Keys"]]
            found = ",".join(record(n) for n in numbers if not self._lacks(n))
            self._answer(f'{{"Responses":{{"{table}":[{found}]}}}}')
            return
        register = "register" in asked["TableName"]
        step, size = asked["TotalSegments"], CELLS if register else RECORDS
        start = int(asked["ExclusiveStartKey"]["N"]["N"]) if "ExclusiveStartKey" in asked else asked["Segment"]
        numbers = range(start, self.payments, step)[:size]
        make = cell if register else record
        items = ",".join(make(n) for n in numbers if register or not self._lacks(n))
        page = f'"Count":{len(numbers)},"ScannedCount":{len(numbers)},"Items":[{items}]'
        after = start + size * step
        more = f',"LastEvaluatedKey":{{"N":{{"N":"{after}"}}}}' if after < self.payments else ""
        self._answer(f"{{{page}{more}}}")

    def do_GET(self) -> None:
        """The versions in a bucket, or a receipt."""
        path = urlsplit(self.path)
        if path.path.endswith(".json"):
            self._answer(receipt(int(path.path.rpartition("TXN-")[2].removesuffix(".json"))))
            return
        query = parse_qs(path.query)
        marker = query.get("key-marker", [""])[0]
        digits = re.search(r"\d+", marker)
        start = int(digits[0]) + marker.endswith(".json") if digits else 0
        numbers = range(start, self.payments)[:KEYS]
        rows = "".join(version(n) for n in numbers if not self._lacks(n))
        more = start + KEYS < self.payments
        last = f"<NextKeyMarker>receipts/{name(numbers[-1])}.json</NextKeyMarker>" if more else ""
        self._answer(
            f"<ListVersionsResult><IsTruncated>{str(more).lower()}</IsTruncated>{last}"
            f"<NextVersionIdMarker>v</NextVersionIdMarker>{rows}</ListVersionsResult>"
        )

    def _lacks(self, number: int) -> bool:
        return number % WRONG == 0 and self._region == "ap-southeast-1"

    @property
    def _region(self) -> str:
        return self.headers["Authorization"].split("/")[2]

    def _answer(self, text: str) -> None:
        body = text.encode()
        time.sleep(LATENCY[self._region])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def name(number: int) -> str:
    """The id of a payment."""
    return f"TXN-{number:010}"


def payload(number: int) -> str:
    """What was wanted, as a string within JSON."""
    return (
        f'{{\\"account\\":\\"{ACCOUNT}\\",\\"amount\\":{cents(number)},\\"currency\\":\\"EUR\\",'
        f'\\"id\\":\\"{name(number)}\\",\\"timestamp\\":{decided_at(number)}000000}}'
    )


def cents(number: int) -> int:
    """The amount."""
    return (number % 9973 + 1) * 100 + 50


def decided_at(number: int) -> int:
    """Long ago, or it would be too young to be judged."""
    return 1_790_000_000 - number


def digest(number: int) -> str:
    """The hash of the payload."""
    return hashlib.sha256(payload(number).replace("\\", "").encode()).hexdigest()


def result(number: int) -> str:
    """How it ended, as a string within JSON."""
    return (
        f'{{\\"account\\":\\"{ACCOUNT}\\",\\"at\\":{decided_at(number)},'
        f'\\"hash\\":\\"{digest(number)}\\",\\"rail\\":\\"https://processor.example\\",'
        f'\\"reference\\":\\"ch_{number}\\",\\"region\\":\\"us-east-1\\",\\"status\\":\\"SETTLED\\"}}'
    )


def record(number: int) -> str:
    """Its record, as DynamoDB writes it."""
    return (
        f'{{"TransactionId":{{"S":"{name(number)}"}},"Status":{{"S":"SETTLED"}},"Content":{{"S":"{result(number)}"}},'
        f'"Amount":{{"N":"{cents(number) // 100}.5"}},"Currency":{{"S":"EUR"}},"Region":{{"S":"us-east-1"}},'
        f'"Timestamp":{{"N":"{decided_at(number)}"}}}}'
    )


def receipt(number: int) -> str:
    """Its receipt, by the functions' own code."""
    from payments.attributes import plain  # noqa: PLC0415 - few are asked for
    from payments.protocol import record as records  # noqa: PLC0415

    return records.receipt(*records.read_record(plain(json.loads(record(number))))).body


def cell(number: int) -> str:
    """What a register says of it."""
    return (
        f'{{"TransactionId":{{"S":"{name(number)}"}},"result":{{"S":"{result(number)}"}},'
        f'"hash":{{"S":"{digest(number)}"}},"intent":{{"S":"{payload(number)}"}}}}'
    )


def version(number: int) -> str:
    """A receipt in a listing."""
    return (
        f"<Version><Key>receipts/{name(number)}.json</Key><VersionId>v{number:032}</VersionId><IsLatest>true</IsLatest>"
        f'<LastModified>2026-11-28T10:30:00.000Z</LastModified><ETag>"{number:032x}"</ETag><Size>412</Size>'
        "<StorageClass>STANDARD</StorageClass></Version>"
    )


def serve(payments: int) -> None:
    """Serve until killed; prints the port first."""
    Regions.payments = payments
    with ThreadingHTTPServer(("127.0.0.1", 0), Regions) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def main(words: list[str]) -> Iterator[str]:
    """Do what the words say."""
    if words[:1] == ["--serve"]:
        serve(int(words[1]))
    elif words[:1] == ["--run"]:
        run(words[1])
    else:
        yield measured(int(words[0]) if words else PAYMENTS)


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)
