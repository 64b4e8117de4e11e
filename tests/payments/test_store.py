"""The driver against the emulator: the same flows on real requests, what they cost, and what it makes of trouble."""

import time
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from payments import store
from payments.attributes import plain
from payments.aws import Exchange
from payments.backlog import Backlog
from payments.processors import http
from payments.protocol import idempotency
from payments.protocol.flows import Reply, get, submit
from payments.protocol.ports import (
    LOST,
    NOT_SENT,
    Answer,
    Charge,
    Context,
    Flow,
    PutEvent,
    Read,
    StartWorkflow,
    Update,
)
from payments.protocol.sweep import sweep
from payments.protocol.values import Intent, Payment, intent_of
from payments.settings import Settings
from payments.store import Driver

from tests.payments.conftest import Site
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World

RAIL_PATH = "/_localcloud/processor"


def new(amount: int = 9999) -> Intent:
    return intent_of(Payment(f"T{uuid.uuid4().hex}"[:20], amount, "USD", 1_705_314_600_000_000, "123456789012"))


def context(settings: Settings) -> Context:
    return (
        World()
        .context(settings.region, settings.rail, deduplicates=settings.deduplicates)
        ._replace(now=lambda: int(time.time()), token=lambda: uuid.uuid4().hex)
    )


def post(driver: Driver, intent: Intent) -> Reply:
    return driver.run(submit(context(driver.settings), intent), 8.0)


def cell(site: Site, region: str, payment: str) -> Any:
    return plain(item(site, region, f"payment-register-{region}-{site.environment}", payment))


def item(site: Site, region: str, table: str, payment: str) -> Any:
    key = {"TransactionId": {"S": payment}}
    return site.client("dynamodb", region).get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})


def test_a_payment_is_settled_recorded_and_receipted(site: Site) -> None:
    intent = new()
    reply = post(site.driver(), intent)
    assert reply.code == 201
    record = item(site, HOME, f"payments-{site.environment}", intent.id)
    assert record["Amount"] == {"N": "99.99"}
    assert record["Timestamp"] == {"N": "1705314600"}
    assert record["Status"] == {"S": "SETTLED"}
    assert record["Region"] == {"S": HOME}
    receipt = site.client("s3", HOME).get_object(Bucket=site.bucket(HOME), Key=f"receipts/{intent.id}.json")
    assert b'"status":"SETTLED"' in receipt["Body"].read()
    assert post(site.driver(SECOND), intent).code == 200
    assert (
        site.driver(THIRD).run(get(context(site.settings(THIRD)), intent.id, "123456789012"), 8.0).result
        == reply.result
    )


def test_the_emulator_and_the_memory_agree_on_every_write(site: Site) -> None:
    """So that what the flow tests show in memory holds for the expressions as well."""
    intent, rail = new(), "https://processor.example"
    world, again, driver = World(), World(), site.driver(operator=True)
    world.run(world.context(rail=rail), submit(world.context(rail=rail), intent))
    writes = [request for _, request in world.asked if isinstance(request, Update)]
    done = []
    for write in [*writes, *writes]:  # as they came, and once more: most must then be refused
        theirs, ours = again.do(HOME, write), driver._do(write, time.monotonic() + 8)
        assert isinstance(ours, Answer)
        assert (ours.done, {**ours.cell, "TransactionId": ""}) == (theirs.done, {**theirs.cell, "TransactionId": ""})
        done.append(ours.done)
    assert all(done[: len(writes)])
    assert not all(done[len(writes) :])


@pytest.mark.parametrize(("rail", "limit"), [("ledger", 21), ("processor", 25)])
def test_write_units_on_the_happy_path(site: Site, rail: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As DynamoDB tells them, for the longest payment: the opener's and, later, the two other janitors'. The record
    and its index are replicated to two more Regions, which no call tells."""
    monkeypatch.setattr(Driver, "_read_secret", lambda _: "sandbox-secret")
    monkeypatch.setattr(store, "HASTY", ())  # an answer that is not waited for does not tell its units
    address = site.cloud.endpoint + RAIL_PATH if rail == "processor" else "ledger"
    intent = intent_of(Payment(uuid.uuid4().hex * 2, 10**11, "USD", 1_705_314_600_123_456, "123456789012"))
    drivers = {region: site.driver(region, rail=address) for region in REGIONS}
    assert post(drivers[HOME], intent).code == 201
    record = item(site, HOME, f"payments-{site.environment}", intent.id)
    for region in (SECOND, THIRD):
        site.client("dynamodb", region).put_item(TableName=f"payments-{site.environment}", Item=record)
        here = context(drivers[region].settings)
        assert drivers[region].run(sweep(here, intent.id), 8.0).state.value == "final"
    replicated = 2 * (1 + 1)
    assert sum(driver.capacity for driver in drivers.values()) + replicated == limit
    assert all(size(cell(site, region, intent.id)) <= 1024 for region in REGIONS)
    assert not any("due_at" in cell(site, region, intent.id) for region in REGIONS)


def size(item: Any) -> int:
    """Bytes of an item as DynamoDB counts them, numbers as text, which is more. Above 1024 each write costs two
    units."""
    return sum(len(name) + len(str(value)) for name, value in item.items())


def test_overdue_cells_are_found_until_finished(site: Site) -> None:
    intent, driver = new(), site.driver()
    post(driver, intent)
    shard, later = idempotency.due_shard(intent.id), int(time.time()) + 10**6

    def due(driver: Driver, now: int) -> dict[str, int]:
        page = Backlog(driver.settings, driver.aws).page(shard, now)
        return {payment: since for since, payment in page.cells}

    assert intent.id not in due(driver, later)
    assert due(site.driver(SECOND), later)[intent.id] == cell(site, SECOND, intent.id)["due_at"]
    assert intent.id not in due(site.driver(SECOND), int(time.time()))


def test_when_the_time_is_over_nothing_is_begun(site: Site) -> None:
    driver, over = site.driver(), time.monotonic() - 1
    intent = new()
    assert driver._do(Read(HOME, intent.id), over) is LOST
    assert driver._do(Charge("x", "k", "T", 1, "USD"), over) is NOT_SENT
    assert driver._do(StartWorkflow("n", "{}"), over) is LOST


def test_a_run_that_outlasts_what_is_believed_of_the_registers_looks_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task may take a minute, and the word of a register is believed for one since a look of perhaps half a minute
    ago."""
    driver, started = site.driver(), time.monotonic()
    elapsed = iter((0.0, 31.0, 61.0, 91.0))

    def slow() -> Flow[list[Any]]:
        answers: list[Any] = []
        for seconds in elapsed:
            moment = started + seconds
            clock = SimpleNamespace(monotonic=lambda moment=moment: moment, time=lambda moment=moment: moment)
            for module in ("clock", "store"):  # of nobody else: other threads have their own time
                monkeypatch.setattr(f"payments.{module}.time", clock)
            answers += yield (Read(HOME, "T-none"),)
        return answers

    assert driver.run(slow(), 900.0) == [{}] * 4


def test_an_empty_batch_gives_others_a_moment_while_there_is_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("payments.store.time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))

    def pause() -> Flow[None]:
        yield ()

    driver = site.driver(operator=True)
    driver.run(pause(), 8.0)
    driver.run(pause(), 1.0)
    assert slept == [store.MOMENT_SECONDS, 0]


def test_another_address_is_never_called(site: Site) -> None:
    asked = site.cloud.admin("GET", "/processor/admin")["calls"]
    driver = site.driver(rail="https://processor.invalid")
    charge = Charge(f"{site.cloud.admin_url}/processor", "k", "T", 1, "USD")
    assert driver._do(charge, time.monotonic() + 8) is LOST
    assert site.cloud.admin("GET", "/processor/admin")["calls"] == asked


def test_the_last_second_is_for_telling_the_workflow(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = site.driver(operator=True)

    def asked(*_: Any) -> Exchange[str]:
        yield from ()
        return "asked"

    monkeypatch.setattr(Driver, "_starting", asked)
    soon = time.monotonic() + store.TELLING_SECONDS / 2
    assert driver._do(Read(HOME, "T1"), soon) is LOST
    assert driver._do(StartWorkflow("n", "{}"), soon) == "asked"


def test_a_call_is_not_claimed_without_the_time_to_make_it_or_to_release_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that nobody follows up leaves a payment in doubt for good, where the processor does not deduplicate."""
    driver = site.driver(rail=site.cloud.endpoint + RAIL_PATH, operator=True)
    claim = idempotency.update(context(driver.settings), HOME, new(), idempotency.ATTEMPT, token="once")
    assert driver._do(claim, time.monotonic() + store.CLAIM_SECONDS - 0.1) is LOST
    assert isinstance(driver._do(claim, time.monotonic() + store.CLAIM_SECONDS + 5), Answer)

    monkeypatch.setattr(http.Processor, "charge", lambda *_: "asked")
    charge = Charge(site.cloud.endpoint + RAIL_PATH, "k", "T", 1, "USD")
    least = store.CHARGE_SECONDS + store.AFTERWARDS_SECONDS + store.TELLING_SECONDS
    assert driver._do(charge, time.monotonic() + least - 0.1) is NOT_SENT
    assert driver._do(charge, time.monotonic() + least + 5) == "asked"


def test_events_reach_the_bus_and_a_missing_one_is_no_answer(site: Site) -> None:
    assert site.driver()._do(PutEvent("{}"), time.monotonic() + 8) is True
    assert site.driver()._do(StartWorkflow("n", "{}"), time.monotonic() + 8) is LOST  # no such machine
