"""Follows one payment through the logs of all Regions, in chronological order."""

import hashlib
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError
from payments.log import tag_of

from builder.names import JANITOR_LOGS, PROCESSOR_LOGS, WORKFLOW_LOGS
from payctl.environment import Environment
from payctl.payments import log_key
from stacksets.errors import code_of

EXECUTION = re.compile(r'"execution": ?"[^"]+:([^":]+)"')


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a log; `at` in milliseconds since 1970."""

    at: int
    region: str
    group: str
    text: str


def marks(payment: str, digest: str, key: str) -> dict[str, str]:
    """The text that marks a payment in each log group: for functions the hash of its id by the environment's key, for
    workflows the name of the execution, which is that of id and payload; "" where that or the key is not known."""
    tag = tag_of(payment, key)
    name = hashlib.sha256(f"{payment}|{digest}".encode()).hexdigest() if digest else ""
    return {"processor": tag, "janitor": tag, "workflow": name}


def of(
    environment: Environment, payment: str, digest: str, *, since: float, regions: Collection[str] = ()
) -> list[Line]:
    """Every line of a payment since a moment (seconds since 1970), all Regions or some, oldest first. Read only.

    Executions that were started by hand have names of their own, which the function's lines mention.
    """
    texts = marks(payment, digest, log_key.find(environment))
    lines = read(environment, texts, since=since, regions=regions)
    others = {name for line in lines for name in EXECUTION.findall(line.text)} - {texts["workflow"]}
    for name in sorted(others):
        lines += read(environment, {"workflow": name}, since=since, regions=regions)
    return sorted(lines, key=lambda line: (line.at, line.region))


def groups(environment: Environment, region: str) -> dict[str, str]:
    """The log groups that mention payments, by what writes them."""
    patterns = {"processor": PROCESSOR_LOGS, "janitor": JANITOR_LOGS, "workflow": WORKFLOW_LOGS}
    return {writer: environment.names.of(pattern, region) for writer, pattern in patterns.items()}


def read(
    environment: Environment, texts: Mapping[str, str], *, since: float, regions: Collection[str] = ()
) -> list[Line]:
    """Every line with its log group's text since a moment (seconds since 1970), all Regions or some. Read only."""

    def regional(region: str) -> list[Line]:
        queries = [(group, text) for group, text in texts.items() if text]
        return [line for group, text in queries for line in _lines(environment, region, group, text, since)]

    return [line for lines in environment.cloud.everywhere(regional, regions).values() for line in lines]


def follow(environment: Environment, payment: str, digest: str, *, since: float, until: float) -> Iterator[Line]:
    """A payment's lines as they arrive, until a moment (seconds since 1970). Read only."""
    seen: set[Line] = set()
    for _ in environment.pace.ticks():
        for line in of(environment, payment, digest, since=since):
            if line not in seen:
                seen.add(line)
                yield line
        if time.time() >= until:
            return


def _lines(environment: Environment, region: str, group: str, text: str, since: float) -> Iterator[Line]:
    pages = (
        environment.cloud.logs(region)
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=groups(environment, region)[group], startTime=int(since * 1000), filterPattern=f'"{text}"'
        )
    )
    try:
        for page in pages:
            for event in page["events"]:
                yield Line(at=event["timestamp"], region=region, group=group, text=event["message"].strip())
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":  # nothing was ever logged there
            raise
