"""Card 1, votes over members: plurality, weighted, by stated confidence.

The majority of independent voters: Condorcet (1785). Weights by log-odds of each voter's accuracy:
S. Nitzan and J. Paroush, International Economic Review 23(2), 1982.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from populace.teams import votes
from populace.teams.interface import Members, Question, Verdict
from populace.teams.settings import by_member, expect


async def vote(
    members: Members,
    question: Question,
    *,
    weights: Sequence[float] | Mapping[str, float] | None = None,
) -> Verdict:
    """Ask every member once, independently, and take the plurality.

    Parameters
    ----------
    weights : sequence, or mapping of name to float, optional
        A weight a member, as from `votes.log_odds` on a validation split; by default equal.
    """
    table = [1.0] * len(members) if weights is None else weights
    if isinstance(table, Mapping):
        table = [w for _, w in sorted(by_member(members, table, "weights").items())]
    expect(len(table) == len(members), f"{len(members)} weights, one a member", table, "weights")
    return votes.weighted(await members.ask(), table, members.random)


async def confidence_vote(
    members: Members,
    question: Question,
    *,
    calibration: Callable[[float], float] | Mapping[str, Callable[[float], float]] | None = None,
) -> Verdict:
    """Ask every member for an answer and how sure it is, and weigh its vote by that.

    Parameters
    ----------
    calibration : callable, or mapping of name to callable, optional
        From stated confidence to the probability of being right (`populace.teams.calibration`);
        then a vote weighs its log-odds. By default it weighs what was stated.
    """
    maps = (
        by_member(members, calibration, "calibration")
        if isinstance(calibration, Mapping)
        else calibration
    )
    said = await members.ask("sure")
    return votes.confidence_weighted(said, members.random, maps)
