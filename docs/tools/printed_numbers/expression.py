"""Small expressions that say how a number follows from a table.

Names, keys, list items, sums, products and the functions below, nothing else: `row(shares,
measure="x").seed`, `percent(tests["jpeg 50"].value)`, `gap / 2`.
"""

import ast
import operator
import re
import statistics
from collections.abc import Callable
from typing import Any

from analysis.statistics.monte_carlo import p_error

Row = dict[str, Any]
Lookup = Callable[[str], Any]


def rows(table: list[Row], **wanted: object) -> list[Row]:
    """The rows of a table whose columns have the wanted values."""
    return [row for row in table if all(row[name] == value for name, value in wanted.items())]


def row(table: list[Row], **wanted: object) -> Row:
    """The one row whose columns have the wanted values.

    Raises:
        ValueError: if no row, or more than one, has them.
    """
    chosen = rows(table, **wanted)
    if len(chosen) != 1:
        raise ValueError(f"{len(chosen)} rows with {wanted}, wanted one")
    return chosen[0]


def without(table: list[Row], **unwanted: list[Any]) -> list[Row]:
    """The rows of a table whose columns have none of the unwanted values."""
    return [row for row in table if not any(row[name] in unwanted[name] for name in unwanted)]


def starting(table: dict[str, Row], words: str) -> list[Row]:
    """What a mapping holds under the keys that start with these words."""
    return [values for key, values in table.items() if key.startswith(words)]


def at(table: list[Row], name: str, value: object) -> Row:
    """The row with a value in a column whose name is not a word.

    Raises:
        ValueError: if no row, or more than one, has it.
    """
    return row(table, **{name: value})


def column(table: list[Row], name: str) -> list[Any]:
    """A column of a table, without its missing values."""
    return [row[name] for row in table if row[name] is not None]


def below(table: list[Row], name: str, limit: float) -> list[Row]:
    """The rows whose value in a column is below a limit; a missing value is not."""
    return [row for row in table if row[name] is not None and row[name] < limit]


def estimate(values: Row, name: str = "value") -> list[Any]:
    """A value and the two ends of its interval.

    A row has the columns NAME, NAME_low and NAME_high (or low and high); `value` alone has low and
    high.
    """
    prefix = f"{name}_" if f"{name}_low" in values else ""
    return [values[name], values[f"{prefix}low"], values[f"{prefix}high"]]


def said(sentence: str, phrase: str, after: str = "") -> float:
    """The number that follows a phrase in the outcome of a study, behind another phrase.

    Raises:
        ValueError: if the sentence does not hold the phrase with a number behind it.
    """
    sentence = sentence[sentence.find(after) :]
    match = re.search(re.escape(phrase) + r"\s*(-?\d[\d,]*(?:\.\d+)?)", sentence)
    if match is None:
        raise ValueError(f"no number after {phrase!r}")
    return float(match[1].replace(",", ""))


def scaled(factor: float, value: Any) -> Any:  # noqa: ANN401 - a number or a list
    """A number, or each number of a list, times a factor."""
    return [scaled(factor, each) for each in value] if isinstance(value, list) else factor * value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "rows": rows,
    "row": row,
    "at": at,
    "starting": starting,
    "column": column,
    "without": without,
    "below": below,
    "estimate": estimate,
    "said": said,
    "percent": lambda value: scaled(100, value),
    "negative": lambda value: scaled(-1, value),
    "p_error": p_error,
    "mean": statistics.mean,
    "deviation": statistics.stdev,
    "count": len,
    "sum": sum,
    "min": min,
    "max": max,
    "abs": abs,
}
OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate(text: str, lookup: Lookup) -> Any:  # noqa: ANN401 - what a table holds
    """The value of an expression.

    Args:
        text: the expression.
        lookup: gives what a name stands for, or raises KeyError.

    Raises:
        ValueError: if the expression uses anything else, or a table lacks what it asks for.
    """
    try:
        return _value(ast.parse(text, mode="eval").body, lookup)
    except (KeyError, IndexError, TypeError, SyntaxError, ZeroDivisionError) as error:
        raise ValueError(f"{text}: {type(error).__name__} {error}") from error


def _value(node: ast.expr, lookup: Lookup) -> Any:  # noqa: ANN401
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return lookup(name)
        case ast.Attribute(owner, name):
            return _value(owner, lookup)[name]
        case ast.Subscript(owner, key):
            return _value(owner, lookup)[_value(key, lookup)]
        case ast.List(items) | ast.Tuple(items):
            return [_value(item, lookup) for item in items]
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand, lookup)
        case ast.BinOp(left, sign, right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_value(left, lookup), _value(right, lookup))
        case ast.Call(ast.Name(name), arguments, keywords) if name in FUNCTIONS:
            named = {str(item.arg): _value(item.value, lookup) for item in keywords}
            return FUNCTIONS[name](*(_value(item, lookup) for item in arguments), **named)
    raise ValueError(f"not part of an expression: {ast.unparse(node)}")
