"""Where people meet outside their home: school classes, colleges and workplaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from populace.worlds.brooklyn.figures import contact_rows

if TYPE_CHECKING:
    from populace.kernel.streams import Streams

Ages = NDArray[np.uint8]

NOWHERE: Final = 0  # group number of those who have no class or no workplace

#: Pupils a class: nursery (assumption), school (NYC Department of Education, Class Size Report
#: 2019-20: averages of 23 to 27 by grade), college course group (assumption).
CLASS_SIZE: Final = {"nursery": 12, "school": 25, "college": 30}
STAFF_A_CLASS: Final = 2

# Kinds of work. Shares of employed people outside schools:
# - essential on site 0.30: about a quarter of the city's workers in the frontline industries of the
#   Comptroller (New York City's Frontline Workers, March 2020), more under the state's wider list;
# - remote-capable 0.37: Dingel and Neiman 2020, How many jobs can be done at home?, Journal of
#   Public Economics 189:104235 (37 % of US jobs; 41 % in the New York metropolitan area);
# - the rest works on site in what the order closed.
NO_WORK, ESSENTIAL, ON_SITE, REMOTE, TEACHING = range(5)
ESSENTIAL_SHARE: Final = 0.30
REMOTE_SHARE: Final = 0.37
#: When closed workplaces open again: share of on-site jobs by phase 1 to 4 of the state's plan
#: (construction and manufacturing; shops; personal care; arts). A rough division of ours.
PHASE_SHARES: Final = (0.25, 0.45, 0.20, 0.10)

#: Sizes of workplaces: p(k) ~ k**-2.06 (Axtell 2001, Zipf distribution of U.S. firm sizes, Science
#: 293:1818, exponent of the density), from 2, where there is somebody to meet, to 1,000.
SIZE_EXPONENT: Final = 2.06
LARGEST_WORKPLACE: Final = 1000
LOCAL_WORK: Final = 0.25  # share of workers whose colleagues live nearby (assumption)


@dataclass(frozen=True, kw_only=True)
class Schools:
    """Classes: `group` (n,) uint32, 0 for none; `size` (classes + 1,); `staff` (n,) bool."""

    group: NDArray[np.uint32]
    size: NDArray[np.uint32]
    staff: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Work: `kind` (n,) uint8; `group` (n,) uint32, 0 for none; `size` and `phase` a workplace.

    Phase 0 is never closed; 1 to 4 open with that phase of the state's plan.
    """

    kind: NDArray[np.uint8]
    group: NDArray[np.uint32]
    size: NDArray[np.uint32]
    phase: NDArray[np.uint8]


def _split(members: NDArray[np.int64], size: int, first: int, group: NDArray[np.uint32]) -> int:
    """Cut `members`, in order, into even groups of about `size`; return the next free number."""
    groups = max(1, round(len(members) / size)) if len(members) else 0
    group[members] = first + np.arange(len(members)) * groups // max(len(members), 1)
    return first + groups


def enrol(age: Ages, area: Ages, place: NDArray[np.float64], streams: Streams) -> Schools:
    """Put children, students and staff into classes.

    A person takes part in a school with the published share of that age (`contact_rows`), decided
    by the uniform `place`. Classes hold pupils of one age and of one neighbourhood as far as they
    fill; colleges mix the borough. Those of 30 and over are staff, two a class, or at college.
    """
    n = len(age)
    inside = place < contact_rows()["school"][age]
    group = np.zeros(n, np.uint32)
    shuffle = streams.stream("class").uniform(n)
    free = 1
    for name, low, high in (("nursery", 0, 5), ("school", 5, 18)):
        pupils = np.flatnonzero(inside & (age >= low) & (age < high))
        key = (age[pupils].astype(np.int64) * 256 + area[pupils]) + shuffle[pupils]
        free = _split(pupils[np.argsort(key, kind="stable")], CLASS_SIZE[name], free, group)
    classes = free - 1
    grown = np.flatnonzero(inside & (age >= 30))
    grown = grown[np.argsort(shuffle[grown], kind="stable")]
    staff, scholars = grown[: STAFF_A_CLASS * classes], grown[STAFF_A_CLASS * classes :]
    group[staff] = 1 + np.arange(len(staff)) % max(classes, 1)
    students = np.concatenate((np.flatnonzero(inside & (age >= 18) & (age < 30)), scholars))
    _split(
        students[np.argsort(shuffle[students], kind="stable")], CLASS_SIZE["college"], free, group
    )
    teaching = np.zeros(n, np.bool_)
    teaching[staff] = True
    return Schools(group=group, size=np.bincount(group).astype(np.uint32), staff=teaching)


def _workplaces(
    workers: NDArray[np.int64], first: int, group: NDArray[np.uint32], streams: Streams
) -> int:
    """Cut `workers`, in order, into workplaces of heavy-tailed size; return the next number."""
    n = len(workers)
    if n == 0:
        return first
    largest = max(2, min(LARGEST_WORKPLACE, n // 20))
    size = np.arange(2, largest + 1)
    law = np.cumsum(size**-SIZE_EXPONENT)
    u = streams.stream(f"workplace/{first > 1}").uniform(n // 2 + 1)
    drawn = 2 + np.searchsorted(law[:-1] / law[-1], u, side="right")
    last = np.cumsum(drawn)
    count = int(np.searchsorted(last, n - 1))  # whole workplaces that leave nobody or two or more
    ends = np.append(last[:count], n) if count == 0 or last[count - 1] < n else last[:count]
    if len(ends) > 1 and ends[-1] - ends[-2] < 2:
        ends = np.delete(ends, -2)
    group[workers] = first + np.searchsorted(ends, np.arange(n), side="right")
    return first + len(ends)


def employ(
    age: Ages, area: Ages, place: NDArray[np.float64], schools: Schools, streams: Streams
) -> Jobs:
    """Put workers into workplaces and say what kind of work it is.

    A person works with the published share of that age, decided by the same uniform `place`, so
    that nobody has both a class and a workplace; school staff work in their class. A workplace is
    essential, remote-capable or neither as a whole, and has one phase of reopening.
    """
    n = len(age)
    rows = contact_rows()
    school = rows["school"][age]
    works = (place >= school) & (place < school + rows["work"][age])
    draw = streams.stream("work")
    shuffle, local = draw.uniform(n), draw.uniform(n) < LOCAL_WORK
    group = np.zeros(n, np.uint32)
    free = 1
    for near in (True, False):
        workers = np.flatnonzero(works & (local == near))
        key = shuffle[workers] + (area[workers] if near else 0)
        free = _workplaces(workers[np.argsort(key, kind="stable")], free, group, streams)

    u = streams.stream("industry").uniform(free)
    kind = np.where(u < ESSENTIAL_SHARE + REMOTE_SHARE, REMOTE, ON_SITE).astype(np.uint8)
    kind[u < ESSENTIAL_SHARE] = ESSENTIAL
    edges = ESSENTIAL_SHARE + REMOTE_SHARE
    rank = np.clip((u - edges) / (1 - edges), 0, 1)
    phase = (1 + np.searchsorted(np.cumsum(PHASE_SHARES)[:-1], rank, side="right")).astype(np.uint8)
    phase[kind == REMOTE] = 2  # offices opened with phase 2
    phase[kind == ESSENTIAL] = 0
    kind[0] = NO_WORK
    mine = kind[group]
    mine[schools.staff] = TEACHING
    return Jobs(
        kind=mine,
        group=group,
        size=np.bincount(group, minlength=free).astype(np.uint32),
        phase=phase,
    )
