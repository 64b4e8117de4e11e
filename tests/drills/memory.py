"""How much memory a local cloud takes: the server and every process that it started."""

from collections import defaultdict
from pathlib import Path


def megabytes(server: int) -> dict[str, float]:
    """Memory in MB of the server, and of its function processes together; what processes share counts once."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (parent := _parent(folder)) is not None:
            children[parent].append(int(folder.name))
    family, todo = [], [*children[server]]
    while todo:
        family.append(todo.pop())
        todo += children[family[-1]]
    return {"server": _proportional(server), "functions": sum(map(_proportional, family))}


def _parent(process: Path) -> int | None:
    try:
        # pid (name) state parent ...; the name may hold spaces and brackets.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended meanwhile


def _proportional(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it ended meanwhile
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
