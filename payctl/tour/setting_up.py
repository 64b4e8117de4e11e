"""What a tour takes place in: a local cloud of its own, and an environment on it, deployed as a user would."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3

import localcloud
from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.drills.client_log import Payment
from payctl.drills.load import ApiClient, Plan, new_prefix
from payctl.environment import Environment
from stacksets.errors import ToolError
from stacksets.progress import Silent, Terminal
from stacksets.waiting import Pace

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "tour"
SECRET: Final = "sandbox-secret"  # noqa: S105 - localcloud/processor.py names it
# More functions at once than the load needs, in any two Regions; and not so many that their start fills the machine.
SETTINGS: Final = {"reserved_concurrency": "4", "deduplicates": "false", "secret_name": f'"payment-psp-{NAME}"'}


WARM_SECONDS: Final = 0.5  # that a payment takes at most where the functions have started
WARM_PAYMENTS: Final = 30


@contextmanager
def deployed(folder: Path, out: Terminal) -> Iterator[Environment]:
    """The environment, until the block ends. Raises ToolError and LocalCloudError.

    It settles by the sandbox processor, which forgets every idempotency key: whatever it charges once, nobody else
    than the registers did that.
    """
    out.print("Three Regions on this machine: starting", style="bold")
    with localcloud.running() as cloud:
        settings = _settings(folder, f"{cloud.admin_url}/processor")
        for region in settings_file.load(settings).regions:
            make: Any = boto3.client  # its overloads want the service's name as a literal
            secrets = make("secretsmanager", region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)
            secrets.create_secret(Name=f"payment-psp-{NAME}", SecretString=SECRET)
        cloud.admin("PUT", "/processor/admin", {"honour_keys": False})
        where = ("--local", "--endpoint", cloud.endpoint, "--settings", str(settings))
        for command, words in (("bootstrap", ()), ("deploy", ("--no-lint",))):
            out.print(f"payctl {command}", style="bold")
            _payctl(command, "--yes", *words, *where)
        found = environment(settings, cloud.endpoint)
        out.print("The functions start", style="bold")
        warm_up(found)
        yield found


def environment(settings: Path, endpoint: str, name: str = NAME) -> Environment:
    """The environment of these settings on the local cloud at this address."""
    environ = {"ENVIRONMENT_SUFFIX": name}
    cloud = Cloud.of(settings_file.load(settings, environ), local=True, endpoint=endpoint, environ=environ)
    return Environment(cloud, Silent(), Pace())


def warm_up(environment: Environment) -> None:
    """Make payments in all Regions, one after the other, until they are quick: the functions start with the first."""
    client = ApiClient(environment, connections=len(environment.regions))
    plan = Plan(payments=WARM_PAYMENTS, rate=1.0, near=environment.regions, prefix=new_prefix("W"))
    quick = dict.fromkeys(environment.regions, 0)

    def pay(payment: Payment) -> None:
        began = time.monotonic()
        answer = client.call("POST", payment.near, "/payments", {"transaction": payment.transaction})
        if answer.status in (200, 201, 202) and time.monotonic() - began < WARM_SECONDS:
            quick[payment.near] += 1

    for payment in plan.draw():
        pay(payment)
        if min(quick.values()) >= 2:
            return


def _settings(folder: Path, processor: str) -> Path:
    """The project's settings, with a processor."""
    lines = (ROOT / settings_file.DEFAULT_FILE).read_text(encoding="utf-8").splitlines()
    for setting, value in {**SETTINGS, "url": f'"{processor}"'}.items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{setting} ="))
        lines[at] = f"{setting} = {value}"
    file = folder / settings_file.DEFAULT_FILE
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _payctl(*arguments: str) -> None:
    """Run payctl; its progress stays on the terminal. Raises ToolError."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "payctl.commands.main", *arguments],
        cwd=ROOT,
        env=environ | {"ENVIRONMENT_SUFFIX": NAME},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"payctl {arguments[0]} ended with {done.returncode}: it says why above")
