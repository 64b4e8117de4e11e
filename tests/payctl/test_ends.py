"""How payctl and the local cloud end when something outside fails, or somebody presses Ctrl-C: never with a trace."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import localcloud
from payctl.advice import explain, failure
from payctl.journal import JOURNAL, Journal
from stacksets.errors import InterruptedRunError, SilentError, ToolError, short
from tests.payctl.conftest import REGIONS, Project
from tests.payctl.test_silent import down
from tests.payctl.test_terminal import Terminal

HOME, SECOND, THIRD = REGIONS
PAYCTL = (sys.executable, "-m", "payctl.commands.main")


def test_error_of_aws_names_its_region(project: Project) -> None:
    with pytest.raises(ClientError) as refused:
        project.environment().cloud.s3(SECOND).list_objects_v2(Bucket="no-such-bucket-anywhere")
    assert explain(refused.value).message.startswith(f"AWS refused ListObjectsV2 in {SECOND}: ")
    assert failure("read", "a bucket", refused.value).message.startswith(f"cannot read a bucket in {SECOND}: ")
    assert failure("read", f"it in {SECOND}", refused.value).message.count(SECOND) == 1


def test_stack_is_named_by_its_name_in_an_error() -> None:
    uuid = "2f4c5e60-0000-1111-2222-333344445555"
    arn = f"arn:aws:cloudformation:{HOME}:123456789012:stack/StackSet-payments-dev-1/{uuid}"
    assert short(f"Stack [{arn}] does not exist") == "Stack [StackSet-payments-dev-1] does not exist"
    stack_set = f"arn:aws:cloudformation:{HOME}:123456789012:stackset/payments-dev:{uuid}"
    assert short(f"{stack_set}; see it") == "payments-dev; see it"


def test_region_that_does_not_answer_is_told_as_such(project: Project, cloud: localcloud.LocalCloud) -> None:
    environment = project.environment()
    environment.cloud.account  # noqa: B018 - asked for before
    with down(cloud, SECOND), pytest.raises((ClientError, BotoCoreError)) as lost:
        environment.cloud.target_client("sts", SECOND).get_caller_identity()
    assert f"{SECOND} does not answer" in explain(lost.value).message
    assert isinstance(explain(lost.value), SilentError)


@pytest.mark.evidence  # the SDK tries for a while
@pytest.mark.parametrize("command", ["plan", "deploy", "preflight", "why", "drift", "status", "reconcile", "redrive"])
def test_every_command_tells_a_dark_region(project: Project, cloud: localcloud.LocalCloud, command: str) -> None:
    project.deploy()
    options = {"deploy": ("--yes", "--no-lint"), "plan": ("--no-lint",), "redrive": ("--yes",)}.get(command, ())
    with down(cloud, SECOND):
        ran = project.payctl(command, *options)
    assert ran.returncode == 1, ran
    told = [line for line in (ran.stdout + ran.stderr).splitlines() if "answer" in line]
    assert any(SECOND in line for line in told), ran
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "arn:aws:cloudformation" not in ran.stderr


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_full_disk_is_one_line(project: Project, option: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*PAYCTL, "status", *option, "--endpoint", project.endpoint],
            env=project.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    (line,) = [line for line in ran.stderr.splitlines() if not line.startswith(("Look", "  "))]
    assert line == "error: cannot write: No space left on device; free space on that disk, then repeat the command"


def test_ctrl_c_while_nothing_was_changed_says_so(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        process = subprocess.Popen(
            [*PAYCTL, "status", "--endpoint", f"http://127.0.0.1:{mute.getsockname()[1]}"],
            env=project.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        asking, _ = mute.accept()  # and is not answered
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        asking.close()
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[-1] == "error: interrupted; nothing was changed"


def test_ctrl_c_at_the_question_changes_nothing(project: Project) -> None:
    terminal = Terminal(project, "deploy", "--no-lint")
    terminal.wait_for_question("Deploy? [y/N]")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130, terminal.text
    assert "error: interrupted; nothing was changed" in terminal.text


WORKS_ON = r"""
import os
import time
from payctl.commands.main import main
from payctl.environments import bootstrap

def work(environment):
    def make(region):
        os.write(1, b"works\n")
        for _ in range(300):
            time.sleep(0.1)
            environment.cloud.sqs(region).create_queue(QueueName=f"{environment.settings.environment}-late")
        environment.report.note("done")

    environment.cloud.everywhere(make)

bootstrap.bootstrap = work
main()
"""


@pytest.mark.parametrize("presses", [1, 3])
def test_nothing_is_asked_after_the_answer_to_ctrl_c(project: Project, presses: int) -> None:
    """The Regions' threads outlive it; they neither go on nor hold it up, and another Ctrl-C shows no trace."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKS_ON, "bootstrap", "--yes", "--endpoint", project.endpoint],
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "works\n"
    time.sleep(1)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("error: interrupted after CreateQueue in "), err
    assert "Traceback" not in err


def test_what_was_done_is_noted_and_what_was_only_read_is_not(project: Project) -> None:
    project.deploy()
    assert f"CreateStackSet in {HOME}" in JOURNAL.told
    assert "Describe" not in JOURNAL.told
    assert JOURNAL.remedy
    journal = Journal()
    assert (journal.told, journal.remedy) == ("interrupted; nothing was changed", "")
    journal.ask("GetItem", HOME)
    assert journal.told == "interrupted; nothing was changed"
    journal.ask("payment TXN", HOME)
    journal.ask("payment TXN", SECOND)
    assert journal.told == f"interrupted after payment TXN in {HOME}, {SECOND}"
    assert "--status ID" in journal.remedy
    journal.close()
    with pytest.raises(InterruptedRunError, match=r"^interrupted before DescribeStacks"):
        journal.ask("DescribeStacks", HOME)
    journal.ask("DeleteChangeSet", HOME)  # of a preview


def test_unusable_run_folder_of_the_local_cloud_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".run").write_text("no folder")
    for mode in ("--background", "--stop"):
        ran = subprocess.run(
            [sys.executable, "-m", "localcloud", mode, "--port", "45999"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 1, ran
        assert len(ran.stderr.splitlines()) == 1, ran
        assert ran.stderr.startswith("localcloud: "), ran


def test_error_without_a_region_is_told_as_before() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "may not"}}, "ListKeys")
    assert explain(error).message == "AWS refused ListKeys: may not (AccessDenied)"
    assert isinstance(explain(error), ToolError)
