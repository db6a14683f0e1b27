"""Numbers, as people and models write them."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

from populace.kernel.errors import ParameterError
from populace.language.forms.base import Form
from populace.language.forms.stated import DENIED, said_aloud, sentence, stated

_DIGITS = (
    r"(?:[0-9]{1,3}(?:[,\u202f\u00a0][0-9]{3})+|[0-9]{1,3}(?:(?:\\,|\{,\}|\\!,)[0-9]{3})+|[0-9]+)"
)
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)"
_NUMBER = re.compile(
    rf"""(?<![\w^./,])(?P<sign>[-+−]?)(?:(?:[$€£¥]|\\\$)\ ?)?
    (?>
        \\d?t?frac\{{(?P<top>{_DECIMAL})\}}\{{(?P<under>{_DECIMAL})\}}
      | (?:(?P<whole>{_DIGITS})[ ])?(?P<over>{_DIGITS})\s*/\s*(?P<below>{_DIGITS})
      | (?P<decimal>{_DECIMAL})(?:[eE](?P<e>[-+]?[0-9]+)
            |\s*(?:×|\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*\{{?(?P<ten>[-−+]?[0-9]+)\}}?)?
    )
    (?!\s*(?:\^|\*\*|/|!))(?![.,:][0-9])(?!(?:st|nd|rd|th|[A-Za-z])(?![A-Za-z]))(?!_)
    \s*(?P<percent>\\?%)?""",
    re.VERBOSE,
)
_ASIDE = re.compile(
    r"\s*(?:\(|\bbecause\b|\bsince\b|,\s*(?:so|as|since|because|which|where)\b)", re.IGNORECASE
)
_SQUARED = re.compile(r"(?<=[0-9a-z ])(?P<unit>[kcm]?m|ft|in|yd|mi)\s*\^\s*\{?[23]\}?(?!\w)")
_LONGEST = 4000  # digits: what int() converts from text


class Number(Form):
    """A number: the only one in the stated answer, else the only one in the last sentence with any.

    Read are ``1,234.5``, ``-3``, ``1/2``, ``2 1/2``, ``\\frac{1}{2}``, ``1.5e3``, ``1.5 × 10^3``,
    with a currency sign before or a unit after; of ``3 + 4 = 7``, what is after the last ``=``.
    Canonical: an int where whole, else a float.

    Parameters
    ----------
    percent : "unit" or "share"
        Whether ``50%`` is 50, the sign a unit like others (default), or 0.5.
    tolerance : float
        Relative difference within which `same` finds two numbers the same.
    """

    name = "number"
    instruction = 'End your reply with a line "Answer: " followed by the number alone.'

    def __init__(self, percent: str = "unit", tolerance: float = 1e-6) -> None:
        if percent not in ("unit", "share"):
            raise ParameterError(f"expected percent unit or share, got {percent!r}", where="number")
        if not 0 <= tolerance < 1:
            raise ParameterError(f"expected a tolerance in [0, 1), got {tolerance!r}")
        self.percent, self.tolerance = percent, tolerance

    def extract(self, text: str) -> int | float | None:
        found = stated(text)
        if found is not None:
            if found.text is None:
                return None
            fragment = sentence(found.text)
            if not self._numbers(fragment):  # "5." would end a sentence before its number
                fragment = found.text
            return self._only(fragment)
        reply = said_aloud(text).replace("**", " ")
        for part in reversed(re.split(r"(?<=[.!?])\s+|\n+", reply)):
            if self._numbers(part):
                doubtful = DENIED.search(part) or part.rstrip().endswith("?")
                return None if doubtful else self._only(part)
        return None

    def same(self, a: Any, b: Any) -> bool:
        if a is None or b is None:
            return False
        try:
            return bool(a == b) or math.isclose(a, b, rel_tol=self.tolerance)
        except OverflowError:  # whole numbers beyond any float are the same only if equal
            return False

    def _only(self, text: str) -> int | float | None:
        text = _SQUARED.sub(r"\g<unit>", text)
        aside = _ASIDE.search(text)
        if aside and self._numbers(text[: aside.start()]):
            text = text[: aside.start()]
        text = re.split(r"[=≈]|\\approx", text)[-1]
        if len(re.findall(r"[0-9]+", text)) > sum(n for _, n in self._numbers(text)):
            return None  # digits that belong to no number that can be read
        values = {value for value, _ in self._numbers(text)}
        return values.pop() if len(values) == 1 else None

    def _numbers(self, text: str) -> list[tuple[int | float | None, int]]:
        """Return the values in a text, and of how many runs of digits each is made."""
        return [
            (self._value(match), len(re.findall(r"[0-9]+", match[0])))
            for match in _NUMBER.finditer(text)
        ]

    def _value(self, match: re.Match[str]) -> int | float | None:
        def read(name: str) -> Fraction:
            return Fraction(re.sub(r"[^0-9.]", "", match[name]))

        power = int((match["e"] or match["ten"] or "0").replace("−", "-")[:6])
        if len(match[0]) > _LONGEST or abs(power) > 400:
            return None
        try:
            if match["top"]:
                value = read("top") / read("under")
            elif match["over"]:
                value = read("over") / read("below")
                value += read("whole") if match["whole"] else 0
            else:
                value = read("decimal") * Fraction(10) ** power
            if match["percent"] and self.percent == "share":
                value /= 100
            if match["sign"] in ("-", "−"):
                value = -value
            near = float(value)
            return int(value) if value.denominator == 1 or near.is_integer() else near
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
