"""Card 1, self-consistency: many samples, one vote.

X. Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models" (ICLR
2023): independent samples at a temperature above 0, the plurality of their final answers.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect
from populace.teams.votes import lead, weighted


async def self_consistency(
    members: Members,
    question: Question,
    *,
    k: int | None = 40,
    stop: bool = True,
    allot: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
) -> Verdict:
    """Vote over `k` samples.

    Parameters
    ----------
    k : int or None
        Samples in all (40 in the paper). None samples until the item's budget is exhausted, or
        every member in turn has spent nothing of it (a rule; a record that has no more); a budget
        that ends before `k` has the same effect.
    stop : bool
        End as soon as the leader cannot be caught, (first - second) > remaining: the answer is the
        one that all `k` would have given. No sample is asked before it is known to be needed.
    allot : sequence of float, optional
        Shares of the samples among the members; by default round-robin.
    weights : sequence of float, optional
        What a vote of each member weighs, as from `votes.log_odds`; by default 1.

    Returns
    -------
    Verdict
        ``reason`` is ``done``, ``uncatchable``, ``budget`` or ``free`` (nothing was spent).

    Raises
    ------
    ParameterError
        If `k` is None and the item has no budget, or shares or weights do not fit the members.
    """
    n = len(members)
    weigh = [1.0] * n if weights is None else list(weights)
    expect(k is None or k >= 1, "1 or more samples", k, "k")
    expect(k is not None or bool(members.left()), "a budget an item when k is None", None, "k")
    expect(len(weigh) == n, f"{n} weights, one a member", weigh, "weights")
    turns = allotment(n, allot)
    said: list[Said] = []
    free, left = 0, members.left()
    ahead, most, reason = list(itertools.islice(turns, k or 1)), k or 1, "done"
    while ahead:
        wanted = len(ahead)
        if stop and k is not None:
            found = weighted(said, weigh).votes
            wanted = _needed(lead(found), [abs(weigh[member]) for member, _ in ahead])
        if wanted == 0:
            reason = "uncatchable"
            break
        ask = ahead[: min(wanted, most)]
        try:
            said += await members.ask(
                to=[who for who, _ in ask], sample=[sample for _, sample in ask], fresh=True
            )
        except OutOfBudget:
            if len(ask) > 1:
                most = len(ask) // 2  # fewer may still fit
                continue
            if not said:
                raise
            reason = "budget"
            break
        ahead = ahead[len(ask) :]
        if k is None:
            free, left = (free + 1 if members.left() == left else 0), members.left()
            if free >= n:
                reason = "free"
                break
            ahead.append(next(turns))
    return replace(weighted(said, weigh, members.random), reason=reason)


def _needed(lead: float, ahead: Sequence[float]) -> int:
    """Return how many of the weights ahead must be cast before the leader can be out of reach.

    Even if all of them went to the leader, fewer could not settle it.
    """
    rest = math.fsum(ahead) * (1 + 1e-9)  # equal sums of floats are a tie, and no lead
    for n, weight in enumerate(ahead):
        if lead > rest:
            return n
        lead, rest = lead + weight, rest - weight
    return len(ahead)


def allotment(n: int, shares: Sequence[float] | None = None) -> Iterator[tuple[int, int]]:
    """Yield (member, its sample number) without end, each member as often as its share.

    The member that is furthest behind its share comes next, the first of equals: without shares,
    round-robin.

    Raises
    ------
    ParameterError
        If there is not one share of 0 or more for each member, or all are 0.

    Examples
    --------
    >>> [member for member, _ in itertools.islice(allotment(2, [3, 1]), 8)]
    [0, 0, 1, 0, 0, 0, 1, 0]
    """
    weights = [1.0] * n if shares is None else [float(share) for share in shares]
    good = len(weights) == n and all(w >= 0 for w in weights) and 0 < sum(weights) < float("inf")
    expect(good, f"{n} shares of 0 or more, not all 0", shares, "allot")
    return _allotted([weight / sum(weights) for weight in weights])


def _allotted(shares: Sequence[float]) -> Iterator[tuple[int, int]]:
    taken: Counter[int] = Counter()
    for turn in itertools.count(1):
        behind = [round(share * turn - taken[i], 9) for i, share in enumerate(shares)]
        member = behind.index(max(behind))
        yield member, taken[member]
        taken[member] += 1
