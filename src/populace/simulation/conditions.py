"""Conditions as text: ``cases > 100 and deaths >= 1``, read by a small parser, never evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PopulationError, nearest
from populace.kernel.population import Part, Population

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON = re.compile(r"\s*([A-Za-z_][^<>=!]*?)\s*(<=|>=|==|!=|<|>)\s*([^<>=!]+?)\s*")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")


@dataclass(frozen=True)
class Comparison:
    """One name compared with one value."""

    name: str
    operator: str
    value: float | bool | str

    def __call__(self, left: Any) -> Any:
        return _OPERATORS[self.operator](left, self.value)


class Condition:
    """Comparisons joined by ``and``.

    Parameters
    ----------
    text : str
        ``name OP value``, joined by the word ``and``; OP one of ``< <= > >= == !=``, the value a
        number, ``true``, ``false`` or a text in quotes.

    Raises
    ------
    ParameterError
        If the text is none of that.

    Examples
    --------
    >>> hot = Condition("cases > 100 and deaths >= 1")
    >>> hot.names, hot.holds({"cases": 120, "deaths": 0})
    (('cases', 'deaths'), False)
    """

    def __init__(self, text: str, where: str = "condition") -> None:
        self.text = text
        if not isinstance(text, str):
            raise _unreadable(text, where)
        self.comparisons = tuple(_read(part, where) for part in re.split(r"\s+and\s+", text))

    @property
    def names(self) -> tuple[str, ...]:
        """Names that are compared, in order, each once."""
        return tuple(dict.fromkeys(each.name for each in self.comparisons))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether all comparisons hold; one with a value that is missing or None does not."""
        return all(
            values.get(each.name) is not None and bool(each(values[each.name]))
            for each in self.comparisons
        )

    def part(self, people: Population) -> Part:
        """Return the living agents whose columns meet the condition."""
        mask: NDArray[np.bool_] = np.ones(people.rows, np.bool_)
        for each in self.comparisons:
            mask &= each(people[each.name])
        part: Part = people[mask]
        return part

    def check(self, people: Population, where: str) -> None:
        """Raise PopulationError unless every name is a column with one comparable value a row."""
        for each in self.comparisons:
            if each.name not in people.columns:
                raise PopulationError(
                    f"{people.name!r} has no column {each.name!r}; "
                    + nearest(each.name, people.columns),
                    where=where,
                )
            column = people[each.name]
            if column.ndim != 1 or (column.dtype.kind in "US") != isinstance(each.value, str):
                raise PopulationError(
                    f"column {each.name!r} ({column.dtype}) cannot be compared with {each.value!r}",
                    where=where,
                )


def _read(text: str, where: str) -> Comparison:
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise _unreadable(text, where)
    name, sign, value = found.groups()
    if value in ("true", "false"):
        return Comparison(name, sign, value == "true")
    if quoted := _QUOTED.fullmatch(value):
        return Comparison(name, sign, quoted[1] if quoted[1] is not None else quoted[2])
    try:
        number = float(value.replace("_", ""))
    except ValueError:
        raise _unreadable(text, where) from None
    return Comparison(name, sign, number)


def _unreadable(text: Any, where: str) -> ParameterError:
    return ParameterError(
        f"expected comparisons such as 'cases > 100', joined by 'and', got {text!r:.80}",
        where=where,
        mend="one of < <= > >= == !=, then a number, true, false or a quoted text",
    )
