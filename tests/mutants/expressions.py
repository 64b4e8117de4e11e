"""Mutants of the conditional writes: another condition or update, still one that DynamoDB takes.

A clause is left out or turned round, `<` and `<=` change places, `if_not_exists` goes or comes, an attribute is not
written or not removed. A clause that is left out stays beside one that always holds, because DynamoDB refuses values
that nothing names.
"""

import importlib
import re
from collections.abc import Iterator

from payments.protocol.ports import Action

PART = re.compile(r"attribute_(not_)?exists\(|if_not_exists\(|#?\w+ (=|<|<=|<>) :\w|\bAction\(")
ASSIGNMENT = re.compile(r"(#?\w+) = (?:if_not_exists\([^)]*\)|(:\w+))")
TURNS = (
    (r"attribute_not_exists\(", "attribute_exists("),
    (r"attribute_exists\(", "attribute_not_exists("),
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" <> ", " = "),
    (r" AND ", " OR "),
    (r" OR ", " AND "),
    (r"\((\S+) OR ([^()]+)\)", r"\1"),
    (r"\((\S+) OR ([^()]+)\)", r"\2"),
    (r"(#?\w+) = (:\w+)", r"(\1 = \2 OR attribute_exists(\1))"),
)


def is_part(text: str) -> bool:
    """Whether this is about a conditional write."""
    return bool(PART.search(text))


def meaning(module: str) -> str:
    """All actions of a module, whatever they are put together from."""
    return repr([value for value in vars(importlib.import_module(module)).values() if isinstance(value, Action)])


def changed(module: str, name: str) -> Iterator[tuple[str, str]]:
    """The other actions that may stand in the place of one, in Python, and what is other about each."""
    action = getattr(importlib.import_module(module), name)
    if not isinstance(action, Action):
        return
    pairs = [(action.update, condition) for condition in conditions(action.condition)]
    pairs += [(update, action.condition) for update in updates(action.update)]
    for update, condition in dict.fromkeys(pairs):
        if named(update, condition) == named(action.update, action.condition):
            what = difference(f"{action.update} IF {action.condition}", f"{update} IF {condition}")
            yield f"Action({action.name!r}, {update!r}, {condition!r})", what


def difference(before: str, after: str) -> str:
    """The words that differ."""
    old, new = before.split(), after.split()
    start = next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    old, new = old[start:], new[start:]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return f"{' '.join(old)} → {' '.join(new)}"


def named(*texts: str) -> set[str]:
    """The values that expressions name."""
    return set(re.findall(r":\w+", " ".join(texts)))


def conditions(text: str) -> Iterator[str]:
    """Other conditions."""
    clauses = split(text, " AND ")
    for clause in clauses:
        attribute = re.findall(r"#?\w+", clause.replace("attribute_not_exists", "").replace("attribute_exists", ""))[0]
        always = f"({clause} OR attribute_exists({attribute}) OR attribute_not_exists({attribute}))"
        yield " AND ".join(always if other is clause else other for other in clauses)
    if len(split(text, " OR ")) > 1:
        yield from split(text, " OR ")
    yield from turned(text)


def turned(text: str) -> Iterator[str]:
    """One thing in a condition the other way round."""
    for pattern, new in TURNS:
        for place in re.finditer(pattern, text):
            yield text[: place.start()] + place.expand(new) + text[place.end() :]


def updates(text: str) -> Iterator[str]:
    """Other updates."""
    places = list(ASSIGNMENT.finditer(text))
    for place in places:
        attribute, value = place[1], place[2] or re.findall(r":\w+", place[0])[0]
        other = f"{attribute} = if_not_exists({attribute}, {value})" if place[2] else f"{attribute} = {value}"
        yield text[: place.start()] + other + text[place.end() :]
        rest = ", ".join(one[0] for one in places if one is not place)
        if rest:
            yield re.sub(r"SET .*?(?= REMOVE|$)", f"SET {rest}", text)
    removed = re.search(r" ?REMOVE (.*)", text)
    if removed:
        if places:
            yield text[: removed.start()]
        names = removed[1].split(", ")
        for name in names if len(names) > 1 else ():
            yield text[: removed.start(1)] + ", ".join(other for other in names if other != name)


def split(text: str, separator: str) -> list[str]:
    """At a separator outside of parentheses."""
    parts, depth = [""], 0
    for piece in re.split(rf"([()]|{separator})", text):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == separator and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return parts
