"""How the suite is shared out (what needs the same local cloud runs in one process, the rest by file), and what it
prints that tests measured."""

from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

CLOUDS = ("drills", "e2e", "localcloud", "payctl", "stacksets")
APART = ("test_card_numbers", "test_every_command", "test_many_outcomes", "test_merchants", "test_out_of_service")
"""Of tests/e2e, what no other test there builds on."""


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Mark what is of tests/e2e, and name each test's group behind an @, as pytest-xdist wants it; its own marker for
    that sets an attribute that pytest 9.2 no longer reads."""
    shared = config.getoption("loadgroup", default=False)
    for item in items:
        folder, *_ = item.path.relative_to(config.rootpath / "tests").parts
        if folder == "e2e":
            item.add_marker("e2e")
        if shared:
            # Of these two, either part takes as long as all the others.
            first = item.path.stem < "test_e" if folder == "payctl" else item.path.stem not in APART
            group = f"{folder}{'' if first else '-too'}" if folder in CLOUDS else item.path.stem
            item._id = coerce_node_id(f"{item.nodeid}@{group}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests recorded as properties, also those that ran in another process."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
