"""The state of an environment: operation, instances by Region, global stack."""

from typing import Any

from payctl.environment import Environment
from stacksets.model import StackStatus


def status(environment: Environment) -> dict[str, Any]:
    """What is there, as plain values. `deployed`: every Region and the global stack are current; `silent`: the
    Regions that do not answer. Read only."""
    return environment.unless_home_is_silent(lambda: _at_home(environment), lambda: _without_home(environment))


def _without_home(environment: Environment) -> dict[str, Any]:
    """What the other Regions know: the state of their own stacks."""
    known = environment.survivors
    instances = [
        {
            "region": region,
            "status": "UNKNOWN",
            "stack_status": str(known[region].status if region in known else StackStatus.SILENT),
            "detail": "",
            "reason": "" if region in known else "does not answer",
            "stack_id": known[region].id if region in known else "",
            "code": known[region].parameters.get("CodeHash", "")[:12] if region in known else "",
        }
        for region in environment.regions
    ]
    return {
        "environment": environment.settings.environment,
        "account": environment.cloud.account,
        "home": environment.home,
        "silent": [region for region in environment.regions if region not in known],
        "stack_set": environment.names.stack_set,
        "linked": bool(environment.parameters.get("KeyArns")),
        "operation": None,
        "instances": instances,
        "global_stack": {"name": environment.names.global_stack, "status": "UNKNOWN", "reason": "its Region is silent"},
        "deployed": False,
    }


def _at_home(environment: Environment) -> dict[str, Any]:
    survey = environment.survey(tolerant=True)
    operation = next(iter(environment.stack_set.operations()), None)
    instances = [
        {
            "region": region,
            "status": str(instance.status) if (instance := survey.instances.get(region)) else "ABSENT",
            "stack_status": str(survey.stacks[region].status),
            "detail": str(instance.detail or "") if instance else "",
            "reason": (instance.reason if instance else "") or survey.stacks[region].reason,
            "stack_id": instance.stack_id if instance else "",
            "code": survey.stacks[region].parameters.get("CodeHash", "")[:12],
        }
        for region in environment.regions
    ]
    shared = survey.global_stack.status
    silent = [region for region, stack in survey.stacks.items() if stack.status is StackStatus.SILENT]
    current = all(entry["status"] == "CURRENT" for entry in instances) and not survey.broken and not silent
    return {
        "environment": environment.settings.environment,
        "account": environment.cloud.account,
        "home": environment.home,
        "silent": silent,
        "stack_set": environment.names.stack_set if survey.stack_set else "",
        "linked": survey.linked,
        "operation": None
        if operation is None
        else {
            "id": operation.id,
            "action": operation.action,
            "status": str(operation.status),
            "reason": operation.reason,
            "started": operation.started.isoformat() if operation.started else "",
            "ended": operation.ended.isoformat() if operation.ended else "",
        },
        "instances": instances,
        "global_stack": {
            "name": environment.names.global_stack,
            "status": str(shared),
            "reason": survey.global_stack.reason,
        },
        "deployed": bool(survey.stack_set and current and survey.linked and not shared.absent and not shared.unusable),
    }
