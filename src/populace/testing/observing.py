"""Observations without a world, to try a policy on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from populace.kernel.exchange import fitting
from populace.kernel.observation import Observation
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Space
from populace.kernel.streams import Streams


def observe(
    kind: str,
    agents: Population | Part | int,
    space: Space,
    *,
    see: Sequence[str] = (),
    seed: int = 0,
    tick: int = 0,
    **columns: Any,
) -> Observation:
    """Return what a policy would be shown if a world asked these agents.

    Parameters
    ----------
    kind : str
    agents : Population, Part or int
        A number stands for a new population of that many.
    space : Space
    see : sequence of str
        Columns of the population that are shown.
    seed, tick : int
        What `Observation.random` draws by, as in a `Simulation` of that seed at that tick.
    **columns : scalar, or array of shape (n, ...) aligned with the agents

    Examples
    --------
    >>> from populace import Choice, Rule
    >>> o = observe("buy", 3, Choice(["no", "yes"]), price=[1.0, 5.0, 2.0])
    >>> Rule(buy=lambda o: o["price"] < 3).act(o).tolist()
    [True, False, True]
    """
    if isinstance(agents, int):
        agents = Population(agents, name="people")
    part = agents.everyone if isinstance(agents, Population) else agents
    name = part.population.name or "people"
    return Observation(
        kind,
        space,
        part,
        tick,
        see=tuple(see),
        given=fitting(columns, len(part), kind),
        streams=Streams(seed).named("ask"),
        stream=f"{name}/{kind}",
    )
