"""The adversary's dice: every choice of a run comes from one stream of numbers, so that its seed replays it exactly."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Choices from `draw`, a source of floats in [0, 1). A draw of 0 is always the harmless choice, so that
    Hypothesis, which shrinks towards 0, shrinks a failing run to the faults that it needs."""

    def __init__(self, draw: Callable[[], float]):
        self.draw = draw

    def chance(self, probability: float) -> bool:
        return self.draw() >= 1 - probability

    def below(self, limit: int) -> int:
        return int(self.draw() * limit)

    def between(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + int(self.draw() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.draw() * len(choices))]
