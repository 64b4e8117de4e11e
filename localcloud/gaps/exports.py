"""Exports of tables to S3, whose files the emulator does not write: those of a full export in DynamoDB's JSON."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, Final

from ministack.services import dynamodb, s3

from localcloud.cloud import Cloud
from localcloud.gaps import patching

FILES: Final = 3
"""One for each partition: the last of these is empty, as an empty partition's is."""


def install(_: Cloud) -> None:
    """Wrap the two calls."""
    patching.wrap(dynamodb, "_export_table_to_point_in_time", _export)
    patching.wrap(dynamodb, "_describe_export", _describe)


def _export(export: Any, data: dict[str, Any]) -> Any:
    """Developer guide, "DynamoDB table export output format"; API reference, ExportTableToPointInTime."""
    name = str(data.get("TableArn", "")).rpartition("/")[2]
    if name in dynamodb._tables and not dynamodb._pitr_settings.get(name):
        message = f"Point in time recovery is not enabled for table '{name}'"
        return dynamodb.error_response_json("PointInTimeRecoveryUnavailableException", message, 400)
    known = set(dynamodb._exports)
    answer = export(data)
    for arn in set(dynamodb._exports) - known:
        described = dynamodb._exports[arn]
        described["ExportTime"] = described.get("ExportTime", described["StartTime"])
        if not all(status == 200 for status in _write(described, name)):
            described |= {
                "ExportStatus": "FAILED",
                "FailureCode": "S3NoSuchBucket",
                "FailureMessage": "The specified bucket does not exist",
            }
    return answer


def _describe(describe: Any, data: dict[str, Any]) -> Any:
    """The key of its manifest begins with the prefix that was asked for."""
    answer = describe(data)
    described = dynamodb._exports.get(data.get("ExportArn"))
    if not described or described["ExportStatus"] != "COMPLETED":
        return answer
    described["ExportManifest"] = f"{_folder(described)}/manifest-summary.json"
    return describe(data)


def _folder(described: dict[str, Any]) -> str:
    parts = (described.get("S3Prefix", ""), "AWSDynamoDB", described["ExportArn"].rpartition("/")[2])
    return "/".join(filter(None, parts))


def _write(described: dict[str, Any], table: str) -> Iterator[int]:
    """The files; what S3 answers to each."""
    bucket, folder, items = described["S3Bucket"], _folder(described), list(_items(table))
    rows = []
    for number in range(FILES):
        part = items[number :: FILES - 1] if number < FILES - 1 else []
        body = gzip.compress("".join(f"{json.dumps({'Item': item})}\n" for item in part).encode())
        key = f"{folder}/data/part{number}.json.gz"
        digest = md5(body, usedforsecurity=False)
        sums = {"md5Checksum": b64encode(digest.digest()).decode(), "etag": f"{digest.hexdigest()}-1"}
        rows.append({"itemCount": len(part), **sums, "dataFileS3Key": key})
        yield s3._put_object(bucket, key, body, {})[0]
    moment = datetime.fromtimestamp(described["StartTime"], UTC).isoformat(timespec="milliseconds")
    summary = {
        "version": "2020-06-30",
        "exportArn": described["ExportArn"],
        "startTime": moment,
        "endTime": moment,
        "tableArn": described["TableArn"],
        "tableId": described["TableId"],
        "exportTime": moment,
        "s3Bucket": bucket,
        "s3Prefix": described.get("S3Prefix"),
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{folder}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": len(items),
        "outputFormat": "DYNAMODB_JSON",
    }
    manifest = "".join(f"{json.dumps(row)}\n" for row in rows)
    yield s3._put_object(bucket, f"{folder}/_started", b"", {})[0]
    yield s3._put_object(bucket, f"{folder}/manifest-files.json", manifest.encode(), {})[0]
    yield s3._put_object(bucket, f"{folder}/manifest-summary.json", json.dumps(summary).encode(), {})[0]


def _items(table: str) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    while True:
        page = json.loads(dynamodb._scan({"TableName": table, "ConsistentRead": True, **start})[2])
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
