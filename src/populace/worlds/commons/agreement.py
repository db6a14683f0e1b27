"""What limit a discussion agreed on, read from its words.

In GovSim (Piatti et al. 2024, arXiv:2404.16698, and its code) a model reads each discussion for "an
explicit agreement on a concrete limit", and all are told of what it finds. Here a rule reads it, or
a member of the group is asked. Nothing enforces it, there as here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.minds import Minds
from populace.kernel.population import Part
from populace.kernel.spaces import Number

Agreement = Literal["none", "read", "asked"]
NO_LIMIT = -1.0  # the answer of who found none
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")


def read_limit(words: Iterable[tuple[str, str]], members: int, most: float) -> float:
    """Return the limit that more than half of the members named last, or NaN.

    What a member named is the last number from 0 to `most` in the last of its messages that has
    one.

    Parameters
    ----------
    words : iterable of (str, str)
        Who said what, in order.
    members : int
        How many there are, also those who say nothing.
    most : float
        Largest number that can be a limit.

    Examples
    --------
    >>> read_limit([("Kate", "I say 12, no, 10."), ("Jack", "10 it is"), ("Emma", "20!")], 3, 100)
    10.0
    >>> read_limit([("Kate", "10 each"), ("Jack", "fine")], 2, 100)
    nan
    """
    named: dict[str, float] = {}
    for who, text in words:
        numbers = [number for found in _NUMBER.findall(text) if (number := float(found)) <= most]
        if numbers:
            named[who] = numbers[-1]
    if not named:
        return math.nan
    limit, votes = Counter(named.values()).most_common(1)[0]
    return limit if 2 * votes > members else math.nan


async def ask_limit(
    minds: Minds, part: Part, read: NDArray[np.float64], high: float, whole: bool, shown: Any
) -> NDArray[np.float64]:
    """Ask the first member of each game for the limit; what a rule has read where it has no answer.

    Parameters
    ----------
    part : Part
        Those who met, with columns ``game`` and ``seat``, games together.
    read : float64 array of shape (games,)
        Limits that `read_limit` found, NaN for none.
    high : float
        Largest limit.
    shown : callable
        Part to what these agents see, by name.

    Returns
    -------
    float64 array of shape (games,)
    """
    _, first = np.unique(part["game"], return_index=True)
    who = part[first]
    answers = await minds.ask(
        "limit", who, Number(NO_LIMIT, high, integer=whole), missing=NO_LIMIT, **shown(who)
    )
    found, game = read.copy(), who["game"]
    told = np.where(answers.values < 0, np.nan, answers.values)
    found[game] = np.where(answers.acted, told, read[game])
    return found


def within(got: NDArray[np.float64], limit: NDArray[np.float64], bad: bool) -> NDArray[np.bool_]:
    """Return who kept to a limit: of a bad, who took at least as much; NaN is kept by nobody."""
    return got >= limit - 1e-9 if bad else got <= limit + 1e-9


def said_by(entries: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return who said what, of entries ``NAME: words``; others than those named are left out."""
    known = set(names)
    split = (entry.partition(": ") for entry in entries)
    return [(who, words) for who, _, words in split if who in known]
