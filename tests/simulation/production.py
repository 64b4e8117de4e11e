"""What the simulator takes from production: every conditional write, and its pure functions, whose answers it may
keep."""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from payments import task
from payments.protocol import idempotency, record
from payments.protocol.ports import Action

PURE = (
    "due_shard",
    "read_value",
    "payment_of",
    "intent_of",
    "read_result",
    "key",
    "receipt",
    "publish",
    "conclude",
    "transaction",
)
EVERYWHERE = ("payments.", "tests.simulation.")
KEPT: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What stands in production for a function whose answers are kept."""
FORGET: list[Callable[[], None]] = []
"""What forgets the answers kept."""

ACTIONS: tuple[Action, ...] = tuple(
    value for module in (idempotency, record) for value in vars(module).values() if isinstance(value, Action)
)


def replace(old: Any, new: Any, *, packages: tuple[str, ...] = ("payments.", "payctl.")) -> int:
    """Replace one object of production by another, under every name it has there, as a method and as the default of a
    function; how often it was there."""
    count = 0
    for name, module in list(sys.modules.items()):
        if name.startswith(packages):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)
                    count += 1
                if isinstance(value, type) and value.__module__ == name:
                    for member in [member for member, method in vars(value).items() if method is old]:
                        setattr(value, member, new)
                        count += 1
                defaults = getattr(value, "__defaults__", None) or ()
                if any(default is old for default in defaults):
                    value.__defaults__ = tuple(new if default is old else default for default in defaults)
                    count += 1
    return count


def remember() -> None:
    """Keep the answers of pure functions, because a campaign asks for the same few over and over. For processes that do
    nothing else."""
    modules = [module for name, module in sys.modules.items() if name.startswith("payments.")]
    originals = [vars(module)[name] for module in modules for name in PURE if name in vars(module)]
    values = [value for module in modules for value in vars(module).values()]
    FORGET.extend(value.cache_clear for value in values if hasattr(value, "cache_clear"))
    forget()  # what this process kept before: a campaign runs the same after anything
    for original in {id(function): function for function in originals}.values():
        kept = lru_cache(maxsize=500)(original)
        replace(original, kept, packages=EVERYWHERE)
        KEPT[original] = kept
        FORGET.append(kept.cache_clear)
    for original in (record.read_record, task.read_input):
        replace(original, by_identity(original), packages=EVERYWHERE)


def by_identity(original: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function of a mapping, and perhaps more, with its answers kept for the very mapping: nobody changes an
    item or an input in place."""
    answers: dict[int, tuple[Mapping[str, Any], tuple[Any, ...], Any]] = {}
    FORGET.append(answers.clear)

    def kept(mapping: Mapping[str, Any], *more: Any) -> Any:
        known = answers.get(id(mapping))
        if known is None or known[0] is not mapping or known[1] != more:
            if len(answers) > 500:
                answers.clear()
            known = answers[id(mapping)] = mapping, more, original(mapping, *more)
        return known[2]

    return kept


def forget() -> None:
    """Forget the answers kept: once production is changed they may be wrong."""
    for clear in FORGET:
        clear()
