"""The streams of the global table's replicas: no stack's outputs tell them, and a replica that is made anew has another
(docs/design.md, "Outcome events")."""

from collections.abc import Collection
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment

NAMES: Final = tuple(f"StreamArn{rank}" for rank in range(3))
"""The parameters of the regional template that tell them, by rank."""


def parameters(environment: Environment, regions: Collection[str]) -> dict[str, str]:
    """What the regional stacks are told: the stream of each Region's replica by rank; "" where there is no replica, and
    in Regions other than these. Raises ToolError where one cannot be asked for. Read only."""
    table = environment.names.table

    def find(region: str) -> str:
        try:
            described = environment.cloud.dynamodb(region).describe_table(TableName=table)["Table"]
        except environment.cloud.dynamodb(region).exceptions.ResourceNotFoundException:
            return ""
        except (ClientError, BotoCoreError) as error:
            raise failure("look at", f"table {table} in {region}", error) from error
        return described.get("LatestStreamArn", "")

    found = environment.cloud.everywhere(find, regions) if regions else {}
    return {name: found.get(region, "") for name, region in zip(NAMES, environment.regions, strict=True)}
