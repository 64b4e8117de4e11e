"""What a function's process gives its flows: the settings, the clock, and chance."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from payments import runtime
from payments.protocol.values import Payment

from tests.payments.process import SETTINGS

PAYMENT = Payment("T1", 9999, "USD", 1_705_314_600_000_000, "123456789012")
FAULTS = (("amount", "is more than it takes"),)


@pytest.fixture(autouse=True)
def _adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processors one announces charges, and refuses every payment."""
    adapters = {"http": SimpleNamespace(ANNOUNCES=False), "stripe": SimpleNamespace(ANNOUNCES=True)}
    for adapter in adapters.values():
        adapter.faults = lambda _: FAULTS
    monkeypatch.setattr(runtime, "adapter", lambda kind: cast("Any", adapters[kind]))


@pytest.mark.parametrize(
    ("rail", "kind", "announces"),
    [("ledger", "stripe", False), ("https://x.example", "stripe", True), ("https://x.example", "http", False)],
)
def test_only_a_processor_names_charges_before_it_makes_them_and_refuses_payments(
    monkeypatch: pytest.MonkeyPatch, rail: str, kind: str, announces: bool
) -> None:
    settings = SETTINGS._replace(rail=rail, kind=kind, shards=24)
    context = runtime.context_of(settings)
    assert (context.announces, context.shards) == (announces, 24)
    assert (context.rail, context.region, context.regions) == (rail, settings.region, settings.regions)
    monkeypatch.setattr(runtime, "settings", lambda: settings)
    assert runtime.faults(PAYMENT) == (() if rail == "ledger" else FAULTS)


def test_chance_and_time_are_real() -> None:
    """A token is never drawn twice, and each side of a die falls."""
    context = runtime.context_of(SETTINGS)
    assert {context.draw(6) for _ in range(500)} == set(range(6))
    tokens = {context.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(bytes.fromhex(token)) == 16 for token in tokens)
    assert abs(context.now() - time.time()) <= 1
