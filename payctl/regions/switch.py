"""The switch that takes a Region out of service: an item of its own register, which its health function reads
(lambda/payments/health.py). Nothing else of the Region changes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from payments.health import SWITCH

from payctl.advice import doing
from payctl.environment import Environment

KEY: Final = {"TransactionId": {"S": SWITCH}}


@dataclass(frozen=True, kw_only=True)
class TakenOut:
    """That a Region is out of service, and why; who did it and since when (ISO 8601) are "" where that was not this
    tool."""

    region: str
    reason: str
    by: str = ""
    since: str = ""

    def __str__(self) -> str:
        who = f", by {self.by} since {self.since}" if self.by else ""
        return f"{self.region} is out of service{who}: {self.reason or 'no reason given'}"


def read(environment: Environment, region: str) -> TakenOut | None:
    """None: it is in service. Read only."""
    with doing("read", f"the switch of {region}"):
        return _read(environment, region)


def known(environment: Environment) -> tuple[TakenOut, ...]:
    """Of all Regions that can be asked; why another cannot, whoever looks at its register says. Read only."""

    def look(region: str) -> TakenOut | None:
        try:
            return _read(environment, region)
        except (ClientError, BotoCoreError):
            return None

    return tuple(filter(None, environment.cloud.everywhere(look).values()))


def take_out(environment: Environment, region: str, reason: str) -> bool:
    """Whether this took it out: one that is out already stays so, with its reason."""
    dynamodb = environment.cloud.dynamodb(region)
    item = {"out": {"S": reason}, "by": {"S": environment.cloud.caller}, "since": {"N": str(int(time.time()))}}
    with doing("take out", region):
        try:
            dynamodb.put_item(
                TableName=environment.names.register(region),
                Item={**KEY, **item},
                ConditionExpression="attribute_not_exists(TransactionId)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
    return True


def put_in(environment: Environment, region: str) -> bool:
    """Whether this put it in: one that is in service stays so."""
    with doing("put in", region):
        answer = environment.cloud.dynamodb(region).delete_item(
            TableName=environment.names.register(region), Key=KEY, ReturnValues="ALL_OLD"
        )
    return "Attributes" in answer


def _read(environment: Environment, region: str) -> TakenOut | None:
    answer = environment.cloud.dynamodb(region).get_item(
        TableName=environment.names.register(region), Key=KEY, ConsistentRead=True
    )
    item: Mapping[str, Any] = answer.get("Item", {})
    if "out" not in item:
        return None
    since = datetime.fromtimestamp(int(item["since"]["N"]), UTC).isoformat() if "since" in item else ""
    return TakenOut(region=region, reason=item["out"].get("S", ""), by=item.get("by", {}).get("S", ""), since=since)
