"""What people are shown: every text from AWS or from a payment is data, and never acts on a terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text


def harmless(text: str) -> str:
    """The text with an escape for each character that shows nothing, moves the cursor or changes the direction of
    reading: controls, line ends, and what Unicode formats with. The rest is left as it is."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class Words(Text):
    """A text in a style; what it is made of is data."""

    def __init__(self, text: str = "", style: str = "", **settings: Any) -> None:
        super().__init__(harmless(text), style, **settings)

    def append(self, text: Any, style: Any = None) -> "Words":
        """Add a text in a style of its own."""
        super().append(text if isinstance(text, Text) else harmless(text), style)
        return self


def lines(texts: Iterable[Words]) -> Words:
    """Texts below one another: a line end within one of them is an escape."""
    whole = Words()
    for number, text in enumerate(texts):
        Text.append(whole, "\n" if number else "")
        whole.append(text)
    return whole


class Terminal(Console):
    """A console to which a string is data too: it has no markup, no emoji and nothing to highlight."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Every string passes here, those in tables too."""
        return super().render_str(harmless(text), **settings)
