"""The workflow's definition, and its expressions run by a JSONata engine of their own (docs/design.md, "The workflow
resource" and "Workflow and failover")."""

import json
import random
from typing import Any

import jsonata  # type: ignore[import-untyped]  # comes with the emulator, without types
import pytest

from builder.lint.evaluate import Resolved
from tests.payments.test_disguises import CARDS, IN_IDS

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:payment-workflow-us-east-1-dev:x"


@pytest.fixture
def machine(stack: Resolved) -> dict[str, Any]:
    return stack.of_type("AWS::StepFunctions::StateMachine")["Workflow"]


@pytest.fixture
def states(machine: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = machine["Definition"]["States"]
    return found


def test_standard_with_logs_without_payment_data_and_traces(machine: dict[str, Any], stack: Resolved) -> None:
    assert machine["StateMachineName"] == f"payment-workflow-{stack.region}-dev"
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    (destination,) = logging["Destinations"]
    group = f"/aws/vendedlogs/states/payment-workflow-{stack.region}-dev"
    arn = f"arn:aws:logs:{stack.region}:123456789012:log-group:{group}:*"
    assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == arn


def test_retries(states: dict[str, Any]) -> None:
    """2 s, 3 attempts, backoff 2.0; throttling by an entry of its own, with jitter; what is wrong for good never."""
    for_good, throttled, everything = states["ProcessTransaction"]["Retry"]
    assert for_good == {"ErrorEquals": ["InvalidTransaction", "IdTaken"], "MaxAttempts": 0}
    assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert throttled["JitterStrategy"] == "FULL"
    assert everything == {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "MaxAttempts": 3,
        "BackoffRate": 2.0,
    }


def test_throttling_is_never_failover(states: dict[str, Any]) -> None:
    for_good, everything = states["ProcessTransaction"]["Catch"]
    assert "Lambda.TooManyRequestsException" in for_good["ErrorEquals"]
    assert for_good["Next"] == "DeadLetter"
    assert (everything["ErrorEquals"], everything["Next"]) == (["States.ALL"], "ChooseRegion")


def test_retries_end_before_the_workflow_does(machine: dict[str, Any]) -> None:
    definition = machine["Definition"]
    task = definition["States"]["ProcessTransaction"]
    attempts = task["Retry"][2]["MaxAttempts"] + 1
    throttled = task["Retry"][1]["MaxAttempts"] * task["Retry"][1]["MaxDelaySeconds"]
    assert attempts * task["TimeoutSeconds"] + throttled + 60 < definition["TimeoutSeconds"]


@pytest.mark.parametrize(("status", "end"), [("SETTLED", "Settled"), ("DECLINED", "Settled"), ("PARKED", "Parked")])
def test_outcome(states: dict[str, Any], status: str, end: str) -> None:
    (choice,) = states["Outcome"]["Choices"]
    taken = evaluate(choice["Condition"], {"input": {"status": status}})
    assert (choice["Next"] if taken else states["Outcome"]["Default"]) == end
    assert states[end]["Type"] == "Succeed"


def test_failover_names_the_next_region_that_has_not_tried(machine: dict[str, Any], stack: Resolved) -> None:
    given = machine["DefinitionSubstitutions"]
    first, second = given["First"], given["Second"]
    for tried, wanted in (
        (None, first),
        ([], first),
        ([second], first),
        ([first], second),
        ([second, first], ""),
        ([first, second], ""),
    ):
        payment: dict[str, Any] = {"transaction": {"id": "TXN001", "amount": 99.99}, "hash": "h", "account": "1" * 12}
        hops: dict[str, Any] = {}
        if tried is not None:
            hops = {"tried": tried, "region": "before", "next": "before", "failover": "true", "error": "earlier"}
        detail = hand_over(machine, payment | hops)
        if not wanted:
            assert detail == {"next": "", "reason": "NoRegionLeft", "error": "NotSettled: later"}
            continue
        assert {**detail, "tried": {*detail["tried"]}} == {
            **payment,
            "region": stack.region,
            "failover": "true",
            "next": wanted,
            "tried": {*(tried or []), stack.region},
            "reason": "NotSettled",
        }


def test_accepted_payment_is_handed_over_by_its_id(machine: dict[str, Any], stack: Resolved) -> None:
    detail = hand_over(machine, {"transactionId": "TXN001"})
    assert (detail["transactionId"], "transaction" in detail, detail["tried"]) == ("TXN001", False, [stack.region])


WHOLE = {"id": "TXN001", "amount": 99.99, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
ANY = ["text", 7, [1, 2], None, True, {}, {"tried": "text"}, {"transaction": WHOLE, "tried": ["4111111111111111", 7]}]


@pytest.mark.parametrize("given", ANY)
def test_a_dead_letter_holds_nothing_of_the_input(machine: dict[str, Any], stack: Resolved, given: Any) -> None:
    assert dead_letter(machine, given) == {
        "reason": "InvalidTransaction",
        "error": "amount",
        "tried": [stack.region],
        "execution": EXECUTION,
    }


def test_a_dead_letter_names_the_regions_that_tried(machine: dict[str, Any], stack: Resolved) -> None:
    first = machine["DefinitionSubstitutions"]["First"]
    assert dead_letter(machine, {"tried": [first, "elsewhere"]})["tried"] == [first, stack.region]


@pytest.mark.parametrize(
    "given",
    [
        {"transaction": WHOLE},
        {"transaction": WHOLE | {"amount": "99.99", "timestamp": 1_705_314_600.25}},
        {"transaction": WHOLE | {"id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "timestamp": "2024-01-15 10:30+01:00"}},
        {"transaction": WHOLE | {"source": "tok_1Nv0FGQ9RKHgCVdK", "reference": "invoice 2024/01-15, #7"}},
        {"transactionId": "merchant-a:T1", "hash": "0a" * 32},
        {"transactionId": "TXN-2024-01-15", "account": "1" * 12, "hash": "0a" * 32},
        {"transaction": WHOLE, "tried": ["before"], "region": "before", "failover": "true", "next": "", "reason": "x"},
    ],
)
def test_what_no_function_could_judge_is_handed_over_if_it_is_harmless(machine: dict[str, Any], given: Any) -> None:
    detail = hand_over(machine, given, "Lambda.Unknown")
    wanted = {
        name: value for name, value in given.items() if name in ("transaction", "transactionId", "account", "hash")
    }
    assert {name: value for name, value in detail.items() if name in wanted} == wanted
    assert detail["next"]


@pytest.mark.parametrize(
    "given",
    [
        *ANY[:-1],
        {"transaction": WHOLE, "note": "x"},
        {"transaction": WHOLE | {"note": "x"}},
        {"transaction": WHOLE | {"metadata": {"a": "b"}}},
        {"transaction": WHOLE | {"source": "tok_4111111111111111"}},
        {"transaction": WHOLE | {"reference": "4111 1111 1111 1111"}},
        {"transaction": WHOLE | {"reference": "\uff14111111111111111"}},
        {"transactionId": "a:4111111111111111"},
        {"transactionId": "merchant-411111:1111111111"},
        {"transaction": [WHOLE]},
        {"transaction": "4111111111111111"},
        {"transaction": None, "transactionId": "T1"},
        {"transactionId": 4111111111111111},
        {"transactionId": ["T1"]},
        {"transaction": WHOLE, "account": "1" * 13},
        {"transaction": WHOLE, "account": 123456789012},
        {"transaction": WHOLE, "hash": "4111111111111111" + "a" * 48},
        {"transaction": WHOLE, "hash": "4111"},
        {"transaction": WHOLE | {"id": "4111 1111 1111"}},
        {"transaction": WHOLE | {"id": "x" * 65}},
        {"transaction": WHOLE | {"currency": "4111111111111111"}},
        {"transaction": WHOLE | {"amount": 411111111111.1111}},
        {"transaction": WHOLE | {"amount": "4111111111111111"}},
        {"transaction": WHOLE | {"amount": {"a": 1}}},
        {"transaction": WHOLE | {"timestamp": 4111111111111111}},
        {"transaction": WHOLE | {"timestamp": "1800000000.12345"}},
        {"transaction": WHOLE | {"timestamp": "4111-11-11T11:11:11Z"}},
        {"transaction": {"id": "TXN001"}},
    ],
)
def test_what_no_function_could_judge_else_stays_where_it_is(machine: dict[str, Any], given: Any) -> None:
    detail = hand_over(machine, given, "Lambda.Unknown")
    assert detail == {"next": "", "reason": "NotJudged", "error": "Lambda.Unknown: later"}


def test_no_card_number_is_handed_over_by_a_workflow_alone(machine: dict[str, Any]) -> None:
    dice = random.Random(7)
    for disguise in IN_IDS.values():
        hidden = disguise(dice.choice(CARDS), dice)
        for given in ({"transactionId": hidden}, {"transaction": WHOLE | {"id": hidden}}):
            assert hand_over(machine, given, "States.Timeout")["next"] == "", hidden


@pytest.mark.evidence
@pytest.mark.parametrize("how", IN_IDS)
def test_none_of_a_thousand_is_handed_over_by_a_workflow_alone(machine: dict[str, Any], how: str) -> None:
    """A tenth of them in each disguise, another tenth in the next."""
    dice = random.Random(7)
    for pan in CARDS[[*IN_IDS].index(how) % 10 :: 10]:
        hidden = IN_IDS[how](pan, dice)
        assert hand_over(machine, {"transactionId": hidden}, "States.Timeout")["next"] == "", hidden


def test_no_region_left_is_a_dead_letter_and_a_failure(states: dict[str, Any]) -> None:
    (choice,) = states["RegionLeft"]["Choices"]
    assert evaluate(choice["Condition"], {"input": {"next": ""}}) is False
    assert evaluate(choice["Condition"], {"input": {"next": "eu-west-1"}}) is True
    assert states["RegionLeft"]["Default"] == "DeadLetter"
    assert states["DeadLetter"]["Next"] == "Failed"
    assert states["Failed"]["Type"] == "Fail"


def test_event_that_cannot_be_put_is_a_dead_letter(states: dict[str, Any]) -> None:
    (caught,) = states["FailOver"]["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "DeadLetter")
    (entry,) = states["FailOver"]["Arguments"]["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("payment.processing", "Payment Transaction")


def hand_over(machine: dict[str, Any], payment: Any, reason: str = "NotSettled") -> Any:
    expression = machine["Definition"]["States"]["ChooseRegion"]["Output"]
    return evaluate(expression, context(payment, reason, "later"), machine["DefinitionSubstitutions"])


def dead_letter(machine: dict[str, Any], payment: Any) -> Any:
    expression = machine["Definition"]["States"]["DeadLetter"]["Arguments"]["MessageBody"]
    given = context(payment, "InvalidTransaction", "amount")
    return json.loads(evaluate(expression, given, machine["DefinitionSubstitutions"]))


def context(payment: Any, reason: str, error: str) -> dict[str, Any]:
    return {
        "input": {"reason": reason, "error": error},
        "context": {"Execution": {"Input": payment, "Id": EXECUTION}},
    }


def evaluate(expression: str, bound: dict[str, Any], substitutions: dict[str, str] | None = None) -> Any:
    for name, value in (substitutions or {}).items():
        expression = expression.replace("${" + name + "}", value)
    assert "${" not in expression
    program = jsonata.Jsonata(expression.removeprefix("{%").removesuffix("%}").strip())
    frame = program.create_frame()
    frame.bind("states", bound)
    return json.loads(json.dumps(program.evaluate(None, frame)))


def test_an_error_without_a_cause_is_rescued_all_the_same(states: dict[str, Any]) -> None:
    """An expression that comes to nothing would end the execution: a timeout must not."""
    for state in ("ProcessTransaction", "FailOver"):
        for catch in states[state]["Catch"]:
            taken = {
                key: evaluate(text, {"errorOutput": {"Error": "States.Timeout"}})
                for key, text in catch["Output"].items()
            }
            assert taken == {"reason": "States.Timeout", "error": ""}
