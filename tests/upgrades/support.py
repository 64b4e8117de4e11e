"""An environment that settles by the sandbox processor, which forgets every key, and releases put on it under load."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import settings as settings_file
from localcloud.client import LocalCloud
from payctl.cloud import Cloud
from payctl.drills.evidence import gather
from payctl.drills.load import Plan, new_prefix, started
from payctl.drills.local_cloud import LocalCloud as Processor
from payctl.drills.quiescence import Watch
from payctl.drills.scenarios import Outage
from payctl.drills.verdict import Verdict, judge
from payctl.environment import Environment
from payctl.environments.deploy import Deployment, Options
from payctl.releases import package, templates
from payctl.releases.package import Package
from payctl.releases.templates import Template
from stacksets.errors import RegionsFailedError
from stacksets.progress import Silent
from stacksets.waiting import Pace
from tests.e2e.support import REGIONS, program

RATE = 2.0
TROUBLED = 0.25
"""Of the payments, whose clients may have to repeat a request: the machine that deploys is the one that serves."""
QUIET = 120.0


class From(Deployment):
    """A deployment of the lambda/ and templates/ of some folder, by the payctl of the working tree."""

    kept = True

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.folder = folder
        super().__init__(environment, Options(lint=False))

    def load(self) -> tuple[Template, Template, Package]:
        regional, world = (templates.read(name, self.folder / "templates") for name in ("regional", "global"))
        return regional, world, package.build(self.folder / "lambda")

    def regional_parameters(self, code_versions: str, key_arns: Sequence[str]) -> dict[str, str]:
        """Those that the release knows."""
        known = self.regional.document["Parameters"]
        given = super().regional_parameters(code_versions, key_arns)
        return {name: value for name, value in given.items() if name in known}


@dataclass(frozen=True)
class Site:
    """`folder` holds the settings and nothing else."""

    cloud: LocalCloud
    name: str
    folder: Path

    def environment(self) -> Environment:
        environ = {"ENVIRONMENT_SUFFIX": self.name, "AWS_REGION": REGIONS[0]}
        loaded = settings_file.load(self.folder / "deployment.toml", environ)
        cloud = Cloud.of(loaded, local=True, endpoint=self.cloud.endpoint, environ=environ)
        return Environment(cloud, Silent(), Pace(first=0.1, longest=1.0))

    def deploy(self, folder: Path) -> None:
        try:
            From(self.environment(), folder).run()
        except RegionsFailedError as error:
            error.add_note("\n".join(map(str, error.causes)))
            raise

    def payctl(self, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """In the folder without code and templates, if no other is named."""
        environ = os.environ | {"ENVIRONMENT_SUFFIX": self.name, "AWS_REGION": REGIONS[0]}
        command = [program("payctl"), *arguments, "--local", "--endpoint", self.cloud.endpoint]
        return subprocess.run(
            command, env=environ, cwd=folder or self.folder, capture_output=True, text=True, check=False, timeout=200
        )

    def under_load(self, change: Callable[[], None], *, seconds: float) -> Verdict:
        """Change the environment while clients pay, some of them in two Regions at once, some once more later; what
        came of the payments.

        The load goes on after the change, which it is long enough for.
        """
        environment = self.environment()
        plan = Plan(
            payments=round(RATE * seconds),
            rate=RATE,
            near=environment.regions,
            prefix=new_prefix("U"),
            impatient=0.3,
            forgetful=0.3,
        )
        with started(environment, plan) as load:
            time.sleep(3)
            begun = load.now
            change()
            ended = load.now
            assert ended < seconds - 3, f"the change took {ended - begun:.0f} s: not all of it was under load"
            log = load.join()
        local = Processor(self.cloud.endpoint)
        aftermath = Watch(environment, load, local).until_quiet(QUIET, hurry=True)
        evidence = gather(environment, sorted(log.payments), plan.prefix, local)
        outage = Outage(start=begun, end=ended, regions=environment.regions, what="a release")
        return judge(log, evidence, aftermath, (outage,))


def failures(verdict: Verdict) -> list[str]:
    """Those of a drill, and too many clients that met an error: nothing is broken on purpose here."""
    too_many = verdict.payments_with_errors > TROUBLED * verdict.payments
    found = list(verdict.failures)
    if too_many:
        found.append(f"clients of {verdict.payments_with_errors} of {verdict.payments} payments met errors")
    if verdict.unknown:
        found.append(f"clients of {verdict.unknown} payments do not know what became of them")
    return found
