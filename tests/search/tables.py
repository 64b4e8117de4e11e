"""Things that are equal get one number, so that a state is a few small integers."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Table(Generic[T]):
    """Numbers things in the order in which they come; `first` ones have theirs. `key` makes a thing hashable."""

    def __init__(self, *first: T, key: Callable[[T], Hashable] | None = None) -> None:
        self._key = key
        self._things: list[T] = []
        self._numbers: dict[Hashable, int] = {}
        for thing in first:
            self.number(thing)

    def number(self, thing: T) -> int:
        key = self._key(thing) if self._key else thing
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._things)
            self._things.append(thing)
        return number

    def __getitem__(self, number: int) -> T:
        return self._things[number]

    def __len__(self) -> int:
        return len(self._things)


def hashable(thing: Any) -> Hashable:
    """The thing itself, or what stands for it: items and what contains them are mappings."""
    if isinstance(thing, dict):
        return frozenset(thing.items())
    if isinstance(thing, tuple):
        return type(thing), *map(hashable, thing)
    return thing  # type: ignore[no-any-return]  # str, int, Enum, None
