"""How `payctl payments show` names what a Region's register holds."""

import pytest

from payctl.views import timeline


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({}, ""),
        ({"hash": "h"}, "held"),
        ({"hash": "h", "promised": 16}, "promised"),
        ({"hash": "h", "promised": 16, "attempt": "t"}, "attempted"),
        ({"hash": "h", "promised": 16, "due_at": 0}, "promised, due "),
    ],
)
def test_a_cell_is_named_as_in_its_table(cell: dict[str, object], words: str) -> None:
    assert timeline._state(cell) == words
