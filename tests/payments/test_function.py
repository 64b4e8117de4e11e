"""The handlers as Lambda calls them: HTTP answers, the workflow's task, the janitor, health, and what they log."""

import base64
import hmac
import json
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from payments import function, health, janitor, rounds, runtime, store
from payments.aws import Aws, AwsError, Exchange
from payments.backlog import Backlog, Page
from payments.log import LETTERS, tag_of
from payments.protocol import cards
from payments.store import Driver
from payments.task import IdTaken, InvalidTransaction, NotSettled

from tests.payments.conftest import LOG_KEY, Site
from tests.payments.memory import HOME, REGIONS, SECOND, THIRD
from tests.payments.test_transactions import PANS, disguised

OWNER = "123456789012"


@pytest.fixture
def here(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.use(monkeypatch)
    return site


def transaction(**changed: Any) -> dict[str, Any]:
    good = {"amount": 99.99, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
    return {"id": uuid.uuid4().hex.translate(LETTERS), **good, **changed}


def event(body: Any, account: str = OWNER, **more: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps({"transaction": body})
    context = {"path": "/prod/payments", "identity": {"accountId": account}}
    return {"httpMethod": "POST", "body": text, "requestContext": context, **more}


def read(payment: str, account: str = OWNER) -> dict[str, Any]:
    context = {"path": f"/prod/payments/{payment}", "identity": {"accountId": account}}
    return {"httpMethod": "GET", "pathParameters": {"id": payment}, "requestContext": context}


def ask(asked: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
    answer = function.handler(asked)
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def task(given: Any) -> dict[str, Any]:
    return function.handler({"workflow": {"input": given, "execution": "arn:execution"}})


def silence(monkeypatch: pytest.MonkeyPatch, *regions: str) -> None:
    calling = Aws.calling

    def silent(self: Aws, service: str, region: str, action: str, fields: Any) -> Exchange[dict[str, Any]]:
        if region in regions and "register" in str(fields.get("TableName")):
            raise AwsError("NoAnswer")
        return (yield from calling(self, service, region, action, fields))

    monkeypatch.setattr(Aws, "calling", silent)


@pytest.mark.usefixtures("here")
def test_settled_then_replayed_then_read() -> None:
    given = transaction()
    code, first, headers = ask(event(given))
    assert code == 201
    assert first == {
        "message": "Payment settled",
        "transactionId": given["id"],
        "status": "SETTLED",
        "amount": "99.99",
        "currency": "USD",
        "timestamp": "2024-01-15T10:30:00Z",
        "region": HOME,
        "decidedAt": first["decidedAt"],
    }
    assert "Idempotent-Replayed" not in headers
    code, again, headers = ask(event(given))
    assert (code, again, headers["Idempotent-Replayed"]) == (200, first, "true")
    assert ask(read(given["id"]))[:2] == (200, first)


@pytest.mark.usefixtures("here")
def test_a_body_may_come_in_base64() -> None:
    given = event(transaction())
    given |= {"body": base64.b64encode(given["body"].encode()).decode(), "isBase64Encoded": True}
    assert ask(given)[0] == 201
    assert ask(event("", isBase64Encoded=True) | {"body": "/w=="})[0] == 400
    assert ask(event("", isBase64Encoded=True) | {"body": "?"})[0] == 400


@pytest.mark.usefixtures("here")
def test_faults_are_named_in_a_problem() -> None:
    code, problem, headers = ask(event(transaction(amount=-1, currency="?")))
    assert (code, headers["Content-Type"]) == (400, "application/problem+json")
    assert {fault["field"] for fault in problem["faults"]} == {"amount", "currency"}
    assert ask(event(None))[0] == ask({"httpMethod": "POST", "body": None})[0] == 400


@pytest.mark.usefixtures("here")
def test_another_payload_is_422_without_detail() -> None:
    given = transaction()
    ask(event(given))
    code, problem, _ = ask(event({**given, "amount": 1}))
    assert code == 422
    assert given["id"] not in str(problem)
    assert ask(event(given, account="210987654321"))[0] == 422


@pytest.mark.usefixtures("here")
def test_without_two_regions_the_outcome_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch, SECOND, THIRD)
    code, problem, headers = ask(event(transaction()))
    assert code == 503
    assert "may have been accepted and may still be charged" in problem["detail"]
    assert headers["Retry-After"]
    code, problem, _ = ask(read("T-unknown"))
    assert (code, problem["detail"]) == (503, "Too few Regions answered to tell. Read it again.")


@pytest.mark.usefixtures("here")
def test_accepted_says_where_to_look_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    calling = Aws.calling

    def no_votes(self: Aws, service: str, region: str, action: str, fields: Any) -> Exchange[dict[str, Any]]:
        if "accepted_ballot" in str(fields):
            raise AwsError("NoAnswer")
        return (yield from calling(self, service, region, action, fields))

    given = transaction()
    with monkeypatch.context() as trouble:
        trouble.setattr(Aws, "calling", no_votes)
        trouble.setattr(store, "HASTY", ())  # so that all three promises are heard
        code, body, headers = ask(event(given))
    assert (code, body["status"], headers["Location"]) == (202, "PENDING", f"/prod/payments/{given['id']}")
    assert int(headers["Retry-After"]) > 0
    assert ask(read(given["id"]))[1]["status"] == "PENDING"
    assert ask(read(given["id"], "210987654321"))[0] == 404
    assert task({"transactionId": given["id"]})["status"] == "SETTLED"


@pytest.mark.usefixtures("here")
def test_what_does_not_exist_or_cannot_is_404() -> None:
    for payment in ("T-unknown", "a b", "x" * 65, "", "../..", PANS[0]):
        assert ask(read(payment))[0] == 404


@pytest.mark.usefixtures("here")
def test_an_exception_is_never_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def explode(*_: Any) -> Any:
        raise RuntimeError("secret words")

    monkeypatch.setattr(function, "submit", explode)
    code, problem, _ = ask(event(transaction()))
    assert (code, problem["title"]) == (503, "Outcome unknown")
    out = capsys.readouterr().out
    assert "RuntimeError" in out
    assert "secret words" not in out + str(problem)


@pytest.mark.usefixtures("here")
def test_the_task_settles_what_the_workflow_brings() -> None:
    given = transaction()
    first = task({"transaction": given})
    assert (first["status"], first["transactionId"], first["region"]) == ("SETTLED", given["id"], HOME)
    assert task({"transaction": given, "account": OWNER, "hash": first["hash"]}) == first
    assert task({"transactionId": given["id"]}) == first
    assert ask(event(given))[0] == 200


@pytest.mark.parametrize(
    "given",
    [
        None,
        "text",
        {},
        {"transactionId": 7},
        {"transactionId": "a b"},
        {"transactionId": "T-nobody-holds"},
        {"transactionId": PANS[0]},
        {"transaction": {"id": "T"}},
        {"transaction": transaction(), "account": "x"},
        {"transaction": transaction(), "hash": "another"},
        {"transaction": transaction(amount=float("nan"))},
        {"transaction": transaction(id=PANS[0])},
    ],
)
@pytest.mark.usefixtures("here")
def test_poison_is_told_apart_and_not_echoed(given: Any) -> None:
    with pytest.raises(InvalidTransaction) as raised:
        task(given)
    assert PANS[0] not in str(raised.value)


def test_refused_input_leaves_its_faults_and_its_keyed_hash(here: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert here
    given = {"transaction": transaction(id=PANS[0], amount=1), "account": "x"}
    with pytest.raises(InvalidTransaction) as raised:
        task(given)
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    same = json.dumps(given, sort_keys=True, separators=(",", ":"))
    digest = hmac.digest(bytes.fromhex(LOG_KEY), same.encode(), "sha256").hex()[:16].translate(LETTERS)
    assert str(raised.value) == f"account must be 12 digits; id must not hold card data (hash {digest})"
    assert (line["what"], line["payment"], line["execution"]) == ("refused", digest, "arn:execution")


@pytest.mark.usefixtures("here")
def test_input_too_deep_for_a_hash_is_refused_without() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidTransaction, match=r"\(hash unknown\)"):
        task({"transaction": deep})


@pytest.mark.usefixtures("here")
def test_what_an_unexpected_error_says_does_not_leave_the_task(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise LookupError(PANS[0])

    monkeypatch.setattr(function, "pursue", fail)
    with pytest.raises(NotSettled) as raised:
        task({"transaction": transaction()})
    assert (str(raised.value), raised.value.__suppress_context__) == ("LookupError", True)
    assert PANS[0] not in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_payments_have_names_in_logs_that_need_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    given = transaction()
    ask(event(given))
    task({"transactionId": given["id"]})
    digest = hmac.digest(bytes.fromhex(LOG_KEY), given["id"].encode(), "sha256").hex()[:16].translate(LETTERS)
    named = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "payment" in line]
    assert [line["payment"] for line in named] == [digest, digest]
    runtime.driver().members.log_key = ""
    assert runtime.tag(given["id"]) == ""


@pytest.mark.usefixtures("here")
def test_an_id_of_another_payload_is_told_apart() -> None:
    given = transaction()
    ask(event(given))
    with pytest.raises(IdTaken):
        task({"transaction": {**given, "amount": 5}})


@pytest.mark.usefixtures("here")
def test_what_may_work_elsewhere_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    silence(monkeypatch, SECOND, THIRD)
    with pytest.raises(NotSettled):
        task({"transaction": transaction()})


def test_a_payment_that_must_wait_is_parked(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.cloud.admin("PUT", "/processor/admin", {"lose_request_share": 1})
    site.use(monkeypatch, rail=f"{site.cloud.admin_url}/processor")
    monkeypatch.setattr("payments.store.Driver._read_secret", lambda _: "sandbox-secret")
    given = transaction()
    try:
        assert ask(event(given))[1]["status"] == "IN_DOUBT"
        assert task({"transactionId": given["id"]})["status"] == "PARKED"
    finally:
        site.cloud.admin("DELETE", "/processor/admin")
    assert given["id"] not in capsys.readouterr().out


def metrics_in(out: str) -> dict[str, float]:
    lines = [json.loads(line) for line in out.splitlines()]
    line = next(line for line in lines if "Heartbeat" in line)
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Payments"
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Environment", "Region"]]
    return {name["Name"]: line[name["Name"]] for name in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_the_janitor_finishes_what_is_overdue(
    here: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, site = transaction(), Site(here.cloud)
    site.use(monkeypatch)
    with monkeypatch.context() as trouble:
        silence(trouble, HOME)
        ask(event(given))
    site.use(monkeypatch, SECOND)
    later = runtime.context()._replace(now=lambda: int(time.time()) + 400)
    monkeypatch.setattr(runtime, "context", lambda: later)
    short = janitor.handler({"seconds": 5})  # the check of a release: it beats, and takes nothing further
    assert (short["due"] >= 1, short["swept"]) == (True, 0)
    assert metrics_in(capsys.readouterr().out)["Heartbeat"] == 1
    assert janitor.handler({"time": "2026-11-28T18:00:00Z"})["due"] >= 1  # what the schedule sends
    metrics = metrics_in(capsys.readouterr().out)
    quiet = ("PeerUnanswered", "ClockAheadSeconds", "Unchecked", "OldestOverdueSeconds", "Parked", "ResultConflict")
    assert metrics == {"Heartbeat": 1, "Backlog": 0, "BacklogAgeSeconds": 0, **dict.fromkeys(quiet, 0)}
    assert janitor.handler()["due"] == 0
    assert ask(read(given["id"]))[1]["status"] == "SETTLED"


LATE = 400


@pytest.mark.usefixtures("here")
def test_a_payment_that_raises_every_time_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: Any) -> Any:
        raise ValueError

    now = runtime.context().now()
    monkeypatch.setattr(Backlog, "page", lambda _self, shard, _now, **_: Page([(now - LATE, "T1")] * (shard == "f")))
    monkeypatch.setattr(rounds, "sweep", explode)
    janitor.handler()
    assert metrics_in(capsys.readouterr().out)["OldestOverdueSeconds"] >= LATE


@pytest.mark.usefixtures("here")
def test_a_register_that_cannot_be_compared_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(_: Driver) -> str:
        raise AwsError("NoAnswer")

    monkeypatch.setattr(Driver, "table_id", away)
    janitor.handler()
    assert metrics_in(capsys.readouterr().out)["Unchecked"] == 1


@pytest.mark.usefixtures("here")
def test_the_janitor_tells_of_silent_peers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    silence(monkeypatch, THIRD)
    janitor.handler()
    assert metrics_in(capsys.readouterr().out)["PeerUnanswered"] == 1


@pytest.mark.parametrize(("off", "said"), [(90, 90), (-90, 0), (0, 0)], ids=["ahead", "behind", "alike"])
def test_the_janitor_tells_of_clocks_that_differ(
    here: Site, monkeypatch: pytest.MonkeyPatch, off: int, said: int
) -> None:
    """A peer's that is ahead; of one that is behind the peer tells. What a peer left a minute ago is no difference."""
    site, moment = Site(here.cloud), int(time.time())
    for region, seconds in ((SECOND, off), (HOME, 0)):
        site.use(monkeypatch, region)
        context = runtime.context()._replace(now=partial(int, moment + seconds))
        with monkeypatch.context() as clock:
            clock.setattr(runtime, "context", lambda context=context: context)
            ahead = runtime.driver().run(janitor.meet_peers(), 5.0)[1]
    assert ahead == said


@pytest.mark.usefixtures("here")
def test_a_janitor_without_its_own_register_does_not_beat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silence(monkeypatch, HOME)
    with pytest.raises(AwsError):
        janitor.handler()
    assert "Heartbeat" not in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_health_looks_at_the_own_register_only(monkeypatch: pytest.MonkeyPatch) -> None:
    health.aws.cache_clear()
    with monkeypatch.context() as trouble:
        silence(trouble, SECOND, THIRD)
        assert health.handler()["statusCode"] == 200
    with monkeypatch.context() as trouble:
        silence(trouble, HOME)
        assert health.handler()["statusCode"] == 503


def test_an_operator_takes_a_region_out_and_back(here: Site) -> None:
    health.aws.cache_clear()
    table = {"TableName": f"payment-register-{HOME}-{here.environment}"}
    client = here.client("dynamodb", HOME)
    client.put_item(**table, Item={"TransactionId": {"S": health.SWITCH}, "out": {"S": "drill"}})
    assert health.handler()["statusCode"] == 503
    client.delete_item(**table, Key={"TransactionId": {"S": health.SWITCH}})
    assert health.handler()["statusCode"] == 200


@pytest.mark.usefixtures("here")
def test_card_numbers_reach_neither_answer_nor_log(capsys: pytest.CaptureFixture[str]) -> None:
    for pan in PANS:
        for spelling in disguised(pan):
            asked = [event(transaction(id=spelling)), event(transaction(**{spelling: spelling})), event(spelling)]
            asked += [event(transaction(), headers={"x": spelling}) | {"body": spelling}, read(spelling)]
            for one in asked:
                code, body, headers = ask(one)
                assert code in (400, 404)
                assert spelling not in f"{body}{headers}"
        assert pan not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("point", "rail", "deduplicates"),
    [
        ("OPEN", "processor", False),
        ("VOTE", "processor", False),
        ("ATTEMPT", "processor", True),
        ("CHARGE", "processor", False),
        ("CHARGE", "processor", True),
        ("RESULT", "processor", False),
        ("PUBLISH", "processor", False),
        ("VOTE", "ledger", False),
    ],
)
def test_a_function_that_dies_is_finished_by_others_without_a_second_charge(
    site: Site, monkeypatch: pytest.MonkeyPatch, point: str, rail: str, deduplicates: bool
) -> None:
    """The switch kills the process; whoever comes next, here the task in another Region and then at home, finishes."""
    address = f"{site.cloud.admin_url}/processor" if rail == "processor" else "ledger"
    secret = f"rail-{uuid.uuid4().hex[:8]}"
    for region in REGIONS:
        site.client("secretsmanager", region).create_secret(Name=secret, SecretString="sandbox-secret")
    given = transaction()
    site.use(monkeypatch, rail=address, secret=secret, deduplicates=deduplicates, test_faults=True)
    died = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from payments import function; function.handler({event(given, headers=fault(point))!r})",
        ],
        capture_output=True,
        check=False,
    )
    assert died.returncode == 1, (died.stdout, died.stderr)
    for region in (SECOND, HOME):
        site.use(monkeypatch, region, rail=address, secret=secret, deduplicates=deduplicates)
        outcome = task({"transaction": given})
    assert outcome["status"] == "SETTLED", outcome
    if rail == "processor":
        by_reference = site.cloud.admin("GET", "/processor/admin")["by_reference"]
        assert by_reference[given["id"]] == 1


def fault(point: str) -> dict[str, str]:
    return {"X-Test-Fault": f"die-after-{point}"}


@pytest.mark.usefixtures("here")
def test_the_fault_switch_is_off_where_the_environment_does_not_turn_it_on() -> None:
    assert ask(event(transaction(), headers=fault("OPEN")))[0] == 201


def test_no_name_of_a_payment_in_logs_looks_like_a_card_number() -> None:
    """In hexadecimal digits, one of some thousands did, and its lines could not be found."""
    tags = {tag_of(str(number), LOG_KEY) for number in range(20_000)}
    assert len(tags) == 20_000
    assert not any(map(cards.in_text, tags))


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("stripe", {"field": "source", "detail": "is missing: the id of a payment method at Stripe, such as pm_..."})],
)
def test_what_the_processor_could_never_take_is_refused_before_anything_is_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str, fault: dict[str, str]
) -> None:
    site.use(monkeypatch, rail="http://127.0.0.1:1", kind=kind)
    given = transaction()
    code, body, _ = ask(event(given))
    assert (code, body["faults"]) == (400, [fault])
    assert ask(read(given["id"]))[0] == 404, "nothing was written"
    with pytest.raises(InvalidTransaction, match="source is missing"):
        task({"transaction": given})


def test_only_the_adapter_in_use_is_imported() -> None:
    """Each costs a part of a cold start."""
    loaded = "import sys, payments.function, payments.janitor; print([m for m in sys.modules if '.processors.' in m])"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['payments.processors.common']"


@pytest.mark.parametrize(
    ("event", "moment"),
    [
        ({"httpMethod": "GET", "requestContext": {"requestTimeEpoch": 1_796_000_000_000}}, 1_796_000_000.0),
        ({"workflow": {"input": {}}}, None),
        ({"time": "2026-11-28T18:00:00Z"}, 1_795_888_800.0),
    ],
    ids=["request", "task", "janitor"],
)
@pytest.mark.usefixtures("here")
def test_every_invocation_tells_the_clock_when_it_was_asked_for(
    event: Any, moment: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float | None] = []
    monkeypatch.setattr(runtime.driver().members.clock, "began", told.append)
    with suppress(InvalidTransaction):
        (janitor if "time" in event else function).handler(event)
    assert told == [moment]
