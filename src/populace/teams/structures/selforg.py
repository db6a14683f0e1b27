"""Card 7, SelfOrg: who hears whom follows from what was said.

"Self-organising" orchestration by response-conditioned graphs, arXiv 2510.00685 (2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from populace.language.embedding import Embed, units
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect
from populace.teams.votes import plurality

_EQUAL = 1e-9  # contributions no further apart are tied: rounding must not order them


async def selforg(
    members: Members,
    question: Question,
    *,
    rounds: int = 2,
    threshold: float = 0.5,
    top: int | None = None,
    embed: Embed | None = None,
) -> Verdict:
    """Answer alone, then revise along a graph drawn from how the answers resemble one another.

    Parameters
    ----------
    rounds : int
        Of revision (2 in the paper).
    threshold : float
        Least cosine of two responses for an edge between them (ours).
    top : int, optional
        Most predecessors of a member, the most alike; by default any number.
    embed : callable, optional
        Embeddings of texts, array of shape (n, d); by default
        `populace.language.embedding.sentences` (MiniLM in the paper).

    Returns
    -------
    Verdict
        The answer of the response nearest to the mean weighted by contribution. ``votes`` holds
        each answer's greatest cosine to it; ``reason`` is ``done`` or ``budget``.

    Notes
    -----
    A member revises when all its predecessors have, and sees what they said this round; who has
    none lets its response stand. What has no answer is nobody's predecessor and no part of any
    mean; it hears all that have one (ours).
    """
    expect(rounds >= 0, "0 or more rounds", rounds, "rounds")
    expect(-1 <= threshold <= 1, "a cosine", threshold, "threshold")
    expect(top is None or top >= 1, "1 or more predecessors", top, "top")
    held = await members.ask()
    reason = "done"
    try:
        for _ in range(rounds):
            before = _predecessors(held, threshold, top, embed)
            depth = depths(before)
            for level in range(1, max(depth, default=0) + 1):
                who = [i for i, d in enumerate(depth) if d == level]
                sees = {i: [held[j] for j in before[i]] for i in who}
                for said in await members.ask("revise", to=who, sees=sees):
                    held[said.member] = said
    except OutOfBudget:
        reason = "budget"
    return replace(_nearest(members, held, embed), reason=reason)


def contributions(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each unit vector's cosine with their mean: what stands for its Shapley value."""
    mean = rows.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(rows @ mean / length) if length > 0 else np.zeros(len(rows))


def graph(
    alike: NDArray[np.float64],
    psi: NDArray[np.float64],
    threshold: float,
    top: int | None = None,
) -> list[list[int]]:
    """Return each node's predecessors: alike, of no less contribution, and without a cycle.

    Edges between equals are possible both ways at first. Of every cycle the weakest edge is left
    out, of equal ones that of the higher number: edges enter from the strongest on, unless they
    close a cycle.
    """
    n = len(psi)
    wanted: list[tuple[float, int, int]] = []
    for i in range(n):
        into = [
            (-float(alike[j, i]), j, i)
            for j in range(n)
            if j != i and alike[j, i] >= threshold and psi[j] >= psi[i] - _EQUAL
        ]
        wanted += sorted(into)[:top]
    before: list[list[int]] = [[] for _ in range(n)]
    reaches = np.eye(n, dtype=bool)  # [a, b]: b is a, or comes after it
    for _, j, i in sorted(wanted):
        if not reaches[i, j]:
            before[i].append(j)
            reaches |= np.outer(reaches[:, j], reaches[i])
    return [sorted(into, key=lambda j: (-psi[j], j)) for into in before]


def depths(before: Sequence[Sequence[int]]) -> list[int]:
    """Return the length of the longest path that ends at each node of an acyclic graph."""
    found: dict[int, int] = {}

    def depth(i: int) -> int:
        if i not in found:
            found[i] = 1 + max((depth(j) for j in before[i]), default=-1)
        return found[i]

    return [depth(i) for i in range(len(before))]


def _predecessors(
    held: Sequence[Said], threshold: float, top: int | None, embed: Embed | None
) -> list[list[int]]:
    able = [i for i, said in enumerate(held) if said.votes]
    before: list[list[int]] = [able if i not in able else [] for i in range(len(held))]
    if len(able) > 1:
        rows = units([held[i].text for i in able], embed)
        psi = contributions(rows)
        for i, into in zip(able, graph(rows @ rows.T, psi, threshold, top), strict=True):
            before[i] = [able[j] for j in into]
    return before


def _nearest(members: Members, held: Sequence[Said], embed: Embed | None) -> Verdict:
    able = [said for said in held if said.votes]
    if len(able) < 2:
        return plurality(held)
    rows = units([said.text for said in able], embed)
    psi = contributions(rows)
    centre = psi @ rows
    length = float(np.linalg.norm(centre))
    near = rows @ centre / length if length > 0 else np.zeros(len(able))
    best = [said for said, c in zip(able, near, strict=True) if c >= near.max() - _EQUAL]
    votes: dict[object, float] = {}
    for said, cosine in zip(able, near.tolist(), strict=True):
        votes[said.answer] = max(cosine, votes.get(said.answer, cosine))
    chosen = plurality(best, members.random)
    unparsed = len(held) - len(able)
    return replace(chosen, votes=votes, confidence=None, unparsed=unparsed)
