"""CloudWatch metric math: arithmetic, comparisons, IF, FILL, METRICS, and MIN, MAX, SUM, AVG over several metrics."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Series = dict[int, float]
Scalar = float
Value = Series | Scalar | list[Series]

_ARITHMETIC: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISON: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_REDUCE: Final[dict[str, Callable[[list[float]], float]]] = {
    "MIN": min,
    "MAX": max,
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
}


def evaluate(expression: str, metrics: Mapping[str, Series], times: list[int]) -> Series:
    """The expression's values at `times`; a time at which an operand has no value has none. Raises ValueError."""
    tree = ast.parse(re.sub(r"\bIF\(", "IF_(", expression), mode="eval")
    value = _Evaluation(metrics, times).visit(tree.body)
    if isinstance(value, list):
        raise TypeError(f"{expression} yields several time series")
    if isinstance(value, dict):
        return {time: value[time] for time in times if time in value}
    return dict.fromkeys(times, float(value))


class _Evaluation(ast.NodeVisitor):
    """Evaluates one expression; every value is a number, a time series or a list of them."""

    def __init__(self, metrics: Mapping[str, Series], times: list[int]) -> None:
        self.metrics = metrics
        self.times = times

    def generic_visit(self, node: ast.AST) -> Any:
        raise ValueError(f"metric math has no {type(node).__name__} here")

    def visit_Constant(self, node: ast.Constant) -> Value:
        if not isinstance(node.value, int | float):
            raise TypeError(f"{node.value!r} is no number")
        return float(node.value)

    def visit_Name(self, node: ast.Name) -> Value:
        return self.metrics[node.id]

    def visit_List(self, node: ast.List) -> Value:
        return [self.visit(item) for item in node.elts]

    def visit_BinOp(self, node: ast.BinOp) -> Value:
        return self._combine(_ARITHMETIC[type(node.op)], self.visit(node.left), self.visit(node.right))

    def visit_Compare(self, node: ast.Compare) -> Value:
        compare = _COMPARISON[type(node.ops[0])]
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        return self._combine(lambda one, other: float(compare(one, other)), left, right)

    def visit_Call(self, node: ast.Call) -> Value:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "METRICS":
            return list(self.metrics.values())
        arguments = [self.visit(argument) for argument in node.args]
        if name == "IF_":
            return self._choose(*arguments)
        if name == "FILL":
            return self._fill(*arguments)
        if name in _REDUCE:
            return self._reduce(_REDUCE[name], arguments[0])
        raise ValueError(f"metric math has no {name or 'such call'} here")

    def _at(self, value: Value, time: int) -> float | None:
        if isinstance(value, dict):
            return value.get(time)
        if isinstance(value, list):
            raise TypeError("several time series where one is expected")
        return value

    def _combine(self, function: Callable[[float, float], float], left: Value, right: Value) -> Series:
        result = {}
        for time in self.times:
            one, other = self._at(left, time), self._at(right, time)
            if one is not None and other is not None:
                try:
                    result[time] = function(one, other)
                except ZeroDivisionError:
                    continue  # CloudWatch has no value there either
        return result

    def _choose(self, condition: Value, yes: Value, no: Value) -> Series:
        result = {}
        for time in self.times:
            holds = self._at(condition, time)
            value = None if holds is None else self._at(yes if holds else no, time)
            if value is not None:
                result[time] = value
        return result

    def _fill(self, value: Value, filling: Value) -> Value:
        if isinstance(value, list):
            return [self._fill_one(series, filling) for series in value]
        return self._fill_one(value, filling)

    def _fill_one(self, value: Value, filling: Value) -> Series:
        result = {}
        for time in self.times:
            own = self._at(value, time)
            number = self._at(filling, time) if own is None else own
            if number is not None:
                result[time] = number
        return result

    def _reduce(self, function: Callable[[list[float]], float], value: Value) -> Value:
        """Over several series by time; over one series, one number."""
        if not isinstance(value, list):
            return function(list(value.values())) if isinstance(value, dict) and value else 0.0
        result = {}
        for time in self.times:
            present = [number for series in value if (number := self._at(series, time)) is not None]
            if present:
                result[time] = function(present)
        return result
