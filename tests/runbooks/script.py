"""Runs the console blocks of a page as they stand there, one command after the other in one shell.

A line that begins with `$ ` is a command, `> ` continues it, and what follows is what to expect: each of these lines
is in what the command prints, in that order; `...` stands for anything. A command ends with 0, unless the next one is
`echo $?` and says otherwise.
"""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support import REGIONS, Environment, program
from tests.payctl.manual import commands

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASKED = "echo $?"


@dataclass(frozen=True)
class Step:
    """A command as it is typed, and the lines that it is said to print."""

    command: str
    expected: tuple[str, ...]


def steps(page: str) -> list[Step]:
    """Every command of a page's console blocks."""
    found: list[Step] = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line.removeprefix("$ "), ()))
            elif line.startswith("> "):
                found[-1] = Step(f"{found[-1].command}\n{line.removeprefix('> ')}", ())
            elif line.strip():
                found[-1] = Step(found[-1].command, (*found[-1].expected, line))
    return found


def filled(command: str, given: Mapping[str, str]) -> str:
    """The command, with what the page asks its reader to fill in: `NAME=value` gets the value that is given."""
    name, equals, _ = command.partition("=")
    return f"{name}={given[name]}" if equals and name in given else command


def missing(expected: Iterable[str], printed: str) -> str:
    """The first expected line that is not in what was printed, after those before it; "" if there is none."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in expected:
        pattern = re.compile(".*".join(re.escape(" ".join(part.split())) for part in line.split("...")))
        if not any(pattern.search(each) for each in lines):
            return line
    return ""


def run(page: Path, environment: Environment, folder: Path, given: Mapping[str, str] | None = None) -> str:
    """Run a page's commands in a folder, as the environment's operator. The last line that was printed; fails with all
    that was, where a command does not do what the page says."""
    told: list[str] = []
    todo = steps(page.read_text(encoding="utf-8"))
    assert todo, f"{page.name} has no commands"
    unused = set(given or {}) - {step.command.partition("=")[0] for step in todo}
    assert not unused, f"{page.name} asks for none of {unused}"
    with _shell(environment, folder) as shell:
        for step, following in zip(todo, [*todo[1:], None], strict=True):
            code, printed = shell.type(filled(step.command, given or {}))
            told += [f"$ {step.command}", *printed.splitlines()]
            account = "\n".join(told)
            assert code == 0 or (following and following.command == ASKED), f"ended with {code}:\n{account}"
            absent = missing(step.expected, printed)
            assert not absent, f"{page.name} says {absent!r}, which is not so:\n{account}"
    last = todo[-1].expected
    assert last, f"{page.name} does not say how it ends"
    return next(line for line in reversed(told) if line.strip())


@dataclass(frozen=True)
class _Shell:
    process: "subprocess.Popen[str]"

    def type(self, command: str) -> tuple[int, str]:
        """Exit code, and what is printed."""
        mark = uuid.uuid4().hex
        assert self.process.stdin
        assert self.process.stdout
        # `$?` is the last command's for the next one, whatever is asked in between.
        self.process.stdin.write(f"{{ {command}\n}} </dev/null; ended=$?; echo; echo {mark} $ended; (exit $ended)\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(mark):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise AssertionError("the shell has ended:\n" + "".join(lines))


@contextmanager
def _shell(environment: Environment, folder: Path) -> Iterator[_Shell]:
    """A shell whose `payctl` and `aws` are those of the tests' virtual environment, sent to the local cloud; what
    `payctl` asks is answered with yes. A page's payments are seconds old, its reader's are not: all are judged."""
    ask = [name for name, command in commands().items() if any("--yes" in each.opts for each in command.params)]
    local = f"--local --endpoint {environment.cloud.endpoint}"
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    patterns = "|".join(f'"{name} "*' for name in ask)
    _executable(
        tools / "payctl",
        f'case "$1 $2 " in {patterns}) set -- "$@" --yes;; reconcile*) set -- "$@" --min-age 0;; esac\n'
        f'exec {program("payctl")} "$@" {local}\n',
    )
    _executable(tools / "aws", f'exec {program("aws")} "$@" --endpoint-url {environment.cloud.endpoint}\n')
    environ = {name: value for name, value in os.environ.items() if name not in ("TERM", "COLUMNS", "FORCE_COLOR")}
    environ |= {
        "PATH": os.pathsep.join((str(tools), str(Path(sys.executable).parent), os.environ["PATH"])),
        "ENVIRONMENT_SUFFIX": environment.name,
        "AWS_REGION": REGIONS[0],
        "AWS_DEFAULT_REGION": REGIONS[0],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_PAGER": "",
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["bash", "--norc"], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=environ, cwd=folder, text=True
    ) as process:
        try:
            yield _Shell(process)
        finally:
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
            process.terminate()


def _executable(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}")
    file.chmod(0o755)
