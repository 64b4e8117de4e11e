"""What payctl adds to the StackSet tool's advice: its own remedies, for its own settings and commands."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError

from payctl.advice import ADVICE, explain


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Account 111122223333 should have 'payment-stackset-execution' role with trust relationship", "bootstrap"),
        (
            "Specified ReservedConcurrentExecutions decreases account's UnreservedConcurrentExecution below 50",
            "reserved",
        ),
        (
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008",
            "functions.processor_memory = 3008",
        ),
        ("payment-alerts-dev already exists", "ENVIRONMENT_SUFFIX"),
        ("User is not authorized to perform: kms:CreateKey", "execution role"),
        ("The bucket you tried to delete is not empty", "--delete-data"),
        ("Rate exceeded", "throttling"),
        ("Internal failure", ""),
    ],
)
def test_known_reason_has_a_fix(reason: str, remedy: str) -> None:
    fix = ADVICE.fix(reason)
    assert remedy in fix
    assert bool(fix) == bool(remedy)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NoCredentialsError(), "or use --local for the local cloud"),
        (ConnectTimeoutError(endpoint_url="x"), "the local cloud starts with `make up`"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "Describe"), "renew the credentials"),
        (ClientError({"Error": {"Code": "Throttling"}}, "Describe"), "repeat the command in a minute"),
    ],
)
def test_error_of_the_sdk_has_a_remedy(error: Exception, remedy: str) -> None:
    assert explain(error).remedy.count(remedy) == 1
    assert "{" not in explain(error).remedy


def test_operations_carry_the_name_of_the_tool() -> None:
    assert ADVICE.token("update").startswith("payctl-update-")
