"""Records payctl at work on a local cloud as a terminal shows it, in docs/pictures/*.svg: `make pictures`."""

import codecs
import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

import localcloud

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
COLUMNS, ROWS = 118, 80
# What moves the cursor or erases; colours stay in the text.
CONTROL = re.compile(r"\r|\n|\x1b\[(\d*)([AK])|\x1b\[\?\d+[hl]|\x1b\](?:[^\x07\x1b])*(?:\x07|\x1b\\)")
UNFINISHED = re.compile(r"\x1b(\[[\d;?]*)?$")  # the rest comes with the next read
REMOTE_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*")


class Screen:
    """A terminal with the controls that payctl uses: new lines, moving up, erasing a line."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def write(self, text: str) -> None:
        end = 0
        for control in CONTROL.finditer(text):
            self.lines[self.row] += text[end : control.start()]
            end = control.end()
            self._move(control)
        self.lines[self.row] += text[end:]

    def _move(self, control: "re.Match[str]") -> None:
        if control[0] == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        elif control[2] == "A":
            self.row = max(0, self.row - int(control[1] or 1))
        elif control[2] == "K":
            self.lines[self.row] = ""


def run(screen: Screen, folder: Path, endpoint: str, command: str, *, answer: str = "") -> int:
    """Run a command on a terminal of its own, typing `answer` when it asks; returns its exit code."""
    screen.write(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    name, _, words = command.partition("payctl ")
    environ |= dict(assignment.split("=", 1) for assignment in name.split())
    environ |= {"TERM": "xterm-256color", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "payctl.commands.main", *words.split(), "--endpoint", endpoint],
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    answered = _copy(master, screen, answer)
    os.close(master)
    if answer and not answered:
        raise RuntimeError(f"{command} did not ask")
    return process.wait()


def _copy(master: int, screen: Screen, answer: str) -> bool:
    """Show the output of a terminal until its program ends. Returns whether the answer was typed."""
    decoder, answered, text = codecs.getincrementaldecoder("utf-8")(), False, ""
    while True:
        try:
            text += decoder.decode(os.read(master, 65536))
        except OSError:  # Linux's way to report that the other end is closed
            return answered
        begun = UNFINISHED.search(text)
        end = begun.start() if begun else len(text)
        screen.write(text[:end])
        text = text[end:]
        if answer and not answered and screen.lines[screen.row].endswith("[y/N]: "):
            os.write(master, f"{answer}\n".encode())
            answered = True


def save(screen: Screen, name: str, title: str) -> None:
    """Save the screen as a picture, with the viewer's own fonts: it fetches nothing."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    while screen.lines and not screen.lines[-1].strip():
        screen.lines.pop()
    for line in [*screen.lines, ""]:  # the frame cuts the last line short
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = REMOTE_FONT.sub("", console.export_svg(title=title, unique_id=name))
    (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"wrote docs/pictures/{name}.svg")


def project(folder: Path) -> None:
    """A project folder whose settings may be changed."""
    for part in ("templates", "lambda"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "deployment.toml", folder)


def change(folder: Path, changes: Mapping[str, str]) -> None:
    """Change lines of the settings file. Raises ValueError for one that is not there."""
    file = folder / "deployment.toml"
    text = file.read_text()
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"deployment.toml has no {old!r}")
        text = text.replace(old, new)
    file.write_text(text)


def expect(code: int, expected: int, screen: Screen) -> None:
    """Raises RuntimeError with the screen unless a command ended with the expected exit code."""
    if code != expected:
        raise RuntimeError("\n".join([f"exit code {code}, not {expected}", *screen.lines]))


def main() -> None:
    """A first deployment, the plan of a change, and a deployment that fails in one Region."""
    with localcloud.running() as cloud, tempfile.TemporaryDirectory() as temporary:
        folder, endpoint = Path(temporary), cloud.endpoint
        project(folder)
        expect(run(Screen(), folder, endpoint, "payctl bootstrap --yes"), 0, Screen())

        screen = Screen()
        expect(run(screen, folder, endpoint, "payctl deploy", answer="y"), 0, screen)
        save(screen, "deploy", "payctl deploy")

        change(folder, {"log_retention_days = 7": "log_retention_days = 30", "api_rate = 200": "api_rate = 400"})
        screen = Screen()
        expect(run(screen, folder, endpoint, "payctl plan"), 2, screen)
        save(screen, "plan", "payctl plan")

        mistaken = folder / "lambda" / "payments" / "health.py"
        mistaken.write_text(f"{mistaken.read_text()}\n\ndef handler(*_):\n    return 1 / 0\n")
        screen = Screen()
        expect(run(screen, folder, endpoint, "payctl deploy", answer="y"), 1, screen)
        screen.write("\n")
        run(screen, folder, endpoint, "payctl why")
        save(screen, "why", "payctl why")


if __name__ == "__main__":
    main()
