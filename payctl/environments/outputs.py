"""What an environment offers, gathered from all Regions (SPEC B17)."""

from typing import Any

from payctl import http as request
from payctl.environment import Environment
from stacksets.errors import ToolError

# The key in the answer, and the regional output it is made of.
BY_REGION = {
    "lambda_function_arns": "FunctionArn",
    "state_machine_arns": "StateMachineArn",
    "s3_bucket_names": "BucketName",
    "sns_topic_arns": "TopicArn",
    "kms_key_ids": "KeyId",
}


def outputs(environment: Environment) -> dict[str, Any]:
    """The outputs as SPEC B17 names them; addresses are those that answer from here. Read only."""
    regional = environment.outputs()
    for region, values in regional.items():
        for output in (*BY_REGION.values(), "ApiId", "ApiEndpoint"):
            if output not in values:
                raise ToolError(f"{region}: the regional stack has no output {output}", remedy="run `payctl deploy`")
    addresses = {region: request.address(environment.cloud, region, values) for region, values in regional.items()}
    shared = environment.stacks(environment.home).describe(environment.names.global_stack).outputs
    if "TableName" not in shared:
        raise ToolError(
            f"stack {environment.names.global_stack} has no output TableName: the deployment is not finished",
            remedy="run `payctl deploy`",
        )
    return {
        "dynamodb_table_name": shared["TableName"],
        "api_endpoint": addresses[environment.home],
        "api_endpoints": addresses,
        **{key: {region: regional[region][output] for region in regional} for key, output in BY_REGION.items()},
    }
