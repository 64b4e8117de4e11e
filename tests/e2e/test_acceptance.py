"""A sample of what `make accept` shows of every check of `payctl accept`: true here, and false under its plant."""

import pytest

from builder import settings as settings_file
from payctl.acceptance import run as acceptance
from payctl.acceptance.catalogue import CHECKS
from payctl.acceptance.check import Verdict
from payctl.acceptance.site import QUICK, Site, Trace
from payctl.cloud import Cloud
from payctl.environment import Environment
from stacksets.progress import Silent
from tests.e2e import support
from tests.payctl.acceptance.plants import PLANTS

pytestmark = pytest.mark.evidence  # `make accept` shows them all

SAMPLE = ("health-everywhere", "replay", "absent-cause")


@pytest.fixture(scope="module")
def site(dev: support.Environment) -> Site:
    settings = settings_file.load(dev.settings, {"ENVIRONMENT_SUFFIX": dev.name})
    trace, cloud = Trace(), Cloud.of(settings, local=True, endpoint=dev.cloud.endpoint, environ={})
    trace.listen(cloud)
    return Site(Environment(cloud, Silent(), QUICK), trace, patience=0.2)


@pytest.mark.parametrize("name", SAMPLE)
def test_check_is_true_here_and_false_under_its_plant(site: Site, name: str) -> None:
    (check,) = (each for each in CHECKS if each.id == name)
    finding = acceptance.perform(site, check)
    assert (finding.verdict, finding.reason) == (Verdict.TRUE, "")
    assert finding.evidence
    assert all(request["request"] for request in finding.requests)
    with PLANTS[name](site):
        planted = acceptance.perform(site, check)
    assert planted.verdict is Verdict.FALSE
    assert planted.reason
