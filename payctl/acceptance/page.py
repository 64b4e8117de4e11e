"""docs/unverified.md, written from the checks and the notes: `python -m payctl.acceptance.page FILE`."""

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from payctl.acceptance.catalogue import CHECKS, NOTES, Note
from payctl.acceptance.check import Check, Group

HEAD: Final = """\
# What could not be verified without an AWS account

After this page you can say what is still to be shown in your own account, and have it checked there.

Everything else is tested on the local cloud. Each entry says what is assumed, and why. What has an id is checked by a
program: `payctl accept` deploys a throwaway environment in your account, checks all of it, removes the environment and
writes a report; `payctl accept --only ID` checks one entry. Most of them are checked on the local cloud as well, with
`payctl accept --local`, and each of those is shown to fail there where its claim is false. Of some, `payctl accept`
says that they cannot be checked as it was called: what is about a domain needs `--domain`, `two-accounts` needs
`accounts.target`, and `inoperable-removed` needs `failed-deletion` in the same run.

This page is generated: the entries stand in `payctl/acceptance/`, and `make docs` writes them here.
"""
TITLES: Final = {
    Group.DEPLOY: "The first deployment",
    Group.PAY: "Payments and functions",
    Group.ALARMS: "Metrics and alarms",
    Group.FAILOVER: "Workflows and failover",
    Group.OPERATE: "Operating",
    Group.DESTROY: "Destroying",
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, title in TITLES.items():
        parts.append(f"\n## {title}\n\n")
        parts += [_of_check(check) for check in CHECKS if check.group is group]
        notes = [note for note in NOTES if note.group is group]
        if notes:
            parts.append("\nNot checked by a program:\n\n")
            parts += [_of_note(note) for note in notes]
    return "".join(parts)


def _of_check(check: Check) -> str:
    here = f" *On AWS only:* {check.not_local}." if check.not_local else ""
    return _item(f"**`{check.id}`** {check.claim} *Why it is assumed:* {check.source}{here}")


def _of_note(note: Note) -> str:
    return _item(f"{note.claim} *Why not:* {note.why}. *By hand:* {note.by_hand}.")


def _item(text: str) -> str:
    lines: Iterable[str] = textwrap.wrap(text, 116, break_long_words=False, break_on_hyphens=False)
    return "- " + "\n  ".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
