"""Every fault that the system must bear has a test named by its number, and docs/faults.md says which."""

from tests.drills import fault_table


def test_every_fault_has_a_test() -> None:
    missing = set(fault_table.FAULTS) - fault_table.tests().keys()
    assert not missing, {number: fault_table.FAULTS[number] for number in missing}


def test_no_test_is_named_after_a_fault_that_is_not_in_the_list() -> None:
    assert set(fault_table.tests()) <= set(fault_table.FAULTS)


def test_the_page_is_what_the_tests_say() -> None:
    assert fault_table.PAGE.read_text() == fault_table.page(), "run `python -m tests.drills.fault_table`"
