"""The judge itself: what each kind of policy does to a call."""

import json
from typing import Any

import pytest

from localcloud.iam.evaluation import Policies, call, judge, message, trusts

ROLE = "arn:aws:iam::111111111111:role/r"
QUEUE = "arn:aws:sqs:eu-west-1:111111111111:q"
KEY = "arn:aws:kms:eu-west-1:111111111111:key/k"
ROOT = "arn:aws:iam::111111111111:root"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Resource": "*", **each} for each in statements]})


SEND = policy({"Action": "sqs:SendMessage"})


def allowed(principal: str, action: str, resource: str, policies: Policies, **context: Any) -> bool:
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    return judge(call(principal, action, resource, keys), policies).allowed


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (Policies(), False),
        (Policies((SEND,)), True),
        (Policies((policy({"Action": "SQS:Send*"}),)), True),
        (Policies((policy({"Action": "sqs:SendMessage", "Resource": f"{QUEUE}2"}),)), False),
        (Policies((policy({"NotAction": "sqs:DeleteQueue", "Action": []}),)), True),
        (Policies((policy({"NotAction": "sqs:Send*", "Action": []}),)), False),
        (Policies((SEND, policy({"Effect": "Deny", "Action": "sqs:*"}))), False),
        (Policies((SEND,), boundary=policy({"Action": "sns:*"})), False),
        (Policies((SEND,), boundary=policy({"Action": "sqs:*"})), True),
        (Policies((), policy({"Action": "sqs:SendMessage", "Principal": {"AWS": ROLE}})), True),
        (Policies((), policy({"Action": "sqs:SendMessage", "Principal": {"AWS": ROOT}})), False),
        (Policies((SEND,), policy({"Effect": "Deny", "Action": "sqs:*", "Principal": "*"})), False),
    ],
)
def test_a_role_needs_an_allow_and_no_deny(policies: Policies, expected: bool) -> None:
    assert allowed(ROLE, "sqs:SendMessage", QUEUE, policies) is expected


def test_a_key_admits_only_whom_its_policy_delegates_to() -> None:
    mine = policy({"Action": "kms:Decrypt"})
    delegates = policy({"Action": "kms:Decrypt", "Principal": {"AWS": ROOT}})
    assert allowed(ROLE, "kms:Decrypt", KEY, Policies((mine,), delegates))
    assert not allowed(ROLE, "kms:Decrypt", KEY, Policies((mine,)))
    assert not allowed(ROLE, "kms:Decrypt", KEY, Policies((), delegates))
    assert not allowed(ROOT, "kms:Decrypt", KEY, Policies())
    assert allowed(ROOT, "kms:Decrypt", KEY, Policies((), delegates))


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"kms:ViaService": "s3.x"}}, {"kms__ViaService": "s3.x"}, True),
        ({"StringEquals": {"kms:ViaService": "s3.x"}}, {}, False),
        ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["b"]}}, {"kms__ResourceAliases": ["a", "b"]}, True),
        ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["c"]}}, {"kms__ResourceAliases": ["a", "b"]}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws__TagKeys": ["a", "b"]}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:1:t"}}, {"aws__SourceArn": "arn:aws:sns:r:1:t"}, True),
        ({"StringLike": {"kms:EncryptionContext:SecretARN": "a*"}}, {"kms__EncryptionContext:SecretARN": "abc"}, True),
        ({"Null": {"iam:PassedToService": "true"}}, {"iam__PassedToService": "x"}, False),
        ({"StringEqualsIfExists": {"iam:PassedToService": "x"}}, {}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, {"s3__TlsVersion": "1.1"}, True),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    rights = Policies((policy({"Action": "*", "Condition": condition}),))
    assert allowed(ROLE, "sqs:SendMessage", QUEUE, rights, **context) is expected


def test_a_service_needs_a_statement_of_its_own() -> None:
    admits = policy({"Action": "sqs:SendMessage", "Principal": {"Service": "sns.amazonaws.com"}})
    assert allowed("sns.amazonaws.com", "sqs:SendMessage", QUEUE, Policies((), admits))
    assert not allowed("events.amazonaws.com", "sqs:SendMessage", QUEUE, Policies((), admits))
    to_account = policy({"Action": "sqs:SendMessage", "Principal": {"AWS": ROOT}})
    assert not allowed("sns.amazonaws.com", "sqs:SendMessage", QUEUE, Policies((), to_account))


def test_another_account_needs_both() -> None:
    other = "arn:aws:iam::222222222222:role/r"
    admits = policy({"Action": "sqs:SendMessage", "Principal": {"AWS": other}})
    assert allowed(other, "sqs:SendMessage", QUEUE, Policies((SEND,), admits))
    assert not allowed(other, "sqs:SendMessage", QUEUE, Policies((SEND,)))
    assert not allowed(other, "sqs:SendMessage", QUEUE, Policies((), admits))


def test_trust_names_principal_and_conditions() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "states.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "1"}},
    }
    mine = json.dumps({"Statement": statement})
    assert trusts(mine, "states.amazonaws.com", (("aws:SourceAccount", "1"),))
    assert not trusts(mine, "states.amazonaws.com", (("aws:SourceAccount", "2"),))
    assert not trusts(mine, "events.amazonaws.com", (("aws:SourceAccount", "1"),))
    condition = {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    to_root = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole", "Condition": condition}
    document = json.dumps({"Statement": [to_root]})
    assert trusts(document, ROLE, ())
    assert not trusts(document, f"{ROLE}2", ())


def test_a_refusal_reads_as_awss() -> None:
    asked = call(ROLE, "kms:CreateKey", "*")
    assert message(asked, judge(asked, Policies()), "arn:aws:sts::111111111111:assumed-role/r/s") == (
        "User: arn:aws:sts::111111111111:assumed-role/r/s is not authorized to perform: kms:CreateKey on resource: * "
        "because no identity-based policy allows the kms:CreateKey action"
    )
    denied = judge(asked, Policies((policy({"Effect": "Deny", "Action": "*"}),)))
    assert denied.reason == "with an explicit deny in an identity-based policy"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("b/receipts/*", [True, True]),
        ("b/rec*", [True, True]),
        ("*", [True, True]),
        ("b/receipts/1", [True, False]),
        ("b/receipts/2*", [False, True]),
        ("*/2", [False, True]),
        ("b/*/1", [True, False]),
        ("b/receipts/?", [True, True]),
        ("b/other/*", [False, False]),
    ],
)
def test_an_object_is_judged_by_its_folder_only_where_that_decides(resource: str, expected: list[bool]) -> None:
    policies = Policies((policy({"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{resource}"}),))
    objects = [f"arn:aws:s3:::b/receipts/{name}" for name in "12"]
    assert [allowed(ROLE, "s3:GetObject", each, policies) for each in objects] == expected
    assert [allowed(ROLE, "s3:GetObject", each, policies) for each in reversed(objects)] == expected[::-1]
