"""At least a hundred calls just outside the rights of each role, and outside the reach of each policy, are refused."""

import pytest

from localcloud.iam.evaluation import call, judge
from tests.rights.forbidden import Forbidden, table
from tests.rights.replay import book

TABLE = list(table())


@pytest.mark.parametrize("forbidden", TABLE, ids=lambda each: f"{each.principal}-{each.action}")
def test_what_lies_outside_is_refused(forbidden: Forbidden) -> None:
    resource = "*" if forbidden.resource == "*" else f"arn:aws:{forbidden.resource}"
    asked = call(forbidden.arn, forbidden.action, resource, forbidden.context)
    verdict = judge(asked, book().policies(forbidden.arn, resource))
    assert not verdict.allowed
    assert forbidden.action in verdict.reason or "explicit deny" in verdict.reason


def test_the_table_names_principals_that_exist() -> None:
    """A call of a role that nobody has is refused as well, and proves nothing."""
    roles = {each.arn for each in TABLE if each.arn.startswith("arn:") and not each.arn.endswith(":root")}
    assert roles - set(book().identity) == set()


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 100
