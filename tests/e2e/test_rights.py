"""IAM where no client signs: refusals by roles of services and by keys. Last of this folder: what the whole of it asked
of IAM proves what tests/rights says."""

import json
import time

import pytest

from builder.names import ARTIFACTS_KEY
from localcloud.client import LocalCloud
from tests.e2e.support import REGIONS, Environment, decisions, eventually
from tests.rights import record, replay
from tests.rights.policies import Right

HOME, SECOND, THIRD = REGIONS
COMPUTED = ("AWS::", "a call that must be refused", "a stack instance")


def test_what_a_targets_role_may_not_deliver_is_a_dead_letter(dev: Environment, payment: str) -> None:
    """EventBridge does not try again, and says why."""
    role = {"RoleName": f"payment-failover-out-{THIRD}-dev", "PolicyName": "exact"}
    iam = dev.client("iam")
    document = iam.get_role_policy(**role)["PolicyDocument"]
    iam.delete_role_policy(**role)
    detail = {"region": THIRD, "failover": "true", "transactionId": payment, "tried": [THIRD], "next": HOME}
    entry = {
        "Source": "payment.processing",
        "DetailType": "Payment Transaction",
        "EventBusName": f"payment-events-{THIRD}-dev",
        "Detail": json.dumps(detail),
    }
    try:
        dev.client("events", THIRD).put_events(Entries=[entry])
        queue = dev.client("sqs", THIRD)
        url = queue.get_queue_url(QueueName=f"payment-dead-letters-{THIRD}-dev")["QueueUrl"]

        def letter() -> str | None:
            batch = queue.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]
            ).get("Messages", [])
            for message in batch:
                if payment in message["Body"]:
                    queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    return str(message["MessageAttributes"]["ERROR_CODE"]["StringValue"])
            return None

        assert eventually(letter) == "NO_PERMISSIONS"
    finally:
        iam.put_role_policy(**role, PolicyDocument=json.dumps(document))


def test_a_table_needs_its_key(dev: Environment, payment: str) -> None:
    """The processor may use the table, and not the key behind it: the register of that Region cannot be used."""
    role = {"RoleName": f"payment-processor-{SECOND}-dev", "PolicyName": "exact"}
    iam = dev.client("iam")
    document = iam.get_role_policy(**role)["PolicyDocument"]
    statements = [each for each in document["Statement"] if "kms:Decrypt" not in each["Action"]]
    iam.put_role_policy(**role, PolicyDocument=json.dumps(document | {"Statement": statements}))
    try:
        assert dev.pay(payment, region=SECOND).status in (500, 502, 503)
        assert [dev.cell(payment, region) for region in REGIONS] == [{}, {}, {}]
    finally:
        iam.put_role_policy(**role, PolicyDocument=json.dumps(document))
    asked = [each for each in decisions(dev.cloud) if each["action"] == "kms:Decrypt" and not each["allowed"]]
    assert [each for each in asked if each["principal"].endswith(role["RoleName"])]


def test_a_region_whose_table_is_down_hands_over_by_its_own_right(forgetful: Environment, payment: str) -> None:
    """The payment is decided for a Region that has a cell; that one must charge it, and hears of it by an event."""
    fault = forgetful.cloud.admin("POST", "/faults", {"kind": "service-down", "region": HOME, "service": "dynamodb"})[
        "id"
    ]
    try:
        assert forgetful.pay(payment).status == 202
    finally:
        forgetful.cloud.admin("DELETE", f"/faults/{fault}")
    forgetful.settled_everywhere(payment)
    made = [each for each in decisions(forgetful.cloud) if each["action"] == "events:PutEvents" and each["allowed"]]
    assert [each for each in made if each["principal"].endswith(f"role/payment-processor-{HOME}-forgetful")]


def test_a_key_that_was_to_be_deleted_can_be_saved(dev: Environment) -> None:
    """docs/operations.md says how; the key's policy must allow it to the account."""
    keys = dev.client("kms", THIRD)
    key = {"KeyId": keys.describe_key(KeyId=f"alias/payment-processing-{THIRD}-dev")["KeyMetadata"]["Arn"]}
    keys.schedule_key_deletion(**key, PendingWindowInDays=7)
    keys.cancel_key_deletion(**key)
    keys.enable_key(**key)
    assert keys.describe_key(**key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_key_is_rotated_at_once(dev: Environment) -> None:
    """docs/runbooks/rotate.md says how; the key's policy must allow it to the account."""
    keys = dev.client("kms", THIRD)
    key = {"KeyId": keys.describe_key(KeyId=f"alias/payment-processing-{THIRD}-dev")["KeyMetadata"]["Arn"]}
    keys.rotate_key_on_demand(**key)
    assert keys.list_key_rotations(**key)["Rotations"]


@pytest.mark.evidence
def test_this_run_proves_every_right(request: pytest.FixtureRequest, dev: Environment, cloud: LocalCloud) -> None:
    """What the file of recorded decisions says is still what happens."""
    folder = {item.path.name for item in request.session.items if item.path.parent == request.path.parent}
    if not {"test_failover.py", "test_operator.py", "test_charged_once.py", "test_readme.py"} <= folder:
        pytest.skip("needs the decisions of all tests of this folder")
    keys = {}
    for region in REGIONS:
        for alias in dev.client("kms", region).list_aliases()["Aliases"]:
            if alias["AliasName"].startswith(f"alias/payment-processing-{region}-"):
                keys[alias["TargetKeyId"]] = f"Key-{region}"
            elif alias["AliasName"] == ARTIFACTS_KEY:
                keys[alias["TargetKeyId"]] = f"ArtifactKey-{region}"

    def unproven() -> list[Right]:
        said = list(record.in_words_of_templates(decisions(cloud), keys))
        return [
            right
            for right in replay.rights()
            if any(not proof["by"].startswith(COMPUTED) for proof in replay.proofs(right, replay.recorded()))
            and not any(replay.proofs(right, said))
        ]

    until = time.monotonic() + 75  # the janitor's schedule fires a minute after the deployment
    while left := unproven():
        assert time.monotonic() < until, left
        time.sleep(5)
