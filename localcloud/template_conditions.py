"""Pseudo parameters in template conditions: the emulator leaves `AWS::Region` and the others unresolved there."""

from functools import wraps
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import engine

from localcloud import patching


def install() -> None:
    """Let conditions compare with the stack's Region, account and partition."""
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
