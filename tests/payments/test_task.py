"""The task's output, or error, for each outcome of a payment."""

import pytest
from payments.protocol.settlement import Outcome, State
from payments.protocol.values import VOID, Result
from payments.task import IdTaken, InvalidTransaction, NotSettled, conclude


def test_a_void_id_belongs_to_nobody() -> None:
    """Of an earlier version: the result has no hash, and started by id alone there is none to compare with."""
    void = Outcome(State.FINAL, Result("{}", VOID))
    with pytest.raises(IdTaken):
        conclude("T1", None, void)


def test_what_settled_under_an_id_alone_is_told() -> None:
    settled = Outcome(State.FINAL, Result("{}", "SETTLED", hash="h", region="eu-west-1"))
    output = conclude("T1", None, settled)
    assert (output["status"], output["hash"], output["region"]) == ("SETTLED", "h", "eu-west-1")


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.ELSEWHERE, State.REFUSED, State.TORN])
def test_what_only_one_region_may_do_is_parked(state: State) -> None:
    assert conclude("T1", None, Outcome(state))["status"] == "PARKED"


@pytest.mark.parametrize(
    ("state", "error"),
    [(State.EMPTY, InvalidTransaction), (State.UNFINISHED, NotSettled)],
)
def test_what_has_no_end_yet_is_an_error_by_name(state: State, error: type[Exception]) -> None:
    with pytest.raises(error):
        conclude("T1", None, Outcome(state))
