"""Replace a function of the emulator wherever it was imported by name."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def replace(module: ModuleType, name: str, wrapper: Callable[..., Any]) -> None:
    """Put `wrapper` in the place of `module.name`, also in the emulator's modules that hold a name for it already.

    Modules that import it later get the new one.
    """
    original = getattr(module, name)
    for holder_name, holder in list(sys.modules.items()):
        if holder_name.startswith("ministack.") and getattr(holder, name, None) is original:
            setattr(holder, name, wrapper)
