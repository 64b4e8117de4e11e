"""How the suite is shared out (what needs the same local cloud runs in one process, the rest by file), and what it
prints that tests measured."""

from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

CLOUDS = ("drills", "e2e", "localcloud", "payctl", "stacksets")


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
            half = f"-{item.path.stem < 'test_e'}" if folder == "payctl" else ""  # as much as all the others
            group = f"{folder}{half}" if folder in CLOUDS else item.path.stem
            item._id = coerce_node_id(f"{item.nodeid}@{group}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests recorded as properties, also those that ran in another process."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
