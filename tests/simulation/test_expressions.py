"""The simulator's evaluator says what the emulator's own DynamoDB says, for every expression of production."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payments.protocol.ports import Action
from payments.protocol.rejoining import WITHDRAW

from tests.simulation.expressions import ExpressionError, Item, Scalar, Values, compile_update
from tests.simulation.production import ACTIONS

KEYS = count()


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """The emulator alone, as a child process, with one table that has no index: any attribute may have any type."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{port}", "--log-level", "error"],
        env={**os.environ, "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        limit = time.monotonic() + 60
        while True:
            try:
                client.create_table(
                    TableName="cells",
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": "TransactionId", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "TransactionId", "AttributeType": "S"}],
                )
                break
            except EndpointConnectionError:
                if server.poll() is not None or time.monotonic() > limit:
                    raise
                time.sleep(0.1)
        yield client
    finally:
        server.terminate()
        server.wait(timeout=20)


def typed(item: Item) -> dict[str, dict[str, str]]:
    return {name: {"S": v} if isinstance(v, str) else {"N": str(v)} for name, v in item.items()}


def plain(item: dict[str, dict[str, str]]) -> dict[str, Scalar]:
    return {name: int(v["N"]) if "N" in v else v["S"] for name, v in item.items()}


def attributes(action: Action) -> list[str]:
    """Every attribute the action touches, by its real name."""
    words = re.sub(r"attribute_(not_)?exists|if_not_exists|:\w+|\b(SET|REMOVE|AND|OR)\b", " ", text(action))
    return sorted(set(re.findall(r"[A-Za-z]\w*", words)) - {"TransactionId"})


def text(action: Action) -> str:
    return f"{action.update} {action.condition}"


SCALARS = st.one_of(st.integers(0, 3), st.sampled_from(("", "a", "b", "\u00fc")))


def cases(action: Action) -> st.SearchStrategy[tuple[Item, Values]]:
    """Items and values from so few scalars that equality, order and differing types all come up often."""
    placeholders = sorted(set(re.findall(r":(\w+)", text(action))))
    return st.tuples(
        st.fixed_dictionaries({}, optional=dict.fromkeys(attributes(action), SCALARS)),
        st.fixed_dictionaries(dict.fromkeys(placeholders, SCALARS)),
    )


@pytest.mark.parametrize("action", [*ACTIONS, WITHDRAW], ids=lambda action: action.name)
def test_evaluator_agrees_with_the_emulator(dynamodb: Any, action: Action) -> None:
    """Whatever the item and the values, both refuse, or both write the same item."""
    run = compile_update(action.update, action.condition)
    outcomes = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=cases(action))
    def holds(case: tuple[Item, Values]) -> None:
        item, values = case
        key = f"k{next(KEYS)}"
        if item:
            dynamodb.put_item(TableName="cells", Item={"TransactionId": {"S": key}, **typed(item)})
        mine = run({"TransactionId": key, **item} if item else {}, values)
        theirs = send(dynamodb, action, key, values)
        outcomes.add(theirs is not None)
        assert (None if mine is None else {"TransactionId": key, **mine}) == theirs

    holds()
    assert outcomes == {True, False}, "the cases never refused, or never wrote"


def send(dynamodb: Any, action: Action, key: str, values: Values) -> dict[str, Scalar] | None:
    names = {name: name[1:] for name in re.findall(r"#\w+", text(action))}
    try:
        reply = dynamodb.update_item(
            TableName="cells",
            Key={"TransactionId": {"S": key}},
            UpdateExpression=action.update,
            ConditionExpression=action.condition,
            ReturnValues="ALL_NEW",
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": typed({f":{k}": v for k, v in values.items()})} if values else {}),
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return None
    return plain(reply["Attributes"])


@pytest.mark.parametrize(
    ("update", "condition"),
    [
        ("SET a = :x", "NOT a = :x"),
        ("SET a = :x + :y", ""),
        ("SET a = :x, a = :y", ""),
        ("ADD a :x", ""),
        ("SET a = :x", "contains(a, :x)"),
        ("SET a = :x", "a = :x OR"),
        ("SET a = :x", "(a = :x"),
        ("SET a.b = :x", ""),
        ("", ""),
    ],
)
def test_what_is_outside_the_grammar_is_refused(update: str, condition: str) -> None:
    """A production string that the evaluator would only half understand stops the tests."""
    with pytest.raises(ExpressionError):
        compile_update(update, condition)


def test_values_that_are_missing_or_unused_are_refused() -> None:
    """As DynamoDB does."""
    run = compile_update("SET a = :x", "")
    for values in ({}, {"x": 1, "y": 2}):
        with pytest.raises(ExpressionError):
            run({}, values)


def test_an_update_leaves_the_old_item_alone() -> None:
    """What a caller was shown does not change behind its back."""
    old: dict[str, Scalar] = {"a": 1, "b": 2}
    new = compile_update("SET a = b REMOVE b", "a = :x")(old, {"x": 1})
    assert (old, new) == ({"a": 1, "b": 2}, {"a": 2})
