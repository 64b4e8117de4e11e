"""What a tour takes place in: a local cloud of its own, and an environment on it, deployed as a user would."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3

from builder import settings as settings_file
from localcloud import client as local_cloud
from payctl.cloud import Cloud
from payctl.drills.load import ApiClient, Plan, new_prefix
from payctl.environment import Environment
from payctl.releases import sources
from stacksets.errors import ToolError
from stacksets.progress import Silent, Terminal
from stacksets.waiting import Pace

NAME: Final = "tour"
SECRET: Final = "sandbox-secret"  # noqa: S105 - localcloud/processor.py names it
# As many functions as the clients have requests under way: a Region that is cut off makes each request wait.
SETTINGS: Final = {"reserved_concurrency": "12", "deduplicates": "false", "secret_name": f'"payment-psp-{NAME}"'}
AT_ONCE: Final = 4  # functions that are started beforehand, in each Region
WARM_SECONDS: Final = 1.0  # that payments at once take at most where the functions have started
WARM_ROUNDS: Final = 10


@contextmanager
def deployed(folder: Path, out: Terminal) -> Iterator[Environment]:
    """The environment, until the block ends. Raises ToolError and LocalCloudError.

    It settles by the sandbox processor, which forgets every idempotency key: whatever it charges once, nobody else
    than the registers did that.
    """
    out.print("Three Regions on this machine: starting", style="bold")
    with local_cloud.running() as cloud:
        settings = _settings(folder, f"{cloud.admin_url}/processor")
        for region in settings_file.load(settings).regions:
            make: Any = boto3.client  # its overloads want the service's name as a literal
            secrets = make("secretsmanager", region_name=region, endpoint_url=cloud.endpoint, **local_cloud.ROOT)
            secrets.create_secret(Name=f"payment-psp-{NAME}", SecretString=SECRET)
        cloud.admin("PUT", "/processor/admin", {"honour_keys": False})
        where = ("--local", "--endpoint", cloud.endpoint, "--settings", str(settings))
        for command, words in (("bootstrap", ()), ("deploy", ("--no-lint",))):
            out.print(f"payctl {command}", style="bold")
            _payctl(folder, command, "--yes", *words, *where)
        yield environment(settings, cloud.endpoint)


def environment(settings: Path, endpoint: str, name: str = NAME) -> Environment:
    """The environment of these settings on the local cloud at this address."""
    environ = {"ENVIRONMENT_SUFFIX": name}
    cloud = Cloud.of(settings_file.load(settings, environ), local=True, endpoint=endpoint, environ=environ)
    return Environment(cloud, Silent(), Pace())


def warm_up(environment: Environment) -> float:
    """Start the functions, as minutes of traffic would have: AT_ONCE payments in each Region, again and again until
    they are quick. How many payments the machine then makes in a second."""
    client = ApiClient(environment, connections=AT_ONCE)
    seconds = dict.fromkeys(environment.regions, WARM_SECONDS)

    def pay(transaction: dict[str, Any]) -> float:
        began = time.monotonic()
        client.call("POST", region, "/payments", {"transaction": transaction})
        return time.monotonic() - began

    for _ in range(WARM_ROUNDS):
        for region in [each for each in environment.regions if seconds[each] >= WARM_SECONDS]:
            plan = Plan(payments=AT_ONCE, rate=1.0, near=(region,), prefix=new_prefix("W"))
            with ThreadPoolExecutor(AT_ONCE) as threads:
                seconds[region] = max(threads.map(pay, [payment.transaction for payment in plan.draw()]))
    return AT_ONCE / max(seconds.values())


def _settings(folder: Path, processor: str) -> Path:
    """The project's settings, with a processor."""
    lines = sources.SETTINGS.read_text(encoding="utf-8").splitlines()
    for setting, value in {**SETTINGS, "url": f'"{processor}"'}.items():
        (at,) = (number for number, line in enumerate(lines) if line.startswith(f"{setting} ="))
        lines[at] = f"{setting} = {value}"
    file = folder / settings_file.DEFAULT_FILE
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _payctl(folder: Path, *arguments: str) -> None:
    """Run payctl in a folder that has settings alone; its progress stays on the terminal. Raises ToolError."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "payctl.commands.main", *arguments],
        cwd=folder,
        env=environ | {"ENVIRONMENT_SUFFIX": NAME},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"payctl {arguments[0]} ended with {done.returncode}: it says why above")
