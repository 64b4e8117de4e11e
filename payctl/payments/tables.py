"""The tables of payments in DynamoDB: whether they hold any."""

from typing import Final

from botocore.exceptions import ClientError

from payctl.advice import failure
from payctl.cloud import Cloud
from stacksets.errors import code_of

GONE: Final = {"NoSuchBucket", "404", "ResourceNotFoundException", "NoSuchBucketPolicy", "StateMachineDoesNotExist"}
"""What AWS answers for a table, bucket, bucket policy or state machine that is not there."""


def holds_payments(cloud: Cloud, region: str, table: str) -> bool:
    """Whether a table holds any payment; a register's item about itself, whose id begins with ":", is none. False
    where there is no such table. Read only."""
    pages = (
        cloud.dynamodb(region)
        .get_paginator("scan")
        .paginate(
            TableName=table,
            ProjectionExpression="TransactionId",
            ConsistentRead=True,
            PaginationConfig={"PageSize": 10},
        )
    )
    try:
        return any(not item["TransactionId"]["S"].startswith(":") for page in pages for item in page["Items"])
    except ClientError as error:
        if code_of(error) in GONE:
            return False
        raise failure("look into", f"table {table} in {region}", error) from error
