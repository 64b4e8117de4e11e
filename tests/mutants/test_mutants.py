"""The runner itself: what it makes, what it says of each mutant, and what it refuses."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.mutants import judges, named, report, results, sandbox
from tests.mutants.clouds import free
from tests.mutants.mutations import ROOT, Module, Mutant, Unit, modules
from tests.mutants.results import Record, Results
from tests.mutants.run import Case, asked, control, controlled, open_case
from tests.mutants.sandbox import Check, Fate, Trial, Watch
from tests.mutants.swapping import Swapped, forget, swap
from tests.search.mutants import MUTANTS, hunt

FLOWS = "tests/payments/test_flows.py"
LIFECYCLE = "tests/simulation/test_lifecycle.py"
LATE = f"{FLOWS}::test_who_waits_is_looked_at_later_and_later"
SWEEP = Module("payments.protocol.sweep", modules()["payments.protocol.sweep"])
LATER = next(unit for unit in SWEEP.units if unit.name == "later")
PATIENCE = next(unit for unit in SWEEP.units if unit.name == "PATIENCE")


def planted(old: str, new: str, unit: str = "later") -> Mutant:
    return Mutant(LATER if unit == "later" else PATIENCE, f"{old} → {new}", SWEEP.text.replace(old, new))


def test_what_a_test_sees_is_killed_and_what_none_sees_survives() -> None:
    """In a function, and in a statement of a module; what cannot be imported is neither."""
    cases = {
        planted("age // 2", "age // 3"): "killed",
        planted("age // 2", "age // 2 + 0"): "survived",
        planted("PATIENCE = (30, 300)", "PATIENCE = (30, 301)", "PATIENCE"): "killed",
        planted("PATIENCE = (30, 300)", "PATIENCE = 30 / 0", "PATIENCE"): "broken",
    }
    fates: dict[Mutant, Fate] = {}

    def work(watch: Watch) -> None:
        fates.update(sandbox.fates(watch, ((mutant, [Check(LATE)]) for mutant in cases), 2))

    sandbox.collected([FLOWS], work)
    said = {one: "broken" if fate.broken else "killed" if fate.killed else "survived" for one, fate in fates.items()}
    assert said == cases
    assert {fate.killed for fate in fates.values()} == {LATE, ""}


def test_what_is_imported_again_is_seen_by_tests_of_every_folder() -> None:
    """pytest gives those of tests/simulation another name than `tests.`."""
    module, unit = opening()
    mutant = next(each for each in module.mutants({unit}) if each.what.endswith("→ (attribute_exists(#hash)"))
    fates: list[Fate] = []

    def work(watch: Watch) -> None:
        tests = [Check(item.nodeid) for item in watch.items if item.name.startswith("test_the_expressions_do")]
        fates.extend(end for _, end in sandbox.fates(watch, [(mutant, tests)], 1))

    sandbox.collected([LIFECYCLE], work)
    assert [end.killed.partition("::")[0] for end in fates] == [LIFECYCLE], fates


def opening() -> tuple[Module, Unit]:
    """The module of OPEN, and OPEN in it: a statement that other modules read while they are imported."""
    module = Module("payments.protocol.idempotency", modules()["payments.protocol.idempotency"])
    return module, next(unit for unit in module.units if unit.name == "OPEN")


def test_conditional_writes_are_mutated_within() -> None:
    module, unit = opening()
    changes = [mutant.what for mutant in module.mutants({unit})]
    assert "< → <=" in changes
    assert "if_not_exists(intent, :intent), → :intent," in changes
    assert len(changes) > 20
    texts = {mutant.source.partition("OPEN = ")[2].partition("\nPREPARE")[0] for mutant in module.mutants({unit})}
    assert all(":due" in text and ":ballot" in text for text in texts), "DynamoDB refuses values that nothing names"


def test_every_mutant_with_a_name_still_changes_production() -> None:
    assert len(list(named.mutants())) == len(named.NAMED)


def record(**changed: object) -> Record:
    return Record("code", 3, {0: LATE, 1: LATE}, {2: "a → b"}, frozenset())._replace(**changed)  # type: ignore[arg-type]


def test_what_survives_unjustified_is_refused_and_so_is_a_reason_without_its_survivor() -> None:
    units = {"protocol.sweep:later": record(), "store:good": record()}
    reasons = {"protocol.sweep:later  a → b": "both are the same", "protocol.sweep:later  c → d": "gone"}
    assert report.problems(units, reasons, whole=True) == [
        "fewer than 95% are killed in lambda/payments/protocol/ and processors/",
        "justified, and does not survive: protocol.sweep:later  c → d",
    ]
    assert "neither killed nor justified: protocol.sweep:later  a → b" in report.problems(units, {}, whole=False)
    assert not report.problems({"store:good": record()}, {}, whole=True), "survivors elsewhere are only listed"
    lost = record(mutants=1, killed={}, survived={0: "a → b"})
    says = [f"it survives that {named.NAMED[0].what}"]
    assert report.problems({named.NAMED[0].name: lost}, {}, whole=True) == says
    unjudged = {named.NAMED[0].name: lost._replace(survived={})}
    assert not report.problems(unjudged, {}, whole=False), "nobody has judged it yet"


def test_results_are_kept_while_code_and_tests_are_the_same(tmp_path: Path) -> None:
    kept = Results({"t1": "1", LATE: "2"}, {"unit": record(), "other": record(broken=frozenset({0, 1, 2, 5}))})
    for each in (kept, kept._replace(later={"new": "3"}, units={"unit": record(later=frozenset({2}))})):
        results.save(each, tmp_path / "results.json")
        assert results.load(tmp_path / "results.json") == each
    assert results.missing("unit", "code", kept, kept.tests) == record()
    assert results.missing("unit", "another", kept, kept.tests) is None
    assert results.missing("unit", "code", kept, {**kept.tests, LATE: "3"}) == record(killed={}, survived={})
    assert results.missing("unit", "code", kept, {**kept.tests, "t2": "1"}) == record(survived={}), (
        "the new one may see it"
    )


def test_a_run_that_is_broken_off_forgets_no_survivor() -> None:
    """What it has not come to is asked of the new tests by the next one, and nothing again."""
    two = record(mutants=5, survived={2: "a → b", 3: "c → d"})
    kept = Results({"t1": "1", LATE: "2"}, {"unit": two})
    now = {**kept.tests, "new": "3"}
    standing = results.missing("unit", "code", kept, now)
    assert standing == two._replace(survived={})
    assert results.so_far({"unit": standing}, now, kept) == kept._replace(later={"new": "3"})
    asked_one = standing._replace(survived={2: "a → b"}, killed={**two.killed, 4: "new"})
    broken_off = results.so_far({"unit": asked_one}, now, kept)
    assert broken_off == Results(
        kept.tests,
        {"unit": two._replace(killed=asked_one.killed, later=frozenset({2}))},
        {"new": "3"},
    )
    assert results.missing("unit", "code", broken_off, now) == broken_off.units["unit"]._replace(survived={2: "a → b"})
    left = [broken_off.unknown(broken_off.units["unit"], number, {**now, "newer": "4"}) for number in (2, 3)]
    assert left == [{"newer"}, {"new", "newer"}]
    through = asked_one._replace(survived=two.survived, later=frozenset({2}))
    assert results.so_far({"unit": through}, now, broken_off) == Results(
        now, {"unit": through._replace(later=frozenset())}
    )
    changed = {"unit": record(code="another", mutants=4, killed={}, survived={})}
    assert results.so_far(changed, now, kept) == Results(kept.tests, changed, {"new": "3"})


def test_in_a_whole_run_nothing_stands_and_who_killed_a_mutant_is_asked_first() -> None:
    kept = Results({LATE: "2"}, {"unit": record(broken=frozenset({2}), survived={})}, {"new": "3"})
    again = results.doubted(kept)
    standing = results.missing("unit", "code", again, kept.tests)
    assert standing == record(killed={}, survived={})
    mutant = planted("age // 2", "age // 3")
    cases = [open_case(Case(mutant, "unit", number), standing, again, kept.tests) for number in range(3)]
    assert [(one.suspect, one.new) for case in cases for one in case] == [(LATE, None), (LATE, None), ("", None)]


def test_tests_that_break_production_themselves_do_not_judge(request: pytest.FixtureRequest) -> None:
    assert sandbox.judged(request.node)
    breaking = request.node.from_parent(
        request.node.parent, name="breaking", callobj=lambda: hunt(MUTANTS["alone"], 1.0)
    )
    assert not sandbox.judged(breaking)


def test_tests_of_the_local_cloud_are_asked_for_a_while_only_but_where_each_survivor_counts() -> None:
    """First those that killed others of the unit."""
    checks = [Check(f"tests/x.py::{name}", 2.5, cloud=name != "memory") for name in ("a", "b", "c", "memory")]
    profile = judges.Profile({one.id: one for one in checks}, {one.id: frozenset({"store:good"}) for one in checks})
    mutant = planted("age // 2", "age // 3")
    elsewhere = mutant._replace(unit=Unit("payments.store", "good", "code"))
    kills = record(killed={0: "tests/x.py::c"})
    asked_there = [one.name[-1] for one in asked(Case(elsewhere, "store:good"), profile, kills)]
    assert asked_there == ["c", "y", "a"], "two of them take five seconds, three take more than six"
    named_so = [one.name[-1] for one in asked(Case(elsewhere, named.NAMED[0].name), profile, kills)]
    assert named_so == ["c", "y", "a", "b"]


def test_what_fails_after_others_only_kills_nothing() -> None:
    """Of 285 tests in one process, some once failed for want of threads, and killed what they do not run."""
    tests = [Check("a"), Check("b"), Check("c")]
    trial = Trial(planted("age // 2", "age // 3"), tests)
    assert trial.again(Fate("a", "AssertionError"), 1) is None, "it was alone"
    alone = trial.again(Fate("b", "RuntimeError"), 2)
    assert alone
    assert alone.doubted == "b"
    assert alone.again(Fate("b", "AssertionError"), 1) is None
    assert alone.again(Fate(), 1) == trial._replace(tests=[Check("a"), Check("c")])
    assert trial.again(Fate(), 3) is None


def test_no_two_processes_have_one_local_cloud(tmp_path: Path) -> None:
    asked: list[tuple[int, str, str]] = []
    fakes: list[Any] = [
        SimpleNamespace(port=port, admin=lambda method, path, port=port: asked.append((port, method, path)))
        for port in (1, 2)
    ]
    assert [free(fakes, tmp_path).port for _ in fakes] == [1, 2]
    assert asked == [(port, "DELETE", "/processor/admin") for port in (1, 2)], "as whoever was ended left it"


def test_where_what_changes_nothing_dies_the_run_breaks_off() -> None:
    unchanged, mutant = control(), planted("age // 2", "age // 3")
    assert unchanged.source == modules()[unchanged.unit.module].read_text()
    assert swap(unchanged) is Swapped.VALUE, "it is imported anew, too"
    ends = [(unchanged, Fate()), (mutant, Fate("a", "AssertionError"))]
    assert list(controlled(unchanged, ends)) == ends[1:]
    with pytest.raises(RuntimeError, match="where nothing is broken, a fails: RuntimeError"):
        list(controlled(unchanged, [(unchanged, Fate("a", "RuntimeError"))]))


def test_what_runs_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """`payctl` looks at __main__, which is run.py of `python -m tests.mutants.run`."""
    main, gone = (SimpleNamespace(__file__=f"{ROOT}/tests/{name}.py") for name in ("mutants/run", "gone"))
    there = {"__main__": main, "tests.gone": gone}
    with monkeypatch.context() as patched:
        patched.setattr(sys, "modules", there)
        forget()
    assert there == {"__main__": main}
