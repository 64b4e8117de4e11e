"""Drills on the local cloud: the real build passes them, and one that is broken on purpose does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.drills import browser
from tests.drills.support import REGIONS, Site
from tests.drills.test_report import figures

pytestmark = pytest.mark.evidence  # each is a load of half a minute

SMALL = ("--payments", "150", "--rate", "15", "--window", "4s", "--hurry")
# Half of the clients post to two Regions at once: where a Region is cut off, both may take it.
PARTITION = ("--payments", "120", "--rate", "10", "--window", "8s", "--impatient", "0.5", "--hurry")


def passed(told: dict[str, Any]) -> bool:
    verdict = told["verdict"]
    assert verdict["accepted"] > 0
    nothing = ("lost", "charged_twice", "charged_wrongly", "differing", "receipts_missing", "dead_letters_unexplained")
    assert {name: verdict[name] for name in nothing} == dict.fromkeys(nothing, 0), verdict
    assert verdict["settled"] + verdict["declined"] + verdict["parked"] == verdict["accepted"], verdict
    return bool(verdict["passed"])


def test_fault_09_a_region_lost_under_load_loses_nothing_and_charges_nothing_twice(site: Site, tmp_path: Path) -> None:
    """Small form of `make drill`; the report of a drill that did happen shows what its JSON says."""
    report = tmp_path / "drill.html"
    code, told = site.drill("region-loss", *SMALL, "--report", str(report))
    assert passed(told), told["verdict"]["failures"]
    assert code == 0
    assert told["verdict"]["client_errors"] > 0, "the Region was never missed"
    assert told["load"]["answers"].get("0", 0) > 0
    chromium = browser.found()
    document = browser.load(chromium, report, tmp_path).document if chromium else report.read_text()
    assert {name: float(text) for name, text in figures(document).items() if text != "never"} == {
        name: float(told["verdict"][name]) for name in figures(document) if told["verdict"][name] is not None
    }


def test_fault_10_a_partition_charges_nothing_twice(site: Site) -> None:
    code, told = site.drill("partition", *PARTITION)
    assert passed(told), told["verdict"]["failures"]
    assert code == 0
    assert told["verdict"]["client_errors"] > 0, "the cut was never felt"


def test_the_drill_has_teeth(broken_site: Site) -> None:
    """The same partition charges twice where a conditional write on the global table says who may charge."""
    code, told = broken_site.drill("partition", *PARTITION, "--wait", "5s")
    assert code == 1
    assert told["verdict"]["charged_twice"] > 0, told["verdict"]
    assert not told["verdict"]["passed"]
    assert any("charged twice" in failure for failure in told["verdict"]["failures"])


def test_nothing_stays_broken_after_a_drill(site: Site) -> None:
    assert site.cloud.admin("GET", "/faults")["faults"] == []
    assert site.payctl("pay", "--amount", "1.00").returncode == 0


def test_a_drill_refuses_to_begin_where_something_is_broken_already(site: Site) -> None:
    site.cloud.admin("POST", "/faults", {"kind": "lag", "seconds": 1})
    try:
        done = site.payctl("drill", "lag", *SMALL)
    finally:
        site.cloud.admin("DELETE", "/faults")
    assert done.returncode == 1
    assert "faults are set already" in done.stderr


def test_payments_at_a_rate_come_with_a_log_of_every_answer(site: Site) -> None:
    done = site.payctl("pay", "--rate", "10", "--for", "3s", "--regions", "all", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["outcomes"] == {"SETTLED": 30}
    assert sum(told["regions"].values()) >= 30
    assert set(told["regions"]) == set(REGIONS)
    assert len(told["log"]) == told["requests"]
    assert {"payment", "region", "at", "seconds", "status"} <= told["log"][0].keys()


def test_faults_are_set_listed_and_cleared(site: Site) -> None:
    made = json.loads(site.payctl("faults", "set", "cut", REGIONS[0], REGIONS[1], "--json").stdout)
    try:
        listed = json.loads(site.payctl("faults", "list", "--json").stdout)["faults"]
        assert [fault | {"id": ""} for fault in listed] == [{"id": "", "kind": "cut", "regions": list(REGIONS[:2])}]
        assert site.payctl("faults", "clear", made["id"]).returncode == 0
        assert "no faults" in site.payctl("faults", "list").stdout
    finally:
        site.cloud.admin("DELETE", "/faults")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("faults", "set", "earthquake", REGIONS[0]), "kind must be one of"),
        (("faults", "set", "region-down", *REGIONS), "affects one Region"),
        (("faults", "clear", "f999"), "the local cloud refused"),
        (("drill", "earthquake"), "there is no drill earthquake; use one of region-loss"),
        (("drill", "lag", "--payments", "10", "--rate", "10"), "the fault lasts 20 s and the load 1 s"),
        (("drill", "lag", "--window", "soon"), "'soon' is no duration"),
        (("pay", "--rate", "10", "--regions", "mars"), "mars is not a Region of this environment"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(site: Site, arguments: tuple[str, ...], said: str) -> None:
    done = site.payctl(*arguments)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert said in line
