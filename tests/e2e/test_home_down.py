"""The home Region is lost: payments go on, and operators can tend them without it."""

import json

import pytest

from tests.e2e.support import REGIONS, Environment, region_down
from tests.e2e.test_operator import PENDING_SECONDS, die_after, janitors_finish, passes, reference

pytestmark = pytest.mark.evidence  # the SDK tries for a while

HOME, SECOND, THIRD = REGIONS


def test_operators_work_without_the_home_region(forgetful: Environment, payment: str) -> None:
    doubtful, fresh = f"{payment}-doubt", f"{payment}-new"
    die_after(forgetful, "CHARGE", doubtful, SECOND)
    passes(forgetful, doubtful, 2 * PENDING_SECONDS)
    with region_down(forgetful, HOME):
        status = forgetful.payctl("status", "--json", check=False)
        assert status.returncode == 1
        assert f"{HOME} (home) does not answer: {SECOND} and {THIRD} tell what is deployed" in status.stderr
        told = json.loads(status.stdout)
        stacks = {each["region"]: each["stack_status"] for each in told["instances"]}
        assert stacks == {HOME: "SILENT", SECOND: "UPDATE_COMPLETE", THIRD: "UPDATE_COMPLETE"}
        tended = {each["region"]: each for each in told["regions"]}
        assert tended[SECOND]["parked"] >= 1
        assert "does not answer" in tended[HOME]["trouble"]

        paid = forgetful.payctl("pay", "--amount", "5.00", "--id", fresh, "--region", SECOND)
        assert f"{SECOND}: 201" in paid.stdout
        both = forgetful.payctl("pay", "--status", fresh, "--everywhere", "--json", check=False)
        assert [reply["status"] for reply in json.loads(both.stdout)] == [0, 200, 200]

        charge = reference(forgetful, doubtful)
        forgetful.payctl("resolve", doubtful, "--settled", charge, "--yes")
        assert forgetful.call("GET", f"/payments/{doubtful}", region=THIRD).body["status"] == "SETTLED"
    for each in (doubtful, fresh):
        janitors_finish(forgetful, each)
        forgetful.settled_everywhere(each)
        assert forgetful.charges(each) == 1


def test_what_needs_the_home_region_says_so_on_one_line(forgetful: Environment) -> None:
    with region_down(forgetful, HOME):
        done = forgetful.payctl("deploy", "--yes", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "it needs the home Region: repeat it when that is back" in line
