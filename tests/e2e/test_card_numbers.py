"""Card numbers are fed in everywhere and are nowhere afterwards; one that is put anywhere on purpose is found."""

import base64
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials
from payments import function, runtime
from payments.task import InvalidTransaction

from payctl.commands.main import main
from tests.e2e.plants import BARE, STORES, planted
from tests.e2e.support import MOMENT, REGIONS, ROOT, Environment, eventually
from tests.e2e.sweep import FED, PLANTED, Stores, found
from tests.fuzz.test_fuzz import DESKS, Desk, context
from tests.payments.process import SETTINGS
from tests.payments.test_disguises import EVERYWHERE, IN_IDS

HOME, STANDBY, LAST = REGIONS
DISGUISES = [*(IN_IDS | EVERYWHERE).values()]
MEMBERS = ("id", "amount", "currency", "timestamp", "source", "reference", "metadata")
HOPS = ("account", "hash", "region", "failover", "next", "tried", "reason", "error")
GOOD = {"id": "T-fed", "amount": "1.00", "currency": "EUR", "timestamp": MOMENT}


def disguised(each: int) -> str:
    """A card number, each in another disguise."""
    return DISGUISES[each % len(DISGUISES)](FED[each], random.Random(each))


def shapes(text: str, pan: str) -> Iterator[dict[str, Any]]:
    """A transaction with it in every place."""
    for name in MEMBERS:
        yield GOOD | {name: text}
        yield GOOD | {name: [text]}
    yield GOOD | {"amount": int(pan)}
    yield GOOD | {"timestamp": int(pan)}
    yield GOOD | {"metadata": {"note": text}}
    yield GOOD | {"metadata": {text: "note"}}
    yield GOOD | {text: "x"}
    yield GOOD | {"note": {"deep": [text]}}
    yield {"id": text}


def inputs(text: str, pan: str) -> Iterator[Any]:
    """The input of an execution with it in every place."""
    yield text
    yield [text]
    yield {text: GOOD}
    yield {"transactionId": text}
    yield {"transaction": text}
    yield from ({"transaction": shape} for shape in shapes(text, pan))
    yield from ({"transactionId": "T-nobodys", name: text} for name in (*HOPS, "note"))


def bodies(text: str, pan: str) -> Iterator[str]:
    """The body of a POST with it in every place."""
    yield text
    yield json.dumps(text)
    yield json.dumps({text: GOOD})
    yield json.dumps({"transaction": GOOD, "note": text})
    yield from (json.dumps({"transaction": shape}) for shape in shapes(text, pan))


# --- in this process: all of them, in every place


def feed_handlers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the handlers answer, log and keep, with three Regions in memory."""
    with monkeypatch.context() as patch:
        DESKS[:] = [Desk()]
        for name, stand_in in (("settings", lambda: SETTINGS), ("driver", lambda: DESKS[-1]), ("context", context)):
            patch.setattr(runtime, name, stand_in)
        told: list[Any] = []
        for each, pan in enumerate(FED):
            text = disguised(each)
            wrapped: dict[str, Any] = {"headers": {"x-note": text, text: "x"}, "queryStringParameters": {text: text}}
            places = [*bodies(text, pan)]
            body = places[each % len(places)]
            asked = wrapped | {"httpMethod": "POST", "body": body}
            if each % 7 == 0:
                asked |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
            told.append(function.handler(asked))
            assert told[-1]["statusCode"] == 400, body
            path = {"path": f"/prod/payments/{quote(text)}"}
            read = wrapped | {"httpMethod": "GET", "pathParameters": {"id": text}, "requestContext": path}
            told.append(function.handler(read))
            assert told[-1]["statusCode"] == 404, text
            given = [*inputs(text, pan)]
            with pytest.raises(InvalidTransaction) as refused:
                function.handler({"workflow": {"input": given[each % len(given)], "execution": f"arn:x:{text}"}})
            told.append(str(refused.value))
        assert not any(DESKS[-1].world.cells.values())
        return json.dumps([told, DESKS[-1].kept()], default=str, ensure_ascii=False) + capsys.readouterr().out


def feed_operator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """What payctl says of card numbers as arguments and as settings."""
    commands: tuple[Callable[[str], tuple[str, ...]], ...] = (
        lambda text: ("pay", "--amount", "1.00", "--id", text),
        lambda text: ("pay", f"--amount={text}"),
        lambda text: ("pay", "--status", text),
        lambda text: ("pay", "--rate", text),
        lambda text: ("logs", text),
        lambda text: ("resolve", "T1", "--settled", text),
        lambda text: ("resolve", "T1", "--not-charged", "--reason", f"the card {text} says so"),
        lambda text: ("resolve", text, "--settled", "ch_1"),
        lambda text: ("redrive", "--message", text),
        lambda text: ("redrive", "--message", "m", "--transaction", text),
        lambda text: ("rejoin", text),
        lambda text: (text,),
        lambda text: ("status", "--settings", text),
        lambda text: ("why", "--operation", text, "--json"),
        lambda text: (f"--{text}=x",),
    )
    for each, _ in enumerate(FED):
        run(monkeypatch, *commands[each % len(commands)](disguised(each)))
    settings = (ROOT / "deployment.toml").read_text()
    for each, table in enumerate(("tags", "options", "processor", "domain", "accounts", "limits", "unheard_of", "")):
        text = json.dumps(disguised(each))
        for at, line in enumerate((f"alert_email = {text}", f"{text} = 1", f"CostCenter = [{text}]", f"# {text}")):
            file = folder / f"{each}-{at}.toml"
            file.write_text(f"{settings}\n[{table}]\n{line}\n" if table else f"{line}\n{settings}")
            run(monkeypatch, "status", "--settings", str(file))
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", f"x{next(pan for pan in FED if len(pan) == 15)}")
    run(monkeypatch, "status", "--settings", str(ROOT / "deployment.toml"))
    monkeypatch.delenv("ENVIRONMENT_SUFFIX")
    said = capsys.readouterr()
    assert said.err.count("holds what looks like a card number") == len(FED) + 33
    return said.out + said.err


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, codes: tuple[int, ...] = (1,)) -> None:
    monkeypatch.setattr(sys, "argv", ["payctl", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in codes


# --- over the wire: some, in every place


def feed_api(dev: Environment, numbers: range) -> str:
    """What the API answers."""
    told = []
    for each in numbers:
        text, pan, region = disguised(each), FED[each], REGIONS[each % 3]
        places = [*bodies(text, pan)]
        ways: list[tuple[str, str, Any, dict[str, str]]] = [
            ("POST", "/payments", places[each % len(places)].encode(), {}),
            ("POST", "/payments", places[-1 - each % len(places)].encode(), {}),
            ("GET", f"/payments/{quote(text, safe='')}", None, {}),
            ("GET", f"/payments/{pan}", None, {}),
            ("GET", f"/payments/{pan}/more", None, {}),
            ("GET", f"/{pan}", None, {}),
            ("GET", f"/payments/T-nobodys?card={pan}&{pan}=x", None, {}),
            ("GET", "/health", None, {"X-Note": pan, "User-Agent": pan, "X-Amzn-Trace-Id": f"Root={pan}"}),
            ("POST", "/payments", b"{}", {"X-Test-Fault": f"die-after-{pan}", "Idempotency-Key": pan, pan: "x"}),
        ]
        for method, path, body, headers in ways:
            sign_as = Credentials("test", "test") if each % 5 else None
            answer = dev.call(method, path, body, region=region, headers=headers, sign_as=sign_as)
            assert answer.status in ((200, 400, 403, 404) if path != "/payments" else (400, 403)), (path, answer)
            told.append([answer.body, dict(answer.headers.items())])
    return json.dumps(told)


def feed_workflows(dev: Environment, rank: int, numbers: range) -> None:
    region = REGIONS[rank]
    api = dev.client("stepfunctions", region)
    for each in numbers:
        given = [*inputs(disguised(each), FED[each])]
        started = api.start_execution(
            stateMachineArn=f"arn:aws:states:{region}:000000000000:stateMachine:payment-workflow-{region}-dev",
            input=json.dumps(given[each % len(given)]),
        )["executionArn"]
        ended = eventually(
            lambda started=started: (  # type: ignore[misc]
                seen if (seen := api.describe_execution(executionArn=started))["status"] != "RUNNING" else None
            )
        )
        assert (ended["status"], ended["error"]) == ("FAILED", "InvalidTransaction")


def feed_events(dev: Environment, numbers: range) -> None:
    """Of somebody who may put events on the bus by hand; a rule takes them to the next Region's workflow."""
    for each in numbers:
        given = [one for one in inputs(disguised(each), FED[each]) if isinstance(one, dict)]
        detail = given[each % len(given)] | {"region": HOME, "failover": "true", "next": STANDBY}
        entry = {
            "Source": "payment.processing",
            "DetailType": "Payment Transaction",
            "EventBusName": f"payment-events-{HOME}-dev",
            "Detail": json.dumps(detail),
        }
        assert dev.client("events", HOME).put_events(Entries=[entry])["FailedEntryCount"] == 0


def reports(dev: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What an operator is shown of what was refused."""
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", "dev")
    place = ("--local", "--endpoint", dev.cloud.endpoint, "--settings", str(dev.settings))
    run(monkeypatch, "redrive", "--list", "--json", *place, codes=(0,))
    said = capsys.readouterr()
    assert "InvalidTransaction" in said.out
    return said.out + said.err


@pytest.fixture
def near(dev: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The same, with the addresses of its APIs looked up once."""
    roots = {region: dev.url(region, "") for region in REGIONS}
    monkeypatch.setattr(Environment, "url", lambda _, region, path: roots[region] + path)
    return dev


def sweep(dev: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], share: int) -> None:
    """Feed one card number of so many over the wire, and look everywhere."""
    began = time.time()
    answers = {"API": feed_api(dev, range(0, len(FED), share))}
    with ThreadPoolExecutor(len(REGIONS)) as pool:  # two at once may run in a Region
        list(pool.map(lambda rank: feed_workflows(dev, rank, range(rank, len(FED), 3 * share)), range(len(REGIONS))))
    feed_events(dev, range(1, len(FED), 3 * share))
    eventually(lambda: dev.cloud.admin("GET", "/quiet")["quiet"])
    answers["reports"] = reports(dev, monkeypatch, capsys)
    assert {name: numbers for name, text in answers.items() if (numbers := found(text))} == {}
    assert Stores(dev, began).leaks() == {}


def test_no_handler_and_no_command_lets_a_card_number_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert found(feed_handlers(monkeypatch, capsys)) == set()
    assert found(feed_operator(monkeypatch, capsys, tmp_path)) == set()


def test_no_card_number_is_kept_anywhere(
    near: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(near, monkeypatch, capsys, 101)


@pytest.mark.evidence
@pytest.mark.timeout(1800)  # six minutes on an idle machine
def test_none_of_a_thousand_card_numbers_is_kept_anywhere(
    near: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        sweep(near, monkeypatch, capsys, int(os.environ.get("CARDS_SHARE", "2")))  # 1: all of them over the wire
    finally:
        near.payctl("redrive", "--discard", "--yes")  # so many letters would be in the way of others


# --- and the search finds what is there


def encodings(pan: str) -> Iterator[str]:
    yield pan
    yield " ".join(pan)
    yield "x".join(pan)
    yield base64.b64encode(pan.encode()).decode()
    yield base64.urlsafe_b64encode(json.dumps({"note": f"card {pan}."}).encode()).decode().rstrip("=")
    yield f"ab{base64.b64encode(pan.encode()).decode()}"
    yield pan.encode().hex()
    yield "".join(f"%{ord(digit):02x}" for digit in pan)
    yield json.dumps("".join(chr(0x0660 + int(digit)) for digit in pan))
    yield base64.b64encode(base64.b64encode(pan.encode())).decode()
    yield pan.encode().hex().encode().hex()


def test_no_encoding_hides_a_card_number_from_the_search() -> None:
    for pan in PLANTED:
        for text in encodings(pan):
            assert found(f'before 12 {text}, "after" 7') == {pan}, text
        assert found(pan[:-1]) == set()


def test_a_card_number_put_into_any_store_is_found(dev: Environment) -> None:
    began, numbers = time.time() - 1, dict(zip(STORES, PLANTED, strict=False))
    assert set(BARE) <= {*numbers}
    texts = {
        store: pan if store in BARE else [*encodings(pan)][each % 11]
        for each, (store, pan) in enumerate(numbers.items())
    }
    with planted(dev, texts):
        leaks = Stores(dev, began).leaks()
    assert {store for store, pan in numbers.items() if pan not in leaks.get(store, ())} == set()
