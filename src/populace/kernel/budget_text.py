"""A budget read from text, as the command line gives it."""

from __future__ import annotations

from typing import Any

from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.spend import MEASURES, SCALE


def parse_budget(text: str) -> Budget:
    """Read a budget as the command line gives it.

    Parameters
    ----------
    text : str
        ``measure=limit`` separated by commas; also ``at_end=stop`` or ``at_end=missing``.

    Raises
    ------
    ParameterError
        For an unknown or repeated name, or an impossible limit.

    Examples
    --------
    >>> parse_budget("tokens=1e6,usd=5")
    Budget('run', tokens=1e+06, usd=5)
    """
    where = f"budget {text!r}"
    known = (*MEASURES, "at_end")
    given: dict[str, Any] = {}
    for piece in text.split(","):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not value:
            raise ParameterError(
                f"expected name=limit, got {piece!r}", where=where, mend="for instance tokens=1e6"
            )
        if name not in known:
            raise ParameterError(f"there is no limit {name!r}; {nearest(name, known)}", where=where)
        if name in given:
            raise ParameterError(f"{name} is given twice", where=where)
        given[name] = value if name == "at_end" else _number(name, value, where)
    return Budget(**given)


def _number(name: str, text: str, where: str) -> float:
    try:
        number = float(text)
        whole = SCALE[name] == 1  # type: ignore[index]
        return int(text) if whole and text.isdecimal() else _whole(number) if whole else number
    except (ValueError, OverflowError):
        raise ParameterError(f"expected {name} as a number, got {text!r}", where=where) from None


def _whole(number: float) -> float:
    """Return 1e6 as an int; leave others for `exact` to refuse."""
    return int(number) if number.is_integer() else number
