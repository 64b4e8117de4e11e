"""payctl as a user types it, in a process without a terminal."""

import json
import socket
import subprocess
from typing import Any

import pytest
from typer.main import get_command

from payctl.commands.app import app
from tests.payctl import small
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # it is a group

NO_LINT = {"deploy": ("--no-lint",)}


def fails(ran: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """Exit code 1 and one `error:` line with the words, without a trace."""
    assert ran.returncode == 1, ran
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    for word in words:
        assert word in errors[0], errors[0]


def test_whole_life_of_an_environment(project: Project) -> None:
    """bootstrap, deploy, status, outputs, deploy again, destroy: exit 0 each, JSON where asked, nothing left."""
    assert project.payctl("bootstrap", "--yes").returncode == 0
    deployed = project.payctl("deploy", "--yes", "--no-lint")
    assert deployed.returncode == 0, deployed.stderr
    assert deployed.stdout == f"deployed payments-{project.suffix}; next: payctl outputs, payctl pay\n"
    for region in REGIONS:
        assert f"{region:<16} succeeded" in deployed.stderr, deployed.stderr

    status = project.payctl("status", "--json")
    assert status.returncode == 0, status
    found = json.loads(status.stdout)
    assert [(entry["region"], entry["status"]) for entry in found["instances"]] == [(r, "CURRENT") for r in REGIONS]
    assert found["operation"]["status"] == "SUCCEEDED"

    outputs = json.loads(project.payctl("outputs").stdout)
    assert set(outputs) == {
        "dynamodb_table_name",
        "api_endpoint",
        "api_endpoints",
        "lambda_function_arns",
        "state_machine_arns",
        "s3_bucket_names",
        "sns_topic_arns",
        "kms_key_ids",
    }
    assert outputs["api_endpoint"] == outputs["api_endpoints"][HOME]
    assert outputs["s3_bucket_names"][SECOND].startswith(f"payment-receipts-{SECOND}-{project.suffix}-")

    again = project.payctl("deploy", "--yes", "--no-lint", "--json")
    assert (again.returncode, json.loads(again.stdout)["steps"]) == (0, [])

    assert project.payctl("destroy", "--yes").returncode == 0
    gone = project.payctl("destroy", "--yes")
    assert (gone.returncode, gone.stdout.split(":")[0]) == (0, "nothing to remove"), gone
    assert project.payctl("status").returncode == 1


def test_region_that_fails_makes_deploy_exit_1_with_region_and_cause(project: Project) -> None:
    project.write(regional=small.regional(broken_in=SECOND))
    ran = project.payctl("deploy", "--yes", "--no-lint")
    fails(ran, f"failed in {SECOND}")
    assert f"  {SECOND}: Broken: " in ran.stderr
    assert "deployed" not in ran.stdout
    as_json = json.loads(project.payctl("deploy", "--yes", "--no-lint", "--json").stdout)
    assert [cause["region"] for cause in as_json["causes"]] == [SECOND]


@pytest.mark.parametrize("command", ["bootstrap", "deploy", "destroy"])
def test_nothing_is_asked_without_a_terminal(project: Project, command: str) -> None:
    if command == "destroy":
        project.deploy()
    before = project.environment().runner.operations()
    fails(project.payctl(command, *NO_LINT.get(command, ())), "there is no terminal; add --yes")
    assert project.environment().runner.operations() == before


@pytest.mark.parametrize(("units", "said"), [(0, False), (390, True)])
def test_a_rejoin_says_that_units_are_few_to_read_a_register_with(project: Project, units: int, said: bool) -> None:
    text = (ROOT / "deployment.toml").read_text()
    project.settings(text.replace("register_writes = 0", f"register_writes = {units}"))
    ran = project.payctl("rejoin", SECOND)
    fails(ran, "nothing was changed: rejoin asks first")
    assert (f"limits.register_writes is {units}" in ran.stderr) is said


def test_missing_credentials_are_one_line(project: Project) -> None:
    ran = project.payctl("status", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true")
    fails(ran, "Unable to locate credentials", "--local")


def test_endpoint_that_does_not_answer_is_one_line(project: Project) -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else takes the port
        bound.bind(("127.0.0.1", 0))
        project.endpoint = f"http://127.0.0.1:{bound.getsockname()[1]}"
        fails(project.payctl("status"), project.endpoint, "make up")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"us-east-1", ', '"us-north-9", ', ["us-north-9", "not among those that AWS enables"]),
        ("protect =", "protekt =", ["unknown setting options.protekt"]),
        ("api_rate = 200", 'api_rate = "fast"', ["limits.api_rate must be int"]),
        ("[tags]", "[tags", ["not valid TOML"]),
    ],
)
def test_wrong_settings_are_one_line(project: Project, old: str, new: str, words: list[str]) -> None:
    project.settings((project.folder / "deployment.toml").read_text().replace(old, new))
    fails(project.here("deploy", "--yes", "--no-lint"), *words)


def test_missing_settings_file_is_one_line(project: Project) -> None:
    fails(project.payctl("deploy", "--yes", "--no-lint", "--settings", "none.toml"), "none.toml: no such settings file")


def test_account_without_bootstrap_is_told_so_and_nothing_is_made(project: Project) -> None:
    other = {"AWS_ACCESS_KEY_ID": "222222222222"}
    fails(project.payctl("deploy", "--yes", "--no-lint", **other), "nothing was changed", "run `payctl bootstrap`")
    assert json.loads(project.payctl("status", "--json", **other).stdout)["stack_set"] == ""


def test_environment_that_does_not_exist_is_one_line(project: Project) -> None:
    fails(project.payctl("outputs"), f"environment {project.suffix} does not exist", "payctl deploy")


def test_debug_shows_the_trace(project: Project) -> None:
    ran = project.payctl("outputs", "--debug")
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr


def test_wrong_option_is_a_usage_error(project: Project) -> None:
    ran = project.here("deploy", "--yess")
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "words",
    [("pay", "--id", ""), ("pay", "--merchant="), ("redrive", "--region", ""), ("resolve", "", "--not-charged")],
)
def test_what_is_given_and_empty_is_a_usage_error(project: Project, words: tuple[str, ...]) -> None:
    """A script's variable may not be set: a payment that it repeats would have another id each time."""
    ran = project.here(*words)
    assert ran.returncode == 2
    assert "is empty: leave it out, or give it a value" in ran.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rate", "2", "--amount", "0.50", "--id", "ORDER-1"), "--amount, --id: not with --rate"),
        (("--rate", "2", "--merchant", "shop"), "--merchant: not with --rate"),
        (("--rate", "2", "--region", SECOND), "--region: not with --rate"),
        (("--amount", "1", "--for", "5s"), "--for: not with one payment"),
        (("--amount", "1", "--domain", "--everywhere"), "--everywhere: not with --domain"),
        (("--amount", "1", "--everywhere", "--region", SECOND), "--everywhere is in every Region"),
        (("--status", "T1", "--currency", "EUR"), "--currency: not with --status"),
    ],
)
def test_no_option_is_left_aside(project: Project, words: tuple[str, ...], says: str) -> None:
    """It would be another payment than was meant."""
    fails(project.here("pay", *words), says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--message", "m1"), "--message: not with --list"),
        (("--message", "m1", "--transaction", "repaired.json"), "--message, --transaction: not with --list"),
        (("--discard",), "--discard: not with --list"),
    ],
)
def test_a_list_of_dead_letters_takes_nothing_that_it_would_leave_aside(
    project: Project, words: tuple[str, ...], says: str
) -> None:
    fails(project.payctl("redrive", "--list", *words), says)


@pytest.mark.parametrize("status", ["IN_DOUBT", "PENDING"])
def test_an_export_of_what_is_never_public_is_refused(project: Project, status: str) -> None:
    """It would name no payment, which reads as if there were none."""
    ran = project.here("payments", "export", "--status", "SETTLED", "--status", status)
    fails(ran, f"{status}", "SETTLED, DECLINED or NOT_CHARGED", "payctl parked", f"payments list --status {status}")
    assert ran.stdout == ""


def test_a_status_that_nobody_knows_is_refused_with_those_that_can_be(project: Project) -> None:
    for command, last in (("list", "PENDING, IN_DOUBT"), ("export", "DECLINED, NOT_CHARGED")):
        ran = project.here("payments", command, "--status", "PAID")
        fails(ran, "PAID is no status")
        assert ran.stderr.rstrip().endswith(last)


def test_giving_up_payments_needs_deleting_data(project: Project) -> None:
    fails(project.here("destroy", "--yes", "--discard-open"), "add --delete-data")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = COMMANDS[name]
    for each in getattr(command, "commands", {"": command}).values():
        assert "Example" in (each.help or ""), f"{name} {each.name}"
