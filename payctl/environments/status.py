"""The state of an environment: operation, stacks by Region, what needs an operator's eye, and what it offers."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from payctl import signed_http
from payctl.advice import Reading
from payctl.environment import INTAKE_OFF, Environment, Survey
from payctl.environments import health
from payctl.environments.health import OtherCode
from payctl.payments import dead_letters, membership
from payctl.payments.due import standings
from payctl.payments.due.standings import NOTHING, Look
from payctl.payments.registers import Registers
from payctl.regions import switch
from payctl.regions.switch import TakenOut
from stacksets.errors import ToolError
from stacksets.model import StackStatus

UNKNOWN = "UNKNOWN"  # what the home Region alone knows, while it is silent
# The key in the outputs, and the regional output it is made of.
BY_REGION = {
    "lambda_function_arns": "FunctionArn",
    "state_machine_arns": "StateMachineArn",
    "s3_bucket_names": "BucketName",
    "sns_topic_arns": "TopicArn",
    "kms_key_ids": "KeyId",
}


@dataclass(frozen=True, kw_only=True)
class LastOperation:
    """The newest operation on the StackSet; times in ISO 8601, "" where there is none yet."""

    id: str
    action: str
    status: str
    reason: str
    started: str
    ended: str


@dataclass(frozen=True, kw_only=True)
class RegionalStack:
    """The stack instance of a Region and its stack; `code` is the start of the code's hash."""

    region: str
    status: str
    stack_status: str
    detail: str
    reason: str
    stack_id: str
    code: str


@dataclass(frozen=True, kw_only=True)
class GlobalStack:
    """The stack of what spans Regions."""

    name: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What needs an operator in a Region; None is what could not be read. `register`: why its register is not in use;
    `trouble`: what could not be asked, and why; "" is all well. `open`: the payments in its register without an end;
    where many are due, those that were not looked at count as well."""

    region: str
    alarms: tuple[str, ...] | None = ()
    dead_letters: int | None = 0
    register: str | None = ""
    open: int | None = 0
    parked: int | None = 0
    trouble: str = ""

    @property
    def unknown(self) -> bool:
        """Whether something could not be read."""
        return None in (self.alarms, self.dead_letters, self.register, self.open, self.parked)

    @property
    def waits(self) -> bool:
        """Whether something waits for an operator."""
        return bool(self.alarms or self.dead_letters or self.parked or self.register)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is there. `deployed`: every Region and the global stack are current, and take payments; `silent`: the
    Regions that do not answer; `stack_set` is "" where there is no environment; `regions` is () unless something can
    wait for somebody; `out`: the Regions that an operator took out of service."""

    environment: str
    account: str
    home: str
    silent: tuple[str, ...]
    stack_set: str
    linked: bool
    operation: LastOperation | None
    instances: tuple[RegionalStack, ...]
    global_stack: GlobalStack
    deployed: bool
    regions: tuple[Attention, ...] = ()
    other_code: tuple[OtherCode, ...] = ()
    out: tuple[TakenOut, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 it is not deployed as it was built or not all could be read, 2 something waits: only an
        operator puts back a Region that was taken out."""
        if not self.deployed or self.other_code or any(each.unknown for each in self.regions):
            return 1
        return 2 if self.out or any(each.waits for each in self.regions) else 0


def status(environment: Environment) -> Status:
    """What is there and what needs an operator; from the other Regions' stacks while home is silent. Read only."""
    survey = environment.survey(tolerant=True)
    known = not environment.home_silent
    silent = tuple(region for region, stack in survey.stacks.items() if stack.status is StackStatus.SILENT)
    shared = survey.global_stack
    absent = "ABSENT" if known else UNKNOWN
    instances = tuple(_regional_stack(survey, region, absent) for region in survey.stacks)
    current = all(instance.status == "CURRENT" for instance in instances) and not survey.broken and not silent
    linked = survey.linked if known else bool(environment.parameters.get("KeyArns"))
    deployed = current and linked and shared.status.usable and not survey.taking_none
    return Status(
        environment=environment.settings.environment,
        account=environment.cloud.account,
        home=environment.home,
        silent=silent,
        stack_set=environment.names.stack_set if survey.stack_set or not known else "",
        linked=linked,
        operation=_last_operation(environment) if known else None,
        instances=instances,
        global_stack=GlobalStack(
            name=environment.names.global_stack,
            status=str(shared.status) if known else UNKNOWN,
            reason=shared.reason if known else "its Region is silent",
        ),
        deployed=deployed,
        regions=attention(environment) if deployed or silent else (),
        other_code=health.other_code(environment, survey.stacks, tolerant=True),
        out=switch.known(environment) if survey.stack_set or not known else (),
    )


def _regional_stack(survey: Survey, region: str, absent: str) -> RegionalStack:
    instance, stack = survey.instances.get(region), survey.stacks[region]
    return RegionalStack(
        region=region,
        status=str(instance.status) if instance else absent,
        stack_status=str(stack.status),
        detail=str(instance.detail or "") if instance else "",
        reason=(instance.reason if instance else "")
        or stack.reason
        or (INTAKE_OFF if region in survey.taking_none else ""),
        stack_id=instance.stack_id if instance else stack.id,
        code=stack.parameters.get("CodeHash", "")[:12],
    )


def _last_operation(environment: Environment) -> LastOperation | None:
    for operation in environment.runner.operations():
        return LastOperation(
            id=operation.id,
            action=operation.action,
            status=str(operation.status),
            reason=operation.reason,
            started=operation.started.isoformat() if operation.started else "",
            ended=operation.ended.isoformat() if operation.ended else "",
        )
    return None


def attention(environment: Environment) -> tuple[Attention, ...]:
    """Look into every Region at once. Parked payments are counted where they were decided to be charged."""
    registers = Registers(environment)
    try:
        idle, unasked = membership.idle(environment), ""
    except ToolError as error:
        idle, unasked = {}, error.message

    def look(region: str) -> tuple[Attention, Look | None]:
        reading = Reading(unasked)
        missing = idle.get(region) == membership.MISSING
        due = reading.of(lambda: NOTHING if missing else standings.look(registers, region))
        alarms = reading.of(lambda: tuple(sorted(health.firing(environment, region))))
        letters = reading.of(lambda: dead_letters.count(environment, region))
        more = f"{due.looked_at} of {due.due} due payments looked at" if due and due.looked_at < due.due else ""
        needs = Attention(
            region=region,
            alarms=alarms,
            dead_letters=letters,
            register=None if unasked else idle.get(region, ""),
            open=due.open if due else None,
            trouble="; ".join(filter(None, (reading.trouble, more))),
        )
        return needs, due

    answers = environment.cloud.everywhere(look)
    found = {payment: region for _, due in answers.values() if due for payment, region in due.parked.items()}
    parked = Counter(region or environment.home for region in found.values())
    # What is parked is due in two Regions: it is known without any one of them.
    known = sum(due is not None for _, due in answers.values()) >= len(answers) - 1
    return tuple(replace(needs, parked=parked[region] if known else None) for region, (needs, _) in answers.items())


def outputs(environment: Environment) -> dict[str, Any]:
    """The outputs named in docs/design.md, "Outputs"; addresses are those that answer from here. Read only."""
    regional = environment.outputs()
    for region, values in regional.items():
        for output in (*BY_REGION.values(), "ApiId", "ApiEndpoint"):
            if output not in values:
                raise ToolError(f"{region}: the regional stack has no output {output}", remedy="run `payctl deploy`")
    addresses = {region: signed_http.address(environment.cloud, region, values) for region, values in regional.items()}
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
