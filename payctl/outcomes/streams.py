"""The streams of the global table's replicas: no stack's outputs tell them, and a replica that is made anew has another
(docs/design.md, "Outcome events")."""

from collections.abc import Collection

from botocore.exceptions import BotoCoreError, ClientError

from payctl.advice import failure
from payctl.environment import Environment


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
    return {f"StreamArn{rank}": found.get(region, "") for rank, region in enumerate(environment.regions)}
