"""How the suite is shared out (what needs the same local cloud runs in one process, the rest by file), and what it
prints that tests measured."""

from typing import Any

import pytest
from _pytest.nodeid import coerce_node_id

CLOUDS = ("drills", "e2e", "localcloud", "payctl", "stacksets")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Name each test's group behind an @, as pytest-xdist wants it; its own marker for that sets an attribute that
    pytest 9.2 no longer reads."""
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        folder, *_ = item.path.relative_to(config.rootpath / "tests").parts
        group = folder if folder in CLOUDS else item.path.stem
        item._id = coerce_node_id(f"{item.nodeid}@{group}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests recorded as properties, also those that ran in another process."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
