"""Households of one neighbourhood: who lives with whom.

The census figures fix how many households there are, how many people live in them and how many
live alone. The rest is composed to be plausible: geometric sizes, children with parents of a
fitting age, couples of about the same age, and adult relatives or flatmates in what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from populace.kernel.streams import Stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ADULT: Final = 18
LARGEST: Final = 10  # people in a household
QUARTERS: Final = 10  # people in a unit of group quarters
# Relative odds by age (from 18, 20, 25, ...): assumptions of ours, set so that those who share a
# home are, age by age, about the published share (`contact_rows`, setting home). Dormitories and
# nursing homes hold most of group quarters.
_FROM: Final = np.array([18, 20, 25, 30, 50, 60, 65, 75, 85])
_ALONE: Final = np.array([0.1, 0.5, 1.0, 1.2, 1.6, 2.0, 2.8, 4.5, 7.0])
_INSTITUTION: Final = np.array([3.0, 2.0, 1.0, 0.7, 0.7, 1.0, 2.0, 4.0, 8.0])
_PARENT: Final = np.array([0.02, 0.35, 1.2, 3.0, 0.8, 0.05, 0.01, 0.01, 0.01])
_RELATIVE: Final = np.array([4.0, 3.0, 1.5, 0.5, 0.4, 0.6, 1.2, 1.2, 1.2])  # children, grandparents
SIBLINGS: Final = (0.30, 0.40, 0.15)  # families that want one, two, three children; others all
SINGLE_PARENT: Final = 0.2  # share of families with children that have one adult
FAMILY_OF_TWO: Final = 0.04  # share of the households of two that are one parent and one child


def _pick(ages: NDArray[np.uint8], odds: Floats, count: int, waits: Floats) -> NDArray[np.bool_]:
    """Mark `count` people drawn without replacement, odds by age: a race of exponential `waits`."""
    chosen = np.zeros(len(ages), np.bool_)
    if count > 0:
        weight = odds[np.searchsorted(_FROM, ages, side="right") - 1]
        chosen[np.argsort(waits / weight, kind="stable")[:count]] = True
    return chosen


def _sizes(people: int, households: int, uniform: Floats) -> Ints:
    """Share `people` among `households` of at least two: geometric sizes, none above `LARGEST`.

    Geometric laws conditioned on their sum are uniform over compositions, so `households - 1` bars
    thrown among the extra people draw them exactly.
    """
    extra = people - 2 * households
    slots = extra + households - 1
    bars = np.sort(np.argsort(uniform[:slots], kind="stable")[: households - 1])
    edges = np.concatenate(([-1], bars, [slots]))
    size: Ints = 2 + np.diff(edges) - 1
    room = max(LARGEST, -(-people // households))
    over = int(np.maximum(size - room, 0).sum())
    size = np.minimum(size, room)
    while over:
        grow = np.flatnonzero(size < room)[:over]
        size[grow] += 1
        over -= len(grow)
    return size


def _children(size: Ints, children: int, single: Floats, wish: Floats, order: Ints) -> Ints:
    """Return how many of `children` live in each household, filled in `order`, one adult kept."""
    grown = np.where(single < np.where(size == 2, FAMILY_OF_TWO, SINGLE_PARENT), 1, 2)
    wanted = np.append(np.arange(1, len(SIBLINGS) + 1), LARGEST)
    wanted = wanted[np.searchsorted(np.cumsum(SIBLINGS), wish, side="right")]
    for capacity in (np.minimum(size - grown, wanted), size - grown, size - 1):
        before = np.cumsum(capacity[order]) - capacity[order]
        count = np.empty_like(size)
        count[order] = np.clip(children - before, 0, capacity[order])
        if int(count.sum()) == children:
            break
    return count


def _seat(people: Ints, households: Ints, places: Ints, home: Ints) -> None:
    """Give `people`, in order, the `places` of `households`, in order."""
    home[people] = np.repeat(households, places)


def house(
    ages: NDArray[np.uint8],
    *,
    households: float,
    mean_size: float,
    alone: float,
    draws: Stream,
    ids: NDArray[np.uint32],
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Compose the households of one neighbourhood.

    Parameters
    ----------
    ages : uint8 array (n,)
        Single ages of its people; at least one is 18 or older.
    households, mean_size, alone : float
        Households, people a household, and people living alone, scaled to these `n` people.
    draws : Stream
        Random stream, keyed by `ids` (n,).

    Returns
    -------
    unit : uint32 array (n,)
        Household of each person, from 0; households first, then units of group quarters.
    quarters : bool array (units,)
        Whether a unit is group quarters: people beyond `households * mean_size`, all adults.
    """
    n = len(ages)
    home = np.full(n, -1, np.int64)
    adults = np.flatnonzero(ages >= ADULT)
    children = np.flatnonzero(ages < ADULT)
    waits = draws.exponential(ids)
    needed = max(1, -(-len(children) // (LARGEST - 1)))  # adults that the children need

    institution = min(n - round(households * mean_size), len(adults) - needed)
    marked = _pick(ages[adults], _INSTITUTION, institution, waits[adults])
    residents, adults = adults[marked], adults[~marked]

    people = n - max(institution, 0)
    single = max(round(alone), 2 * round(households) - people)  # else somebody has no companion
    single = min(single, len(adults) - needed)
    if not len(children) and len(adults) - single == 1:
        single += 1
    waits = draws.exponential(ids)
    marked = _pick(ages[adults], _ALONE, single, waits[adults])
    loners, adults = adults[marked], adults[~marked]
    home[loners] = np.arange(len(loners))
    count = len(loners)

    if len(adults):
        left = len(adults) + len(children)
        shared = int(np.clip(round(households) - len(loners), 1, min(len(adults), left // 2)))
        size = _sizes(left, shared, draws.uniform(ids))
        order = np.argsort(draws.uniform(ids)[:shared], kind="stable")
        u, v = draws.uniform(ids)[:shared], draws.uniform(ids)[:shared]
        kids = _children(size, len(children), u, v, order)
        _families(ages, adults, children, size, kids, draws, ids, home)
        home[adults] += count
        home[children] += count
        count += shared

    units = -(-len(residents) // QUARTERS)
    home[residents] = count + np.arange(len(residents)) * units // max(len(residents), 1)
    quarters = np.arange(count + units) >= count
    return home.astype(np.uint32), quarters


def _families(
    ages: NDArray[np.uint8],
    adults: Ints,
    children: Ints,
    size: Ints,
    kids: Ints,
    draws: Stream,
    ids: NDArray[np.uint32],
    home: Ints,
) -> None:
    """Seat children, parents, couples and others in the shared households, writing `home`."""
    family, couple = np.flatnonzero(kids > 0), np.flatnonzero(kids == 0)
    grown = size - kids
    jitter = draws.normal(ids)

    # Siblings are neighbours in age; families come in an order that says nothing about size.
    by_age = children[np.argsort(ages[children] + 3.0 * jitter[children], kind="stable")]
    _seat(by_age, family, kids[family], home)
    oldest = np.zeros(len(size), np.int64)
    np.maximum.at(oldest, home[children], ages[children])

    # Parents: those of fitting age, the younger with the younger children.
    parents = np.minimum(grown[family], 2)
    waits = draws.exponential(ids)
    marked = _pick(ages[adults], _PARENT, int(parents.sum()), waits[adults])
    mothers, others = adults[marked], adults[~marked]
    jitter = draws.normal(ids)
    first = np.argsort(oldest[family] + 1.5 * jitter[: len(family)], kind="stable")
    by_age = mothers[np.argsort(ages[mothers] + 2.0 * jitter[mothers], kind="stable")]
    _seat(by_age, family[first], parents[first], home)

    # What is left: couples (or friends) of like age, and grown children, relatives and flatmates.
    spare = grown.copy()
    spare[family] -= parents
    spare[couple] -= 2
    waits = draws.exponential(ids)
    marked = _pick(ages[others], _RELATIVE, int(spare.sum()), waits[others])
    relatives, partners = others[marked], others[~marked]
    u, jitter = draws.uniform(ids), draws.normal(ids)
    rank = np.where(spare[couple] > 0, 0.35 + 0.5 * u[: len(couple)], u[: len(couple)])
    by_age = partners[np.argsort(ages[partners] + 3.0 * jitter[partners], kind="stable")]
    _seat(by_age, couple[np.argsort(rank, kind="stable")], np.full(len(couple), 2), home)
    _seat(relatives[np.argsort(u[relatives], kind="stable")], np.arange(len(size)), spare, home)
