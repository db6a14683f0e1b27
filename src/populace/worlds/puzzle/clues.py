"""Einstein's puzzle: houses in a row, clues about who lives where, and an exhaustive solver.

Every attribute (colour, pet, ...) has as many values as there are houses, one in each. A solution
places all values; clues are true statements about two values, or one and a house.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from populace.kernel.streams import Stream

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "colour": ("red", "blue", "green", "white", "yellow"),
    "pet": ("dog", "cat", "horse", "bird", "fish"),
    "drink": ("tea", "coffee", "milk", "water", "juice"),
    "job": ("baker", "doctor", "farmer", "pilot", "singer"),
}
Placement = dict[str, int]  # house of each value, from 1 at the left

_SAME, _LEFT, _NEXT, _AT = "same", "left", "next", "at"
_WORDS = {
    _SAME: "{a} and {b} are in the same house",
    _LEFT: "{a} is directly left of {b}",
    _NEXT: "{a} is next to {b}",
    _AT: "{a} is in house {b}",
}
_READ = {
    kind: re.compile(r"\b" + words.format(a=r"(\w+)", b=r"(\w+)") + r"\b")
    for kind, words in _WORDS.items()
}


class Clue(NamedTuple):
    """One clue: ``kind`` is same, left, next or at; `b` is a value, or a house's number."""

    kind: str
    a: str
    b: str

    def __str__(self) -> str:
        return _WORDS[self.kind].format(a=self.a, b=self.b)

    def holds(self, place: Placement) -> bool:
        """Whether a placement of all values agrees with the clue."""
        here = place[self.a]
        there = int(self.b) if self.kind == _AT else place[self.b]
        if self.kind == _LEFT:
            return here == there - 1
        return abs(here - there) == 1 if self.kind == _NEXT else here == there


@dataclass(frozen=True)
class Puzzle:
    """A puzzle with exactly one solution, none of whose clues can be spared.

    Attributes
    ----------
    values : tuple of tuples of str
        By attribute.
    clues : tuple of Clue
    solution : mapping of value to house
    """

    values: tuple[tuple[str, ...], ...]
    clues: tuple[Clue, ...]
    solution: Placement

    @property
    def houses(self) -> int:
        return len(self.values[0])


def read_clues(text: str, values: Sequence[Sequence[str]]) -> list[Clue]:
    """Return the clues that a text states about these values, in their words.

    >>> read_clues("Mine: red is next to dog. Hm.", [["red"], ["dog"]])
    [Clue(kind='next', a='red', b='dog')]
    """
    known = {value for group in values for value in group}
    houses = {str(i + 1) for i in range(len(values[0]))}
    return [
        Clue(kind, a, b)
        for kind, pattern in _READ.items()
        for a, b in pattern.findall(text)
        if a in known and b in (houses if kind == _AT else known)
    ]


def solutions(
    values: Sequence[Sequence[str]], clues: Sequence[Clue], most: int = 2
) -> list[Placement]:
    """Return the placements that agree with all clues, by exhaustive search; at most `most`.

    An attribute is one of the permutations of its values; clues about two attributes forbid pairs
    of permutations, so that a branch ends as soon as nothing is left for some attribute.
    """
    orders = _orders(len(values[0]))
    k = len(values)
    which = {value: i for i, group in enumerate(values) for value in group}
    place = {v: orders[:, j] for group in values for j, v in enumerate(group)}
    alone = [np.ones(len(orders), bool) for _ in range(k)]
    pairs: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for clue in clues:
        i = which[clue.a]
        if clue.kind == _AT:
            alone[i] &= place[clue.a] == int(clue.b)
            continue
        j = which[clue.b]
        if i == j:
            alone[i] &= _agree(clue.kind, place[clue.a], place[clue.b])
            continue
        fits = _agree(clue.kind, place[clue.a][:, None], place[clue.b][None, :])
        key, fits = ((i, j), fits) if i < j else ((j, i), fits.T)
        pairs[key] = pairs[key] & fits if key in pairs else fits

    def search(chosen: list[int], left: list[NDArray[np.bool_]]) -> Iterator[list[int]]:
        depth = len(chosen)
        if depth == k:
            yield chosen
            return
        for one in np.flatnonzero(left[depth]).tolist():
            rest = list(left)
            for later in range(depth + 1, k):
                if (depth, later) in pairs:
                    rest[later] = rest[later] & pairs[depth, later][one]
            if all(mask.any() for mask in rest[depth + 1 :]):
                yield from search([*chosen, one], rest)

    found = []
    for chosen in search([], alone):
        found.append(
            {
                value: int(orders[order, j])
                for group, order in zip(values, chosen, strict=True)
                for j, value in enumerate(group)
            }
        )
        if len(found) == most:
            break
    return found


def draw_puzzle(houses: int, attributes: int, stream: Stream) -> Puzzle:
    """Draw a solution, and clues that leave no other and of which none can be spared.

    All true clues are gone through in a random order; each is dropped if the others still leave
    one solution only.
    """
    values = tuple(group[:houses] for group in list(ATTRIBUTES.values())[:attributes])
    place = {
        value: int(house) + 1
        for group in values
        for value, house in zip(group, stream.permutation(houses), strict=True)
    }
    true = _true_clues(values, place)
    clues = [true[i] for i in stream.permutation(len(true)).tolist()]
    # a first cut: as many of them as it takes, so that fewer remain to be tried
    low, high = 0, len(clues)
    while low < high:
        middle = (low + high) // 2
        if len(solutions(values, clues[:middle])) == 1:
            high = middle
        else:
            low = middle + 1
    clues = clues[:high]
    for clue in list(clues):
        rest = [other for other in clues if other is not clue]
        if len(solutions(values, rest)) == 1:
            clues = rest
    return Puzzle(values, tuple(clues), place)


def _true_clues(values: Sequence[Sequence[str]], place: Placement) -> list[Clue]:
    everything = [(i, value) for i, group in enumerate(values) for value in group]
    clues = [Clue(_AT, value, str(place[value])) for _, value in everything]
    for i, a in everything:
        for j, b in everything:
            if i < j and place[a] == place[b]:
                clues.append(Clue(_SAME, a, b))
            if i != j and place[a] == place[b] - 1:
                clues.append(Clue(_LEFT, a, b))
            if i < j and abs(place[a] - place[b]) == 1:
                clues.append(Clue(_NEXT, a, b))
    return clues


def _agree(kind: str, here: NDArray[Any], there: NDArray[Any]) -> NDArray[np.bool_]:
    if kind == _LEFT:
        return np.asarray(here == there - 1)
    return np.asarray(np.abs(here - there) == 1 if kind == _NEXT else here == there)


@lru_cache(maxsize=8)
def _orders(houses: int) -> NDArray[np.int64]:
    """Return all ways to place the values of an attribute, int64 of shape (houses!, houses)."""
    return np.array(list(permutations(range(1, houses + 1))), np.int64)
