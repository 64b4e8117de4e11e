"""The parts of an HTML report: one file with everything in it, in which every text is data."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from stacksets.progress import harmless


def words(text: object) -> str:
    """A text as it is written in a page, or in an attribute of it."""
    return escape(harmless(str(text)))


def page(title: str, style: str, parts: Iterable[str]) -> str:
    """The whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{words(title)}</title><style>{style}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    head = "".join(f'<th scope="col">{words(text)}</th>' for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{words(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def listed(name: str, lines: Iterable[str]) -> str:
    """A list of this class; "" for none."""
    items = "".join(f"<li>{words(line)}</li>" for line in lines)
    return f'<ul class="{name}">{items}</ul>' if items else ""


def embedded(name: str, data: Any) -> str:
    """Data for programs, which cannot end the element it stands in."""
    text = json.dumps(data).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
