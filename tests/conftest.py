"""How the suite is shared out: what needs the same local cloud runs in one process, the rest by file."""

import pytest

CLOUDS = ("drills", "e2e", "localcloud", "payctl", "stacksets")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder, *_ = item.path.relative_to(item.config.rootpath / "tests").parts
        group = folder if folder in CLOUDS else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
