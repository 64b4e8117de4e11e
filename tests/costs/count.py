"""`make profile`: makes payments of each kind on a local cloud of its own, and writes what they used to a file.

The network takes as long between the Regions as AWS's (LATENCY), so that functions wait as long as they do there. The
schedules of the janitors are off and the janitors called instead, once with nothing to do and once when everything that
the payments left due is due: the cells' time is moved for that, not waited for.

A payment's function is measured as it is, one payment at a time. A janitor has many calls under way, more than this
machine can serve as fast as AWS does: the time for its payments is that of its calls (IN_REGION, LATENCY) divided by
how many it makes at once, or its processor time, whichever is more.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from payments.rounds import AT_ONCE

import localcloud
from localcloud.client import ACCOUNT, LocalCloud
from payctl.costs.profile import FILE
from tests.e2e.support import REGIONS, Environment, deploy, eventually, with_processor

LATENCY: Final = {(REGIONS[0], REGIONS[1]): 0.07, (REGIONS[1], REGIONS[2]): 0.09, (REGIONS[0], REGIONS[2]): 0.2}
"""Round trips between the Regions, in seconds; within a Region, the local cloud's own few milliseconds."""
IN_REGION: Final = 0.005
"""A call within a Region, in seconds."""
PROCESSOR_SECONDS: Final = 0.4
"""What the external processor takes to answer."""
EACH: Final = 8
"""Payments of a kind made in each Region; of those that fail over, FAILED_OVER."""
FAILED_OVER: Final = 2
HOPS_SECONDS: Final = 120.0
KINDS: Final = ("ledger", "failover", "processor", "declined")
FUNCTIONS: Final = ("processor", "janitor", "health")
Row = dict[str, Any]


@dataclass
class Site:
    """An environment whose janitors run when they are called."""

    environment: Environment
    made: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {region: [] for region in REGIONS})
    """How long each POST took, by Region."""

    @property
    def cloud(self) -> LocalCloud:
        return self.environment.cloud

    @property
    def memory(self) -> dict[str, int]:
        """Megabytes of each function."""
        functions, suffix = self.environment.client("lambda", REGIONS[0]), f"{REGIONS[0]}-{self.environment.name}"
        return {
            name: functions.get_function_configuration(FunctionName=f"payment-{name}-{suffix}")["MemorySize"]
            for name in FUNCTIONS
        }

    def calm(self) -> None:
        """Turn the schedules off and make every process warm."""
        for region in REGIONS:
            rule = f"payment-janitor-{region}-{self.environment.name}"
            self.environment.client("events", region).disable_rule(Name=rule)
        self.pay(2)
        self.make_due()
        self.call_janitors()
        self.health()
        self.settle()

    def pay(self, each: int) -> None:
        """One payment after the other, in each Region in turn."""
        for _ in range(each):
            for region in REGIONS:
                began = time.monotonic()
                reply = self.environment.pay(self._id(), region=region)
                self.seconds[region].append(time.monotonic() - began)
                assert reply.status in (200, 201), reply

    def fail_over(self, each: int) -> None:
        """Workflows of payments that their Region's function cannot settle: the next Region's does."""
        for region in REGIONS:
            with _broken(self.environment, region):
                states = self.environment.client("stepfunctions", region)
                machine = f"arn:aws:states:{region}:{ACCOUNT}:stateMachine:payment-workflow-{region}-"
                arns = []
                for _ in range(each):
                    payment = self._id()
                    given = {"id": payment, "amount": "12.50", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
                    started = states.start_execution(
                        stateMachineArn=machine + self.environment.name, input=json.dumps({"transaction": given})
                    )
                    arns.append(started["executionArn"])
                for arn in arns:
                    eventually(partial(_ended, states, arn), seconds=HOPS_SECONDS)
                self.settle()

    def health(self) -> None:
        """Ask each Region's health endpoint once."""
        for region in REGIONS:
            assert self.environment.call("GET", "/health", region=region, sign_as=None).status == 200

    def call_janitors(self) -> None:
        """One after the other, so that none waits for another's."""
        for region in REGIONS:
            self.environment.invoke("janitor", region=region)

    def make_due(self) -> int:
        """Move the time of every cell that waits to now; how many there are."""
        moved = 0
        for region in REGIONS:
            tables, name = self.environment.client("dynamodb", region), f"payment-register-{region}-"
            for page in tables.get_paginator("scan").paginate(TableName=name + self.environment.name):
                for cell in page["Items"]:
                    if "due_at" not in cell:
                        continue
                    moved += 1
                    tables.update_item(
                        TableName=name + self.environment.name,
                        Key={"TransactionId": cell["TransactionId"]},
                        UpdateExpression="SET due_at = :now",
                        ExpressionAttributeValues={":now": {"N": str(int(time.time()) - 1)}},
                    )
        return moved

    def settle(self) -> None:
        """Until nothing is under way, late answers of a third Region included."""
        time.sleep(1.0)
        eventually(lambda: self.cloud.admin("GET", "/quiet")["quiet"], seconds=60)

    def count(self, act: Callable[[], object]) -> list[Row]:
        """What was used while `act` ran and until it was quiet, by others than the client."""
        self.cloud.admin("DELETE", "/usage")
        act()
        self.settle()
        return [row for row in self.cloud.admin("GET", "/usage")["counts"] if row["cause"] != "client"]

    def stored(self) -> dict[tuple[str, str, str], int]:
        """Bytes by Region, item and what holds them, of this environment."""
        rows = self.cloud.admin("GET", "/usage")["stored"]
        found = {}
        for row in rows:
            what = row["what"].replace(f"-{row['region']}", "").replace(f"-{ACCOUNT}", "")
            name, slash, index = what.partition("/")
            if name.endswith(f"-{self.environment.name}"):
                found[row["region"], row["item"], name.removesuffix(f"-{self.environment.name}") + slash + index] = row[
                    "bytes"
                ]
        return found

    def _id(self) -> str:
        self.made += 1
        return f"{self.environment.name.upper()}-{self.made:05d}x"


def profile(site: Site, act: Callable[[], object], number: int) -> dict[str, Any]:
    """What `number` payments use, from their request to the last step of the janitors, and what they leave stored."""
    before = site.stored()
    lines = site.count(act)
    idle = site.count(site.call_janitors)
    waiting = site.make_due()
    swept = site.count(site.call_janitors)
    assert site.make_due() == 0, "cells are still due after a run of every janitor"
    after = site.stored()
    return {
        "number": number,
        "swept": waiting,
        "lines": _rows(_sum([lines, _as_on_aws(_sum([swept], minus=idle), site.memory["janitor"])])),
        "stored": [
            {"region": region, "item": item, "what": what, "bytes": size - before.get((region, item, what), 0)}
            for (region, item, what), size in sorted(after.items())
            if size != before.get((region, item, what), 0)
        ],
    }


def count(each: int = EACH, kinds: Sequence[str] = KINDS) -> dict[str, Any]:
    """The whole profile, on a local cloud of its own."""
    with localcloud.running() as cloud, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Environment(cloud, "ledger", Path("deployment.toml").resolve()).payctl("bootstrap", "--yes")
        site = Site(deploy(cloud, "ledger", folder))
        for (one, other), seconds in LATENCY.items():
            cloud.admin("POST", "/faults", {"kind": "latency", "regions": [one, other], "seconds": seconds})
        site.calm()
        usage = cloud.admin("GET", "/usage")
        found: dict[str, Any] = {
            "counted": f"{datetime.now(UTC):%Y-%m-%d}",
            "regions": REGIONS,
            "latency": [{"regions": pair, "seconds": seconds} for pair, seconds in LATENCY.items()],
            "processor_seconds": PROCESSOR_SECONDS,
            "memory": site.memory,
            "standing": usage["standing"],
            "idle": {
                "janitor run": site.count(site.call_janitors),
                "health check": site.count(site.health),
            },
            "payments": {},
        }
        payments = found["payments"]
        if "ledger" in kinds:
            site.seconds = {region: [] for region in REGIONS}
            payments["ledger"] = profile(site, lambda: site.pay(each), each * len(REGIONS))
            found["post_seconds"] = {r: round(statistics.median(taken), 3) for r, taken in site.seconds.items()}
        if "failover" in kinds:
            payments["failover"] = profile(site, lambda: site.fail_over(FAILED_OVER), FAILED_OVER * len(REGIONS))
        if {"processor", "declined"} & set(kinds):
            site = Site(with_processor(cloud, "psp", folder, deduplicates="true"))
            cloud.admin("PUT", "/processor/admin", {"delay": PROCESSOR_SECONDS})
            site.calm()
            for kind, share in (("processor", 0), ("declined", 1)):
                if kind in kinds:
                    cloud.admin("PUT", "/processor/admin", {"decline_share": share})
                    payments[kind] = profile(site, lambda: site.pay(each), each * len(REGIONS))
        return found


def _ended(states: Any, arn: str) -> bool:
    return bool(states.describe_execution(executionArn=arn)["status"] != "RUNNING")


@contextmanager
def _broken(environment: Environment, region: str) -> Iterator[None]:
    """The processor function of a Region cannot start."""
    functions, name = environment.client("lambda", region), f"payment-processor-{region}-{environment.name}"
    functions.update_function_configuration(FunctionName=name, Handler="payments.missing.handler")
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Handler="payments.function.handler")


def _as_on_aws(total: dict[tuple[str, ...], float], memory: int) -> list[Row]:
    """The rows of janitors with the time that their payments take on AWS."""
    for region in REGIONS:
        calls = sum(
            amount * LATENCY.get((region, other), LATENCY.get((other, region), IN_REGION))
            for other in REGIONS
            for amount in [total.get((region, "janitor", f"call to {other}", "measured.call"), 0.0)]
        )
        cpu = total.get((region, "janitor", "invocation", "measured.cpu-second"), 0.0)
        seconds = max(calls / AT_ONCE, cpu)
        total[region, "janitor", "invocation", "measured.second"] = seconds
        total[region, "janitor", "invocation", "lambda.gb-second"] = seconds * memory / 1024
    # A run looks at the other registers every now and then: less often this time is nothing that payments save.
    return _rows({key: amount for key, amount in total.items() if amount > 0})


def _sum(runs: Sequence[Sequence[Row]], minus: Sequence[Row] = ()) -> dict[tuple[str, ...], float]:
    total: dict[tuple[str, ...], float] = {}
    for sign, rows in [*((1, rows) for rows in runs), (-1, minus)]:
        for row in rows:
            key = (row["region"], row["cause"], row["operation"], row["item"])
            total[key] = total.get(key, 0.0) + sign * row["amount"]
    return total


def _rows(total: dict[tuple[str, ...], float]) -> list[Row]:
    names = ("region", "cause", "operation", "item")
    rows = [dict(zip(names, key, strict=True)) | {"amount": round(total[key], 4)} for key in sorted(total)]
    return [row for row in rows if row["amount"]]


def text(found: Any, indent: str = "") -> str:
    """JSON with a line for each row, so that a change of the file is readable."""
    deeper = indent + " "
    if isinstance(found, dict) and any(isinstance(value, dict | list) for value in found.values()):
        members = [f"{deeper}{json.dumps(name)}: {text(value, deeper)}" for name, value in found.items()]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(found, list) and any(isinstance(value, dict) for value in found):
        return "[\n" + ",\n".join(deeper + text(value, deeper) for value in found) + f"\n{indent}]"
    return json.dumps(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FILE)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    arguments = parser.parse_args()
    arguments.output.write_text(text(count(kinds=arguments.kinds)) + "\n", encoding="utf-8")
    print(f"{arguments.output}: written")


if __name__ == "__main__":
    main()
