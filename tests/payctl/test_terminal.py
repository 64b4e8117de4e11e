"""payctl on a terminal: the question, and Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.payctl.conftest import Project


class Terminal:
    """payctl with a pseudo terminal as its standard streams."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "payctl.commands.main", *arguments, "--endpoint", project.endpoint],
            cwd=project.folder,
            env=project.environ | {"TERM": "xterm", "COLUMNS": "120"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, words: str, seconds: float = 60) -> None:
        self.read_until(lambda: words in self.text, seconds)

    def read_until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.text
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError:  # the other end is closed: it has ended
                assert done(), self.text

    def wait_for_question(self, words: str, seconds: float = 60) -> None:
        """Until it waits for the answer, not only shows the question: a signal in between, after Python has last
        looked for one, would be seen with the next key only."""
        self.wait_for(words, seconds)
        deadline = time.monotonic() + seconds
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        try:
            while chunk := os.read(self.master, 65536):
                self.text += chunk.decode(errors="replace")
        except OSError:
            pass  # the other end is closed: it has ended
        code = self.process.wait(60)
        os.close(self.master)
        return code


def test_no_is_an_answer_and_changes_nothing(project: Project) -> None:
    terminal = Terminal(project, "deploy", "--no-lint")
    terminal.wait_for("Deploy? [y/N]")
    assert f"create payments-{project.suffix} in us-east-1" in terminal.text
    terminal.type("n\n")
    assert terminal.end() == 1
    assert "error: nothing was changed" in terminal.text
    assert project.environment().stack_set.describe() is None


def test_yes_deploys_with_a_live_line_a_region(project: Project) -> None:
    terminal = Terminal(project, "deploy", "--no-lint")
    terminal.wait_for("Deploy? [y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0, terminal.text
    assert "1/3 Regional stacks" in terminal.text
    assert f"deployed payments-{project.suffix}" in terminal.text


def test_ctrl_c_stops_the_operation_says_what_is_true_and_the_next_run_goes_on(project: Project) -> None:
    project.deploy()
    project.code("print('two')")
    before = project.environment().runner.operations()
    terminal = Terminal(project, "deploy", "--yes", "--no-lint")
    terminal.wait_for("1/3 Regional stacks")
    terminal.read_until(lambda: project.environment().runner.operations() != before)
    os.killpg(terminal.process.pid, signal.SIGINT)
    code = terminal.end()
    assert "Traceback" not in terminal.text
    newest = project.environment().runner.operations()[0]
    assert newest.status.done, "nothing runs on unseen"
    if newest.status == "STOPPED":  # the operation may also have been quicker than the key
        assert code == 130, terminal.text
        assert "repeat the command to go on" in terminal.text
    project.deploy()
    assert project.deploy().steps == ()
