"""Lists that botocore does not read: what stands in for it, and that nothing else changes."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import localcloud
from payctl.unparsed import unparsed
from tests.payments.server import Server, serving

LIST = b"<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>a</Key></Contents></ListBucketResult>"
ERROR = b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>later</Message></Error>'


def keep(answer: dict[str, Any], parsed: dict[str, Any]) -> None:
    parsed["Whole"] = answer["body"]
    answer["body"] = b"<ListBucketResult></ListBucketResult>"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def s3(server: Server) -> Iterator[Any]:
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    server.body = LIST
    with serving(server) as url:
        yield boto3.client("s3", endpoint_url=url, config=config, **localcloud.ROOT, region_name="us-east-1")  # type: ignore[call-overload]


def test_a_list_is_taken_as_it_came_while_the_block_runs(s3: Any) -> None:
    with unparsed([s3], "s3.ListObjectsV2", keep):
        page = s3.list_objects_v2(Bucket="b")
    assert page["Whole"] == LIST
    assert "Contents" not in page
    assert s3.list_objects_v2(Bucket="b")["Contents"] == [{"Key": "a"}]


def test_an_error_that_comes_with_200_is_one(server: Server, s3: Any) -> None:
    server.body = ERROR
    for taken in (unparsed([s3], "s3.ListObjectsV2", keep), nullcontext()):
        with taken, pytest.raises(ClientError, match="InternalError"):
            s3.list_objects_v2(Bucket="b")


def test_an_error_with_a_status_of_its_own_keeps_it(server: Server, s3: Any) -> None:
    """Or it would be repeated, as a service that is ill is."""
    server.status, server.body = 404, ERROR.replace(b"InternalError", b"NoSuchBucket")
    with unparsed([s3], "s3.ListObjectsV2", keep), pytest.raises(ClientError, match="NoSuchBucket") as refused:
        s3.list_objects_v2(Bucket="b")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
