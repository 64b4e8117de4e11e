"""Who may call the API, and that every right of a function's role is needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials

from tests.e2e.support import REGIONS, Environment

HOME = REGIONS[0]
FUNCTIONS = ("processor", "janitor", "health")


@pytest.fixture(scope="module")
def stranger(dev: Environment) -> Credentials:
    """A user of the account who may do nothing."""
    return user(dev, "stranger")


def user(environment: Environment, name: str) -> Credentials:
    iam = environment.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_an_unsigned_payment_is_refused_and_writes_nothing(dev: Environment, payment: str) -> None:
    reply = dev.pay(payment, sign_as=None)
    assert reply.status == 403, reply
    assert [dev.cell(payment, region) for region in REGIONS] == [{}, {}, {}]


def test_a_payment_signed_by_a_user_without_rights_is_refused(
    dev: Environment, payment: str, stranger: Credentials
) -> None:
    assert dev.pay(payment, sign_as=stranger).status == 403
    assert dev.call("GET", "/payments/TXN001", sign_as=stranger).status == 403


def test_a_payment_signed_with_a_wrong_secret_is_refused(dev: Environment, payment: str, stranger: Credentials) -> None:
    assert dev.pay(payment, sign_as=Credentials(stranger.access_key, "wrong")).status == 403


def test_a_user_with_the_right_to_invoke_pays(dev: Environment, payment: str) -> None:
    merchant = user(dev, "merchant")
    arn = f"arn:aws:execute-api:{HOME}:*:*/prod/POST/payments"
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn},
    }
    dev.client("iam").put_user_policy(UserName="merchant", PolicyName="pay", PolicyDocument=json.dumps(policy))
    reply = dev.pay(payment, sign_as=merchant)
    assert reply.status == 201, reply


def test_health_needs_no_signature(dev: Environment) -> None:
    for region in REGIONS:
        reply = dev.call("GET", "/health", region=region, sign_as=None)
        assert (reply.status, reply.body["status"]) == (200, "ok")


def test_no_gateway_answer_echoes_what_was_sent(dev: Environment) -> None:
    """Also those that the gateway makes without asking the function."""
    for method, path, signed in (("POST", "/payments", True), ("POST", "/payments", False), ("PUT", "/nowhere", True)):
        reply = dev.call(
            method, path, b'{"secret-4111111111111111"', sign_as=Credentials("test", "test") if signed else None
        )
        assert reply.status >= 400
        assert "4111" not in json.dumps(reply.body), reply
        assert reply.headers.get("Content-Type", reply.headers.get("content-type")) == "application/problem+json", reply


@pytest.fixture
def role(dev: Environment, request: pytest.FixtureRequest) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A function's role and its inline policies, put back afterwards."""
    name = f"payment-{request.param}-{HOME}-dev"
    function = dev.client("lambda").get_function_configuration(FunctionName=name)
    role_name = function["Role"].rsplit("/", 1)[1]
    iam = dev.client("iam")
    policies = [
        iam.get_role_policy(RoleName=role_name, PolicyName=policy)
        for policy in iam.list_role_policies(RoleName=role_name)["PolicyNames"]
    ]
    yield role_name, policies
    for policy in policies:
        iam.put_role_policy(
            RoleName=role_name,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )


def without(document: dict[str, Any], action: str) -> dict[str, Any]:
    """The policy with one action taken out."""
    statements = []
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [each for each in actions if each != action]
        if left:
            statements.append(statement | {"Action": left})
    return document | {"Statement": statements}


def drop(dev: Environment, role: tuple[str, list[dict[str, Any]]], action: str) -> None:
    name, policies = role
    found = [policy for policy in policies if action in json.dumps(policy["PolicyDocument"])]
    assert found, f"{name} has no {action}"
    for policy in found:
        dev.client("iam").put_role_policy(
            RoleName=name,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(without(policy["PolicyDocument"], action)),
        )


@pytest.mark.parametrize("role", ["processor"], indirect=True)
def test_the_processor_cannot_open_a_cell_without_updateitem(dev: Environment, role: Any, payment: str) -> None:
    drop(dev, role, "dynamodb:UpdateItem")
    assert dev.pay(payment).status == 503
    assert [dev.cell(payment, region) for region in REGIONS] == [{}, {}, {}]


@pytest.mark.parametrize("role", ["processor"], indirect=True)
def test_the_processor_cannot_read_without_getitem(dev: Environment, role: Any, payment: str) -> None:
    drop(dev, role, "dynamodb:GetItem")
    assert dev.call("GET", f"/payments/{payment}").status == 503


@pytest.mark.parametrize("role", ["processor"], indirect=True)
def test_the_processor_writes_no_receipt_without_putobject(dev: Environment, role: Any, payment: str) -> None:
    """And the payment is settled all the same, with its cell still due: the janitor repeats what failed."""
    drop(dev, role, "s3:PutObject")
    assert dev.pay(payment).status == 201
    assert dev.receipt(payment, HOME) is None
    assert "due_at" in dev.cell(payment, HOME)


@pytest.mark.parametrize("role", ["health"], indirect=True)
def test_health_is_red_without_getitem(dev: Environment, role: Any) -> None:
    drop(dev, role, "dynamodb:GetItem")
    assert dev.call("GET", "/health", sign_as=None).status == 503


@pytest.mark.parametrize("role", ["janitor"], indirect=True)
def test_the_janitor_finds_nothing_without_query(dev: Environment, role: Any) -> None:
    drop(dev, role, "dynamodb:Query")
    answer = dev.invoke("janitor")
    assert answer.get("FunctionError"), answer["Payload"].read()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_answers_with_the_rights_it_has(dev: Environment, function: str) -> None:
    payload = {"httpMethod": "GET", "pathParameters": {"id": "TXN-none"}, "requestContext": {}}
    answer = dev.invoke(function, payload=payload)
    assert "FunctionError" not in answer, answer["Payload"].read()
