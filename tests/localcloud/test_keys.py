"""A key's material is rotated on demand, as often as KMS lets it be."""

import json
from typing import Any

import pytest

from localcloud.gaps.kms import AT_MOST
from tests.localcloud.conftest import Clients


@pytest.fixture
def key(client: Clients) -> Any:
    return client("kms").create_key()["KeyMetadata"]


def test_a_key_is_rotated_at_once_and_lists_it(client: Clients, key: Any) -> None:
    kms = client("kms")
    assert kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"] == []
    assert kms.rotate_key_on_demand(KeyId=key["Arn"])["KeyId"] == key["KeyId"]
    (rotation,) = kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"]
    assert rotation["RotationType"] == "ON_DEMAND"


def test_a_key_is_rotated_so_often_and_no_more(client: Clients, key: Any) -> None:
    kms = client("kms")
    for _ in range(AT_MOST):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    with pytest.raises(kms.exceptions.LimitExceededException):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])


def test_an_alias_is_not_taken(client: Clients, key: Any, name: str) -> None:
    kms = client("kms")
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key["KeyId"])
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.rotate_key_on_demand(KeyId=f"alias/{name}")


def test_a_key_whose_policy_does_not_say_so_is_not_rotated(client: Clients, key: Any) -> None:
    """The account's root included."""
    kms = client("kms")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:DescribeKey", "kms:PutKeyPolicy"],
        "Resource": "*",
    }
    kms.put_key_policy(KeyId=key["KeyId"], Policy=json.dumps({"Statement": [statement]}))
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
