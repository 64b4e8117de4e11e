"""DynamoDB's ConditionExpression and UpdateExpression, as far as the register uses them, compiled once to Python.

The simulator's cells execute the production strings through this module; `test_expressions.py` holds it against the
emulator's own DynamoDB. What is not in the grammar below is refused, so that a new production string cannot be half
understood:

    condition   = conjunction (OR conjunction)*
    conjunction = test (AND test)*
    test        = "(" condition ")" | function "(" name ")" | operand ("=" | "<>" | "<" | "<=") operand
    function    = attribute_exists | attribute_not_exists
    update      = ("SET" name "=" value ("," name "=" value)* | "REMOVE" name ("," name)*)+
    value       = operand | if_not_exists "(" name "," operand ")"
    operand     = name | ":value"

By the convention of `payments.protocol.ports.Action`, `#name` is the attribute `name`, and the names of values have no
colon. Strings stand for DynamoDB's S, numbers for its N. Items are never changed in place: an update returns a new
item, so what a caller was shown stays as it was.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Scalar = str | int | Decimal
Item = Mapping[str, Scalar]
Values = Mapping[str, Scalar]
Source = str
"""Python, of `item` and `values`."""
Assignment = tuple[str, Source]
Update = Callable[[Item, Values], dict[str, Scalar] | None]

TOKEN = re.compile(r"\s*(?:([#:]?\w+)|(<=|<>|[=<,()]))")
COMPARISONS: Mapping[str, str] = {"=": "equal", "<>": "differs", "<": "below", "<=": "up_to"}
ATTRIBUTE = "item.get("
VALUE = "values["


class ExpressionError(ValueError):
    """The expression is outside the grammar, or names a placeholder that is not there."""


@lru_cache(maxsize=1000)
def compile_update(update: str, condition: str) -> Update:
    """One UpdateItem as a function of (item, values): the new item, or None when the condition refuses it.

    Raises ExpressionError, also when the values are not exactly those that the expressions name, as DynamoDB does."""
    test = _Parser(condition).condition() if condition else "True"
    assignments, removals = _Parser(update).update()
    needed = frozenset(re.findall(r":(\w+)", f"{update} {condition}"))
    lines = [
        "def run(item, values):",
        "    if values.keys() != needed:",
        "        raise Error(f'values {sorted(values)} are given, {sorted(needed)} are used')",
        f"    if not ({test}):",
        "        return None",
        "    new = {**item}",
        *(f"    new[{name!r}] = {value}" for name, value in assignments),  # of the item as it was
        *(f"    new.pop({name!r}, None)" for name in removals),
        *(
            f"    if new[{name!r}] is None: raise Error('{name} is to be an attribute that is not there')"
            for name, value in assignments
            if value.startswith(ATTRIBUTE)
        ),
        "    return new",
    ]
    made: dict[str, Any] = {
        "needed": needed,
        "equal": _equal,
        "differs": _differs,
        "below": _below,
        "up_to": _up_to,
        "Error": ExpressionError,
    }
    exec("\n".join(lines), made)  # noqa: S102  # names and placeholders are words: the parser lets nothing else through
    run: Update = made["run"]
    return run


def _comparable(one: Scalar | None, other: Scalar | None) -> bool:
    """Neither is missing, and the types are the same."""
    return one is not None and other is not None and isinstance(one, str) is isinstance(other, str)


def _equal(one: Any, other: Any) -> bool:
    return one == other and one is not None


def _differs(one: Any, other: Any) -> bool:
    """Also where one is missing."""
    return bool(one != other)


def _below(one: Any, other: Any) -> bool:
    return _comparable(one, other) and one < other


def _up_to(one: Any, other: Any) -> bool:
    return _comparable(one, other) and one <= other


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.tokens: list[str] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"{text!r}: cannot read {text[position:].strip()!r}")
            self.tokens.append(match.group(1) or match.group(2))
            position = match.end()

    # --- conditions

    def condition(self) -> Source:
        test = self._any_of()
        if self.at != len(self.tokens):
            raise ExpressionError(f"{self.text!r}: nothing is expected at {self._peek()!r}")
        return test

    def _any_of(self) -> Source:
        tests = [self._all_of()]
        while self._take("OR"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else f"({' or '.join(tests)})"

    def _all_of(self) -> Source:
        tests = [self._test()]
        while self._take("AND"):
            tests.append(self._test())
        return tests[0] if len(tests) == 1 else f"({' and '.join(tests)})"

    def _test(self) -> Source:
        if self._take("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        for function, wanted in (("attribute_exists", "in"), ("attribute_not_exists", "not in")):
            if self._take(function):
                self._expect("(")
                name = self._name()
                self._expect(")")
                return f"{name!r} {wanted} item"
        left = self._operand()
        comparison = self._next()
        if comparison not in COMPARISONS:
            raise ExpressionError(f"{self.text!r}: {comparison!r} is not one of {' '.join(COMPARISONS)}")
        right = self._operand()
        if comparison == "=" and right.startswith(VALUE):  # which is there: what is missing equals no value
            return f"{left} == {right}"
        return f"{COMPARISONS[comparison]}({left}, {right})"

    # --- updates

    def update(self) -> tuple[tuple[Assignment, ...], tuple[str, ...]]:
        assignments: list[Assignment] = []
        removals: list[str] = []
        seen: set[str] = set()
        while self.at < len(self.tokens):
            section = self._next()
            if section not in ("SET", "REMOVE") or section in seen:
                raise ExpressionError(f"{self.text!r}: {section!r} is neither a first SET nor a first REMOVE")
            seen.add(section)
            while True:
                name = self._name()
                if name in removals or name in dict(assignments):
                    raise ExpressionError(f"{self.text!r}: {name} is named twice")
                if section == "SET":
                    self._expect("=")
                    assignments.append((name, self._value()))
                else:
                    removals.append(name)
                if not self._take(","):
                    break
        if not seen:
            raise ExpressionError("an empty update")
        return tuple(assignments), tuple(removals)

    def _value(self) -> Source:
        if not self._take("if_not_exists"):
            return self._operand()
        self._expect("(")
        name = self._name()
        self._expect(",")
        otherwise = self._operand()
        self._expect(")")
        return f"item.get({name!r}, {otherwise})"

    # --- tokens

    def _operand(self) -> Source:
        if self._peek().startswith(":"):
            return f"{VALUE}{self._next()[1:]!r}]"
        name = self._name()
        return f"{ATTRIBUTE}{name!r})"

    def _name(self) -> str:
        token = self._next()
        if not re.fullmatch(r"#?[A-Za-z]\w*", token) or token in ("AND", "OR", "SET", "REMOVE"):
            raise ExpressionError(f"{self.text!r}: {token!r} is no attribute's name")
        return token.removeprefix("#")

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ExpressionError(f"{self.text!r}: ends too early")
        self.at += 1
        return token

    def _take(self, token: str) -> bool:
        taken = self._peek() == token
        self.at += taken
        return taken

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise ExpressionError(f"{self.text!r}: {token!r} is expected at {self._peek()!r}")
