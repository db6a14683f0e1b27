"""Mixture of agents: layers that each read the one before, and an aggregator.

J. Wang, J. Wang, B. Athiwaratkun, C. Zhang and J. Zou, "Mixture-of-Agents Enhances Large Language
Model Capabilities" (2024; ICLR 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from populace.teams.interface import Members, Question, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality


async def mixture(
    members: Members,
    question: Question,
    *,
    layers: int = 3,
    proposers: Sequence[int | str] | None = None,
    aggregator: int | str = 0,
) -> Verdict:
    """Propose, propose again on all proposals, and let one member aggregate the last ones.

    Parameters
    ----------
    layers : int
        With the aggregator's (3 in the paper, with six proposers).
    proposers : sequence of position or name, optional
        Who proposes; by default everybody, the aggregator too (as in the paper).
    aggregator : position or name
        Whose answer it is.

    Notes
    -----
    What the paper puts into each prompt, all responses of the layer before, is here the others'
    responses, and a member's own as its own earlier words. An aggregator whose answer cannot be
    read leaves none.
    """
    expect(layers >= 2, "2 or more layers", layers, "layers")
    last = position(members, aggregator, "aggregator")
    given = range(len(members)) if proposers is None else proposers
    able = [position(members, who, "proposers") for who in given]
    expect(len(set(able)) == len(able) > 0, "different proposers", proposers, "proposers")
    said = await members.ask(to=able)
    for layer in range(1, layers):
        to = able if layer < layers - 1 else [last]
        said = await members.ask("aggregate", to=to, sees=[one for one in said if one.text])
    return replace(plurality(said), reason="aggregated")
