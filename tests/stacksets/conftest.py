"""A local cloud with nothing in it but the two roles of self-managed StackSets."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

import localcloud

ACCOUNT = "000000000000"
ADMINISTRATION = f"arn:aws:iam::{ACCOUNT}:role/administration"


@pytest.fixture(scope="session")
def cloud() -> Iterator[localcloud.LocalCloud]:
    with localcloud.running() as running:
        running.admin("PUT", "/lags", {"roles": 0})
        untyped: Any = boto3.client  # its overloads want no keys by **
        iam = untyped("iam", region_name="us-east-1", endpoint_url=running.endpoint, **localcloud.ROOT)
        for role, principal in (
            ("administration", {"Service": "cloudformation.amazonaws.com"}),
            ("execution", {"AWS": ADMINISTRATION}),
        ):
            statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}))
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        for role in ("administration", "execution"):
            document = json.dumps({"Statement": [everything]})
            iam.put_role_policy(RoleName=role, PolicyName="everything", PolicyDocument=document)
        yield running
