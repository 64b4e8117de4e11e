"""Template conditions: `AWS::Region` and the other pseudo parameters in them, and what they mean to a change set.

The emulator leaves pseudo parameters unresolved in conditions, and its change sets list resources that are off.
"""

from functools import wraps
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine

from localcloud.gaps import patching


def install() -> None:
    """Wrap the evaluation of conditions, and the comparison of templates."""
    _resolve_pseudo_parameters()
    _leave_out_what_is_off()


def _resolve_pseudo_parameters() -> None:
    original = engine._evaluate_conditions

    @wraps(original)
    def evaluate(template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, bool]:
        pseudo = {
            "AWS::Region": get_region(),
            "AWS::AccountId": get_account_id(),
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        values = {name: {"Value": value, "NoEcho": False} for name, value in pseudo.items()}
        result: dict[str, bool] = original(template, parameters | values)
        return result

    patching.replace(engine, "_evaluate_conditions", evaluate)


def _leave_out_what_is_off() -> None:
    """A resource whose condition turns true is an Add, one that stays off is no change."""
    original = changesets._resolve_props_for_diff

    @wraps(original)
    def resolve(template: dict[str, Any], parameters: dict[str, Any], *stack: str) -> dict[str, Any]:
        resolved: dict[str, Any] = original(template, parameters, *stack)
        conditions = engine._evaluate_conditions(template, parameters)
        present = {
            name: resource
            for name, resource in resolved.get("Resources", {}).items()
            if conditions.get(resource.get("Condition"), True)
        }
        return {**resolved, "Resources": present}

    patching.replace(changesets, "_resolve_props_for_diff", resolve)
