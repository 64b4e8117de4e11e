"""What CloudFormation may do in the target account: make, read, change and delete what the regional template holds."""

from awacs.aws import Statement

from builder.settings import Settings


def execution_statements(settings: Settings) -> dict[str, list[Statement]]:
    return {}
