"""`make soak`: payments for ten minutes at the highest rate that a local cloud of its own carries. What waits for the
janitors may not grow, no answer may contradict another, a payment that is stuck in the middle is settled within two
minutes, and memory grows with what is stored only: not while nothing is asked. Its report, with a picture, is
build/soak.html."""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import localcloud
from builder import settings
from localcloud.client import LocalCloud
from localcloud.cores import OWN
from payctl import pages, signed_http
from payctl.cloud import Cloud
from payctl.drills import charts, report
from payctl.drills.client_log import Answer
from payctl.drills.history import contradictions, in_words
from payctl.environment import Environment
from payctl.payments.due import index
from stacksets.progress import Silent
from stacksets.waiting import STEADY
from tests.drills import memory, support
from tests.drills.support import REGIONS, ROOT, Site

FILE = ROOT / "build" / "soak.html"
LOOK_SECONDS = 10.0
STEADY_AFTER = 150.0
"""Seconds until the last janitor has had its first payments: they are due after 30, 60 and 90 s, and it comes once a
minute."""
MORE = 1.15
"""How much more may wait at the end than when it had become steady, and how much faster memory may grow."""
STUCK_SECONDS = 120.0
IDLE_SECONDS = 180.0
GROWTH_MEGABYTES = 5.0
"""Of the server from the middle of the idle time to its end."""


class Look(NamedTuple):
    """What was seen after so many seconds: cells that wait for a janitor by Region, records in the home Region, and
    megabytes of the server."""

    second: float
    due: Mapping[str, int]
    stored: int
    server: float


class Soak:
    """One run on a site."""

    def __init__(self, site: Site, minutes: float, rate: float) -> None:
        self.site = site
        self.seconds = minutes * 60
        self.rate = rate
        self.looks: list[Look] = []
        self.stuck = 0.0
        """Seconds until the payment that was stuck is settled; 0: it is not."""
        environ = {"ENVIRONMENT_SUFFIX": site.name}
        cloud = Cloud.of(
            settings.load(site.folder / "deployment.toml", environ), local=True, endpoint=site.cloud.endpoint
        )
        self.environment = Environment(cloud, Silent(), STEADY)

    def run(self) -> dict[str, Any]:
        """Load, look and stick; what the load client says."""
        load = self.site.start("pay", "--rate", str(self.rate), "--for", f"{self.seconds}s", "--json")
        began = time.monotonic()
        sticking = threading.Thread(target=self._stick)
        while load.poll() is None and (second := time.monotonic() - began) < self.seconds:
            if second > self.seconds / 2 and not sticking.ident:
                sticking.start()
            self._look(second)
            time.sleep(LOOK_SECONDS)
        out, error = load.communicate()
        if load.returncode:
            raise SystemExit(f"the load failed: {out[-500:]}{error}")
        sticking.join()
        told: dict[str, Any] = json.loads(out)
        return told

    def _look(self, second: float) -> None:
        dynamodb, name = self.environment.cloud.dynamodb(REGIONS[0]), self.environment.names.table
        stored = sum(page["Count"] for page in dynamodb.get_paginator("scan").paginate(TableName=name, Select="COUNT"))
        server = memory.megabytes(self.site.cloud.pid)["server"]
        self.looks.append(Look(second, index.counts(self.environment), stored, server))
        show(self.looks[-1])

    def _stick(self) -> None:
        """A function dies when its payment is held everywhere and nothing is decided."""
        environment, home = self.environment, REGIONS[0]
        transaction = {"id": "STUCK", "amount": "1.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
        url = f"{signed_http.address(environment.cloud, home, environment.api_outputs[home])}/payments"
        keys, more = environment.cloud.credentials(), {"X-Test-Fault": "die-after-OPEN"}
        began = time.monotonic()
        signed_http.send("POST", url, body={"transaction": transaction}, sign_as=keys, region=home, more=more)
        key = {"TransactionId": {"S": "STUCK"}}
        while time.monotonic() < began + 2 * STUCK_SECONDS:
            time.sleep(1)
            if "Item" in environment.cloud.dynamodb(home).get_item(TableName=environment.names.table, Key=key):
                self.stuck = time.monotonic() - began
                return

    def idle(self) -> list[float]:
        """The server's memory while nothing is asked of it; its schedules go on."""
        seen, until = list[float](), time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            seen.append(memory.megabytes(self.site.cloud.pid)["server"])
        return seen

    def wrong(self, told: Mapping[str, Any], idle: Sequence[float]) -> list[str]:
        """What is not as it should be, in words."""
        steady = [look for look in self.looks if look.second > STEADY_AFTER]
        if len(steady) < 6:
            return ["it was too short to become steady"]
        third = len(steady) // 3
        first, last = ([sum(look.due.values()) for look in some] for some in (steady[:third], steady[-third:]))
        slopes = [growth(some) for some in (steady[: len(steady) // 2], steady[len(steady) // 2 :])]
        lies = ["; ".join(map(in_words, proof)) for proof in contradictions(Answer(**a) for a in told["log"]).values()]
        rules = (
            (bool(lies), f"answers contradict each other: {lies[:3]}"),
            (set(told["outcomes"]) != {"SETTLED"}, f"not every payment was settled: {told['outcomes']}"),
            (
                mean(last) > MORE * mean(first),
                f"cells that wait grew: {mean(first):.0f} to {mean(last):.0f}",
            ),
            (not 0 < self.stuck <= STUCK_SECONDS, f"the stuck payment was settled after {self.stuck:.0f} s (0: not)"),
            (slopes[1] > MORE * slopes[0], f"kilobytes a payment grew: {slopes[0]:.1f} to {slopes[1]:.1f}"),
            (idle[-1] - idle[len(idle) // 2] > GROWTH_MEGABYTES, f"memory grew while idle: {idle}"),
        )
        return [text for broken, text in rules if broken]


def growth(looks: Sequence[Look]) -> float:
    """Kilobytes of the server for each payment that came to be stored meanwhile."""
    if len(looks) < 2:
        return 0.0
    return 1024 * (looks[-1].server - looks[0].server) / max(1, looks[-1].stored - looks[0].stored)


def picture(looks: Sequence[Look]) -> dict[str, Any]:
    """Cells that wait, by Region, and the server's memory by what is stored."""
    due = [
        {"second": look.second, "region": region, "cells": count}
        for look in looks
        for region, count in look.due.items()
    ]
    memories = [{"payments": look.stored, "megabytes": look.server} for look in looks]
    return {
        "spacing": 24,
        "vconcat": [
            charts.lines(due, "second", "cells", "region", dict(zip(REGIONS, charts.REGIONS, strict=True))),
            charts.lines(memories, "payments", "megabytes"),
        ],
    }


def show(look: Look) -> None:
    """One line."""
    cells = ", ".join(f"{region} {count}" for region, count in look.due.items())
    print(f"{look.second:4.0f} s: {look.stored} stored, {look.server:.0f} MB; waiting: {cells}", flush=True)


def spoken(numbers: Mapping[str, float]) -> str:
    """Named numbers for people."""
    return ", ".join(f"{name} {number:,.0f}" for name, number in numbers.items())


def write(soak: Soak, told: Mapping[str, Any], idle: Sequence[float], wrong: Sequence[str]) -> None:
    """The report."""
    parts = [
        f'<header class="{"failed" if wrong else "passed"}"><h1>Soak</h1>'
        f"<p>{soak.rate:g} payments a second for {soak.seconds / 60:g} minutes</p></header>",
        pages.listed("failures", wrong),
        f"<figure>{charts.draw('soak', picture(soak.looks))}</figure>",
        pages.table(
            ("", ""),
            [
                ("payments", told["payments"]),
                ("answers", spoken(told["answers"])),
                ("milliseconds", spoken(told["latency_ms"])),
                ("seconds until the stuck payment was settled", f"{soak.stuck:.0f}"),
                ("megabytes of the server at the end, and idle", f"{soak.looks[-1].server:.0f}, {idle[-1]:.0f}"),
            ],
        ),
    ]
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(pages.page("Soak", report.STYLE.read_text(), parts))


def deploy(cloud: LocalCloud, folder: Path) -> Site:
    """An environment for it: ledger, with faults for tests."""
    support.bootstrap(cloud)
    ledger = {"url": '""', "secret_name": '""'}
    site = support.deploy(cloud, "soak", folder, "--test-faults", reserved_concurrency="12", api_rate="1000", **ledger)
    support.warm_up(site)
    return site


def main() -> int:
    """Exit code 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.soak", description=__doc__)
    parser.add_argument("--minutes", default=10.0, type=float)
    parser.add_argument("--rate", default=25.0, type=float, help="payments a second (25)")
    options = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with localcloud.running(environment={OWN: "1"}) as cloud, tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(deploy(cloud, Path(folder)), options.minutes, options.rate)
        told = soak.run()
        idle = soak.idle()
    wrong = soak.wrong(told, idle)
    write(soak, told, idle, wrong)
    print(f"{told['payments']} payments; answers: {spoken(told['answers'])}; ms: {spoken(told['latency_ms'])}")
    print(f"stuck for {soak.stuck:.0f} s; idle {idle[0]:.0f} to {idle[-1]:.0f} MB; report: {FILE}")
    print("\n".join(f"FAILED: {text}" for text in wrong) or "PASSED")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
