"""Tables as DynamoDB exports them to S3: nothing is read of the tables themselves, and all of one is of one moment.

The files are those of the developer guide, "DynamoDB table export output format".
"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from botocore.exceptions import ClientError

from payctl.environment import Environment
from payctl.names import artifact_bucket
from payctl.payments.comparison.store import Store
from stacksets.errors import ToolError, code_of

SECONDS: Final = 6 * 3600
"""How long an export may take; small ones take some minutes."""
NO_RECOVERY: Final = "PointInTimeRecoveryUnavailableException"


def export(environment: Environment, region: str, name: str) -> str:
    """Have a Region's table exported to the account's artifact bucket there; the ARN of the export. Raises ClientError,
    and ToolError where the table keeps no history.

    It is of the moment of the call. No ExportTime is given: the latest that AWS promises to take is about five minutes
    back (API reference, LatestRestorableDateTime), and what came since the command began is not judged anyway."""
    try:
        begun = environment.cloud.dynamodb(region).export_table_to_point_in_time(
            TableArn=f"arn:aws:dynamodb:{region}:{environment.cloud.account}:table/{name}",
            S3Bucket=artifact_bucket(region, environment.cloud.account),
            S3Prefix=folder(environment),
            ExportFormat="DYNAMODB_JSON",
        )
    except ClientError as error:
        if code_of(error) != NO_RECOVERY:
            raise
        raise ToolError(
            f"table {name} in {region} cannot be exported: point-in-time recovery is off",
            remedy="run `payctl deploy`, which turns it on; leave out --export meanwhile",
        ) from error
    return begun["ExportDescription"]["ExportArn"]


def folder(environment: Environment) -> str:
    """Of the artifact buckets, below which all exports go."""
    return f"exports/{environment.settings.environment}"


def load(environment: Environment, store: Store, region: str, table: str, arn: str) -> None:
    """Wait for an export, take its files into a table of the store, and delete them. Raises ClientError, ToolError."""
    s3, place = environment.cloud.s3(region), written(environment, region, arn)
    bucket = artifact_bucket(region, environment.cloud.account)
    summary = json.loads(s3.get_object(Bucket=bucket, Key=f"{place}/manifest-summary.json")["Body"].read())
    files = s3.get_object(Bucket=bucket, Key=summary["manifestFilesS3Key"])["Body"]
    found = 0
    for file in map(json.loads, files.iter_lines()):
        found += file["itemCount"]
        with NamedTemporaryFile(dir=store.folder, suffix=".json.gz") as local:
            s3.download_fileobj(bucket, file["dataFileS3Key"], local)
            local.flush()
            if file["itemCount"]:
                store.load_export(table, region, Path(local.name))
    if found != summary["itemCount"]:
        raise ToolError(
            f"the export {arn} names {found} items and counts {summary['itemCount']}", remedy="repeat the command"
        )
    remove(environment, region, place)


def remove(environment: Environment, region: str, place: str) -> None:
    """Delete what is in a folder of a Region's artifact bucket. Raises ClientError, and ToolError for what S3 does not
    delete: it refuses single keys within an answer that is none of an error."""
    s3, bucket = environment.cloud.s3(region), artifact_bucket(region, environment.cloud.account)
    for keys in _keys(s3, bucket, place):
        if refused := s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}).get("Errors"):
            first, *others = refused
            more = f" and {len(others)} more" if others else ""
            raise ToolError(
                f"s3://{bucket}/{first['Key']}{more} cannot be deleted: {first['Message']} ({first['Code']})",
                remedy="see the bucket's policy and your rights; then `payctl reconcile --engine athena --remove`",
            )


def written(environment: Environment, region: str, arn: str) -> str:
    """Wait for an export; the folder of its files, without a slash at its end. Raises ClientError, ToolError."""
    for _ in environment.pace.ticks(SECONDS):
        described = environment.cloud.dynamodb(region).describe_export(ExportArn=arn)["ExportDescription"]
        if described["ExportStatus"] == "COMPLETED":
            return described["ExportManifest"].rpartition("/")[0]
        if described["ExportStatus"] == "FAILED":
            reason = f"{described.get('FailureCode', '')}: {described.get('FailureMessage', 'no reason given')}"
            raise ToolError(
                f"the export {arn} failed: {reason}", remedy="see the bucket and its policy, or scan instead"
            )
        environment.report.line(region, "RUNNING", "waits for the exports to S3")
    raise ToolError(f"the export {arn} takes longer than {SECONDS // 3600} hours", remedy="repeat without --export")


def _keys(s3: Any, bucket: str, place: str) -> Iterator[list[Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{place}/"):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            yield keys
