"""What the lint says: a fault of one resource, and a finding, which also names file and Region."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One fault of a resource: `effect` is what AWS would do, `remedy` what to change."""

    logical_id: str
    effect: str
    remedy: str


class Finding(NamedTuple):
    """A fault in a template file; `region` "" is every Region."""

    file: str
    logical_id: str
    region: str
    effect: str
    remedy: str

    def __str__(self) -> str:
        place = f" in {self.region}" if self.region else ""
        return f"{self.file}: {self.logical_id}{place}: {self.effect}"


# How people call the services, by the first part of their principals and actions.
SERVICES = {
    "apigateway": "API Gateway",
    "cloudformation": "CloudFormation",
    "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "lambda": "Lambda",
    "logs": "CloudWatch Logs",
    "s3": "S3",
    "sns": "SNS",
    "sqs": "SQS",
    "states": "Step Functions",
}


def region_of(arn: str) -> str:
    """The Region in an ARN; "" when there is none."""
    return arn.split(":")[3] if arn.count(":") >= 5 else ""


def service_of(arn: str) -> str:
    """The service in an ARN; "" when there is none."""
    return arn.split(":")[2] if arn.count(":") >= 5 else ""
