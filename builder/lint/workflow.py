"""Lint for state machines: every transition names a state, every state can be reached, the role serves the tasks."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.lint.evaluate import Resolved
from builder.lint.statements import allowed, role_statements

# Optimized integrations in use: the action each needs (Step Functions guide, "Integrating optimized services").
TASKS = {
    "arn:aws:states:::events:putEvents": "events:PutEvents",
    "arn:aws:states:::lambda:invoke": "lambda:InvokeFunction",
    "arn:aws:states:::sqs:sendMessage": "sqs:SendMessage",
}


def check_workflow(stack: Resolved) -> Iterator[str]:
    """Findings for every state machine of a stack."""
    for name, machine in stack.of_type("AWS::StepFunctions::StateMachine").items():
        definition = machine["Definition"]
        states = definition["States"]
        for source, target in transitions(definition):
            if target not in states:
                yield f"{name}: {source} goes on to {target}, which is no state"
        reached = reachable(definition)
        yield from (f"{name}: nothing leads to {state}" for state in sorted(set(states) - reached))
        role = machine["RoleArn"].rpartition("/")[2]
        named = {body["RoleName"]: key for key, body in stack.of_type("AWS::IAM::Role").items()}
        statements = role_statements(stack).get(named.get(role, ""), [])
        for state, body in states.items():
            if body["Type"] != "Task":
                continue
            if body["Resource"] not in TASKS:
                yield f"{name}: {state} uses {body['Resource']}, whose rights are not known here"
            elif not allowed(statements, TASKS[body["Resource"]], _resource(body, machine, stack)):
                yield f"{name}: {role} lacks {TASKS[body['Resource']]} for {state}"


def transitions(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of state and next state; the first is "StartAt"."""
    yield "StartAt", definition["StartAt"]
    for name, state in definition["States"].items():
        nexts = [state.get("Next"), state.get("Default")]
        nexts += [branch["Next"] for branch in (*state.get("Choices", ()), *state.get("Catch", ()))]
        yield from ((name, target) for target in nexts if target)


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


def _resource(task: Mapping[str, Any], machine: Mapping[str, Any], stack: Resolved) -> str:
    """The ARN a task acts on, from its arguments and the substitutions."""
    arguments, given = task["Arguments"], machine["DefinitionSubstitutions"]
    if "FunctionName" in arguments:
        return str(given[arguments["FunctionName"].strip("${}")])
    if "Entries" in arguments:
        bus = given[arguments["Entries"][0]["EventBusName"].strip("${}")]
        return f"arn:aws:events:{stack.region}:{stack.account}:event-bus/{bus}"
    logical = given[arguments["QueueUrl"].strip("${}")].removesuffix(f"-{stack.region}")
    return f"arn:aws:sqs:{stack.region}:{stack.account}:{stack.of_type('AWS::SQS::Queue')[logical]['QueueName']}"
