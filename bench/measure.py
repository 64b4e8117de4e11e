"""Runs two commands in turn and measures them: wall time and peak memory of the process, medians."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class CommandFailedError(RuntimeError):
    """A measured command failed."""


@dataclass(frozen=True)
class Taken:
    """What one command took: seconds of wall time and MiB of peak resident memory, medians of several runs."""

    seconds: float
    mebibytes: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A command and the one it is compared with; a limit of 0 is none. It is run at most `most_runs` times."""

    title: str
    subject: str
    command: Sequence[str]
    baseline: str
    baseline_command: Sequence[str]
    most_times: float = 0.0
    most_mebibytes: float = 0.0
    most_runs: int = 100
    folder: Path = Path()


def compare(comparison: Comparison, runs: int) -> tuple[Taken, Taken]:
    """Both commands in turn, so that other load on the machine affects both. The first run of each warms caches."""
    pair = (comparison.command, comparison.baseline_command)
    taken: tuple[list[Taken], list[Taken]] = ([], [])
    for command in pair:
        run(command, comparison.folder)
    for _ in range(min(runs, comparison.most_runs)):
        for results, command in zip(taken, pair, strict=True):
            results.append(run(command, comparison.folder))
    subject, baseline = (
        Taken(statistics.median(one.seconds for one in results), statistics.median(one.mebibytes for one in results))
        for results in taken
    )
    return subject, baseline


def run(command: Sequence[str], folder: Path) -> Taken:
    """Run one command to its end; raises CommandFailedError with its output."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603 - our own commands
    assert process.stdout is not None  # noqa: S101 - PIPE
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailedError(f"{' '.join(command)} exited with {process.returncode}:\n{output}")
    return Taken(seconds, usage.ru_maxrss / 1024)
