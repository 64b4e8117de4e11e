"""Environments to drill: deployed by payctl on a local cloud, settled by a sandbox processor that forgets every key."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

import localcloud
from localcloud.client import LocalCloud

ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
SECRET = "sandbox-secret"
# Half of the requests that the load client has under way at most: two Regions are enough for all of them.
SETTINGS = {"reserved_concurrency": "12", "deduplicates": "false"}


@dataclass(frozen=True)
class Site:
    """A project folder and the environment deployed from it."""

    cloud: LocalCloud
    name: str
    folder: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start payctl in the project's folder, as an operator of this environment."""
        command = [str(Path(sys.executable).with_name("payctl")), *arguments, "--local", "--endpoint"]
        environ = os.environ | {"ENVIRONMENT_SUFFIX": self.name, "AWS_REGION": REGIONS[0]}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*command, self.cloud.endpoint], env=environ, cwd=self.folder, stdout=pipe, stderr=pipe, text=True
        )

    def payctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def drill(self, name: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of a drill; its outcome is the failure message when there is no JSON."""
        done = self.payctl("drill", name, "--json", *options)
        try:
            told: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{done.stdout}\n{done.stderr}") from None
        assert "error" not in told, told
        return done.returncode, told


def deploy(cloud: LocalCloud, name: str, folder: Path, /, *options: str, **replace: str) -> Site:
    """Deploy what lambda/ and templates/ of the project hold, or those in `folder` where it has its own.

    `options` are those of `payctl deploy`, `replace` are lines of the settings file.
    """
    for part in ("lambda", "templates"):
        if not (folder / part).exists():
            (folder / part).symlink_to(ROOT / part)
    settings(cloud, name, folder, **replace)
    site = Site(cloud, name, folder)
    for command in (["bootstrap"], ["deploy", *options]):  # the first is told what the roles of the account may touch
        done = site.payctl(*command, "--yes")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return site


def settings(cloud: LocalCloud, name: str, folder: Path, /, **replace: str) -> None:
    """Write the settings of an environment that settles by the sandbox processor, and make its secrets."""
    lines = (ROOT / "deployment.toml").read_text().splitlines()
    processor = {"url": f'"{cloud.admin_url}/processor"', "secret_name": f'"payment-psp-{name}"'}
    for setting, value in (SETTINGS | processor | replace).items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{setting} ="))
        lines[at] = f"{setting} = {value}"
    (folder / "deployment.toml").write_text("\n".join(lines))
    for region in REGIONS:
        client("secretsmanager", region, cloud).create_secret(Name=f"payment-psp-{name}", SecretString=SECRET)
    # A key the processor forgets at once protects nobody: whatever is charged once here, the register did it.
    cloud.admin("PUT", "/processor/admin", {"honour_keys": False})


def client(service: str, region: str, cloud: LocalCloud) -> Any:
    """A client of a local cloud."""
    untyped: Any = boto3.client  # its overloads want the service's name as a literal
    return untyped(service, region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)


def bootstrap(cloud: LocalCloud) -> None:
    """Prepare the account of a new local cloud."""
    done = Site(cloud, "dev", ROOT).payctl("bootstrap", "--yes")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def warm_up(site: Site) -> None:
    """Start the function processes, as a minute of traffic would have."""
    site.payctl("pay", "--rate", "6", "--for", "5s")


# --- a build that is broken on purpose

DECISION = """    value = yield from authorize(ctx, opened)
    if value:
        return (yield from go_on(ctx, intent, value, cells))
"""
CONDITIONAL_WRITE = '''

# BROKEN ON PURPOSE, for tests/drills: a conditional write on the global table says who may charge.
from payments.protocol.ports import Action, Publish  # noqa: E402
from payments.protocol.idempotency import propose  # noqa: E402
from payments.protocol.values import read_value  # noqa: E402

CLAIM = Action("CLAIM", "SET Claimed = :value", "attribute_not_exists(TransactionId)")


def authorize(ctx, opened):
    """The condition is judged by this Region's replica only, and the last writer wins."""
    mine = propose(ctx, ctx.region, opened.intent.hash)
    (answer,) = yield (Publish(f"claim-{opened.intent.id}", CLAIM, {"value": mine.text}),)
    return None if answer is LOST else read_value(str(answer.cell["Claimed"]))
'''


def break_authorization(folder: Path) -> None:
    """Copy lambda/ into the folder, with the register's say in who may charge replaced by a conditional write."""
    shutil.copytree(ROOT / "lambda", folder / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "lambda" / "payments" / "protocol" / "flows.py"
    text = file.read_text()
    assert text.count(DECISION) == 1, "submit has changed: the broken build must be adapted"
    file.write_text(text + CONDITIONAL_WRITE)
