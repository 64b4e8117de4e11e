"""How a process becomes a mutant: a function gets another code in place, a constant another value wherever it has its
name; what else a module says is only true where it is imported, so everything is forgotten and imported again."""

import ast
import inspect
import sys
from enum import Enum, auto
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Any

from tests.mutants.mutations import ROOT, Mutant, Unit, modules, pieces


class Mutated(SourceFileLoader):
    """Loads a module with another text."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self.source, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds one module where it is loaded otherwise."""

    def __init__(self, loader: Mutated) -> None:
        self.loader = loader

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        mine = fullname == self.loader.name
        return spec_from_file_location(fullname, self.loader.path, loader=self.loader) if mine else None


def other_code(mutant: Mutant) -> CodeType | None:
    """The code of the function that a mutant changes. None: it changes something else."""
    original = modules()[mutant.unit.module].read_text()
    codes = [code_of(compile(text, "<mutant>", "exec"), mutant.unit.name) for text in (original, mutant.source)]
    return codes[1] if codes[0] and codes[0] != codes[1] else None


def code_of(code: CodeType, name: str) -> CodeType | None:
    """The code of a function or method in that of its module."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == name:
                return inner if inner.co_flags & inspect.CO_OPTIMIZED else None
            if name.startswith(f"{inner.co_qualname}."):
                return code_of(inner, name)
    return None


class Swapped(Enum):
    """What a mutant changed in place: all that it changes, or a constant of which others have made something."""

    ALL = auto()
    VALUE = auto()


def swap(mutant: Mutant) -> Swapped | None:
    """Have production be the mutant, without importing it again, as far as that can be done. Raises what it raises."""
    code = other_code(mutant)
    if code:
        swap_code(mutant.unit, code)
        return Swapped.ALL
    statements = ast.parse(mutant.source).body
    statement = next((one for one in statements if [name for name, _ in pieces(one)] == [mutant.unit.name]), None)
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not mutant.unit.name.isidentifier():
        return None
    if read_at_import(mutant.unit.name, "lambda"):
        return None
    module = sys.modules[mutant.unit.module]
    made = dict(vars(module))
    exec(compile(ast.Module([statement], []), "<mutant>", "exec"), made)  # noqa: S102  # production's own text
    name, old = mutant.unit.name, vars(module).get(mutant.unit.name)
    for holder in list(sys.modules.values()):
        if ours(holder) and vars(holder).get(name, module) is old:
            setattr(holder, name, made[name])
    return Swapped.VALUE if read_at_import(name, "tests", "payctl") else Swapped.ALL


def read_at_import(name: str, *folders: str) -> bool:
    """Whether a module in these folders reads a name while it is imported: then something else is made of it."""
    texts = (path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return any(name in names_read(text) for text in texts if name in text)


@cache
def names_read(text: str) -> frozenset[str]:
    """What a module reads while it is imported."""
    names = set()
    waiting: list[ast.AST] = [ast.parse(text)]
    for node in waiting:  # which grows meanwhile
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        waiting += [node.args] if isinstance(node, ast.FunctionDef | ast.Lambda) else ast.iter_child_nodes(node)
        waiting += node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return frozenset(names)


def import_anew(mutant: Mutant) -> None:
    """Have production be the mutant by importing all of it again. Raises what the mutant raises."""
    path = str(modules()[mutant.unit.module])
    sys.meta_path.insert(0, Finder(Mutated(mutant.unit.module, path, mutant.source)))
    forget()
    for name in modules():
        __import__(name)


def swap_code(unit: Unit, code: CodeType) -> None:
    """Give a function of production another code; what was kept of its answers is forgotten."""
    owner: Any = sys.modules[unit.module]
    *holders, name = unit.name.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    function = vars(owner)[name]
    function = getattr(function, "fget", None) or getattr(function, "__func__", None) or function
    inspect.unwrap(function).__code__ = code
    for module in modules():
        for value in list(vars(sys.modules[module]).values()) if module in sys.modules else ():
            getattr(value, "cache_clear", lambda: None)()


def forget() -> None:
    """What was imported of production, of what imports it, and of tests, but for what judges them. Whatever its name:
    pytest calls tests/simulation/test_faults.py `simulation.test_faults`."""
    gone = [name for name, module in list(sys.modules.items()) if ours(module)]
    for name in gone:
        if not name.startswith(("tests.mutants", "__main__")) or name.endswith("campaigns"):
            del sys.modules[name]  # payctl looks at __main__, which is run.py


def ours(module: ModuleType) -> bool:
    """Whether a module is production, an operator's, or a test."""
    paths = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(path and path.startswith((f"{ROOT}/lambda/", f"{ROOT}/payctl", f"{ROOT}/tests")) for path in paths)
