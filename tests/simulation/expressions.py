"""DynamoDB's ConditionExpression and UpdateExpression, as far as the register uses them, compiled once to closures.

The simulator's cells execute the production strings through this module; `test_expressions.py` holds it against the
emulator's own DynamoDB. What is not in the grammar below is refused, so that a new production string cannot be half
understood:

    condition   = conjunction (OR conjunction)*
    conjunction = test (AND test)*
    test        = "(" condition ")" | function "(" name ")" | operand ("=" | "<" | "<=") operand
    function    = attribute_exists | attribute_not_exists
    update      = ("SET" name "=" value ("," name "=" value)* | "REMOVE" name ("," name)*)+
    value       = operand | if_not_exists "(" name "," operand ")"
    operand     = name | ":value"

By the convention of `payments.ports.Action` `#name` is the attribute `name`, and values are given without the colon.
Strings stand for DynamoDB's S, numbers for its N. Items are never changed in place: an update answers a new item, so
what a caller was shown stays what it was shown.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from operator import eq, le, lt
from typing import Any

Scalar = str | int | Decimal
Item = Mapping[str, Scalar]
Values = Mapping[str, Scalar]
Test = Callable[[Item, Values], bool]
Read = Callable[[Item, Values], Scalar | None]
Assignment = tuple[str, Read]
Update = Callable[[Item, Values], dict[str, Scalar] | None]

TOKEN = re.compile(r"\s*(?:([#:]?\w+)|(<=|[=<,()]))")
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "<": lt, "<=": le}


class ExpressionError(ValueError):
    """The expression is outside the grammar, or names a placeholder that is not there."""


@lru_cache(maxsize=1000)
def compile_update(update: str, condition: str) -> Update:
    """One UpdateItem as a function of (item, values): the new item, or None when the condition refuses it.

    Raises ExpressionError, also when the values are not exactly those that the expressions name, as DynamoDB does."""
    test = _Parser(condition).condition() if condition else None
    assignments, removals = _Parser(update).update()
    needed = frozenset(re.findall(r":(\w+)", f"{update} {condition}"))

    def run(item: Item, values: Values) -> dict[str, Scalar] | None:
        if values.keys() != needed:
            raise ExpressionError(f"values {sorted(values)} are given, {sorted(needed)} are used")
        if test is not None and not test(item, values):
            return None
        new = dict(item)
        for name, read in assignments:  # every right-hand side sees the item as it was
            value = read(item, values)
            if value is None:
                raise ExpressionError(f"the value of {name} refers to an attribute that is not there")
            new[name] = value
        for name in removals:
            new.pop(name, None)
        return new

    return run


class _Parser:
    """Recursive descent over one expression."""

    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.tokens: list[str] = []
        position = 0
        while text[position:].strip():
            found = TOKEN.match(text, position)
            if found is None:
                raise ExpressionError(f"{text!r}: cannot read {text[position:].strip()!r}")
            self.tokens.append(found.group(1) or found.group(2))
            position = found.end()

    # --- conditions

    def condition(self) -> Test:
        test = self._any_of()
        if self.at != len(self.tokens):
            raise ExpressionError(f"{self.text!r}: nothing is expected at {self._peek()!r}")
        return test

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._take("OR"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else _disjunction(tuple(tests))

    def _all_of(self) -> Test:
        tests = [self._test()]
        while self._take("AND"):
            tests.append(self._test())
        return tests[0] if len(tests) == 1 else _conjunction(tuple(tests))

    def _test(self) -> Test:
        if self._take("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        for function, wanted in (("attribute_exists", True), ("attribute_not_exists", False)):
            if self._take(function):
                self._expect("(")
                name = self._name()
                self._expect(")")
                return _existence(name, wanted)
        left = self._operand()
        comparison = self._next()
        if comparison not in COMPARISONS:
            raise ExpressionError(f"{self.text!r}: {comparison!r} is not one of {' '.join(COMPARISONS)}")
        return _comparison(left, COMPARISONS[comparison], self._operand())

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

    def _value(self) -> Read:
        if not self._take("if_not_exists"):
            return self._operand()
        self._expect("(")
        name = self._name()
        self._expect(",")
        otherwise = self._operand()
        self._expect(")")
        return lambda item, values: item[name] if name in item else otherwise(item, values)

    # --- tokens

    def _operand(self) -> Read:
        if self._peek().startswith(":"):
            placeholder = self._next()[1:]
            return lambda _, values: values[placeholder]
        name = self._name()
        return lambda item, _: item.get(name)

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
        found = self._peek() == token
        self.at += found
        return found

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise ExpressionError(f"{self.text!r}: {token!r} is expected at {self._peek()!r}")


def _conjunction(tests: tuple[Test, ...]) -> Test:
    def run(item: Item, values: Values) -> bool:
        for test in tests:  # noqa: SIM110  # twice as fast as all(), and run hundreds of millions of times
            if not test(item, values):
                return False
        return True

    return run


def _disjunction(tests: tuple[Test, ...]) -> Test:
    def run(item: Item, values: Values) -> bool:
        for test in tests:  # noqa: SIM110  # as above
            if test(item, values):
                return True
        return False

    return run


def _existence(name: str, wanted: bool) -> Test:
    return (lambda item, _: name in item) if wanted else (lambda item, _: name not in item)


def _comparison(left: Read, compare: Callable[[Any, Any], bool], right: Read) -> Test:
    """False when either side is missing or the types differ."""

    def run(item: Item, values: Values) -> bool:
        one, other = left(item, values), right(item, values)
        if one is None or other is None or isinstance(one, str) is not isinstance(other, str):
            return False
        return compare(one, other)

    return run
