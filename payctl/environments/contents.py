"""What an environment holds: its receipts buckets and tables, the work that is still under way, and what others have
on its buses."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from builder.names import BUS, FAILOVER_IN
from payctl.advice import failure
from payctl.cloud import together
from payctl.environment import Environment
from payctl.payments.tables import GONE, holds_payments
from stacksets.errors import ToolError, code_of, reason_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

DENY = "PayctlDestroysThisBucket"


def inventory(environment: Environment) -> tuple[str, ...]:
    """Every bucket and table of the environment that is not empty, in words. Read only."""
    names, cloud = environment.names, environment.cloud

    def look(region: str) -> list[str]:
        found = []
        if _bucket_holds(cloud.s3(region), names.receipts(region)):
            found.append(f"{region}: bucket {names.receipts(region)} holds receipts")
        tables = [names.register(region), *([names.table] if region == environment.home else [])]
        found += [f"{region}: table {table} holds payments" for table in tables if holds_payments(cloud, region, table)]
        return found

    return tuple(line for lines in cloud.everywhere(look).values() for line in lines)


def subscriptions(environment: Environment) -> tuple[str, ...]:
    """The rules that others have on the buses of the environment, in words: EventBridge deletes no bus that has any
    (docs/aws.md, "A bus with rules stays"). Read only."""

    def look(region: str) -> list[str]:
        names = environment.names
        own = {names.of(FAILOVER_IN, region), *(names.failover(region, peer) for peer in environment.regions)}
        return [
            f"{region}: rule {name} on bus {names.of(BUS, region)} is somebody's own"
            for name in _rules(environment.cloud.target_client("events", region), names.of(BUS, region))
            if name not in own
        ]

    return tuple(line for lines in environment.cloud.everywhere(look).values() for line in lines)


def call_janitors(environment: Environment, regions: Sequence[str]) -> None:
    """Run the janitor of each of the Regions once, and wait for it."""

    def call(region: str) -> None:
        name = environment.names.janitor(region)
        try:
            answer = environment.cloud.functions(region).invoke(FunctionName=name, Payload=b"{}")
        except ClientError as error:
            environment.report.note(f"{region}: {name} cannot be called: {reason_of(error)}")
            return
        if answer.get("FunctionError"):
            environment.report.note(f"{region}: {name} failed: {answer['Payload'].read().decode(errors='replace')}")

    together(call, regions)


def stop_replication(environment: Environment) -> None:
    """Take the replication rules off every receipts bucket, so that emptying one fills no other."""

    def stop(region: str) -> None:
        bucket = environment.names.receipts(region)
        _ask(lambda: environment.cloud.s3(region).delete_bucket_replication(Bucket=bucket), "unlink", bucket)

    environment.cloud.everywhere(stop)


def closed(environment: Environment) -> tuple[str, ...]:
    """The Regions whose receipts bucket a `payctl destroy` closed for good. Read only."""

    def denies(region: str) -> bool:
        return f'"{DENY}"' in _policy(environment.cloud.s3(region), environment.names.receipts(region))

    return tuple(region for region, denied in environment.cloud.everywhere(denies).items() if denied)


def empty(environment: Environment) -> dict[str, int]:
    """Refuse new objects in every receipts bucket, then delete every version. Returns how many by Region."""
    over = threading.Event()  # for those that are still at it, after Ctrl-C

    def clear(region: str) -> int:
        api, bucket = environment.cloud.s3(region), environment.names.receipts(region)
        if not _deny_puts(api, bucket):
            return 0
        deleted = 0
        while versions := _versions(api, bucket):
            if over.is_set():
                return deleted
            answer = api.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            if errors := answer.get("Errors"):
                raise ToolError(f"cannot empty bucket {bucket}: {errors[0].get('Key')}: {errors[0].get('Message')}")
            deleted += len(versions)
            environment.report.line(region, "EMPTYING", f"{deleted} versions deleted")
        environment.report.line(region, "COMPLETE", f"{deleted} versions deleted")
        return deleted

    try:
        return environment.cloud.everywhere(clear)
    finally:
        over.set()


def _ask(call: Callable[[], Any], verb: str, bucket: str) -> Mapping[str, Any]:
    """What S3 answers, {} where the bucket, or what is asked for, is not there."""
    try:
        return dict(call())
    except ClientError as error:
        if code_of(error) in GONE:
            return {}
        raise failure(verb, f"bucket {bucket}", error) from error


def _rules(api: Any, bus: str) -> list[str]:
    """The rules on a bus but for those of EventBridge itself, which go with their archives; [] where there is none."""
    found = list[str]()
    try:
        for page in api.get_paginator("list_rules").paginate(EventBusName=bus):
            found += [rule["Name"] for rule in page["Rules"] if "ManagedBy" not in rule]
    except ClientError as error:
        if code_of(error) not in GONE:
            raise failure("list the rules of", f"event bus {bus}", error) from error
    return found


def _policy(api: "S3Client", bucket: str) -> str:
    return str(_ask(lambda: api.get_bucket_policy(Bucket=bucket), "read the policy of", bucket).get("Policy", ""))


def _deny_puts(api: "S3Client", bucket: str) -> bool:
    """Add a statement to the bucket's policy; what it says already stays. False where there is no bucket."""
    policy = json.loads(_policy(api, bucket) or '{"Version": "2012-10-17", "Statement": []}')
    statement = {
        "Sid": DENY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:PutObject", "s3:ReplicateObject"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    kept = [old for old in policy["Statement"] if old.get("Sid") != DENY]
    text = json.dumps({**policy, "Statement": [*kept, statement]})
    return bool(_ask(lambda: api.put_bucket_policy(Bucket=bucket, Policy=text), "deny puts into", bucket))


def _versions(api: "S3Client", bucket: str) -> list["ObjectIdentifierTypeDef"]:
    """Up to 1,000 versions and delete markers: as many as one call deletes."""
    page = api.list_object_versions(Bucket=bucket, MaxKeys=1000)
    return [
        {"Key": version["Key"], "VersionId": version["VersionId"]}
        for version in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    ]


def _bucket_holds(api: "S3Client", bucket: str) -> bool:
    page = _ask(lambda: api.list_object_versions(Bucket=bucket, MaxKeys=1), "list", bucket)
    return bool(page.get("Versions") or page.get("DeleteMarkers"))
