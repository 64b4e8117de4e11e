"""What an operator's commands take when 100,000 payments are stored: seconds and peak memory of each, on a local cloud
of its own. The payments are put where the functions would have put them, by the functions' own code.

    python -m tests.drills.stored [PAYMENTS]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from payments.protocol.ports import LEDGER

import localcloud
from payctl.cloud import batches
from tests.drills import memory, support
from tests.drills.support import REGIONS, Site, client
from tests.settled import Settled, settled

HOME, LOST, FAR = REGIONS
PAYMENTS: Final = 100_000
AT_ONCE: Final = 25  # items that DynamoDB takes in a batch
EPOCH: Final = 1_790_000_000
ACCOUNT: Final = "000000000000"
NO_WAITS: Final = (
    "import sys; from payctl.commands import main; from payctl.payments import rejoin; "
    "rejoin.wait_until_barred = rejoin.wait_until_ended = lambda *_, **__: None; sys.exit(main.main())"
)
"""Nobody pays meanwhile, so nobody has to learn of the bar."""


def stored(number: int) -> Settled:
    """A payment that was settled by ledger."""
    return settled(
        f"TXN-{number:07d}-x", region=HOME, account=ACCOUNT, rail=LEDGER, at=EPOCH + number, amount=1250 + number
    )


def fill(site: Site, payments: int) -> None:
    """Put all of it: records and receipts at home, from where they are replicated."""
    clients = {each: client("dynamodb", each, site.cloud) for each in REGIONS}
    s3 = client("s3", HOME, site.cloud)
    bucket = f"payment-receipts-{HOME}-{site.name}-{ACCOUNT}"

    def put(numbers: tuple[int, ...]) -> None:
        some = [stored(number) for number in numbers]
        write(clients[HOME], f"payments-{site.name}", [one.record for one in some])
        for region in REGIONS:
            write(clients[region], f"payment-register-{region}-{site.name}", [one.cell for one in some])
        for receipt in (one.receipt for one in some):
            s3.put_object(Bucket=bucket, Key=receipt.key, Body=receipt.body)

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(put, batches(range(payments), AT_ONCE)):
            pass


def write(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> None:
    """Put a batch of items."""
    dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})


def empty(site: Site, region: str) -> None:
    """Make a Region's register anew, without what it knew of itself either."""
    dynamodb, table = client("dynamodb", region, site.cloud), f"payment-register-{region}-{site.name}"
    keys: list[dict[str, Any]] = []
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="TransactionId"):
        keys += page["Items"]
    for some in batches(keys, AT_ONCE):
        dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key}} for key in some]})


def until(what: str, true: Callable[[], bool]) -> None:
    """Wait for that, for twenty minutes at most."""
    began = time.monotonic()
    while not true():
        if time.monotonic() > began + 1200:
            raise SystemExit(f"not within 20 minutes: {what}")
        time.sleep(2)


def replicated(site: Site, payments: int) -> bool:
    """Whether the farthest Region has all records and the last receipts."""
    table = client("dynamodb", FAR, site.cloud).get_paginator("scan")
    count = sum(page["Count"] for page in table.paginate(TableName=f"payments-{site.name}", Select="COUNT"))
    keys = (stored(number).receipt.key for number in range(payments - AT_ONCE, payments))
    listed = client("s3", FAR, site.cloud)
    bucket = f"payment-receipts-{FAR}-{site.name}-{ACCOUNT}"
    found = (listed.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] for key in keys)
    return count == payments and all(found)


def measured(site: Site, *words: str) -> tuple[int, str, float, float]:
    """Exit code, standard output, seconds and peak MiB of a command."""
    command = [sys.executable, "-c", NO_WAITS, *words, "--local", "--endpoint", site.cloud.endpoint]
    environ = os.environ | {"ENVIRONMENT_SUFFIX": site.name}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, env=environ, cwd=site.folder, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return process.returncode, out.read(), time.monotonic() - began, usage.ru_maxrss / 1024


def rows(site: Site, payments: int) -> Iterator[str]:
    """Each command, and whether it told what it should."""

    def row(words: str, says: Callable[[Any], bool], code: int = 0) -> str:
        ended, out, seconds, mebibytes = measured(site, *words.split(), "--json")
        right = ended == code and says(json.loads(out or "null"))
        wrong = "" if right else f" WRONG: {ended} {out[:300]}"
        return f"| `payctl {words}` | {seconds:.0f} s | {mebibytes:.0f} MiB |{wrong}"

    yield row("status", lambda told: bool(told["regions"]))
    yield row("parked", lambda told: told == [])
    for engine in ("", " --export", " --engine athena"):
        yield row(f"reconcile --min-age 0{engine}", lambda told: told["payments"] == payments and not told["findings"])
    empty(site, LOST)
    yield row("reconcile --min-age 0 --limit 10", lambda told: told["payments"] == payments)
    yield row(f"rejoin {LOST} --yes", lambda told: told["taught"] == payments)
    yield row("reconcile --min-age 0", lambda told: told["payments"] == payments and not told["findings"])
    yield row("payments export --output all.parquet", lambda told: told["payments"] == payments)
    server = memory.megabytes(site.cloud.pid)["server"]
    yield f"| (the server of the local cloud) | | {server:.0f} MB |"
    yield row("destroy --yes --delete-data", lambda told: told is not None)


def main() -> int:
    """Prints a table; exit code 1 when a command did not tell what it should."""
    payments = int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS
    wrong = 0
    with localcloud.running() as cloud, tempfile.TemporaryDirectory(prefix="stored-") as folder:
        support.bootstrap(cloud)
        site = support.deploy(cloud, "stored", Path(folder), url='""', secret_name='""')
        began = time.monotonic()
        fill(site, payments)
        until("all is replicated", lambda: replicated(site, payments))
        print(f"{payments:,} payments stored in {time.monotonic() - began:.0f} s\n\n| command | time | peak memory |")
        print("| --- | ---: | ---: |")
        for line in rows(site, payments):
            print(line, flush=True)
            wrong += "WRONG" in line
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
