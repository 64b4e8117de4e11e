"""What could not be read is not all well, and what is asked about is all that is done."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payctl.commands import deployment
from payctl.commands.options import Run
from payctl.environment import Environment
from payctl.environments import drift, status
from payctl.environments.status import Attention
from payctl.payments.due import standings
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS


def test_registers_that_could_not_be_asked_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: Any) -> Any:
        raise ToolError("the registers do not answer")

    monkeypatch.setattr("payctl.payments.membership.idle", silent)
    monkeypatch.setattr("payctl.payments.due.standings.look", lambda *_: standings.NOTHING)
    monkeypatch.setattr("payctl.environments.health.firing", lambda *_: ())
    monkeypatch.setattr("payctl.payments.dead_letters.count", lambda *_: 0)
    monkeypatch.setattr(status, "Registers", lambda _: None)
    cloud = SimpleNamespace(everywhere=lambda look: {region: look(region) for region in REGIONS})
    found = status.attention(cast(Environment, SimpleNamespace(cloud=cloud, home=REGIONS[0])))
    assert [(each.register, each.unknown, each.trouble) for each in found] == [
        (None, True, "the registers do not answer")
    ] * 3
    assert not Attention(region="r").unknown


@pytest.mark.parametrize(("told", "known"), [("IN_SYNC", True), ("UNKNOWN", False), ("NOT_CHECKED", False)])
def test_drift_that_could_not_be_detected_is_not_none(monkeypatch: pytest.MonkeyPatch, told: str, known: bool) -> None:
    instances = [
        SimpleNamespace(region=region, drift=told if region == REGIONS[1] else "IN_SYNC") for region in REGIONS
    ]
    environment = SimpleNamespace(
        survey=lambda: SimpleNamespace(
            stack_set=True, stacks={}, global_stack=SimpleNamespace(status=SimpleNamespace(absent=True))
        ),
        report=SimpleNamespace(phase=lambda _: None),
        runner=SimpleNamespace(run=lambda *_: None),
        stack_set=SimpleNamespace(instances=lambda: instances),
        regions=REGIONS,
    )
    monkeypatch.setattr(drift, "_code", lambda *_: ())
    with nullcontext() if known else pytest.raises(ToolError, match=f"of {REGIONS[1]} it is not known"):
        assert drift.drift(cast(Environment, environment)) == ()


@pytest.mark.parametrize("administrator", ["111111111111", "222222222222"])
def test_bootstrap_asks_about_every_account_that_it_changes(
    monkeypatch: pytest.MonkeyPatch, administrator: str
) -> None:
    two = administrator != "111111111111"
    cloud = SimpleNamespace(account="111111111111", administrator=administrator, two_accounts=two)
    environment = SimpleNamespace(cloud=cloud, regions=REGIONS, home=REGIONS[0])
    asked: list[str] = []
    monkeypatch.setattr(deployment, "confirm", lambda _env, _verb, *steps, **_: asked.extend(steps))
    monkeypatch.setattr("payctl.environments.bootstrap.bootstrap", lambda _: ())
    run = SimpleNamespace(open=lambda: nullcontext(environment), answer=lambda *_: None)
    deployment.run_bootstrap(cast(Run, run), yes=True)
    assert [account for account in ("111111111111", "222222222222") if account in " ".join(asked)] == (
        ["111111111111", "222222222222"] if two else ["111111111111"]
    )
