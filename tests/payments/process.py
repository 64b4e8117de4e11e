"""A function's process in memory: no call of AWS is made."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from payments import janitor, rounds, runtime
from payments.aws import AwsError
from payments.settings import Settings

from tests.payments.memory import HOME, REGIONS, World

SETTINGS = Settings(
    environment="test",
    region=HOME,
    regions=REGIONS,
    account="123456789012",
    rail="ledger",
    secret="name-of-secret",
    deduplicates=False,
    key_lifetime=86400,
    bucket="bucket",
    bus="bus",
    state_machine="arn:machine",
    endpoint="",
    test_faults=False,
)


class Driver:
    """Of a function: its flows run in memory; `table` is the id of its register, or why it cannot be told."""

    def __init__(self) -> None:
        self.world, self.only_heard, self.forgotten, self.seconds = World(), False, 0, list[float]()
        self.aws = None
        self.table: str | AwsError = "id-1"
        self.members = SimpleNamespace(forget=self.forget, clock=SimpleNamespace(began=lambda _: None))

    def forget(self) -> None:
        self.forgotten += 1

    def table_id(self) -> str:
        if isinstance(self.table, AwsError):
            raise self.table
        return self.table

    def run(self, flow: Any, seconds: float) -> Any:
        self.seconds.append(seconds)
        return flow() if callable(flow) else self.world.run(runtime.context(), flow)


class Clock:
    """The monotonic one of janitor and rounds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, time=time.time)
        for module in (janitor, rounds):
            monkeypatch.setattr(module, "time", clock)
