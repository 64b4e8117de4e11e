"""Lint for state machines: every transition names a state, every state can be reached, the role serves the tasks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.finding import Fault
from builder.lint.statements import Statement, allowed, role_statements

# Optimized integrations in use: the action each needs (Step Functions guide, "Integrating optimized services").
TASKS = {
    "arn:aws:states:::events:putEvents": "events:PutEvents",
    "arn:aws:states:::lambda:invoke": "lambda:InvokeFunction",
    "arn:aws:states:::sqs:sendMessage": "sqs:SendMessage",
}


def check_workflow(stack: Resolved) -> Iterator[Fault]:
    """Faults of every state machine of a stack."""
    roles = {stack.arn(name): statements for name, statements in role_statements(stack).items()}
    for name, machine in stack.of_type("AWS::StepFunctions::StateMachine").items():
        definition = machine["Definition"]
        states = definition["States"]
        for source, target in transitions(definition):
            if target not in states:
                effect = f"Step Functions refuses the definition: {source} goes on to {target}, which is no state"
                yield Fault(name, effect, f"name one of {', '.join(sorted(states))}")
        for state in sorted(set(states) - reachable(definition)):
            effect = f"Step Functions refuses the definition: nothing leads to {state}"
            yield Fault(name, effect, "remove the state, or let another go on to it")
        statements = roles.get(machine["RoleArn"], [])
        for state, body in states.items():
            if body["Type"] == "Task" and (fault := _fault_of_task(state, body, machine, statements, stack)):
                yield Fault(name, *fault)


def _fault_of_task(
    state: str, task: Mapping[str, Any], machine: Mapping[str, Any], statements: Sequence[Statement], stack: Resolved
) -> tuple[str, str] | None:
    """Effect and remedy where the role may not do what a task does, on what its arguments name."""
    action = TASKS.get(str(task.get("Resource")))
    if action is None:
        effect = f"Step Functions may lack rights for {state}: the lint does not know {task.get('Resource')}"
        return effect, "name the action it takes in TASKS of builder/lint/workflow.py"
    resource = _resource(task.get("Arguments"), machine, stack)
    if not resource:
        effect = f"the execution fails in {state}: its arguments name nothing of the template"
        return effect, "name it by a variable of DefinitionSubstitutions"
    if not allowed(statements, action, resource):
        effect = f"the execution fails in {state}: the state machine's role lacks {action} on {resource}"
        return effect, f"allow {action} in the role that RoleArn names"
    return None


def transitions(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of state and next state; the first is "StartAt"."""
    yield "StartAt", definition["StartAt"]
    for name, state in definition["States"].items():
        branches = [state, *state.get("Choices", ()), *state.get("Catch", ())]
        targets = [branch.get("Next") for branch in branches] + [state.get("Default")]
        yield from ((name, str(target)) for target in targets if target is not None)


def reachable(definition: Mapping[str, Any]) -> set[str]:
    """The states that some path from the start leads to."""
    edges: dict[str, set[str]] = {}
    for source, target in transitions(definition):
        edges.setdefault(source, set()).add(target)
    seen: set[str] = set()
    waiting = {"StartAt"}
    while waiting:
        state = waiting.pop()
        seen.add(state)
        waiting |= edges.get(state, set()) - seen
    return seen - {"StartAt"}


def _resource(arguments: Any, machine: Mapping[str, Any], stack: Resolved) -> str:
    """The ARN a task acts on, from its arguments and the substitutions; "" where they name nothing."""
    substitutions = machine.get("DefinitionSubstitutions", {})

    def value(text: Any) -> str:
        return str(substitutions.get(str(text).strip("${}"), ""))

    if not isinstance(arguments, dict):
        return ""
    if "FunctionName" in arguments:
        return value(arguments["FunctionName"])
    if "Entries" in arguments:
        entries = arguments["Entries"] if isinstance(arguments["Entries"], list) else []
        bus = next((value(entry.get("EventBusName")) for entry in entries if isinstance(entry, dict)), "")
        return f"arn:aws:events:{stack.region}:{stack.account}:event-bus/{bus}" if bus else ""
    queue = value(arguments.get("QueueUrl")).removesuffix(f"-{stack.region}")
    return stack.arn(queue) if queue in stack.of_type("AWS::SQS::Queue") else ""
