"""`make demo`: the whole system on this machine, from the builder to one payment read back in three Regions.

Each step is the command a user would type, run against a local cloud on a free port, which is gone afterwards.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

import localcloud

REPLICATION_SECONDS = 30.0
console = Console(highlight=False)


class DemoError(RuntimeError):
    """A step did not do what it should; the message says which."""


def run(program: str, *arguments: str) -> str:
    """What a program of this virtual environment prints; its progress stays on the terminal. Raises DemoError."""
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *arguments], stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise DemoError(f"`{program} {' '.join(arguments)}` ended with {done.returncode}: {done.stdout.strip()[-500:]}")
    return done.stdout


@contextmanager
def step(took: dict[str, float], name: str) -> Iterator[None]:
    """Announce a step and record its duration, in seconds."""
    console.print(f"[bold]{name}[/bold]")
    started = time.monotonic()
    yield
    took[name] = time.monotonic() - started


def demo() -> None:
    """Run all steps; raises DemoError at the first that does not do what it should."""
    took: dict[str, float] = {}
    with ExitStack() as stack:
        with step(took, "emit the templates and lint them"):
            run("python", "-m", "builder")
            run("python", "-m", "builder.lint", "--public")
        with step(took, "start the local cloud"):
            cloud = stack.enter_context(localcloud.running())
        console.print(f"  three Regions at {cloud.endpoint}, IAM enforced")
        payctl = ("--local", "--endpoint", cloud.endpoint, "--json")
        with step(took, "bootstrap the account"):
            run("payctl", "bootstrap", "--yes", *payctl)
        with step(took, "deploy and link three Regions"):
            run("payctl", "deploy", "--yes", *payctl)
            outputs = json.loads(run("payctl", "outputs", *payctl))
        with step(took, "pay in one Region, read it back in all, receipts in three buckets"):
            now = datetime.now(UTC)
            payment = ("--amount", "99.99", "--id", f"DEMO-{now:%H%M%S}", "--timestamp", now.isoformat())
            replies = json.loads(run("payctl", "pay", *payment, *payctl))
            replies += json.loads(run("payctl", "pay", *payment, "--everywhere", *payctl))
            records = everywhere(record, cloud.endpoint, outputs, payment[3])
            receipts = everywhere(receipt, cloud.endpoint, outputs, payment[3])
    report(took, payment[3], replies, records, receipts)


def record(region: str, endpoint: str, outputs: dict[str, Any], payment: str) -> Any:
    """The public record as a Region's replica shows it, or None."""
    key = {"TransactionId": {"S": payment}}
    return client("dynamodb", endpoint, region).get_item(TableName=outputs["dynamodb_table_name"], Key=key).get("Item")


def receipt(region: str, endpoint: str, outputs: dict[str, Any], payment: str) -> Any:
    """The receipt in a Region's bucket, or None."""
    store, bucket = client("s3", endpoint, region), outputs["s3_bucket_names"][region]
    try:
        return store.get_object(Bucket=bucket, Key=f"receipts/{payment}.json")["Body"].read()
    except store.exceptions.NoSuchKey:
        return None


def client(service: str, endpoint: str, region: str) -> Any:
    """A client of the local cloud, with its root keys."""
    return boto3.client(service, endpoint_url=endpoint, region_name=region, **localcloud.ROOT)  # type: ignore[call-overload]


def everywhere(look: Callable[..., Any], endpoint: str, outputs: dict[str, Any], payment: str) -> dict[str, Any]:
    """What `look` finds in each Region, as soon as it finds something. Raises DemoError after a while."""
    until = time.monotonic() + REPLICATION_SECONDS
    seen = {}
    for region in outputs["s3_bucket_names"]:
        while not (item := look(region, endpoint, outputs, payment)):
            if time.monotonic() > until:
                raise DemoError(
                    f"the {look.__name__} of {payment} did not appear in {region} within {REPLICATION_SECONDS:.0f} s"
                )
            time.sleep(0.2)
        seen[region] = item
    return seen


def report(
    took: dict[str, float],
    payment: str,
    replies: list[dict[str, Any]],
    records: dict[str, Any],
    receipts: dict[str, bytes],
) -> None:
    """Print a short summary. Raises DemoError when the Regions do not agree."""
    if len({json.dumps(item, sort_keys=True) for item in records.values()}) != 1 or len(set(receipts.values())) != 1:
        raise DemoError(f"the Regions do not show the same payment: {records} {receipts}")
    if [reply["status"] for reply in replies] != [201, 200, 200, 200]:
        raise DemoError(f"expected one 201 and then replays, got {[reply['status'] for reply in replies]}")
    table = Table("Region", "record", "amount", "receipt", title=f"Payment {payment}")
    for region, item in records.items():
        amount = f"{item['Amount']['N']} {item['Currency']['S']}"
        table.add_row(region, item["Status"]["S"], amount, f"{len(receipts[region])} bytes, same everywhere")
    console.print(table)
    console.print("Posted once, then again in every Region: charged once (201, then 200 and Idempotent-Replayed).")
    for name, seconds in took.items():
        console.print(f"{seconds:6.1f} s  {name}")


def main() -> None:
    """Exit code 1 and one line after a failure."""
    os.environ.setdefault("ENVIRONMENT_SUFFIX", "dev")
    try:
        demo()
    except (DemoError, localcloud.client.LocalCloudError) as error:
        console.print(f"[red]demo failed:[/red] {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
