"""--local never leaves this machine, and without it nothing goes to an emulator by accident."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from builder.settings import Domain
from payctl import endpoint
from payctl.cloud import Cloud
from payctl.commands.app import app
from payctl.payments import pay
from stacksets.errors import ToolError
from tests.payctl.conftest import ROOT, Project

ELSEWHERE = "http://192.0.2.1:8080"  # an address that belongs to nobody
PROFILE = f"""
[default]
endpoint_url = {ELSEWHERE}
services = emulator
[services emulator]
sqs =
  endpoint_url = {ELSEWHERE}
"""
# What commands need to get to their first calls; the others need nothing.
ARGUMENTS = {
    "logs": ["TXN001"],
    "pay": ["--amount", "1.00"],
    "resolve": ["TXN001", "--not-charged", "--reason", "test", "--yes"],
    "rejoin": ["eu-west-1", "--yes"],
    "drill": ["region-loss", "--window", "1s"],
    "faults set": ["lag", "--seconds", "0"],
    "deploy": ["--no-lint"],  # it looks at everything, and then there is no terminal to ask
    "accept": ["--only", "no-such-check", "--yes"],
    "bootstrap": ["--yes"],
    "redrive": ["--yes"],
    "payments show": ["TXN001"],
    "region out": ["eu-west-1", "--reason", "test", "--yes"],
    "region in": ["eu-west-1", "--yes"],
}
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # it is a group
NAMES = sorted(
    f"{name} {each}".strip() for name, group in COMMANDS.items() for each in getattr(group, "commands", {"": group})
)


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """An environment in which everything leads away from this machine."""
    (tmp_path / "config").write_text(PROFILE)
    variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY")
    return dict.fromkeys(variables, ELSEWHERE) | {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_DEFAULTS_MODE": "auto",  # asks the address at which EC2 tells about itself
    }


def run(project: Project, commands: Iterable[Sequence[str]], environ: dict[str, str]) -> tuple[list[Any], list[str]]:
    """How each command with --local ended, and what was reached outside this machine."""
    lines = "\n".join(json.dumps([*command, "--local", "--endpoint", project.endpoint]) for command in commands)
    done = subprocess.run(
        [sys.executable, "-m", "tests.payctl.here"],
        cwd=project.folder,
        env=project.environ | environ,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=40,
    )
    told = json.loads(done.stdout)
    return told["ends"], told["outside"]


@pytest.mark.evidence
def test_local_commands_reach_nothing_but_this_machine(project: Project, hostile: dict[str, str]) -> None:
    """All of them, one after the other, where every variable and the profile lead elsewhere."""
    ends, outside = run(project, [[*name.split(), *ARGUMENTS.get(name, [])] for name in NAMES], hostile)
    assert project.payctl("faults", "clear").returncode == 0, "what `faults set` had left"
    assert outside == []
    by_name = {name: f"{end}: {said}" for name, (end, said) in zip(NAMES, ends, strict=True)}
    assert "does not exist" in by_name["outputs"]
    wrong = ("onnection", "proxy", "Usage:", "answer")
    assert {name: end for name, end in by_name.items() if any(word in end for word in wrong)} == {}


def test_every_client_of_a_local_cloud_has_its_address(
    project: Project, hostile: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    sources = "\n".join(file.read_text() for file in (ROOT / "payctl").rglob("*.py"))
    services = set(re.findall(r'client\(\s*"([a-z0-9-]+)"', sources))
    assert {"sts", "s3", "dynamodb", "route53", "acm", "kms", "iam", "cloudformation"} <= services
    cloud = Cloud.of(project.environment().settings, local=True, endpoint=project.endpoint)
    for service in services:
        client = cloud.target_client(service, "us-east-1")
        assert (client.meta.endpoint_url, client.meta.config.proxies) == (project.endpoint, {})


@pytest.mark.parametrize(
    "address",
    [ELSEWHERE, "http://localhost.evil.example", "http://127.0.0.1@192.0.2.1", "http://0.0.0.0:1", "127.0.0.1"],
)
def test_local_with_an_address_elsewhere_is_refused(project: Project, address: str) -> None:
    with pytest.raises(ToolError, match=f"--local never leaves this machine, and --endpoint is {address}"):
        Cloud.of(project.environment().settings, local=True, endpoint=address, environ={})


def test_local_and_domain_are_a_usage_error(project: Project) -> None:
    """It would pay for real: a domain name leads to AWS. So does an address of the local cloud without --local."""
    both = [name for name in NAMES if any(each.name == "domain" for each in _command(name).own)]
    assert both == ["accept", "pay"]
    ends, _ = run(project, [("pay", "--amount", "1", "--domain"), ("accept", "--domain", "pay.example.com")], {})
    for code, said in ends:
        assert code == 2
        assert "never leaves" in said
    environment = project.environment()
    environment.settings = environment.settings._replace(domain=Domain(name="pay.example.com"))
    with pytest.raises(ToolError, match="a domain name leads to AWS"):
        pay.pay_at_domain(environment, {})


def _command(name: str) -> Any:
    first, _, second = name.partition(" ")
    return COMMANDS[first].commands[second] if second else COMMANDS[first]


def test_a_local_cloud_charges_at_no_real_processor(project: Project) -> None:
    """Neither by the settings nor by what is deployed."""
    settings = project.environment().settings
    real = settings._replace(processor=settings.processor._replace(url="https://psp.example.com"))
    for local in (True, False):
        with pytest.raises(ToolError, match=r"would be charged at https://psp\.example\.com"):
            Cloud.of(real, local=local, endpoint=project.endpoint, environ={})
    sandbox = real._replace(processor=real.processor._replace(url=f"{project.endpoint}/_localcloud/processor"))
    Cloud.of(sandbox, local=True, endpoint=project.endpoint, environ={})
    with pytest.raises(ToolError, match="charged at"):
        endpoint.require_reachable_processor(project.endpoint, "https://psp.example.com")
    endpoint.require_reachable_processor("", "https://psp.example.com")


@pytest.mark.parametrize("address", ["http://127.0.0.1:4566", "http://localhost.localstack.cloud"])
@pytest.mark.parametrize("source", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "profile", "service of the profile"])
def test_an_emulator_in_the_environment_is_an_accident(
    source: str, address: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named in the error; asked for by name, as an option or in the settings, it is none."""
    settings, environ = project.environment().settings, {}
    if source.startswith("AWS_"):
        environ = {source: address}
    else:
        text = PROFILE.replace(f"endpoint_url = {ELSEWHERE}\nservices", "services") if "service" in source else PROFILE
        (tmp_path / "config").write_text(text.replace(ELSEWHERE, address))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    named = source if environ else "endpoint_url of the profile default"
    with pytest.raises(ToolError, match=rf"{named}.* sends calls that are meant for AWS to {address}") as error:
        Cloud.of(settings, environ=environ)
    assert "--local" in error.value.remedy
    assert Cloud.of(settings, endpoint="http://127.0.0.1:1", environ=environ).endpoint == "http://127.0.0.1:1"
    asked = settings._replace(endpoint="http://127.0.0.1:1")
    assert Cloud.of(asked, environ=environ).endpoint == "http://127.0.0.1:1"
    if not environ:
        monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        assert Cloud.of(settings, environ=environ).endpoint == ""


def test_addresses_of_aws_in_the_environment_are_none(project: Project) -> None:
    for address in ("https://vpce-1.s3.us-east-1.vpce.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"):
        assert Cloud.of(project.environment().settings, environ={"AWS_ENDPOINT_URL_S3": address}).endpoint == ""
    for address in ("https://amazonaws.com.evil.example", "https://notamazonaws.com"):
        with pytest.raises(ToolError, match="AWS_ENDPOINT_URL_S3"):
            Cloud.of(project.environment().settings, environ={"AWS_ENDPOINT_URL_S3": address})


def test_local_takes_an_address_of_this_machine_from_the_environment(project: Project) -> None:
    settings = project.environment().settings
    assert Cloud.of(settings, local=True, environ={}).endpoint == endpoint.LOCAL_ENDPOINT
    here = {"AWS_ENDPOINT_URL": "http://localhost:5000/"}
    assert Cloud.of(settings, local=True, environ=here).endpoint == "http://localhost:5000"
    with pytest.raises(ToolError, match=f"AWS_ENDPOINT_URL is {ELSEWHERE}"):
        Cloud.of(settings, local=True, environ={"AWS_ENDPOINT_URL": ELSEWHERE})
