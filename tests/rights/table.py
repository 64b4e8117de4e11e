"""Writes docs/rights.md: every right, and what fails without it. `python -m tests.rights.table`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from builder.lint.evaluate import ACCOUNT
from builder.lint.statements import listed
from tests.rights import replay
from tests.rights.policies import ROOT, Document, Right

PAGE: Final[Path] = ROOT / "docs" / "rights.md"
HEAD: Final = """# Rights

After this page you can say what every role may do, and what would fail without each right.

What every role may do and what every policy admits, and what would fail without it. Written by
`python -m tests.rights.table` from `templates/`; edit neither by hand.

*Needed for* is what asks for the right. A call that a function signs and a service that delivers were seen in a run of
`tests/e2e` on the local cloud, which judges them as IAM does. What the handler of a resource type does (`AWS::...`, by
its schema) is asked by the local cloud as well, and computed for what no run changes. `tests/rights/decisions.json`
keeps one decision a right. The test named below each heading takes every right of the policy away, one at a time, and
fails where no decision changes. What is denied is proved by calls that must be refused (`tests/rights/forbidden.py`,
{forbidden} calls).

Regions are written `{{region}}` (the role's or policy's own) and `{{peer}}`, the account `{{account}}`. {rows} rights.
"""
OWN: Final = "eu-west-1"


def page() -> str:
    """The whole page."""
    rows = [(document, list(_rows(document))) for document in _documents() if document.statements]
    forbidden = sum(not each["allowed"] for each in replay.evidence())
    parts = [HEAD.format(rows=sum(len(lines) for _, lines in rows), forbidden=forbidden)]
    for document, lines in rows:
        title = f"{document.resource}: {document.policy}" if document.policy != "rights" else document.resource
        test = f"tests/rights/test_rights.py::test_every_right_is_needed[{'-'.join(document[:3])}]"
        parts.append(f"## {title}\n\n`templates/{document.template}.json`,\n`{test}`\n")
        parts.append("| statement | action | resource | needed for |\n|---|---|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _documents() -> list[Document]:
    """One of each policy, of the Region OWN where it is in several."""
    chosen: dict[tuple[str, str, str], Document] = {}
    for document in replay.book().documents():
        key = document[:3]
        # The home Region's key admits one service more; of others, that of OWN.
        before, own = chosen.get(key, document), OWN in document.text()
        if len(document.statements) > len(before.statements) or own:
            chosen[key] = document if len(document.statements) >= len(before.statements) else before
        chosen.setdefault(key, document)
    return [chosen[key] for key in sorted(chosen)]


def _rows(document: Document) -> Iterator[str]:
    statements = dict(document.named())
    for right in document.rights():
        statement = statements[right.statement]
        resources = "<br>".join(sorted({_short(each) for each in listed(statement.get("Resource", "itself"))}))
        effect = "" if statement["Effect"] == "Allow" else " (denied)"
        yield f"| {right.statement} | `{right.action}`{effect} | {resources} | {_reason(right)} |"


def _reason(right: Right) -> str:
    proof: dict[str, Any] | None = next(replay.proofs(right, replay.evidence()), None)
    return "**nothing**" if proof is None else str(proof["by"])


def _short(arn: str) -> str:
    short = arn.removeprefix("arn:aws:").replace(ACCOUNT, "{account}")
    for region in ("us-east-1", "ap-southeast-1", OWN):
        short = short.replace(region, "{region}" if region == OWN else "{peer}")
    return f"`{short}`"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
