"""The people of Brooklyn: census counts, single ages, households, classes and workplaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.worlds.brooklyn.contacts import Jobs, Schools, employ, enrol
from populace.worlds.brooklyn.figures import GROUP_STARTS, OLDEST, contact_rows, neighbourhoods
from populace.worlds.brooklyn.households import house

if TYPE_CHECKING:
    from populace.kernel.streams import Streams

ADULT: Final = 18
CENSUS: Final = 2_712_360


@dataclass(frozen=True, kw_only=True)
class People:
    """Columns of the synthesised people, sorted by neighbourhood and household.

    Attributes
    ----------
    area, sex, age, group : uint8 arrays (n,)
        Neighbourhood (index of `neighbourhoods().names`), sex, single age, census age group.
    household : uint32 array (n,)
        Household, numbered along the people; group quarters follow in units of their own.
    starts : uint32 array (households + 1,)
        First person of each household.
    quarters : bool array (households,)
        Whether the unit is group quarters.
    schools, jobs : Schools, Jobs
        Classes and workplaces.
    """

    area: NDArray[np.uint8]
    sex: NDArray[np.uint8]
    age: NDArray[np.uint8]
    group: NDArray[np.uint8]
    household: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    quarters: NDArray[np.bool_]
    schools: Schools
    jobs: Jobs

    def __len__(self) -> int:
        return len(self.age)


def apportion(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Split `total` in proportion to `counts` by largest remainders (ties to the first)."""
    everyone = int(counts.sum())
    if total == 0 or everyone == 0:
        return np.zeros_like(counts)
    exact = counts.ravel() * total
    share, rest = exact // everyone, exact % everyone
    order = np.argsort(-rest, kind="stable")
    share[order[: total - int(share.sum())]] += 1
    return share.reshape(counts.shape)


def census_sample(people: int) -> NDArray[np.int64]:
    """Return how many people of each (area, sex, age group) a sample of `people` holds.

    Neighbourhoods share the sample in proportion to the census, then the cells of each share its
    part, both by largest remainders. A neighbourhood so thinly sampled that only children would
    be in it gets an adult in place of one, since no child lives alone.

    Raises
    ------
    ParameterError
        If `people` is below 1 or above the census.
    """
    counts = neighbourhoods().people
    census = int(counts.sum())
    if not 1 <= people <= census:
        raise ParameterError(
            f"expected 1 to {census:,} people, got {people:,}",
            where="brooklyn people",
            mend=f"leave people out to simulate all {census:,}",
        )
    areas = apportion(counts.sum(axis=(1, 2)), people)
    cells = np.stack([apportion(c, int(n)) for c, n in zip(counts, areas, strict=True)])
    for area in np.flatnonzero((areas > 0) & (cells[:, :, 1:].sum(axis=(1, 2)) == 0)):
        sex, group = np.unravel_index(int(counts[area, :, 1:].argmax()), (2, 5))
        cells[area, int(cells[area, :, 0].argmax()), 0] -= 1
        cells[area, sex, group + 1] += 1
    return cells


def single_ages(group: NDArray[np.uint8], uniform: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw single ages within the census groups from the state's age distribution."""
    people = contact_rows()["people"]
    ages = np.empty(len(group), np.uint8)
    ends = (*GROUP_STARTS[1:], OLDEST + 1)
    for index, (start, end) in enumerate(zip(GROUP_STARTS, ends, strict=True)):
        law = np.cumsum(people[start:end])
        mine = np.flatnonzero(group == index)
        ages[mine] = start + np.searchsorted(law[:-1] / law[-1], uniform[mine], side="right")
    return ages


def synthesise(people: int, streams: Streams) -> People:
    """Make `people` people of Brooklyn (all 2,712,360 of the census, or a sample of it).

    Parameters
    ----------
    people : int
        1 to 2,712,360.
    streams : Streams
        Random streams; the same seed gives the same people.

    Raises
    ------
    ParameterError
        If `people` is out of range.
    """
    cells = census_sample(people)
    areas = cells.shape[0]
    kinds = np.indices(cells.shape).reshape(3, -1).astype(np.uint8)
    area, sex, group = (np.repeat(kind, cells.ravel()) for kind in kinds)
    age = single_ages(group, streams.stream("age").uniform(people))

    figures = neighbourhoods()
    sizes = cells.sum(axis=(1, 2))
    ends = np.cumsum(sizes)
    household = np.empty(people, np.uint32)
    quarters: list[NDArray[np.bool_]] = []
    first = 0
    draws = streams.stream("household")
    for index in range(areas):
        part = slice(int(ends[index] - sizes[index]), int(ends[index]))
        if not sizes[index]:
            continue
        scale = sizes[index] / figures.people[index].sum()
        unit, institution = house(
            age[part],
            households=scale * figures.households[index],
            mean_size=float(figures.mean_size[index]),
            alone=scale * figures.alone[index],
            draws=draws,
            ids=np.arange(part.start, part.stop, dtype=np.uint32),
        )
        household[part] = unit + first
        first += len(institution)
        quarters.append(institution)
    order = np.argsort(household, kind="stable")
    household = household[order]
    area, sex, group, age = area[order], sex[order], group[order], age[order]
    del order
    starts = np.searchsorted(household, np.arange(first + 1, dtype=np.uint32)).astype(np.uint32)
    place = streams.stream("place").uniform(people)
    schools = enrol(age, area, place, streams)
    jobs = employ(age, area, place, schools, streams)
    return People(
        area=area,
        sex=sex,
        age=age,
        group=group,
        household=household,
        starts=starts,
        quarters=np.concatenate(quarters),
        schools=schools,
        jobs=jobs,
    )
