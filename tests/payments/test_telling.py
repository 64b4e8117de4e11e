"""What handlers log, count and pass on, with flows that run in memory: no call of AWS is made."""

import base64
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from payments import function, health, janitor, merchants, runtime
from payments.aws import Aws, AwsError
from payments.rounds import Told
from payments.settings import read
from payments.task import NotSettled

from tests.contract.answers import fault
from tests.payments.memory import HOME, REGIONS, SECOND, World
from tests.payments.process import SETTINGS
from tests.payments.test_flows import RAIL

OWN, SHOP = "123456789012", "444455556666"
POSTED = {"id": "T1", "amount": "99.99", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
HERE = SETTINGS._replace(secret="", bucket="receipts", bus="default", janitors=3)
WITH_SHOP = HERE._replace(merchants=merchants.parse(f"shop={SHOP};={OWN}"))


class Process:
    """A function's process: its flows run on a world in memory, and what it writes is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: Callable[[], str]) -> None:
        self.world, self.settings, self.output = World(), HERE, output
        self.ran: list[tuple[float, str]] = []
        self.clock = iter([10.0, 10.12345])
        monkeypatch.setattr(runtime, "settings", lambda: self.settings)
        monkeypatch.setattr(runtime, "context", lambda: self.world.context(rail=self.settings.rail))
        monkeypatch.setattr(runtime, "begin", lambda _: None)
        monkeypatch.setattr(runtime, "tag", lambda text: f"({text})")
        monkeypatch.setattr(function, "run", self.run)
        monkeypatch.setattr(time, "monotonic", lambda: next(self.clock, 11.0))

    def run(self, flow: Any, seconds: float, die_after: str = "") -> Any:
        self.ran.append((seconds, die_after))
        return self.world.run(runtime.context(), flow)

    def ask(self, event: dict[str, Any]) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
        """Status, body, and the lines that were written."""
        answer = function.handler(event)
        code, body = answer["statusCode"], json.loads(answer["body"])
        path = "/payments" if event["httpMethod"] == "POST" else "/payments/T1"
        assert not fault(event["httpMethod"], path, code, answer["headers"], body), "docs/openapi.json"
        return code, body, self.lines()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output().splitlines()]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Process:
    return Process(monkeypatch, lambda: capsys.readouterr().out)


def event(method: str, account: str = OWN, **more: Any) -> dict[str, Any]:
    identity = {"accountId": account, "userArn": f"arn:aws:iam::{account}:root"}
    return {
        "httpMethod": method,
        "body": json.dumps({"transaction": POSTED}),
        "pathParameters": {"id": "T1"},
        "requestContext": {"path": "/payments", "identity": identity},
        **more,
    }


def answered(line: dict[str, Any]) -> dict[str, Any]:
    assert line.pop("time")
    return line


def counted(line: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[list[str], list[str]]]]:
    """The members of a metric line, and the names of dimensions and metrics."""
    about = line.pop("_aws")["CloudWatchMetrics"]
    return line, [(each["Dimensions"][0], [metric["Name"] for metric in each["Metrics"]]) for each in about]


def test_a_settled_payment_is_logged(process: Process) -> None:
    code, _, (line,) = process.ask(event("POST"))
    assert code == 201
    assert answered(line) == {
        "what": "answered",
        "payment": "(T1)",
        "code": 201,
        "status": "SETTLED",
        "state": "final",
        "seconds": 0.1235,
    }
    assert process.ran == [(8.0, "")]


def test_what_is_accepted_is_logged(process: Process) -> None:
    process.settings = HERE._replace(rail=RAIL)
    process.world.lose = lambda _region, request: "before" if type(request).__name__ == "Charge" else ""
    code, _, (line,) = process.ask(event("POST"))
    assert (code, line["code"], line["status"]) == (202, 202, "IN_DOUBT")


def test_a_merchant_reads_its_own(process: Process) -> None:
    process.settings = WITH_SHOP
    assert process.ask(event("POST", SHOP))[0] == 201
    assert "shop:T1" in process.world.replicas[HOME]
    code, body, (line,) = process.ask(event("GET", SHOP))
    assert (code, body["transactionId"], line["payment"]) == (200, "T1", "(shop:T1)")
    assert process.ask(event("GET"))[0] == 404


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (event("GET", "999999999999"), 403),
        (event("POST", body="{"), 400),
        (event("GET", pathParameters={"id": "?"}), 404),
        (event("GET", pathParameters={}), 404),
        (event("GET", pathParameters=None), 404),
    ],
)
def test_what_is_refused_is_logged_without_a_name(process: Process, asked: dict[str, Any], code: int) -> None:
    process.settings = WITH_SHOP
    got, body, (line,) = process.ask(asked)
    assert (got, body["status"]) == (code, code)
    assert answered(line) == {
        "what": "answered",
        "payment": "()",
        "code": code,
        "status": "",
        "state": "",
        "seconds": 0.1235,
    }
    assert not process.ran


def test_a_body_that_is_no_text_is_named_so(process: Process) -> None:
    for body in ("?", base64.b64encode(b"\xff").decode()):
        _, problem, _ = process.ask(event("POST", body=body, isBase64Encoded=True))
        assert problem["faults"] == [{"field": "", "detail": "must be JSON"}]


@pytest.mark.parametrize(
    ("tests", "headers", "passed"),
    [
        (True, {"X-Test-Fault": "die-after-OPEN"}, "OPEN"),
        (True, {"X-Test-Fault": "OPEN"}, ""),
        (True, {"X-Other": "die-after-OPEN"}, ""),
        (True, None, ""),
        (False, {"X-Test-Fault": "die-after-OPEN"}, ""),
    ],
)
def test_a_fault_is_for_tests_only(process: Process, tests: bool, headers: Any, passed: str) -> None:
    process.settings = HERE._replace(test_faults=tests)
    process.ask(event("POST", headers=headers))
    assert process.ran == [(8.0, passed)]


def test_a_task_is_logged_by_its_execution(process: Process) -> None:
    process.ask(event("POST"))
    function.handler({"workflow": {"input": {"transactionId": "T1"}, "execution": "arn:one"}})
    (line,) = process.lines()
    assert answered(line) == {"what": "task", "payment": "(T1)", "state": "final", "execution": "arn:one"}
    assert process.ran[-1] == (60.0, "")


def test_a_failure_is_logged_by_where_it_was_raised(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: Any) -> Any:
        raise KeyError("4111111111111111")

    here = f"raising:{raising.__code__.co_firstlineno + 1}"
    monkeypatch.setattr(function, "run", raising)
    code, _, (line,) = process.ask(event("POST"))
    assert (code, answered(line)) == (503, {"what": "failed", "error": "KeyError", "line": here})
    with pytest.raises(NotSettled, match=r"^KeyError$"):
        function.handler({"workflow": {"input": {"transactionId": "T1"}}})
    (line,) = process.lines()
    assert answered(line) == {"what": "failed", "error": "KeyError", "line": here}
    function.log_failure(ValueError())
    (line,) = process.lines()
    assert answered(line) == {"what": "failed", "error": "ValueError", "line": ""}


# --- settings


def test_settings_are_what_the_template_says_or_the_usual() -> None:
    needed = {
        "ENVIRONMENT": "test",
        "AWS_REGION": HOME,
        "REGIONS": ",".join(REGIONS),
        "ACCOUNT": OWN,
        "BUCKET": "receipts",
        "BUS": "default",
        "STATE_MACHINE": "arn:machine",
    }
    assert read(needed) == HERE._replace(janitors=1, shards=16, kind="http", dead_letters="")
    given = {
        "RAIL": RAIL,
        "PROCESSOR_SECRET": "arn:secret",
        "PROCESSOR_DEDUPLICATES": "true",
        "PROCESSOR_KEY_HOURS": "48",
        "PROCESSOR_KIND": "stripe",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "TEST_FAULTS": "true",
        "MERCHANTS": f"shop={SHOP}",
        "JANITORS": "4",
        "INDEX_SHARDS": "32",
        "DEAD_LETTERS": "https://queue",
    }
    assert read(needed | given) == HERE._replace(
        rail=RAIL,
        secret="arn:secret",
        deduplicates=True,
        key_lifetime=172_800,
        kind="stripe",
        endpoint="http://127.0.0.1:1",
        test_faults=True,
        merchants={SHOP: "shop"},
        janitors=4,
        shards=32,
        dead_letters="https://queue",
    )


# --- health


@pytest.mark.parametrize(
    ("item", "code", "state"),
    [({}, 200, "ok"), ({"Item": {"out": {"S": "why"}}}, 503, "out"), (AwsError("NoAnswer"), 503, "unavailable")],
)
def test_health_is_told_of_the_own_register(monkeypatch: pytest.MonkeyPatch, item: Any, code: int, state: str) -> None:
    asked: list[Any] = []

    def call(_self: Aws, *arguments: Any) -> Any:
        asked.append(arguments)
        if isinstance(item, AwsError):
            raise item
        return item

    names = {"AWS_REGION": SECOND, "ENVIRONMENT": "test", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(Aws, "call", call)
    health.aws.cache_clear()
    answer = health.handler()
    assert health.aws().endpoint == ""
    health.aws.cache_clear()
    assert answer == {
        "statusCode": code,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps({"status": state, "region": SECOND}),
        "isBase64Encoded": False,
    }
    key = {"TransactionId": {"S": ":health"}}
    fields = {"TableName": f"payment-register-{SECOND}-test", "Key": key, "ConsistentRead": True}
    assert asked == [("dynamodb", SECOND, "GetItem", fields)]


# --- the janitor


def test_a_round_is_told_by_metrics_and_a_line(process: Process) -> None:
    janitor.report(Told(due=9, swept=8, backlog=7, backlog_age=6, oldest=5, parked=4, conflicts=3), {"Heartbeat": 1})
    told, parked, line = process.lines()
    where = {"Environment": "test", "Region": HOME}
    values = {"Backlog": 7, "BacklogAgeSeconds": 6, "OldestOverdueSeconds": 5, "Parked": 4, "ResultConflict": 3}
    (told_of,) = told["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in told_of["Metrics"]}
    assert units == dict.fromkeys(["Heartbeat", *values], "Count") | {
        "BacklogAgeSeconds": "Seconds",
        "OldestOverdueSeconds": "Seconds",
    }
    assert counted(told) == (
        {**where, "Heartbeat": 1, **values},
        [(["Environment", "Region"], ["Heartbeat", *values])],
    )
    assert counted(parked)[0] == {**where, "Outcome": "PARKED", "Payments": 4}
    assert answered(line) == {"what": "run", "count": 9}
    janitor.report(Told())
    told, line = process.lines()
    assert counted(told)[0] == {**where, **dict.fromkeys(values, 0)}


def test_helpers_are_called_for_shares_until_this_run_ends(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[Any, ...]] = []

    class Driver:
        class aws:
            invoking = staticmethod(lambda *arguments: arguments)

    def run(arguments: tuple[Any, ...]) -> None:
        if len(called) == 1:
            raise AwsError("TooManyRequests")
        called.append(arguments)

    monkeypatch.setattr(runtime, "driver", lambda: cast("Any", Driver))
    monkeypatch.setattr(janitor, "run", run)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    process.clock = iter([10.0, 11.0])
    monkeypatch.setattr(runtime, "context", lambda: SimpleNamespace(draw=lambda _: 0))
    assert janitor.hand_over(["0", "1", "2", "3", "4"], 40.0) == {"1", "4"}
    assert called == [(HOME, f"payment-janitor-{HOME}-test", {"shards": ["1", "4"], "until": 1030.0})]
    (line,) = process.lines()
    assert (line["what"], line["error"]) == ("unhelped", "TooManyRequests")
