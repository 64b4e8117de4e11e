"""docs/openapi.json is valid, made of the rules, as strict as they are, and explained in docs/integrate.md."""

import json
import re
import runpy
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from payments.protocol.transactions import InvalidTransactionError, read_request
from payments.protocol.values import VOID

from tests.contract.answers import FILE
from tests.contract.environment import program
from tests.e2e.support import ROOT
from tests.fuzz import inputs

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
REQUEST = Draft202012Validator({"components": DOCUMENT["components"], "$ref": "#/components/schemas/PaymentRequest"})
PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
GOOD = {"id": "T1", "amount": "1.50", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
# What a schema does not say, in the words of the rules.
BEYOND = re.compile(
    r"must not hold card data|must have at most \d decimals in its currency|must not name a member twice"
    r"|must be above 0|must be at most \d+ bytes|must have at most \d+ members|must not hold (numbers|NaN)"
    r"|must be in 1970 to 2199|must be ISO 8601|printable"
)


def test_it_is_what_the_rules_make() -> None:
    made: Callable[[], Any] = runpy.run_path(str(ROOT / "docs" / "openapi.py"))["document"]
    assert made() == DOCUMENT, "run `make docs`"


def test_it_is_valid_openapi() -> None:
    ran = subprocess.run([program("openapi-spec-validator"), str(FILE)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs.bodies())
def test_requests_are_judged_as_the_function_judges_them(sent: tuple[str, str]) -> None:
    """Whatever the function takes, the document takes; what only the function refuses, a schema cannot say."""
    try:
        read_request(sent[0], "123456789012")
    except InvalidTransactionError as error:
        faults = error.faults
    else:
        assert not [*REQUEST.iter_errors(json.loads(sent[0]))], sent[0]
        return
    try:
        body = json.loads(sent[0])
    except (ValueError, RecursionError):
        return
    if not [*REQUEST.iter_errors(body)]:
        assert all(BEYOND.search(detail) for _, detail in faults), (sent[0], faults)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": "x" * 65},
        {"amount": "-1"},
        {"amount": 0},
        {"amount": "1e3"},
        {"amount": 10**12},
        {"amount": True},
        {"currency": "usd"},
        {"currency": "XAU"},
        {"timestamp": "2024-01-15T10:30:00"},
        {"timestamp": -1},
        {"source": "short"},
        {"reference": "naïve"},
        {"metadata": {}},
        {"metadata": {"a b": "x"}},
        {"metadata": {"a": ""}},
        {"metadata": {str(n): "x" for n in range(6)}},
        {"more": 1},
    ],
    ids=str,
)
def test_what_a_schema_can_say_it_says(changed: dict[str, Any]) -> None:
    transaction = GOOD | changed
    with pytest.raises(InvalidTransactionError):
        read_request(json.dumps({"transaction": transaction}), "123456789012")
    assert [*REQUEST.iter_errors({"transaction": transaction})]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"amount": 1.5},
        {"timestamp": "2024-01-15t10:30:00.5z"},
        {"timestamp": "2024-01-15 10:30+01:00"},
        {"timestamp": 1705314600.25},
        {"source": "tok_1234:a.b", "reference": "order #1, A/B", "metadata": {"shop": "Rome"}},
    ],
    ids=str,
)
def test_what_the_function_takes_it_takes(changed: dict[str, Any]) -> None:
    body = {"transaction": GOOD | changed}
    read_request(json.dumps(body), "123456789012")
    assert not [*REQUEST.iter_errors(body)]


def test_the_guide_explains_every_answer_and_every_status() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE)
    explained = {int(code) for row in rows for code in re.findall(r"\b\d{3}\b", row)}
    operations = [DOCUMENT["paths"]["/payments"]["post"], DOCUMENT["paths"]["/payments/{id}"]["get"]]
    assert explained == {int(code) for operation in operations for code in operation["responses"]}
    shown = [DOCUMENT["components"]["schemas"][name] for name in ("FinalPayment", "OpenPayment")]
    statuses = {status for schema in shown for status in schema["properties"]["status"]["enum"]} - {VOID}
    assert {status for row in rows for status in re.findall(r"^`([A-Z_]+)`$", row)} == statuses
