"""What a search found, in words."""

import re
from collections.abc import Iterator

from tests.search.judge import Judge
from tests.search.world import NOBODY
from tests.simulation.world import EPOCH, REGIONS

TELLING = 16
"""Lines of a trace about what happens when all is healed."""


def healing(judge: Judge, world: int, fault: str) -> Iterator[str]:
    """What happens when all is healed, where that is what goes wrong."""
    if not fault.startswith("with "):
        return
    lost = next((at for at, region in enumerate(REGIONS) if fault.startswith(f"with {region} lost")), NOBODY)
    lines: list[str] = []
    judge.heal(world, lost, lines.append)
    yield "all workers die" + (f", and {REGIONS[lost]} is lost" if lost != NOBODY else "")
    telling = [text for text in map(brief, lines) if not re.search(r": (Read|ReadRecord|LATER) ", text)]
    telling = list(dict.fromkeys(telling))  # janitors that change nothing repeat themselves
    yield from telling[:TELLING]
    if len(telling) > TELLING:
        yield f"(and {len(telling) - TELLING} more)"


def brief(text: str) -> str:
    """A trace's line without what is the same everywhere."""
    text = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1", text)
    text = re.sub(r'"account":"\d+",|"rail":"[^"]*",?', "", text)
    text = re.sub(rf"due_at {EPOCH}", "due", text)
    return re.sub(rf'"at":({EPOCH // 1000}\d+)', lambda at: f'"at":+{int(at[1]) - EPOCH}', text)
