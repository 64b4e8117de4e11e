"""The key of an environment for the names of payments in logs: made once, then the same in every register
(docs/decisions/log-key.md). It is never printed."""

import secrets
from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError
from payments.protocol.ports import REGISTER

from payctl.advice import failure
from payctl.environment import Environment
from payctl.payments.tables import GONE
from stacksets.errors import code_of, silent

ITEM = {"TransactionId": {"S": REGISTER}}


def find(environment: Environment) -> str:
    """The key in hex; "" where no register that answers has one. Read only."""
    return next(filter(None, _held(environment).values()), "")


def share(environment: Environment) -> None:
    """Have every register that is in use hold the key; a new one only where all answer and none has any."""
    held = _held(environment)
    key = next(filter(None, held.values()), "")
    if not key and len(held) < len(environment.regions):
        return
    key = key or secrets.token_hex(32)
    if without := [region for region, mine in held.items() if not mine]:
        environment.cloud.everywhere(lambda region: _write(environment, region, key), without)


def _held(environment: Environment) -> Mapping[str, str]:
    """By Region that answers and has a register: its key, or "". Read only."""

    def look(region: str) -> str | None:
        try:
            answer = environment.cloud.dynamodb(region).get_item(
                TableName=environment.names.register(region), Key=ITEM, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            if silent(error) or (isinstance(error, ClientError) and code_of(error) in GONE):
                return None
            raise failure("read", f"table {environment.names.register(region)} in {region}", error) from error
        return answer.get("Item", {}).get("log_key", {}).get("S", "")

    held = environment.cloud.everywhere(look)
    return {region: key for region, key in held.items() if key is not None}


def _write(environment: Environment, region: str, key: str) -> None:
    """Into the register's item about itself; a register without one is not in use."""
    table = environment.names.register(region)
    try:
        environment.cloud.dynamodb(region).update_item(
            TableName=table,
            Key=ITEM,
            UpdateExpression="SET log_key = :key",
            ConditionExpression="attribute_exists(TransactionId) AND attribute_not_exists(log_key)",
            ExpressionAttributeValues={":key": {"S": key}},
        )
    except (ClientError, BotoCoreError) as error:
        if not isinstance(error, ClientError) or code_of(error) != "ConditionalCheckFailedException":
            raise failure("write to", f"table {table} in {region}", error) from error
