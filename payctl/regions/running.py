"""What still runs in a Region: workflow executions, and payments that its register has to finish."""

from botocore.exceptions import ClientError

from payctl.advice import failure
from payctl.environment import Environment
from payctl.payments.tables import GONE
from stacksets.errors import code_of


def running_executions(environment: Environment) -> dict[str, int]:
    """How many workflow executions run in each Region. Read only."""
    return environment.cloud.everywhere(lambda region: executions_in(environment, region))


def executions_in(environment: Environment, region: str) -> int:
    """How many workflow executions run in a Region, 0 where there is no workflow. Read only."""
    machine = environment.names.state_machine(region)
    pages = (
        environment.cloud.stepfunctions(region)
        .get_paginator("list_executions")
        .paginate(stateMachineArn=machine, statusFilter="RUNNING")
    )
    try:
        return sum(len(page["executions"]) for page in pages)
    except ClientError as error:
        if code_of(error) in GONE:
            return 0
        raise failure("list the executions of", machine, error) from error
