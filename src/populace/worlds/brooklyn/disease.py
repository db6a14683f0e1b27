"""Kernels of the epidemic: who progresses, who is exposed to whom, who is infected.

Sums over people are integers and every draw is keyed by person, day and purpose, so that results
depend on neither threads nor order. Draws come from philox2x32 with keys of the world's streams.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from populace.kernel.jit import jit
from populace.kernel.philox_jit import log, uniform2x32

UNIT: Final = 1 << 20  # fixed point: one whole person's infectiousness over the disease
ACTIVITY: Final = 1 << 10  # fixed point of activity in the community

# State and Plan, as plain integers for the compiler (see `course`).
_S, _E, _P, _A, _I, _H, _R, _D = range(8)
_RECOVER, _HOSPITAL, _DIE_IN_HOSPITAL, _DIE_AT_HOME = range(4)
# Rows of `course.Law`.
_L_E, _L_P, _L_A, _L_MILD, _L_TO_H, _L_TO_D, _L_IN_H, _L_IN_D, _L_TEST = range(9)
# What is tallied by neighbourhood and age group.
INFECTED, ONSET, ADMITTED, DIED, RECOVERED = range(5)
TALLIES: Final = 5
# Where an infection happened.
SETTINGS: Final = ("home", "school", "work", "community", "elsewhere")


@jit
def days(law: Any, u: Any) -> Any:
    """Return the number of days, from 1, at which the law's distribution passes `u`."""
    d = 0
    while u >= law[d]:
        d += 1
    return np.uint8(d + 1)


@jit
def progress(
    active: Any,
    state: Any,
    timer: Any,
    day: Any,
    plan: Any,
    symptoms: Any,
    age: Any,
    area: Any,
    group: Any,
    tick: Any,
    keys: Any,
    laws: Any,
    clinical: Any,
    home_death: Any,
    hospital_death: Any,
    hospital: Any,
    mild: Any,
    severe: Any,
    ring: Any,
    tally: Any,
) -> Any:
    """Age every active infection by a day; return how many stay active (moved to the front).

    Parameters
    ----------
    active : uint32 array
        Rows of the exposed, infectious and hospitalised; compacted in place.
    keys : uint32 array (4,)
        Keys of the draws: branch, length of stay, test, length of the way to the test.
    mild, severe : float64 arrays (days,)
        Chance that symptoms, or an admission, are confirmed by a test on each day of the run.
    ring : int64 array (RING, areas, groups)
        Cases reported on day ``index % RING``.
    tally : int64 array (TALLIES, areas, groups)
    """
    kept = 0
    last = len(mild) - 1
    for k in range(len(active)):
        i = active[k]
        s = state[i]
        if (s in (_P, _A, _I)) and day[i] < 255:
            day[i] += np.uint8(1)
        timer[i] -= np.uint8(1)
        if timer[i] == 0:
            a = age[i]
            where, who = area[i], group[i]
            u = uniform2x32(i, tick, keys[0])
            v = uniform2x32(i, tick, keys[1])
            if s == _E:
                day[i] = 0
                if u < clinical[a]:
                    state[i] = _P
                    timer[i] = days(laws[_L_P], v)
                else:
                    state[i] = _A
                    timer[i] = days(laws[_L_A], v)
            elif s == _P:
                state[i] = _I
                symptoms[i] = True
                tally[ONSET, where, who] += 1
                if u < home_death[a]:
                    plan[i] = _DIE_AT_HOME
                    timer[i] = days(laws[_L_TO_D], v)
                elif u < home_death[a] + hospital_death[a]:
                    plan[i] = _DIE_IN_HOSPITAL
                    timer[i] = days(laws[_L_TO_H], v)
                elif u < home_death[a] + hospital_death[a] + hospital[a]:
                    plan[i] = _HOSPITAL
                    timer[i] = days(laws[_L_TO_H], v)
                else:
                    plan[i] = _RECOVER
                    timer[i] = days(laws[_L_MILD], v)
                    wait = days(laws[_L_TEST], uniform2x32(i, tick, keys[3]))
                    if wait >= len(ring):
                        wait = len(ring) - 1
                    if uniform2x32(i, tick, keys[2]) < mild[min(tick + wait, last)]:
                        ring[(tick + wait) % len(ring), where, who] += 1
            elif s == _I:
                symptoms[i] = False
                if plan[i] == _RECOVER:
                    state[i] = _R
                    tally[RECOVERED, where, who] += 1
                elif plan[i] == _DIE_AT_HOME:
                    state[i] = _D
                    tally[DIED, where, who] += 1
                else:
                    state[i] = _H
                    tally[ADMITTED, where, who] += 1
                    if uniform2x32(i, tick, keys[2]) < severe[min(tick, last)]:
                        ring[tick % len(ring), where, who] += 1
                    if plan[i] == _HOSPITAL:
                        timer[i] = days(laws[_L_IN_H], v)
                    else:
                        timer[i] = days(laws[_L_IN_D], v)
            elif s == _H and plan[i] == _DIE_IN_HOSPITAL:
                state[i] = _D
                tally[DIED, where, who] += 1
            else:  # from hospital, or never with symptoms
                state[i] = _R
                tally[RECOVERED, where, who] += 1
        if state[i] != _R and state[i] != _D:
            active[kept] = i
            kept += 1
    return kept


@jit
def shed(
    active: Any,
    state: Any,
    day: Any,
    stays: Any,
    area: Any,
    household: Any,
    classroom: Any,
    workplace: Any,
    phase: Any,
    class_open: Any,
    phase_open: Any,
    profile: Any,
    asymptomatic: Any,
    errands: Any,
    at_home: Any,
    in_class: Any,
    at_work: Any,
    around: Any,
) -> Any:
    """Sum the infectiousness present in every home, class, workplace and neighbourhood.

    Parameters
    ----------
    profile : int64 array
        Infectiousness by day since it began, in `UNIT`; `asymptomatic` the same without symptoms.
    errands : int
        Activity in the community of who stays at home, in `ACTIVITY`.
    at_home, in_class, at_work, around : int64 arrays
        The sums, by household, class, workplace and neighbourhood; all 0 when called.

    Returns
    -------
    int
        Infectiousness of all, those without symptoms counted in full, in `UNIT`: the denominator of
        the instantaneous reproduction number.
    """
    pressure = 0
    for k in range(len(active)):
        i = active[k]
        s = state[i]
        if s not in (_P, _A, _I) or day[i] >= len(profile):
            continue
        pressure += profile[day[i]]
        w = asymptomatic[day[i]] if s == _A else profile[day[i]]
        at_home[household[i]] += w
        if stays[i]:
            around[area[i]] += (w * errands) // ACTIVITY
            continue
        around[area[i]] += w
        if classroom[i] and class_open:
            in_class[classroom[i]] += w
        if workplace[i] and phase_open[phase[workplace[i]]]:
            at_work[workplace[i]] += w
    return pressure


@jit
def infect(
    start: Any,
    stop: Any,
    state: Any,
    timer: Any,
    age: Any,
    area: Any,
    household: Any,
    starts: Any,
    classroom: Any,
    workplace: Any,
    stays: Any,
    susceptibility: Any,
    at_home: Any,
    home_rate: Any,
    class_open: Any,
    in_class: Any,
    at_work: Any,
    around: Any,
    errands: Any,
    elsewhere: Any,
    tick: Any,
    key: Any,
    key_length: Any,
    key_place: Any,
    law: Any,
    fresh: Any,
    source: Any,
) -> Any:
    """Infect the susceptible of rows ``start..stop-1``; return `start` and how many.

    A person is infected with probability ``1 - exp(-hazard)``, the hazard being susceptibility by
    age times the infectiousness met at home, in class, at work and around, plus `elsewhere`.

    Parameters
    ----------
    at_home : int64 array (households,)
        Infectiousness in each household; it is met a head of the other members at `home_rate`.
    in_class, at_work, around : float64 arrays
        Hazard to a fully susceptible person who is there; entry 0 of classes and workplaces is 0.
    errands : float
        Activity in the community of who stays at home, 0..1.
    fresh, source : uint32 and uint8 arrays (people,)
        Rows of the newly infected from `start` on, and the index in `SETTINGS` of the place.
    """
    found = 0
    present, activity = (1.0, 0.0), (1.0, errands)
    for i in range(start, stop):
        if state[i] != _S:
            continue
        home = school = 0.0
        h = household[i]
        if at_home[h]:
            home = at_home[h] * home_rate / (starts[h + 1] - starts[h] - 1)
        # Products instead of branches, which would be mispredicted: who stays is hard to guess.
        at_large = present[np.uint8(stays[i])]
        community = around[area[i]] * activity[np.uint8(stays[i])]
        work = at_work[workplace[i]] * at_large
        if class_open:
            school = in_class[classroom[i]] * at_large
        mine = susceptibility[age[i]]
        hazard = mine * (home + school + work + community) + elsewhere
        u = uniform2x32(i, tick, key)
        if u >= hazard:  # u <= -log(1 - u): not infected, and no logarithm is needed
            continue
        if -log(1.0 - u) >= hazard:
            continue
        state[i] = _E
        timer[i] = days(law, uniform2x32(i, tick, key_length))
        fresh[start + found] = i
        # Where: the parts of the hazard are competing risks.
        aim = uniform2x32(i, tick, key_place) * hazard
        place = 4
        for part in range(4):
            piece = home if part == 0 else school if part == 1 else work if part == 2 else community
            if aim < mine * piece:
                place = part
                break
            aim -= mine * piece
        source[start + found] = place
        found += 1
    return start, found


@jit
def clear_homes(active: Any, household: Any, at_home: Any) -> None:
    """Set the sums of the households of active infections back to 0."""
    for k in range(len(active)):
        at_home[household[active[k]]] = 0


@jit
def mark_sick(active: Any, state: Any, household: Any, starts: Any, sick: Any) -> None:
    """Set `sick` for everybody who lives with somebody else who has symptoms."""
    for k in range(len(active)):
        i = active[k]
        if state[i] == _I:
            h = household[i]
            for j in range(starts[h], starts[h + 1]):
                if j != i:
                    sick[j] = True


@jit
def follow(
    start: Any,
    stop: Any,
    starts: Any,
    age: Any,
    state: Any,
    stays: Any,
    recent: Any,
    days_home: Any,
) -> None:
    """Let the children of households ``start..stop-1`` follow, and keep what all did of late.

    Children stay at home when at least half of the household's adults who are there do, and when
    none is there. `recent` holds the last seven days as bits, `days_home` their sum.
    """
    for h in range(start, stop):
        adults = home = 0
        for i in range(starts[h], starts[h + 1]):
            if age[i] >= 18 and state[i] != _H and state[i] != _D:
                adults += 1
                home += stays[i]
        follows = 2 * home >= adults
        for i in range(starts[h], starts[h + 1]):
            if age[i] < 18:
                stays[i] = follows
            bits = ((np.uint32(recent[i]) << np.uint32(1)) | np.uint32(stays[i])) & np.uint32(127)
            recent[i] = bits
            count = bits - ((bits >> np.uint32(1)) & np.uint32(0x55))
            count = (count & np.uint32(0x33)) + ((count >> np.uint32(2)) & np.uint32(0x33))
            days_home[i] = (count + (count >> np.uint32(4))) & np.uint32(15)


@jit
def staying(
    start: Any,
    stop: Any,
    minds: Any,
    groups: Any,
    state: Any,
    age: Any,
    group: Any,
    mind: Any,
    stays: Any,
) -> Any:
    """Count who was asked among rows ``start..stop-1``, int64 [mind, age group, stays]."""
    counts = np.zeros((minds, groups, 2), np.int64)
    for i in range(start, stop):
        if age[i] >= 18 and state[i] != _H and state[i] != _D:
            counts[mind[i], group[i], np.uint8(stays[i])] += 1
    return counts
