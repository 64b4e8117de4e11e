"""Wrap functions of the emulator, wherever they were imported by name, and its CloudFormation resource types."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]


def wrap(holder: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Let `wrapper(original, *arguments)` take the place of `holder.name`, a function of a module or class.

    Also in the emulator's modules that imported it by name; modules that do so later get the new one.
    """
    original = getattr(holder, name)

    @wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return wrapper(original, *arguments, **options)

    setattr(holder, name, wrapped)
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("ministack.") and getattr(module, name, None) is original:
            setattr(module, name, wrapped)


def wrap_resource(
    resource_type: str,
    complete: Callable[[str, Properties, Properties], None],
    before_deletion: Callable[[str], None] = lambda _physical_id: None,
) -> None:
    """Call `complete(physical id, properties, earlier properties)` after each creation and update of such a resource.

    The earlier properties are {} at a creation. Either function refuses by raising ValueError.
    """
    handlers = provisioners._RESOURCE_HANDLERS[resource_type]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    @wraps(create)
    def create_and_complete(logical_id: str, properties: Properties, stack_name: str) -> Any:
        created = create(logical_id, properties, stack_name)
        try:
            complete(created[0], properties, {})
        except ValueError:
            delete(created[0], properties)  # CloudFormation does not know it yet and would leave it behind
            raise
        return created

    @wraps(update)
    def update_and_complete(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
        updated = update(physical_id, old, new, *more)
        complete(updated[0] if isinstance(updated, tuple) else physical_id, new, old)
        return updated

    @wraps(delete)
    def check_and_delete(physical_id: str, *more: Any) -> Any:
        before_deletion(physical_id)
        return delete(physical_id, *more)

    handlers.update(create=create_and_complete, update=update_and_complete, delete=check_and_delete)


def is_true(value: object) -> bool:
    """Is a template's Boolean true? From parameters it comes as text."""
    return value in (True, "true")
