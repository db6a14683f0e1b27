"""Arms of a comparison: one world, made in several ways.

Every draw is keyed by seed, stream, tick and agent, so that arms run with one seed share every draw
that what sets them apart does not touch (common random numbers): their difference varies less than
that of runs with different seeds, and `populace.studies.compare` measures how much less.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from populace.kernel.cast import Cast, with_synonyms
from populace.kernel.errors import CastError, ParameterError, nearest
from populace.kernel.policy import as_policy
from populace.kernel.registry import load, registered
from populace.kernel.world import World, own_shares
from populace.simulation.casts import own_cast
from populace.simulation.interventions import gathered
from populace.studies.folder import described


@runtime_checkable
class CastMaker(Protocol):
    """Makes a cast for a world, where the run is: for minds that cannot be copied or sent."""

    def make(self, world: World) -> Any: ...


@dataclass(frozen=True)
class Arm:
    """One way to run a world.

    Parameters
    ----------
    name : str
    parameters : mapping
        Of the world, beside those that all arms share.
    cast : Cast, policy, mapping or CastMaker, optional
        As `Simulation` takes it, copied for every run; or a mapping of names to numbers, the shares
        of minds that the world offers. By default that of all arms.
    interventions : as `Simulation` takes them, optional
        Beside those that all arms share.
    swap : mapping of str to str
        One group's mind replaced by another, by name: ``{"model": "careful"}``. The group keeps its
        name and its agents, and all else its draws. The other mind is one of the cast, one that the
        world offers, or a registered one.

    Examples
    --------
    >>> Arm("late", {"order": "2020-03-29"}).describe()
    {'name': 'late', 'parameters': {'order': '2020-03-29'}}
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cast: Any = None
    interventions: Any = ()
    swap: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ParameterError(f"expected a name, got {self.name!r}", where="Arm")
        for what in ("parameters", "swap"):
            if not isinstance(getattr(self, what), Mapping):
                raise ParameterError(
                    f"expected {what} by name, got {getattr(self, what)!r:.60}", where=self.label
                )

    @property
    def label(self) -> str:
        return f"arm {self.name!r}"

    def describe(self) -> dict[str, Any]:
        """Return what sets the arm apart, as plain data."""
        told = {
            "parameters": described(self.parameters),
            "cast": None if self.cast is None else described(self.cast),
            "interventions": [each.describe() for each in gathered(self.interventions)],
            "swap": dict(self.swap),
        }
        return {"name": self.name, **{name: value for name, value in told.items() if value}}

    def on(self, common: Arm) -> Arm:
        """Return this arm with what all arms share put before its own."""
        return replace(
            self,
            parameters={**common.parameters, **self.parameters},
            cast=common.cast if self.cast is None else self.cast,
            interventions=[*gathered(common.interventions), *gathered(self.interventions)],
            swap={**common.swap, **self.swap},
        )


@dataclass(frozen=True)
class Arms:
    """The factory of a sweep over arms: called with an arm's name, it makes what runs.

    Attributes
    ----------
    world : str, World class or callable
        A registered world, or what makes one from parameters.
    arms : sequence of Arm
        Complete: what they share is in each (`Arm.on`).
    resources : callable, optional
        Returns further arguments of `Simulation` for a run that spends: answers, budget, prices.
    """

    world: str | type[World] | Callable[..., World]
    arms: Sequence[Arm]
    resources: Callable[[], Mapping[str, Any]] | None = None

    def __call__(self, arm: str) -> dict[str, Any]:
        found = self.made(next(each for each in self.arms if each.name == arm))
        if self.resources is None or not spends(found["cast"], found["world"]):
            return found
        return {**found, **self.resources()}

    def describe(self) -> dict[str, Any]:
        return {"world": described(self.world), "arms": [each.describe() for each in self.arms]}

    def made(self, arm: Arm) -> dict[str, Any]:
        """Return world, cast and interventions of an arm, as arguments of `Simulation`."""
        make = load("world", self.world) if isinstance(self.world, str) else self.world
        try:
            world = make(**copy.deepcopy(dict(arm.parameters)))
        except ParameterError as error:
            where = f"{arm.label}: {error.where}" if error.where else arm.label
            raise ParameterError(error.what, where=where, mend=error.mend) from None
        if not isinstance(world, World):
            raise ParameterError(f"expected a World, got {world!r:.60}", where=arm.label)
        cast = cast_of(arm.cast, world)
        if arm.swap:
            cast = swapped(cast, world, arm)
        return {"world": world, "cast": cast, "interventions": gathered(arm.interventions)}


def cast_of(given: Any, world: World) -> Any:
    """Return a cast of one's own, as `Simulation` takes it; None for the world's own."""
    if isinstance(given, CastMaker):
        return given.make(world)
    if isinstance(given, Mapping) and given and all(map(_is_number, given.values())):
        offered = with_synonyms(world.policies())
        for name in given:
            if name not in offered:
                raise CastError(
                    f"the world offers no {name!r}; {nearest(name, offered)}", where="cast"
                )
        return Cast({name: offered[name] for name in given}, shares=given)
    return copy.deepcopy(given)


def spends(cast: Any, world: World) -> bool:
    """Whether a mind of the cast (None: the world's own) takes resources, as models do."""
    casts = cast.values() if isinstance(cast, Mapping) else [cast]
    minds = [each for own in casts for each in getattr(own, "policies", {"": own}).values()]
    if cast is None:
        used = {name for own in own_shares(world).values() for name in own if own[name]}
        minds = [mind for name, mind in world.policies().items() if name in used]
    return any(hasattr(mind, "equip") for mind in minds)


def swapped(cast: Any, world: World, arm: Arm) -> Any:
    """Return the cast with the groups' minds replaced as the arm says, all at once.

    Raises
    ------
    CastError
        If there is no such group, or no such mind.
    """
    if cast is None:
        cast = own_cast(world)
    casts = cast if isinstance(cast, Mapping) else {"": cast}
    own = {key: each for key, each in casts.items() if isinstance(each, Cast)}
    groups = [name for each in own.values() for name in each.names]
    for old in arm.swap:
        if old not in groups:
            raise CastError(f"no group {old!r} to swap; {nearest(old, groups)}", where=arm.label)
    minds = [  # before any is replaced, so that two groups may trade
        (each, old, _mind(new, own, world, arm))
        for old, new in arm.swap.items()
        for each in own.values()
        if old in each.names
    ]
    for each, old, mind in minds:  # the cast is ours: made or copied for this run
        each.policies[old] = as_policy(mind, old)
    return cast


def _mind(name: str, casts: Mapping[str, Cast], world: World, arm: Arm) -> Any:
    """Return a mind by name, shared with no group."""
    for key, cast in casts.items():
        if name in cast.policies:
            try:
                return copy.deepcopy(cast.policies[name])
            except Exception:  # an open model, for instance: it is made again with its cast
                again = cast_of(arm.cast, world)
                again = again[key] if isinstance(again, Mapping) else again
                return again.policies[name]
    if name in (offered := with_synonyms(world.policies())):
        return offered[name]
    if name in registered("policy"):
        found = load("policy", name)
        return found() if isinstance(found, type) else found
    known = [each for cast in casts.values() for each in cast.names]
    names = {*known, *offered, *registered("policy")}
    raise CastError(f"no mind is named {name!r}; {nearest(name, names)}", where=arm.label)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
