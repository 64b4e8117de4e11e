"""What a suspended generator still knows: where it stands, and the local variables that it may read again.

Two workers of the same kind that stand at the same place and know the same go on alike, whatever they heard before.
"""

import dis
from collections.abc import Generator, Hashable, Mapping, Set
from enum import Enum
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from payments.protocol.ports import Context


def fingerprint(flow: Generator[Any, Any, Any]) -> Hashable:
    """The same for two runs of one flow only if both go on alike. Raises TypeError where that cannot be told.

    What an expression that is being evaluated has computed already is not seen; it comes from the same locals, as no
    flow draws a number and yields in one expression."""
    places: list[Hashable] = []
    inner: Any = flow
    while inner is not None:
        frame: FrameType = inner.gi_frame
        known = frame.f_locals
        live = live_variables(frame.f_code)[frame.f_lasti]
        places.append((frame.f_code, frame.f_lasti, tuple((name, freeze(known[name])) for name in live & known.keys())))
        inner = inner.gi_yieldfrom
    return tuple(places)


def freeze(value: Any) -> Hashable:
    """A value as something that can be hashed and compared. Contexts differ between workers only."""
    if value is None or isinstance(value, (str, int, Enum)):
        return value
    if isinstance(value, Context):
        return "context"
    if isinstance(value, Mapping):
        return type(value), tuple((name, freeze(each)) for name, each in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(map(freeze, value))
    if isinstance(value, Set):
        return type(value), frozenset(map(freeze, value))
    raise TypeError(f"cannot tell what {value!r} stands for")


@cache
def live_variables(code: CodeType) -> Mapping[int, "frozenset[str]"]:
    """The local variables that may be read after each instruction, by its offset.

    Whatever is not certain counts as a reading: an instruction that both reads and writes, a variable of a closure."""
    steps = list(dis.get_instructions(code))
    following = {step.offset: after.offset for step, after in pairwise(steps)}
    reads: dict[int, set[str]] = {}
    writes: dict[int, set[str]] = {}
    targets: dict[int, set[int]] = {}
    for step in steps:
        names = {str(name) for name in (step.argval if isinstance(step.argval, tuple) else (step.argval,))}
        only_writes = step.opname in ("STORE_FAST", "DELETE_FAST")
        variable = "FAST" in step.opname or "DEREF" in step.opname or "CLOSURE" in step.opname
        reads[step.offset] = names if variable and not only_writes else set()
        writes[step.offset] = names if only_writes else set()
        targets[step.offset] = {following[step.offset]} if step.offset in following else set()
        if "JUMP" in step.opname or step.opname in ("SEND", "FOR_ITER"):
            targets[step.offset].add(int(step.argval))
    before: dict[int, set[str]] = {step.offset: set() for step in steps}
    after: dict[int, set[str]] = {step.offset: set() for step in steps}
    changed = True
    while changed:
        changed = False
        for step in reversed(steps):
            at = step.offset
            after[at] = set().union(*(before[target] for target in targets[at]))
            live = reads[at] | (after[at] - writes[at])
            if live != before[at]:
                before[at], changed = live, True
    kept = set(code.co_cellvars) | set(code.co_freevars)
    return {at: frozenset(names | kept) for at, names in after.items()}
