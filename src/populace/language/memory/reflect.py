"""`Reflect`: now and then agents draw conclusions from what they remember, with evidence.

J. S. Park et al. (UIST 2023), section 4.2: when the importance of what happened sums to 150, the
model is asked which questions the latest 100 memories raise; for each, memories are retrieved, and
it is asked for insights with the numbers of the memories that these rest on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from populace.kernel.errors import ParameterError

_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
_BECAUSE = re.compile(r"\(\s*because of\b([^()]*)\)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reflect:
    """When and how agents reflect.

    Parameters
    ----------
    threshold : float
        Importance summed since the last reflection, of observations and own actions.
    recent : int
        Latest memories that questions are asked about.
    questions, insights : int
        Most questions a reflection, and most insights a question.
    evidence : int
        Most memories retrieved for a question.

    Raises
    ------
    ParameterError
        For a threshold not above 0 or a count below 1.
    """

    threshold: float = 150.0
    recent: int = 100
    questions: int = 3
    insights: int = 5
    evidence: int = 10

    def __post_init__(self) -> None:
        for name, low in (("threshold", 0), ("recent", 1), ("questions", 1), ("insights", 1),
                          ("evidence", 1)):  # fmt: skip
            value: Any = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not (value > 0 if name == "threshold" else value >= low)
            ):
                raise ParameterError(
                    f"expected {name} {'above 0' if not low else '1 or more'}, got {value!r}",
                    where="Reflect",
                )


def questions_in(reply: str, most: int) -> list[str]:
    """Return the questions of a reply, one a line, without list marks.

    >>> questions_in("1. Who fishes most?\\n\\n- Why?", 3)
    ['Who fishes most?', 'Why?']
    """
    lines = (_MARK.sub("", line).strip() for line in reply.splitlines())
    return [line for line in lines if line][:most]


def insights_in(reply: str, shown: int, most: int) -> tuple[list[tuple[str, list[int]]], int]:
    """Return the insights of a reply, each with the places (from 0) of its evidence.

    Parameters
    ----------
    reply : str
    shown : int
        How many memories were shown, numbered from 1: other numbers are no evidence.
    most : int

    Returns
    -------
    list of (text, places), and how many lines rest on no evidence and are left out

    Examples
    --------
    >>> insights_in("Ada is greedy (because of 2, 9, 1)\\nAll will be well", shown=3, most=5)
    ([('Ada is greedy', [1, 0])], 1)
    """
    found: list[tuple[str, list[int]]] = []
    unfounded = 0
    for line in reply.splitlines():
        text = _MARK.sub("", line).strip()
        if not text:
            continue
        match = _BECAUSE.search(text)
        numbers = [int(x) for x in re.findall(r"\d{1,9}", match[1])] if match else []
        places = list(dict.fromkeys(n - 1 for n in numbers if 1 <= n <= shown))
        said = _BECAUSE.sub("", text).strip()
        if not places or not said:
            unfounded += 1
        elif len(found) < most:
            found.append((said, places))
    return found, unfounded
