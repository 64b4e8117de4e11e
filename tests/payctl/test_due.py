"""What is due, looked at in batches: states that the local cloud does not show, with stubs for its answers."""

import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from payments import janitor
from payments.aws import AwsError
from payments.protocol import operations
from payments.protocol.ports import LOST, Flow, Read, ReadRecord

from payctl.environments.status import Attention, GlobalStack, Status
from payctl.payments.due import index, standings
from payctl.regions.switch import TakenOut
from stacksets.waiting import Pace

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
HOME, SECOND, THIRD = REGIONS
Answer = Callable[[str, list[str]], tuple[dict[str, Any], list[str]]]


def test_no_shard_is_left_out_whatever_the_settings_have_been() -> None:
    assert index.SHARDS == janitor.SHARDS


def test_a_batch_is_answered_with_cells_and_what_else_is_asked_is_asked() -> None:
    def flow() -> Flow[list[Any]]:
        cells = yield tuple(Read(region, "T") for region in REGIONS)
        record = yield (ReadRecord("T"),)
        return [*cells, *record]

    rest = standings._given({HOME: {"a": 1}, THIRD: {}}, flow())
    assert next(rest) == (ReadRecord("T"),)
    with pytest.raises(StopIteration) as end:
        rest.send(["public"])
    assert end.value.value == [{"a": 1}, LOST, {}, "public"]


class _Clock(threading.local):
    """Of each thread its own: what others do at once uses up nobody's patience."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


QUICK = Pace(sleep=lambda _: None, clock=_Clock())  # a tick is a second


class Registers:
    """Registers of which each Region answers a batch as `answer` does."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, int]] = []
        self.aws = self
        self.environment = SimpleNamespace(
            regions=REGIONS, pace=QUICK, names=SimpleNamespace(register=lambda region: f"register-{region}")
        )
        self._answer = answer

    def call(self, _service: str, region: str, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        ((table, wanted),) = fields["RequestItems"].items()
        assert (action, table, wanted["ConsistentRead"]) == ("BatchGetItem", f"register-{region}", True)
        keys = [key["TransactionId"]["S"] for key in wanted["Keys"]]
        assert 1 <= len(keys) <= 100
        self.asked.append((region, len(keys)))
        cells, left = self._answer(region, keys)
        items = [{"TransactionId": {"S": payment}, **cell} for payment, cell in cells.items()]
        unprocessed = {table: {"Keys": [{"TransactionId": {"S": payment}} for payment in left]}} if left else {}
        return {"Responses": {table: items}, "UnprocessedKeys": unprocessed}

    def context(self) -> None:
        return None

    def run(self, flow: Flow[Any]) -> Any:
        with pytest.raises(StopIteration) as end:
            next(flow)
        return end.value.value


@pytest.fixture
def cells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payment stands where its cells are, as they were read."""

    def inspect(_: Any, payment: str) -> Flow[tuple[str, list[Any]]]:
        return payment, list((yield tuple(Read(region, payment) for region in REGIONS)))

    monkeypatch.setattr(operations, "inspect", inspect)


def stand(registers: Registers, payments: list[str]) -> list[Any]:
    some: Any = registers
    return [*standings.standings(some, payments)]


@pytest.mark.usefixtures("cells_alone")
def test_what_dynamodb_leaves_out_of_an_answer_is_asked_again_and_never_taken_for_no_cell() -> None:
    def answer(_region: str, keys: list[str]) -> tuple[dict[str, Any], list[str]]:
        told = keys[: max(1, len(keys) // 2)]
        return {payment: {"accepted_at": {"N": "1"}} for payment in told if payment != "NONE"}, keys[len(told) :]

    payments = ["NONE", *(f"T{number}" for number in range(150))]
    found = stand(registers := Registers(answer), payments)
    assert [payment for payment, _ in found] == payments
    assert found[0] == ("NONE", [{}, {}, {}])
    assert all(cell["accepted_at"] == 1 for _, cells in found[1:] for cell in cells)
    assert len(registers.asked) < 60


@pytest.mark.usefixtures("cells_alone")
def test_what_is_never_told_is_unknown() -> None:
    (found,) = stand(Registers(lambda region, keys: ({}, keys if region == SECOND else [])), ["T"])
    assert found == ("T", [{}, LOST, {}])


@pytest.mark.usefixtures("cells_alone")
def test_a_region_that_does_not_answer_is_asked_twice_and_then_no_more() -> None:
    def answer(region: str, _: list[str]) -> tuple[dict[str, Any], list[str]]:
        if region == THIRD:
            raise AwsError("NoAnswer")
        return {}, []

    registers = Registers(answer)
    found = stand(registers, [f"T{number}" for number in range(3000)])
    assert {tuple(map(str, cells)) for _, cells in found} == {("{}", "{}", str(LOST))}
    silent = sum(region == THIRD for region, _ in registers.asked)
    assert standings.TRIES <= silent <= standings.TRIES * standings.AT_ONCE, "those under way at once find out"
    assert len(registers.asked) - silent == 2 * 30


def test_who_may_miss_none_reads_what_is_due_first_first_and_a_page_of_each_shard_at_once() -> None:
    """A janitor moves a cell to the end of its shard while it is read."""
    cells = {f"T{number}": (index.SHARDS[number % 64], number) for number in range(1000)}

    def query(**asked: Any) -> dict[str, Any]:
        shard = asked["ExpressionAttributeValues"][":shard"]["S"]
        begin = asked.get("ExclusiveStartKey", {}).get("due_at", -1)
        found = sorted((at, name) for name, (own, at) in cells.items() if own == shard and at > begin)
        if not asked["ScanIndexForward"]:
            found = found[::-1]
        page = found[: asked["Limit"]]
        last = {"LastEvaluatedKey": {"due_at": page[-1][0]}} if len(page) < len(found) else {}
        return {"Items": [{"TransactionId": {"S": name}} for _, name in page], **last}

    api: Any = SimpleNamespace(
        cloud=SimpleNamespace(dynamodb=lambda _: SimpleNamespace(query=query)),
        names=SimpleNamespace(register=lambda _: "register"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "PAGE", 5)
        seen = []
        for number, found in enumerate(index.rounds(api, HOME)):
            seen += [cell["TransactionId"]["S"] for cell in found]
            assert len(found) <= 5 * 64
            cells["T999"] = (cells["T999"][0], 2000 + number)
    assert set(seen) == set(cells)
    newest = next(index.rounds(api, HOME, newest_first=True))
    assert newest[0]["TransactionId"]["S"] == "T960", "the newest of shard 0"


class Crowd:
    """Rounds of payments that are due in each Region, every one of them parked; `read`: how many rounds were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rounds: int, size: int, *, public: bool) -> None:
        self.read = self.looked_up = self.asked = 0

        def read(*_: object, **__: object) -> Iterator[list[dict[str, Any]]]:
            for number in range(rounds):
                self.read += 1
                yield [{"TransactionId": {"S": f"T{number}-{each}"}} for each in range(size)]

        def unshown(_: object, __: str, payments: list[str]) -> list[str]:
            self.looked_up += len(payments)
            return [] if public else payments

        def stand(_: object, payments: list[str], __: object = ()) -> Iterator[Any]:
            for payment in payments:
                self.asked += 1
                yield SimpleNamespace(payment=payment, answered=3, parked=True, status="PENDING", value=None)

        monkeypatch.setattr(index, "rounds", read)
        monkeypatch.setattr(index, "count", lambda *_: rounds * size)
        monkeypatch.setattr(standings, "unshown", unshown)
        monkeypatch.setattr(standings, "standings", stand)
        monkeypatch.setattr(standings, "_silent", lambda _: iter(()))
        everywhere = SimpleNamespace(everywhere=lambda call, regions: [call(region) for region in regions])
        environment = SimpleNamespace(regions=REGIONS, cloud=everywhere)
        self.registers: Any = SimpleNamespace(environment=environment, context=lambda: None, run=list)


def test_a_list_of_what_is_parked_ends_soon_after_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(monkeypatch, rounds=50, size=100, public=False)
    found, more = standings.parked(crowd.registers, limit=150)
    assert (len(found), more) == (150, True)
    assert crowd.read == 2 + 1 + 1, "rounds of the three Regions"
    assert crowd.asked == 200


@pytest.mark.parametrize(("public", "rounds", "looked_up", "asked"), [(True, 4, 10_000, 0), (False, 1, 3000, 1000)])
def test_who_only_counts_looks_at_so_many_payments_at_most(
    monkeypatch: pytest.MonkeyPatch, public: bool, rounds: int, looked_up: int, asked: int
) -> None:
    crowd = Crowd(monkeypatch, rounds=50, size=3000, public=public)
    look = standings.look(crowd.registers, HOME)
    assert (crowd.read, crowd.looked_up, crowd.asked) == (rounds, looked_up, asked)
    assert (look.due, look.looked_at) == (150_000, looked_up if public else asked)


def test_a_region_that_is_out_of_service_waits_for_an_operator() -> None:
    well = Status(
        environment="dev",
        account="1",
        home=HOME,
        silent=(),
        stack_set="payments-dev",
        linked=True,
        operation=None,
        instances=(),
        global_stack=GlobalStack(name="", status="", reason=""),
        deployed=True,
        regions=(Attention(region=HOME),),
    )
    assert well.exit_code == 0
    told = {**vars(well), "out": (TakenOut(region=SECOND, reason="a drill"),)}
    assert Status(**told).exit_code == 2
    assert Status(**{**told, "deployed": False}).exit_code == 1
