"""Card numbers that are fed in everywhere, and whatever the whole system keeps, searched for them.

The numbers are those of real networks, with one run of digits in common that nothing else has: a text without it is
done with at once. Texts are searched without regard to what stands between digits, in any script, and also after
undoing base64, hex, percent-encoding and JSON's escapes, twice over.
"""

import base64
import binascii
import json
import random
import re
import string
import time
import unicodedata
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote

from tests.e2e.subscriber import subscribe
from tests.e2e.support import REGIONS, Environment, eventually
from tests.payments.test_cards import NUMBERS

MARK = "70419"
LENGTHS = range(13, 20)
# Of an execution: where AWS itself keeps what it was started with (docs/design.md, "Where a card number could go").
OWN_INPUT = ("ExecutionStarted", "TaskStateEntered:ProcessTransaction", "TaskScheduled:lambda")


def drawn(count: int, seed: int) -> Iterator[str]:
    """Valid numbers of all networks and lengths, each with the mark."""
    dice = random.Random(seed)
    kinds = [(prefix, length) for prefix, lengths in NUMBERS.items() for length in lengths]
    for each in range(count):
        prefix, length = kinds[each % len(kinds)]
        digits = prefix + MARK + "".join(dice.choices(string.digits, k=length - len(prefix) - len(MARK) - 1))
        odd = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
        yield digits + str(-(odd + sum(map(int, digits[-2::-2]))) % 10)


FED = tuple(drawn(1000, 7))
PLANTED = tuple(drawn(40, 8))
KNOWN = frozenset((*FED, *PLANTED))


def found(text: str) -> set[str]:
    """The card numbers in a text, of those that were fed or planted."""
    return {pan for form in forms(text) for pan in numbers_in(form)}


def numbers_in(text: str) -> Iterator[str]:
    digits = digits_of(text)
    for mark in re.finditer(MARK, digits):
        for start in range(max(0, mark.start() - 4), mark.start() + 1):
            yield from (digits[start : start + n] for n in LENGTHS if digits[start : start + n] in KNOWN)


def digits_of(text: str) -> str:
    if text.isascii():
        return re.sub(r"[^0-9]+", "", text)
    values = (unicodedata.numeric(sign, -1) for sign in text)
    return "".join(str(int(value)) for value in values if value in range(10))


def forms(text: str, depth: int = 2) -> Iterator[str]:
    """The text, and what it becomes when encodings are undone."""
    yield text
    if not depth:
        return
    undone: list[str] = []
    if "%" in text:
        undone.append(unquote(text))
    if "\\u" in text:
        undone.append(re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text))
    for token in re.findall(r"[0-9a-fA-F]{26,}", text):
        undone += [bytes.fromhex(token[at : len(token) - (len(token) - at) % 2]).decode("latin-1") for at in (0, 1)]
    for token in re.findall(r"[A-Za-z0-9+/_-]{18,}", text):
        for at in range(4):
            whole = token[at : len(token) - (len(token) - at) % 4]
            for missing in ("", token[at + len(whole) :] + "=" * (-(len(token) - at) % 4)):
                undone.append(_plain(whole + missing))
    for each in undone:
        if sum(map(str.isdigit, each)) > 12 or re.search(r"[A-Za-z0-9+/_-]{18}", each):
            yield from forms(each, depth - 1)


def _plain(token: str) -> str:
    try:
        return base64.b64decode(token.replace("-", "+").replace("_", "/")).decode("latin-1")
    except (ValueError, binascii.Error):
        return ""


class Stores:
    """Everything that an environment and its cloud keep, since a moment."""

    def __init__(self, environment: Environment, since: float) -> None:
        self.environment = environment
        self.since = since
        self.client = cache(environment.client)

    def leaks(self) -> dict[str, set[str]]:
        """By store: the card numbers in it."""
        leaks: dict[str, set[str]] = {}
        for store, text in self.texts():
            if numbers := found(text):
                leaks.setdefault(store, set()).update(numbers)
        return leaks

    def texts(self) -> Iterator[tuple[str, str]]:
        for region in REGIONS:
            for store, kept in (
                ("table", self.items(region)),
                ("queue", self.messages(region)),
                ("log", self.lines(region)),
                ("metric", self.pages("cloudwatch", region, "list_metrics", "Metrics")),
                ("alarm", self.pages("cloudwatch", region, "describe_alarms", "MetricAlarms")),
                ("trace", self.traces(region)),
                ("execution", self.executions(region)),
                ("archive", self.archives(region)),
                ("event", self.archived(region)),
                ("rule", self.rules(region)),
                ("stack", self.pages("cloudformation", region, "describe_stacks", "Stacks")),
                ("function", self.pages("lambda", region, "list_functions", "Functions")),
                ("secret", self.pages("secretsmanager", region, "list_secrets", "SecretList")),
                ("topic", self.client("sns", region).list_topics()["Topics"]),
                ("trail", self.client("cloudtrail", region).lookup_events().get("Events", [])),
            ):
                for each in kept:
                    yield store, each if isinstance(each, str) else json.dumps(each, default=_shown, ensure_ascii=False)
        yield from self.objects()
        yield from self.files()
        yield "processor", json.dumps(self.environment.cloud.admin("GET", "/processor/admin"))
        yield "decision", json.dumps(self.environment.cloud.admin("GET", "/decisions"))

    def pages(self, service: str, region: str, operation: str, member: str) -> Iterator[Any]:
        for page in self.client(service, region).get_paginator(operation).paginate():
            yield from page[member]

    def items(self, region: str) -> Iterator[Any]:
        api = self.client("dynamodb", region)
        for table in api.list_tables()["TableNames"]:
            for page in api.get_paginator("scan").paginate(TableName=table):
                yield from page["Items"]

    def messages(self, region: str) -> Iterator[Any]:
        """They can be read again a second later."""
        api = self.client("sqs", region)
        for url in api.list_queues().get("QueueUrls", []):
            seen: set[str] = set()
            while True:
                answer = api.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=2, MessageAttributeNames=["All"]
                )
                fresh = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen]
                if not fresh:
                    break
                seen |= {each["MessageId"] for each in fresh}
                yield from fresh

    def lines(self, region: str) -> Iterator[str]:
        api = self.client("logs", region)
        for group in self.pages("logs", region, "describe_log_groups", "logGroups"):
            name = group["logGroupName"]
            pages = api.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=int(self.since * 1000))
            for page in pages:
                yield "\n".join(event["message"] for event in page["events"])

    def traces(self, region: str) -> Iterator[Any]:
        api = self.client("xray", region)
        seen = api.get_trace_summaries(StartTime=self.since, EndTime=time.time() + 1)["TraceSummaries"]
        yield from seen
        yield from api.batch_get_traces(TraceIds=[each["Id"] for each in seen])["Traces"]

    def executions(self, region: str) -> Iterator[Any]:
        """All but the own input of each, which is kept as its caller sent it."""
        api = self.client("stepfunctions", region)
        for machine in self.pages("stepfunctions", region, "list_state_machines", "stateMachines"):
            listed = api.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=1000)["executions"]
            for execution in listed:
                if execution["startDate"].timestamp() < self.since:
                    continue
                seen = api.describe_execution(executionArn=execution["executionArn"])
                yield {name: value for name, value in seen.items() if name != "input"}
                history = api.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)
                yield from (event for event in history["events"] if kind(event) not in OWN_INPUT)

    def archives(self, region: str) -> Iterator[Any]:
        """What they are called."""
        api = self.client("events", region)
        for archive in api.list_archives().get("Archives", []):
            yield api.describe_archive(ArchiveName=archive["ArchiveName"])

    def archived(self, region: str) -> Iterator[Any]:
        """What the archives of the environment's own bus hold, which can only be replayed."""
        api, bus = self.client("events", region), f"payment-events-{region}-{self.environment.name}"
        heard = subscribe(self.environment, "sweep", {"replay-name": [{"exists": True}]})
        heard.take(region)
        for archive in self.archives(region):
            if not archive.get("EventCount") or not archive["EventSourceArn"].endswith(f"/{bus}"):
                continue
            replay = f"sweep-{uuid.uuid4().hex[:8]}"
            rule = archive["EventSourceArn"].replace(":event-bus/", ":rule/") + "/sweep"
            api.start_replay(
                ReplayName=replay,
                EventSourceArn=archive["ArchiveArn"],
                EventStartTime=datetime.fromtimestamp(self.since, UTC),
                EventEndTime=datetime.now(UTC) + timedelta(seconds=1),
                Destination={"Arn": archive["EventSourceArn"], "FilterArns": [rule]},
            )
            eventually(lambda replay=replay: api.describe_replay(ReplayName=replay)["State"] == "COMPLETED")  # type: ignore[misc]
            heard.take(region)
        yield from heard.seen[region]

    def rules(self, region: str) -> Iterator[Any]:
        api = self.client("events", region)
        for bus in api.list_event_buses()["EventBuses"]:
            yield bus
            for rule in api.list_rules(EventBusName=bus["Name"])["Rules"]:
                yield rule
                yield from api.list_targets_by_rule(EventBusName=bus["Name"], Rule=rule["Name"])["Targets"]

    def objects(self) -> Iterator[tuple[str, str]]:
        api = self.client("s3")
        since = datetime.fromtimestamp(self.since, UTC)
        for bucket in api.list_buckets()["Buckets"]:
            yield "bucket", json.dumps(bucket, default=str)
            pages = api.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"])
            for version in (each for page in pages for each in page.get("Versions", [])):
                yield "object's key", version["Key"]
                if version["LastModified"] >= since:
                    answer = api.get_object(Bucket=bucket["Name"], Key=version["Key"], VersionId=version["VersionId"])
                    yield "object", answer["Body"].read().decode("latin-1") + json.dumps(answer["Metadata"])

    def files(self) -> Iterator[tuple[str, str]]:
        """Of the local cloud, also those that it once served from: its log, what functions wrote."""
        for file in self.environment.cloud.log.parent.rglob("*"):
            if file.is_file() and file.stat().st_mtime >= self.since:
                yield "file", file.read_text(encoding="latin-1")


def kind(event: dict[str, Any]) -> str:
    """An event of a history, by its type and what tells it from others of that type."""
    name: str = event["type"]
    if name == "TaskStateEntered":
        return f"{name}:{event['stateEnteredEventDetails']['name']}"
    return f"{name}:{event['taskScheduledEventDetails']['resourceType']}" if name == "TaskScheduled" else name


def _shown(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
