"""Follows one payment through the logs of all Regions, in the order of time."""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from builder.names import JANITOR_LOGS, PROCESSOR_LOGS, WORKFLOW_LOGS
from payctl.cloud import together
from payctl.environment import Environment
from stacksets.errors import code_of

EXECUTION = re.compile(r'"execution": ?"[^"]+:([^":]+)"')


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a log; `at` in milliseconds since 1970."""

    at: int
    region: str
    group: str
    text: str


def marks(payment: str, digest: str) -> dict[str, str]:
    """What a payment is called in each kind of log: by functions the hash of its id, by workflows that of id and
    payload; "" where the payload's hash is not known."""
    tag = hashlib.sha256(payment.encode()).hexdigest()[:16]
    name = hashlib.sha256(f"{payment}|{digest}".encode()).hexdigest() if digest else ""
    return {"processor": tag, "janitor": tag, "workflow": name}


def of(environment: Environment, payment: str, digest: str, *, since: float) -> list[Line]:
    """Every line of a payment since a moment (seconds since 1970), all Regions, oldest first. Read only.

    Executions that somebody started by hand have a name of their own: the function's lines tell it.
    """
    words = marks(payment, digest)
    lines = read(environment, words, since=since)
    named = {name for line in lines for name in EXECUTION.findall(line.text)} - {words["workflow"]}
    for name in sorted(named):
        lines += read(environment, {"workflow": name}, since=since)
    return sorted(lines, key=lambda line: (line.at, line.region))


def groups(environment: Environment, region: str) -> dict[str, str]:
    """The log groups that speak of payments, by what writes them."""
    patterns = {"processor": PROCESSOR_LOGS, "janitor": JANITOR_LOGS, "workflow": WORKFLOW_LOGS}
    return {writer: environment.names.of(pattern, region) for writer, pattern in patterns.items()}


def read(environment: Environment, words: Mapping[str, str], *, since: float) -> list[Line]:
    """Every line with its log's word since a moment (seconds since 1970), all Regions, oldest first. Read only."""

    def regional(region: str) -> list[Line]:
        asked = [(kind, word) for kind, word in words.items() if word]
        return [line for kind, word in asked for line in _lines(environment, region, kind, word, since)]

    found = together(regional, environment.regions)
    return sorted((line for lines in found.values() for line in lines), key=lambda line: (line.at, line.region))


def follow(environment: Environment, payment: str, digest: str, *, since: float, until: float) -> Iterator[Line]:
    """Lines as they come, until a moment (seconds since 1970)."""
    seen: set[Line] = set()
    for _ in environment.pace.ticks():
        for line in of(environment, payment, digest, since=since):
            if line not in seen:
                seen.add(line)
                yield line
        if time.time() >= until:
            return


def _lines(environment: Environment, region: str, kind: str, word: str, since: float) -> Iterator[Line]:
    pages = (
        environment.cloud.logs(region)
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=groups(environment, region)[kind], startTime=int(since * 1000), filterPattern=f'"{word}"'
        )
    )
    try:
        for page in pages:
            for event in page["events"]:
                yield Line(at=event["timestamp"], region=region, group=kind, text=event["message"].strip())
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":  # nothing was ever logged there
            raise
