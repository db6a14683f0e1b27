"""One cast for each population of a world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from populace.kernel.cast import Cast
from populace.kernel.errors import CastError, WorldError, nearest
from populace.kernel.population import Population
from populace.kernel.world import World, own_shares


def cast_all(cast: Any, populations: Mapping[str, Population], world: World) -> dict[str, Cast]:
    """Return one cast a population."""
    where = f"Simulation of {type(world).__name__}"
    if not populations:
        raise WorldError("the world has no population", where=where, mend="make one in __init__")
    if cast is None:
        if not world.policies():
            raise CastError("the world offers no minds of its own", where=where, mend="give a cast")
        cast = own_cast(world)
    if not isinstance(cast, Mapping):
        if len(populations) > 1:
            raise CastError(
                f"the world has {len(populations)} populations: {', '.join(populations)}",
                where=where,
                mend="give a cast for each by name: {name: Cast(...)}",
            )
        cast = {next(iter(populations)): cast}
    for name in cast:
        if name not in populations:
            raise CastError(f"no population {name!r}; {nearest(name, populations)}", where=where)
    for name in populations:
        if name not in cast:
            raise CastError(f"population {name!r} has no cast", where=where)
    return {
        name: own if isinstance(own, Cast) else Cast({policy_name(own): own})
        for name, own in cast.items()
    }


def own_cast(world: World) -> Cast | dict[str, Cast]:
    """Return the cast that the world's author gives it; of several populations, one for each."""
    shares = own_shares(world)
    if set(shares) <= {""}:
        return Cast(world.policies(), shares=shares.get("", {}))
    casts = {}
    for population, own in shares.items():
        offered = world.policies()  # new ones: a mind serves one population
        casts[population] = Cast({name: offered[name] for name in own}, shares=own)
    return casts


def policy_name(policy: Any) -> str:
    name = getattr(policy, "__name__", type(policy).__name__)
    return "policy" if name == "<lambda>" else name.lower()
