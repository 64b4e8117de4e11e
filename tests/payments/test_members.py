"""Which registers are asked: never one that may have forgotten what it promised (fault 24)."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from payments import janitor, members, store
from payments.aws import Aws, AwsError, Credentials
from payments.members import LOOK_SECONDS, UNHEARD_SECONDS
from payments.protocol.ports import LOST, REGISTER, Read, Update
from payments.protocol.rejoining import BAR, bar, rejoin, stray, unbar
from payments.store import Driver

import localcloud
from tests.payments.conftest import Site
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD
from tests.payments.process import SETTINGS
from tests.payments.server import Server
from tests.payments.test_store import cell, context, new, post


@pytest.fixture
def fresh(cloud: localcloud.LocalCloud) -> Site:
    """An environment of its own, with one payment."""
    site = Site(cloud)
    assert post(site.driver(), new()).code == 201
    return site


def recreate(site: Site, region: str = THIRD) -> None:
    """Delete a register and create it again by hand, which nobody should."""
    table = site.settings().register(region)
    site.client("dynamodb", region).delete_table(TableName=table)
    site.table(region, table, "due", ("due_shard", "S"), ("due_at", "N"))


def about(site: Site, region: str = THIRD) -> dict[str, Any]:
    return dict(cell(site, region, REGISTER))


def change(site: Site, **attributes: str) -> None:
    """Have the third register say something else about itself."""
    item = {name: {"S": value} for name, value in {**about(site), **attributes}.items()}
    site.client("dynamodb", THIRD).put_item(TableName=site.settings().register(THIRD), Item=item)


def asked(site: Site, *drivers: Driver) -> bool:
    """Whether payments reach the third register; the other two settle them in any case."""
    intents = [new() for _ in drivers or REGIONS]
    for driver, intent in zip(drivers or map(site.driver, REGIONS), intents, strict=True):
        own = driver.settings.region == THIRD
        assert post(driver, intent).code in ((201, 202) if own else (201,))
    reached = [bool(cell(site, THIRD, intent.id)) for intent in intents]
    assert len(set(reached)) == 1
    return reached[0]


def test_fault_24_a_recreated_register_is_ignored_until_it_has_been_retaught(fresh: Site) -> None:
    known = [item["TransactionId"]["S"] for item in items(fresh)]
    assert asked(fresh)
    recreate(fresh)
    assert not asked(fresh)
    operator = fresh.driver(operator=True)
    for payment in (item["TransactionId"]["S"] for item in items(fresh)):
        assert operator.run(rejoin(context(operator.settings), THIRD, payment), 8.0).done
    assert all(cell(fresh, THIRD, payment)["result"] for payment in known)
    assert not asked(fresh), "not before it is told to be complete"
    fresh.enrol(THIRD)
    assert asked(fresh)


def items(site: Site) -> list[dict[str, Any]]:
    """The payments of the home register."""
    scanned = site.client("dynamodb", HOME).scan(TableName=site.settings().register(HOME))["Items"]
    return [item for item in scanned if not item["TransactionId"]["S"].startswith(":")]


def test_a_barred_register_is_not_asked(fresh: Site) -> None:
    operator = fresh.driver(operator=True)
    here = context(operator.settings)
    assert operator.run(bar(here, THIRD), 8.0).done
    assert not asked(fresh)
    assert not operator.run(bar(here, HOME), 8.0).done, "two lost registers cannot teach each other"
    assert [about(fresh, region).get("lost") for region in REGIONS] == [THIRD, THIRD, None], "no trace of the refused"
    assert operator.run(unbar(here, THIRD), 8.0).done
    assert asked(fresh)


def test_a_bar_that_one_peer_does_not_answer_is_taken_back_and_no_other(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = fresh.driver(operator=True)
    here = context(operator.settings)
    with monkeypatch.context() as trouble:
        lose_writes(trouble, SECOND)
        assert not operator.run(bar(here, THIRD), 8.0).done
    assert "lost" not in about(fresh, HOME)
    assert operator.run(bar(here, THIRD), 8.0).done
    with monkeypatch.context() as trouble:
        lose_writes(trouble, SECOND)
        assert not operator.run(bar(here, THIRD), 8.0).done
    assert [about(fresh, region).get("lost") for region in (HOME, SECOND)] == [THIRD, THIRD], "the first one stands"
    assert not operator.run(stray(here, THIRD), 8.0).done, "a whole bar is ended by a rejoin only"


def test_a_bar_that_lands_late_can_be_removed(fresh: Site) -> None:
    operator = fresh.driver(operator=True)
    here = context(operator.settings)
    late = Update(SECOND, REGISTER, BAR, {"region": THIRD, "token": "late"})
    assert operator._do(late, time.monotonic() + 8).done
    assert not asked(fresh)
    assert operator.run(stray(here, THIRD), 8.0).done
    assert "lost" not in about(fresh, SECOND)
    assert asked(fresh)


def test_who_saw_a_register_missing_never_asks_another_in_its_place(fresh: Site) -> None:
    driver = fresh.driver()
    assert asked(fresh, driver)
    fresh.client("dynamodb", THIRD).delete_table(TableName=fresh.settings().register(THIRD))
    assert driver._do(Read(THIRD, "T1"), time.monotonic() + 8) is LOST
    driver.run(nothing(), 8.0)
    fresh.table(THIRD, fresh.settings().register(THIRD), "due", ("due_shard", "S"), ("due_at", "N"))
    assert not asked(fresh, driver)


def test_fault_24_a_register_with_the_cells_of_another_region_is_not_asked(fresh: Site) -> None:
    change(fresh, serves=SECOND)
    assert not asked(fresh)


def test_fault_24_the_janitor_withdraws_a_register_that_was_restored(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.use(monkeypatch, THIRD)
    janitor.handler()
    assert asked(fresh)
    change(fresh, table_id="of the table that the backup was taken from")
    janitor.handler()
    assert "serves" not in about(fresh)
    assert not asked(fresh)


def test_without_the_control_plane_the_janitor_goes_on(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Driver) -> str:
        raise AwsError("NoAnswer")

    fresh.use(monkeypatch, THIRD)
    monkeypatch.setattr(Driver, "table_id", away)
    janitor.handler()
    assert about(fresh)["serves"] == THIRD


def test_of_a_register_that_does_not_say_what_was_known_is_believed(
    fresh: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing, ignorant = fresh.driver(), fresh.driver()
    assert asked(fresh, knowing)
    with monkeypatch.context() as trouble:
        silent(trouble, THIRD)
        for driver in (knowing, ignorant):
            driver.members.forget()
            driver.run(nothing(), 8.0)
    assert (knowing.members.asks(THIRD), ignorant.members.asks(THIRD)) == (True, False)
    for driver in (knowing, ignorant):
        assert 0 < driver.members._look_at - time.monotonic() < 10, "it is asked again soon"
    knowing.members._served = {THIRD: time.monotonic() - members.BARRED_SECONDS}
    assert not knowing.members.asks(THIRD), "nothing is believed for ever"


def test_a_far_register_is_heard_by_a_cold_function(fresh: Site, instead: Callable[..., Server]) -> None:
    far = instead(THIRD)
    far.body = json.dumps({"Item": {"serves": {"S": THIRD}}}).encode()
    far.delay = 2 * store.GRACE_SECONDS
    driver = fresh.driver()
    driver.run(nothing(), 8.0)
    assert all(map(driver.members.asks, REGIONS))


def test_a_bar_is_not_forgotten_when_only_the_barred_one_answers(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = fresh.driver(operator=True)
    assert operator.run(bar(context(operator.settings), THIRD), 8.0).done
    driver = fresh.driver(THIRD)
    driver.run(nothing(), 8.0)
    with monkeypatch.context() as trouble:
        silent(trouble, HOME, SECOND)
        driver.members.forget()
        driver.run(nothing(), 8.0)
    assert [driver.members.asks(region) for region in REGIONS] == [True, True, False]


def test_a_register_that_does_not_serve_bars_nobody(fresh: Site) -> None:
    change(fresh, serves=HOME, lost=SECOND)
    driver = fresh.driver()
    driver.run(nothing(), 8.0)
    assert [driver.members.asks(region) for region in REGIONS] == [True, True, False]


def test_with_fewer_than_two_registers_each_payment_looks_again(fresh: Site) -> None:
    for region in (SECOND, THIRD):
        recreate(fresh, region)
    driver = fresh.driver()
    assert post(driver, new()).code == 503
    for region in (SECOND, THIRD):
        fresh.enrol(region)
    assert post(driver, new()).code == 201


def lose_writes(monkeypatch: pytest.MonkeyPatch, *regions: str) -> None:
    """Have no write reach these registers."""
    updating = Driver._updating

    def lost(self: Driver, region: str, *rest: Any) -> Any:
        if region in regions:
            raise AwsError("NoAnswer")
        return (yield from updating(self, region, *rest))

    monkeypatch.setattr(Driver, "_updating", lost)


def silent(monkeypatch: pytest.MonkeyPatch, *regions: str) -> None:
    """Have these registers not answer."""
    reading = Driver._reading

    def lost(self: Driver, region: str, table: str, key: str) -> Any:
        if region in regions:
            raise AwsError("NoAnswer")
        return (yield from reading(self, region, table, key))

    monkeypatch.setattr(Driver, "_reading", lost)


def nothing() -> Any:
    """A flow that asks for nothing."""
    yield from ()


def test_a_register_that_is_missing_is_looked_at_before_anything_else() -> None:
    known = members.Members(REGIONS)
    known.learn({region: {"serves": region} for region in REGIONS})
    assert not known.doubtful
    known.missing(SECOND)
    assert known.doubtful
    assert [known.asks(region) for region in REGIONS] == [True, False, True]


def test_a_janitor_leaves_a_peer_alone_that_did_not_answer_the_last_look() -> None:
    """Each call would wait for a second, with a thread, for every payment. Its own register it asks all the same."""
    driver = Driver(SETTINGS, Aws(Credentials("k", "s"), "http://127.0.0.1:9"), lambda *_, **__: None)
    serving = {region: {"serves": region} for region in REGIONS}
    driver.members.learn(serving)
    driver.members.learn({THIRD: serving[THIRD]})
    asked = {region: driver._asks(Read(region, "T1")) for region in REGIONS}
    assert asked == dict.fromkeys(REGIONS, True), "a payment waits for all three"
    driver.only_heard = True
    asked = {region: driver._asks(Read(region, "T1")) for region in REGIONS}
    assert asked == {HOME: True, SECOND: False, THIRD: True}
    driver.members.learn(serving)
    assert driver._asks(Read(SECOND, "T1"))


def test_a_janitor_looks_again_soon_after_a_call_without_an_answer() -> None:
    driver = Driver(SETTINGS, Aws(Credentials("k", "s"), "http://127.0.0.1:9"), lambda *_, **__: None)
    driver.members.learn({region: {"serves": region} for region in REGIONS})
    before = driver.members._look_at
    driver._silent(Read(SECOND, "T1"), "NoAnswer")
    assert driver.members._look_at == before
    driver.only_heard = True
    driver._silent(Read(SECOND, "T1"), "NoAnswer")
    assert driver.members._look_at == pytest.approx(before - LOOK_SECONDS + UNHEARD_SECONDS)


def test_one_thread_looks_while_the_others_go_on() -> None:
    driver = Driver(SETTINGS, Aws(Credentials("k", "s"), "http://127.0.0.1:9"), lambda *_, **__: None)
    assert [driver._first_to_look(), driver._first_to_look()] == [True, True], "nothing can be done without"
    driver.members.learn({region: {"serves": region} for region in REGIONS})
    assert [driver._first_to_look(), driver._first_to_look()] == [False, False]
    driver._looking = False
    assert [driver._first_to_look(), driver._first_to_look(), driver._first_to_look()] == [True, False, False]


SERVING = {region: {"serves": region} for region in REGIONS}


def known(*answers: dict[str, Any]) -> members.Members:
    """What is known after these looks."""
    known = members.Members(REGIONS)
    for answer in (SERVING, *answers):
        known.learn(answer)
    return known


def believed(known: members.Members) -> list[bool]:
    return [known.asks(region) for region in REGIONS]


def test_a_register_that_says_it_serves_no_more_is_not_believed_for_another_minute() -> None:
    assert believed(known({**SERVING, THIRD: {}})) == [True, True, False]
    assert believed(known({region: SERVING[region] for region in (HOME, SECOND)})) == [True, True, True]


def test_a_bar_ends_when_two_that_serve_know_nothing_of_it() -> None:
    barred = {region: {"serves": region, "lost": THIRD} for region in (HOME, SECOND)}
    assert believed(known(barred)) == [True, True, False]
    assert believed(known(barred, SERVING)) == [True, True, True]
    assert believed(known(barred, {region: SERVING[region] for region in (HOME, SECOND)})) == [True, True, True]
    assert believed(known(barred, {THIRD: SERVING[THIRD]})) == [True, True, False], "the barred one does not know"


def test_a_look_is_patient_from_time_to_time() -> None:
    one = members.Members(REGIONS)
    assert [one.patient(), one.patient()] == [True, False]
    one._look_patiently_at -= LOOK_SECONDS
    assert [one.patient(), one.patient()] == [True, False]


@pytest.mark.parametrize(
    ("patient", "janitor", "seconds"), [(True, False, 2.5), (False, False, 0.2), (False, True, 2.5)]
)
def test_a_janitors_look_is_always_patient(
    monkeypatch: pytest.MonkeyPatch, patient: bool, janitor: bool, seconds: float
) -> None:
    """It leaves those alone for half a minute who do not answer."""
    driver = Driver(SETTINGS, Aws(Credentials("k", "s"), "http://127.0.0.1:9"), lambda *_, **__: None)
    driver.only_heard = janitor
    graces: list[float] = []

    def all_lost(batch: Any, _until: float, grace: float = 0.0) -> list[Any]:
        graces.append(grace)
        return [LOST] * len(batch)

    monkeypatch.setattr(driver, "_all", all_lost)
    monkeypatch.setattr(driver.members, "patient", lambda: patient)
    driver._look(time.monotonic() + 8)
    assert graces == [seconds]


def test_a_function_that_has_heard_of_no_register_looks_first_and_has_no_key_for_names() -> None:
    one = members.Members(REGIONS)
    assert one.doubtful
    assert not one.enough
    assert not one.log_key
