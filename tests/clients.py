"""boto3 clients of a local cloud, one each for all tests of a process: to make one takes longer than most calls."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

import localcloud


@cache
def client_of(endpoint: str, service: str, region: str, config: Config | None = None, **credentials: str) -> Any:
    """As root unless given credentials."""
    make: Any = boto3.client  # its overloads want the service's name as a literal
    return make(service, region_name=region, endpoint_url=endpoint, config=config, **(credentials or localcloud.ROOT))
