"""Shows on a local cloud that every check of `payctl accept` can fail there: each is false under its plant, and true
before or after it. Run by `make accept`; exit code 1 if one is not.

    python -m tests.payctl.acceptance.run [CHECK ...]
"""

import argparse
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import localcloud
from builder import settings as settings_file
from payctl.acceptance import run as acceptance
from payctl.acceptance.catalogue import CHECKS
from payctl.acceptance.check import Check, Finding, Stage, Verdict
from payctl.acceptance.site import QUICK, Site, Trace
from payctl.cloud import Cloud
from payctl.environment import Environment
from payctl.environments import bootstrap
from stacksets.errors import ToolError
from stacksets.progress import Silent
from tests.payctl.acceptance.plants import OF_THE_SAMPLE, PLANTS

PATIENCE = 0.25
FIRST = ("janitors-run",)  # before the janitors' first minute
PATIENT = ("janitors-run",)  # so that it is false for what was planted, and not for what has not happened yet


def site_on(cloud: localcloud.LocalCloud, folder: Path) -> Site:
    """A throwaway environment that is not there yet."""
    settings = settings_file.load()
    trace, target = Trace(), Cloud.of(settings, local=True, endpoint=cloud.endpoint, environ={})
    trace.listen(target)
    environment = Environment(target, Silent(), QUICK)
    memory = acceptance.memory_of(environment, folder=folder)
    environment.settings = acceptance.throwaway(settings, memory)
    bootstrap.bootstrap(environment)
    return Site(environment, trace, memory.facts)


def under_plant(site: Site, check: Check) -> Finding:
    """How the check ends while what makes it false is there."""
    sample = site.facts.get("sample")
    patience, site.patience = site.patience, site.patience if check.id in PATIENT else PATIENCE
    try:
        with PLANTS[check.id](site):
            if check.id in OF_THE_SAMPLE:
                site.facts.pop("sample", None)
            return acceptance.perform(site, check)
    finally:
        site.patience = patience
        if check.id in OF_THE_SAMPLE:
            site.facts.pop("sample", None)
            site.facts |= {"sample": sample} if sample else {}


def in_order(names: list[str]) -> list[Check]:
    """The checks that can be shown here, those that must be first where they belong."""
    here = [check for check in CHECKS if not check.not_local]
    chosen = [
        check for check in here if not names or check.id in names or check.stage in (Stage.DEPLOYED, Stage.REMOVED)
    ]
    return sorted(chosen, key=lambda check: (check.stage, check.id not in FIRST))


def main() -> int:
    """Print one line a check."""
    parser = argparse.ArgumentParser(prog="python -m tests.payctl.acceptance.run", description=__doc__)
    parser.add_argument("checks", nargs="*")
    wrong = 0
    with localcloud.running() as cloud, tempfile.TemporaryDirectory() as folder:
        site = site_on(cloud, Path(folder))
        for check in in_order(parser.parse_args().checks):
            false = under_plant(site, check)
            with suppress(ToolError):  # what the plant stopped may be at work still
                site.environment.runner.settle()
            true = acceptance.perform(site, check)
            if check.stage is Stage.DEPLOYED and true.verdict is Verdict.TRUE:
                site.facts["apis"] = {region: each["ApiId"] for region, each in site.environment.api_outputs.items()}
            fine = (false.verdict, true.verdict) == (Verdict.FALSE, Verdict.TRUE)
            wrong += not fine
            print(
                f"{'ok   ' if fine else 'WRONG'} {check.id}: {true.verdict} {true.reason} ({true.seconds:g} s); "
                f"planted: {false.verdict}: {false.reason} ({false.seconds:g} s)",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
