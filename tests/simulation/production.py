"""What the simulator takes from production: every conditional write, and its pure functions, which it may remember."""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from payments import task
from payments.protocol import record, register
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
)
EVERYWHERE = ("payments.", "tests.simulation.")
FORGET: list[Callable[[], None]] = []
"""How to forget what was remembered."""

ACTIONS: tuple[Action, ...] = tuple(
    value for module in (register, record) for value in vars(module).values() if isinstance(value, Action)
)


def replace(old: Any, new: Any, *, packages: tuple[str, ...] = ("payments.",)) -> int:
    """Put one object of production in another's place, under every name it has there. How many names it had."""
    count = 0
    for name, module in list(sys.modules.items()):
        if name.startswith(packages):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)
                    count += 1
    return count


def remember() -> None:
    """Keep the answers of pure functions (equal arguments give equal answers, which nobody changes): a campaign asks
    for the same few over and over. For processes that do nothing else."""
    modules = [module for name, module in sys.modules.items() if name.startswith("payments.")]
    originals = [vars(module)[name] for module in modules for name in PURE if name in vars(module)]
    for original in {id(function): function for function in originals}.values():
        kept = lru_cache(maxsize=500)(original)
        replace(original, kept, packages=EVERYWHERE)
        FORGET.append(kept.cache_clear)
    replace(record.read_record, by_items(record.read_record, lambda cell: tuple(cell.items())), packages=EVERYWHERE)
    replace(task.read_input, by_items(task.read_input, frozen), packages=EVERYWHERE)


def by_items(original: Callable[..., Any], freeze: Callable[[Any], Any]) -> Callable[..., Any]:
    """A pure function of a mapping, and perhaps more, with its answers kept; `freeze` makes a key of the mapping."""
    answers: dict[Any, Any] = {}
    FORGET.append(answers.clear)

    def kept(given: Mapping[str, Any], *more: Any) -> Any:
        asked = (freeze(given), more)
        answer = answers.get(asked)
        if answer is None:
            if len(answers) > 2000:
                answers.clear()
            answer = answers[asked] = original(given, *more)
        return answer

    return kept


def frozen(given: Any) -> Any:
    """Mappings and lists as tuples."""
    if isinstance(given, Mapping):
        return tuple([(name, value if type(value) is str else frozen(value)) for name, value in given.items()])
    return tuple(given) if isinstance(given, list) else given


def forget() -> None:
    """What was remembered may be another's answer once production is changed."""
    for clear in FORGET:
        clear()
