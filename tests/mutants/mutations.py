"""What is mutated, and how: the operators of mutmut, and some that it lacks.

A unit is a function, a method, or a statement of a module: its mutants are judged and their fates kept together. A
mutant is the whole text of its module with one thing changed.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import libcst as cst
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_assignment, operator_string

from tests.mutants import expressions

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "lambda"
UNTOUCHED: Final = ("len", "isinstance", "TypeVar", "getLogger")
"""Calls that tell types apart, and that only name things."""
Operator = Callable[[Any], Iterable[cst.CSTNode]]


class Unit(NamedTuple):
    """`code` is the hash of its text without comments and docstrings, of the operators, and of what the text of an
    action is made of."""

    module: str
    name: str
    code: str

    def __str__(self) -> str:
        return f"{self.module.removeprefix('payments.')}:{self.name}"


class Mutant(NamedTuple):
    """`what`: the line before and after."""

    unit: Unit
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.unit}  {self.what}"


def modules() -> dict[str, Path]:
    """Every module of production, by its name."""
    paths = sorted((SOURCE / "payments").rglob("*.py"))
    names = {path: ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


# --- operators


def string(node: cst.BaseString) -> Iterator[cst.BaseString]:
    """mutmut's first: other text. What it does besides, another case, shows nothing more. And what a condition in it
    may become."""
    yield from list(operator_string(node))[:1]
    if isinstance(node, cst.SimpleString) and expressions.is_part(node.value):
        yield from (node.with_changes(value=text) for text in expressions.turned(node.value))


def forced(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """The condition always holds, or never."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    for operator, right in ((cst.And(), "False"), (cst.Or(), "True")):
        if right == "False" or not isinstance(node, cst.While):
            yield node.with_changes(test=cst.BooleanOperation(test, operator, cst.Name(right)))


def one_side(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    """One side of an `and` or `or` counts alone."""
    yield node.left
    yield node.right


def dropped(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """A statement that does something is left out."""
    (first, *more) = node.body
    if isinstance(first, cst.Expr) and not more and not isinstance(first.value, cst.BaseString):
        yield node.with_changes(body=[cst.Pass()])


def without(node: cst.Call) -> Iterator[cst.Call]:
    """An argument that may have a default is left out."""
    for changed in operator_arg_removal(node):
        index = next((n for n, argument in enumerate(changed.args) if argument is not node.args[n]), len(node.args) - 1)
        if len(changed.args) < len(node.args) and (node.args[index].keyword or index == len(node.args) - 1):
            yield changed


REPLACED: Final = (operator_string, operator_arg_removal, operator_assignment)
"""The last two make mostly what mypy refuses: None where there may be none, an argument that must be there."""
OPERATORS: Final[tuple[tuple[type, Operator], ...]] = (
    *((kind, operator) for kind, operator in mutation_operators if operator not in REPLACED),
    (cst.BaseString, string),
    (cst.Call, without),
    (cst.If, forced),
    (cst.While, forced),
    (cst.CompIf, forced),
    (cst.BooleanOperation, one_side),
    (cst.SimpleStatementLine, dropped),
)


@cache
def rules() -> str:
    """The hash of all that makes mutants: with another operator, they are others."""
    ours = [Path(__file__).read_text(), Path(expressions.__file__).read_text()]
    return digest(*ours, *sorted(f"{kind.__name__} {operator.__name__}" for kind, operator in OPERATORS))


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


# --- units


class Part(NamedTuple):
    """A unit in the tree of its module: the statement that holds it, and the nodes to be mutated."""

    unit: Unit
    statement: int
    nodes: list[cst.CSTNode]


class Module:
    """One module of production, and its mutants."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.text = path.read_text()

    @property
    def units(self) -> list[Unit]:
        """By a light look: nothing is mutated."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in ast.parse(self.text).body:
            for name, part in pieces(statement):
                found.setdefault(name, []).append(part)
        return [Unit(self.name, name, self._code(parts)) for name, parts in found.items()]

    def _code(self, parts: list[ast.stmt]) -> str:
        text = "\n".join(ast.unparse(bare(part)) for part in parts)
        return digest(rules(), text, expressions.meaning(self.name) if "Action(" in text else "")

    def span(self, name: str) -> slice:
        """Where the text of a unit stands."""
        parts = [part for statement in ast.parse(self.text).body for unit, part in pieces(statement) if unit == name]
        lines = self.text.splitlines(keepends=True)
        first, last = parts[0].lineno - 1, parts[-1].end_lineno
        return slice(len("".join(lines[:first])), len("".join(lines[:last])))

    def mutants(self, units: set[Unit]) -> Iterator[Mutant]:
        """Of these units, in the order of the text."""
        tree = cst.parse_module(self.text)
        codes = [tree.code_for_node(statement) for statement in tree.body]
        head = self.text[: self.text.index("".join(codes))]
        by_name = {unit.name: unit for unit in units}
        seen = {self.text}
        for index, statement in enumerate(tree.body):
            before, after = head + "".join(codes[:index]), "".join(codes[index + 1 :])
            for name, node in members(statement):
                if name not in by_name:
                    continue
                for changed, what in self._changes(name, statement, node):
                    code = tree.code_for_node(changed) if isinstance(changed, cst.CSTNode) else changed
                    source = before + code + after
                    if source not in seen and compiles(source):
                        seen.add(source)
                        yield Mutant(by_name[name], what or difference(codes[index], code), source)

    def _changes(self, name: str, statement: Any, node: cst.CSTNode) -> Iterator[tuple[Any, str]]:
        """The statement with one thing changed in this part of it, and what, where that is not plain to see."""
        constant = node is statement and isinstance(node, cst.SimpleStatementLine)
        if constant and expressions.is_part(cst.Module([]).code_for_node(node)):
            # An action, or what actions are made of: that shows in them.
            yield from ((f"{name} = {text}\n", what) for text, what in expressions.changed(self.name, name))
            return
        for inner in mutable(node):
            for kind, operator in OPERATORS:
                if isinstance(inner, kind):
                    for new in operator(inner):
                        changed = new if inner is node else node.deep_replace(inner, new)
                        yield within(statement, node, changed), ""


def pieces(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """The units in a statement, by name."""
    if isinstance(statement, ast.FunctionDef):
        yield statement.name, statement
    elif isinstance(statement, ast.ClassDef):
        methods = [part for part in statement.body if isinstance(part, ast.FunctionDef)]
        rest = [part for part in statement.body if part not in methods] or [ast.Pass()]
        yield statement.name, ast.ClassDef(statement.name, statement.bases, statement.keywords, rest, [])
        yield from ((f"{statement.name}.{method.name}", method) for method in methods)
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        yield ast.unparse(target), statement


def members(statement: cst.CSTNode) -> Iterator[tuple[str, cst.CSTNode]]:
    """The same, in libcst's tree."""
    if isinstance(statement, cst.FunctionDef):
        yield statement.name.value, statement
    elif isinstance(statement, cst.ClassDef):
        for part in statement.body.body:
            method = isinstance(part, cst.FunctionDef)
            yield f"{statement.name.value}.{part.name.value}" if method else statement.name.value, part  # type: ignore[union-attr]
    elif isinstance(statement, cst.SimpleStatementLine):
        (first, *_) = statement.body
        if isinstance(first, cst.Assign | cst.AnnAssign):
            target = first.targets[0].target if isinstance(first, cst.Assign) else first.target
            yield cst.Module([]).code_for_node(target), statement


def within(statement: Any, old: cst.CSTNode, new: cst.CSTNode) -> Any:
    """A statement, or a class with another part."""
    if old is statement:
        return new
    parts = [new if part is old else part for part in statement.body.body]
    return statement.with_changes(body=statement.body.with_changes(body=parts))


def mutable(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes below this one, itself included, that are mutated: no annotation, decorator or import."""
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom | cst.Global):
        return
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in UNTOUCHED:
        return
    yield node
    for child in node.children:
        yield from mutable(child)


def bare(statement: ast.stmt) -> ast.stmt:
    """Without docstrings."""
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            strings = [
                part for part in node.body if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
            ]
            node.body = [part for part in node.body if part not in strings] or [ast.Pass()]
    return statement


def compiles(source: str) -> bool:
    try:
        compile(source, "<mutant>", "exec")
    except SyntaxError:
        return False
    return True


def difference(before: str, after: str) -> str:
    """The lines that differ, in one."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return f"{one_line(old)} → {one_line(new)}"


def one_line(lines: list[str]) -> str:
    return " ".join(line for line in map(str.strip, lines) if not line.startswith("#"))
