"""The register: who may charge, by the answers of the cells; and its writes, as they are, on the emulator's
DynamoDB."""

import time
import uuid
from typing import Any

import pytest
from payments.aws import run
from payments.protocol import idempotency
from payments.protocol.idempotency import (
    Opened,
    Proposal,
    authorize,
    choose,
    decided,
    due_shard,
    next_number,
    propose,
    take_over,
)
from payments.protocol.ports import LOST, Action, Answer, Cell, Context, Update
from payments.protocol.record import PUBLISH
from payments.protocol.values import Intent, Value

from tests.payments.conftest import Site
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD, World
from tests.payments.test_flows import INTENT, OTHER, THIRD_PAYLOAD

CONTEXT: Context = World().context()
VALUE = propose(CONTEXT, HOME, INTENT.hash)
LATER_VALUE = propose(CONTEXT, SECOND, INTENT.hash)


def promise(**cell: Any) -> Answer:
    return Answer(True, {"hash": INTENT.hash, "intent": INTENT.text, "due_at": 1, **cell})


def refusal(**cell: Any) -> Answer:
    return promise(**cell)._replace(done=False)


def accepted(value: Value = VALUE, ballot: int = 5) -> dict[str, Any]:
    return {"accepted": value.text, "accepted_ballot": ballot}


def authorized(opens: dict[str, Answer], votes: list[Any]) -> tuple[Value | None, list[Update]]:
    """What comes of a ballot, and the votes that were asked for."""
    flow = authorize(CONTEXT, Opened(1_000_007, INTENT, opens))
    try:
        asked = [request for request in next(flow) if isinstance(request, Update)]
    except StopIteration as end:
        return end.value, []
    with pytest.raises(StopIteration) as ended:
        flow.send(votes)
    return ended.value.value, asked


YES = [Answer(True, {})] * 3


def test_two_promises_and_two_votes_decide() -> None:
    opens = {HOME: promise(), SECOND: promise()}
    value, asked = authorized(opens, [Answer(True, {}), Answer(True, {}), LOST])
    assert value
    assert (value.region, value.hash) == (HOME, INTENT.hash)
    assert {request.region for request in asked} == set(REGIONS)
    assert {request.values["ballot"] for request in asked} == {1_000_007}


def test_one_promise_is_not_enough_to_vote() -> None:
    assert authorized({HOME: promise(), SECOND: refusal(), THIRD: refusal()}, YES) == (None, [])


def test_one_vote_decides_nothing() -> None:
    opens = {HOME: promise(), SECOND: promise()}
    assert authorized(opens, [Answer(True, {}), LOST, Answer(False, {})])[0] is None


def test_votes_that_lost_show_what_was_decided_instead() -> None:
    opens = {HOME: promise(), SECOND: promise()}
    votes = [Answer(True, accepted(VALUE, 1)), *[Answer(False, accepted(LATER_VALUE, 9))] * 2]
    assert authorized(opens, votes)[0] == LATER_VALUE


def test_a_refusal_that_shows_my_ballot_is_no_promise() -> None:
    opens = {HOME: promise(promised=1_000_007), SECOND: refusal(promised=1_000_007)}
    assert authorized(opens, YES) == (None, [])


def test_a_decision_is_read_not_voted_on_again() -> None:
    opens = {HOME: refusal(**accepted()), SECOND: refusal(**accepted())}
    assert authorized(opens, YES) == (VALUE, [])


def test_a_decision_that_its_region_has_not_heard_of_is_voted_on_again() -> None:
    opens = {HOME: promise(), SECOND: promise(**accepted()), THIRD: promise(**accepted())}
    opens[HOME] = Answer(True, {"hash": INTENT.hash, "intent": INTENT.text})
    value, asked = authorized(opens, YES)
    assert value == VALUE
    assert {request.values["value"] for request in asked} == {VALUE.text}


def test_the_accepted_value_of_the_highest_ballot_is_chosen() -> None:
    cells: dict[str, Cell] = {HOME: accepted(VALUE, 5), SECOND: accepted(LATER_VALUE, 6), THIRD: {}}
    proposal = choose(CONTEXT, "T1", {region: {**holds(INTENT), **cell} for region, cell in cells.items()})
    assert proposal == Proposal(INTENT, LATER_VALUE)


def test_what_a_cell_accepted_that_did_not_promise_is_ignored() -> None:
    opens = {HOME: promise(), SECOND: promise(), THIRD: refusal(**accepted(LATER_VALUE, 99))}
    value, _ = authorized(opens, YES)
    assert value
    assert value.region == HOME


@pytest.mark.parametrize(
    ("promising", "region"), [((HOME, SECOND), HOME), ((SECOND, THIRD), SECOND), ((HOME, SECOND, THIRD), HOME)]
)
def test_a_region_without_its_own_promise_proposes_the_next_by_rank(promising: tuple[str, ...], region: str) -> None:
    proposal = choose(CONTEXT, "T1", dict.fromkeys(promising, holds(INTENT)))
    assert proposal
    assert proposal.value.region == region


def test_what_is_proposed_is_what_two_promises_show_else_the_lowest_ranks() -> None:
    for shown, expected in (
        ((OTHER, INTENT, INTENT), INTENT),
        ((OTHER, INTENT, THIRD_PAYLOAD), OTHER),
        ((None, INTENT, OTHER), INTENT),
    ):
        promises = {region: holds(intent) for region, intent in zip(REGIONS, shown, strict=True) if intent}
        proposal = choose(CONTEXT, "T1", promises)
        assert proposal
        assert (proposal.intent, proposal.value.hash) == (expected, expected.hash)


def test_an_accepted_value_whose_payload_is_nowhere_is_not_proposed() -> None:
    assert choose(CONTEXT, "T1", {HOME: {**holds(OTHER), **accepted()}, SECOND: holds(OTHER)}) is None
    assert choose(CONTEXT, "T1", {HOME: {}, SECOND: {}}) is None
    opens = {HOME: Answer(True, {**holds(OTHER), **accepted()}), SECOND: Answer(True, holds(OTHER))}
    assert authorized(opens, YES) == (None, [])


def test_a_cell_is_written_to_one_of_the_shards_of_the_settings() -> None:
    context = CONTEXT._replace(shards=64)
    write = idempotency.update(context, HOME, INTENT, idempotency.OPEN, ballot=1)
    assert write.values["shard"] == due_shard("T1", 64) != due_shard("T1")


def test_two_cells_in_different_ballots_decide_nothing() -> None:
    assert decided([accepted(VALUE, 5), accepted(VALUE, 6)]) is None
    assert decided([accepted(VALUE, 5), accepted(LATER_VALUE, 5)]) is None
    assert decided([accepted(VALUE, 5), {}, accepted(VALUE, 5)]) == VALUE


def test_the_next_ballot_is_above_all_seen() -> None:
    assert next_number([]) == 1
    assert next_number([{"promised": 2_000_001}, {"promised": 7_999_999}, {}]) == 8


def holds(intent: Intent, **more: Any) -> Cell:
    return {"hash": intent.hash, "intent": intent.text, **more}


def opening(cells: dict[str, Cell], mine: Intent | None = None) -> tuple[str, str]:
    """How a takeover opens its ballot, and the hash that it carries."""
    try:
        request = next(take_over(CONTEXT, "T1", cells, mine))[0]
    except StopIteration:
        return "", ""
    assert isinstance(request, Update)
    return request.action.name, str(request.values["hash"])


def test_a_takeover_prepares_with_what_counts_and_opens_what_nobody_holds() -> None:
    assert opening({HOME: holds(OTHER), SECOND: holds(INTENT), THIRD: holds(INTENT)}) == ("PREPARE", INTENT.hash)
    assert opening({HOME: {}, THIRD: holds(OTHER)}, INTENT) == ("PREPARE", OTHER.hash)
    assert opening({HOME: holds(OTHER), SECOND: holds(INTENT, **accepted())}, OTHER) == ("PREPARE", INTENT.hash)
    assert opening({HOME: {}, THIRD: {}}, INTENT) == ("OPEN", INTENT.hash)
    assert opening({HOME: {}, THIRD: {}}) == ("", "")


class Table:
    """One cell on the emulator, and its writes."""

    def __init__(self, site: Site) -> None:
        self.driver = site.driver(operator=True)
        self.intent = INTENT._replace(id=f"R{uuid.uuid4().hex}")
        self.context = World().context()

    def write(self, action: Action, intent: Intent = INTENT, **values: Any) -> Answer:
        whole = idempotency.update(self.context, HOME, intent._replace(id=self.intent.id), action, **values)
        wanted = {name: value for name, value in whole.values.items() if f":{name}" in action.update + action.condition}
        answer = self.driver._do(whole._replace(values=wanted), time.monotonic() + 8)
        assert isinstance(answer, Answer), "the emulator refused the expression"
        return answer


@pytest.fixture
def table(site: Site) -> Table:
    return Table(site)


def test_open_promises_once_and_higher_only(table: Table) -> None:
    first = table.write(idempotency.OPEN, ballot=11)
    assert first.done
    assert (first.cell["promised"], first.cell["hash"], first.cell["intent"]) == (11, INTENT.hash, INTENT.text)
    again = table.write(idempotency.OPEN, ballot=11)
    assert (again.done, again.cell["promised"]) == (False, 11)
    assert table.write(idempotency.OPEN, ballot=12).cell["accepted_at"] == first.cell["accepted_at"]
    other = table.write(idempotency.OPEN, OTHER, ballot=99)
    assert (other.done, other.cell["hash"]) == (False, INTENT.hash)


def test_vote_needs_its_promise_and_replaces_a_hash_that_lost(table: Table) -> None:
    table.write(idempotency.OPEN, OTHER, ballot=12)
    assert not table.write(idempotency.VOTE, ballot=11, value=VALUE.text).done
    assert not table.write(idempotency.OPEN, ballot=13).done
    assert table.write(idempotency.PREPARE, ballot=13).cell["hash"] == OTHER.hash
    for _ in range(2):
        voted = table.write(idempotency.VOTE, ballot=13, value=VALUE.text)
        assert (voted.done, voted.cell["hash"], voted.cell["intent"]) == (True, INTENT.hash, INTENT.text)
        assert (voted.cell["accepted"], voted.cell["accepted_ballot"]) == (VALUE.text, 13)


def test_vote_brings_everything_to_an_empty_cell(table: Table) -> None:
    voted = table.write(idempotency.VOTE, ballot=11, value=VALUE.text)
    assert {"hash", "intent", "accepted_at", "due_shard", "due_at", "promised"} <= voted.cell.keys()


def test_attempt_is_one_callers_until_released(table: Table) -> None:
    assert table.write(idempotency.ATTEMPT, token="a").done
    assert table.write(idempotency.ATTEMPT, token="a").done
    other = table.write(idempotency.ATTEMPT, token="b")
    assert (other.done, other.cell["attempt"]) == (False, "a")
    assert not table.write(idempotency.RELEASE, token="b").done
    assert table.write(idempotency.RELEASE, token="a").done
    assert table.write(idempotency.ATTEMPT, token="b").done


def test_result_is_written_once_and_finish_clears_due(table: Table) -> None:
    first = table.write(idempotency.RESULT, result="R1")
    assert first.done
    assert "due_at" in first.cell
    assert table.write(idempotency.RESULT, result="R2") == Answer(False, first.cell)
    assert not table.write(idempotency.FINISH, result="R2").done
    for _ in range(2):
        finished = table.write(idempotency.FINISH, result="R1")
        assert finished.done
        assert "due_at" not in finished.cell
        assert "due_shard" not in finished.cell


@pytest.mark.parametrize(
    "action", [idempotency.OPEN, idempotency.PREPARE, idempotency.VOTE, idempotency.ATTEMPT, idempotency.RELEASE]
)
def test_nothing_changes_a_cell_with_a_result(table: Table, action: Action) -> None:
    table.write(idempotency.ATTEMPT, token="t")
    finished = table.write(idempotency.FINISH, result="R1").cell
    refused = table.write(action, ballot=99, value=VALUE.text, token="t")
    assert refused == Answer(False, finished)


def test_a_cell_rests_only_with_a_result(table: Table) -> None:
    table.write(idempotency.OPEN, ballot=11)
    assert not table.write(idempotency.REST).done
    table.write(idempotency.RESULT, result="R1")
    rested = table.write(idempotency.REST)
    assert rested.done
    assert "due_at" not in rested.cell


def test_later_moves_only_what_was_seen(table: Table) -> None:
    seen = table.write(idempotency.OPEN, ballot=11).cell["due_at"]
    assert table.write(idempotency.LATER, seen=seen, due=9_999).cell["due_at"] == 9_999
    assert not table.write(idempotency.LATER, seen=seen, due=1).done


def test_a_record_is_published_once(table: Table, site: Site) -> None:
    name = f"payments-{site.environment}"
    values: dict[str, str | int] = {"amount": 1, "currency": "USD", "timestamp": 1, "status": "SETTLED", "region": HOME}
    first = run(table.driver._updating(HOME, name, table.intent.id, PUBLISH, values | {"result": "R1"}))
    second = run(table.driver._updating(HOME, name, table.intent.id, PUBLISH, values | {"result": "R2"}))
    assert (first.done, second.done, second.cell["Content"]) == (True, False, "R1")
