"""Seats: agents cast by hand on the command line, as in ``--cast human@3,greedy=1``.

``NAME@ID`` or ``NAME@ID+ID`` casts agents by their ids, ``NAME/OTHER@ID`` with a stand-in that
decides where NAME does not, ``POPULATION.NAME@ID`` those of one of several populations. In a file
the same as a table ``[seats]``, or ``[seats.POPULATION]``::

    [seats]
    "human/careful" = [3]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from populace.cli.speaking import wrapped
from populace.kernel.cast import Cast
from populace.kernel.errors import CastError
from populace.policies.deputies import Deputies
from populace.policies.fallback import Fallback
from populace.policies.human import Human
from populace.teams import Team

MEND = "for instance --cast human@3,greedy=1 or human/careful@0+3"


@dataclass(frozen=True)
class Seat:
    """A policy for some agents, by ids.

    Attributes
    ----------
    policy : str
    to : str
        Name of the stand-in; empty for none that is named.
    ids : tuple of int
    """

    policy: str
    to: str
    ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name in the cast."""
        return f"{self.policy}/{self.to}" if self.to else self.policy


def parse(text: str) -> Seat:
    """Read ``NAME@ID+ID`` or ``NAME/OTHER@ID+ID``.

    Raises
    ------
    CastError

    Examples
    --------
    >>> parse("human/careful@0+3")
    Seat(policy='human', to='careful', ids=(0, 3))
    """
    named, _, ids = text.rpartition("@")
    numbers = [each.strip() for each in ids.split("+")]
    if not all(number.isdecimal() for number in numbers):
        raise CastError(f"expected NAME@ID or NAME@ID+ID, got {text!r}", where="--cast", mend=MEND)
    return seat(named, [int(number) for number in numbers])


def table(given: Any, where: str) -> list[Seat]:
    """Read a table ``[seats]`` of a file.

    Raises
    ------
    CastError
    """
    if not isinstance(given, Mapping):
        raise CastError(f"expected [seats] as a table, got {given!r:.60}", where=where)
    found = []
    for named, ids in given.items():
        ids = ids if isinstance(ids, list) else [ids]
        if not ids or not all(type(each) is int and each >= 0 for each in ids):
            raise CastError(f"expected ids of agents, got {ids!r:.60}", where=f"seats, {named!r}")
        found.append(seat(named, ids))
    return found


def seat(named: str, ids: Iterable[int]) -> Seat:
    """Return the seat of a policy, or of ``policy/stand-in``.

    Raises
    ------
    CastError
    """
    name, slash, to = (part.strip() for part in named.partition("/"))
    if not name or bool(slash) != bool(to) or "/" in to or name == to:
        raise CastError(
            f"expected NAME or NAME/OTHER for seats, got {named!r}", where="--cast", mend=MEND
        )
    return Seat(name, to, tuple(ids))


def seated(
    seats: Iterable[Seat], shares: Mapping[str, float], policy: Callable[[str], Any]
) -> Cast:
    """Return a cast by shares in which some agents are cast by hand.

    Where a person without a named stand-in does not decide, the policy does that the shares would
    have given to the seat.

    Parameters
    ----------
    policy : function of a name that returns the policy, always the same one

    Raises
    ------
    CastError
        If an agent is given two seats, or a person more than there can be.
    """
    seats = list(seats)
    everyone = [id for each in seats for id in each.ids]
    if twice := next((id for id in everyone if everyone.count(id) > 1), None):
        raise CastError(f"agent {twice} is given two seats", where="--cast")
    shares = {**shares, **{each.to: 0.0 for each in seats if each.to and each.to not in shares}}
    policies = {name: policy(name) for name in shares}
    others = {name: share for name, share in shares.items() if not asks_people(policies[name])}
    for each in seats:
        one = policy(each.policy)
        person = next(people(one), None)
        if person is not None and len(each.ids) > person.seats:
            raise CastError(
                f"{len(each.ids)} agents for one person, who has {person.seats} seats",
                where=f"--cast {each.name}",
                mend="cast fewer, or give seats = ... in [policies.NAME] of a file",
            )
        if each.to:
            policies[each.name] = Fallback(one, to=Deputies(policies, {each.to: 1.0}))
        elif person is not None and sum(others.values()) > 0:
            policies[each.name] = Fallback(one, to=Deputies(policies, others))
        else:
            policies[each.name] = one
    assign: dict[str, Any] = {}
    for each in seats:
        assign[each.name] = np.array([*assign.get(each.name, ()), *each.ids], np.intp)
    return Cast(policies, shares, assign)


def people(policy: Any) -> Iterator[Human]:
    """Yield the people who are asked by a policy, or are members of a team that is."""
    for each in wrapped(policy):
        if isinstance(each, Human):
            yield each
        elif isinstance(each, Team):
            for seat in each.seats:
                yield from people(seat.team or seat.policy)


def asks_people(policy: Any) -> bool:
    """Whether a policy asks a person, or wraps one that does."""
    return next(people(policy), None) is not None


def unattended(cast: Any) -> Any:
    """Return a cast for many runs, at which nobody sits.

    Raises
    ------
    CastError
        If a person decides.
    """
    casts = cast.values() if isinstance(cast, dict) else [cast]
    if any(asks_people(p) for own in casts if own is not None for p in own.policies.values()):
        raise CastError(
            "a person decides in this cast, who would be asked in every run",
            mend="populace run it once; its replies can be played again: --replies",
        )
    return cast
