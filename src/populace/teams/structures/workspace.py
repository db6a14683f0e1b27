"""Global workspace: members propose, attention selects, the selected is broadcast to all.

W. Shang, "Theater of Mind for LLMs: A Cognitive Architecture Based on Global Workspace Theory"
(2026, arXiv:2604.08206; GWA): a broadcast hub, a swarm of members, and an entropy-based drive that
raises the temperature when proposals have become alike, so as to break a deadlock. The theory is
B. J. Baars, "A Cognitive Theory of Consciousness" (1988).

Our reading, where the abstract leaves it open: diversity is the entropy of the answers (or of the
embeddings' similarity), brought to 0..1; the temperature falls linearly in it; salience is what
each member states of its own proposal, or what an attending member gives it; of the two layers of
memory the workspace is the short one, and each member's own conversation the long one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from populace.kernel.spaces import Number, Record
from populace.language.embedding import Embed, units
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality, unanimous

MOST = 10  # the greatest salience


async def workspace(
    members: Members,
    question: Question,
    *,
    cycles: int = 4,
    capacity: int = 1,
    attention: int | str | None = None,
    cool: float = 0.5,
    hot: float = 1.5,
    embed: Embed | None = None,
) -> Verdict:
    """Go through cycles of proposing, selecting and broadcasting.

    Parameters
    ----------
    cycles : int
        At most.
    capacity : int
        How many proposals the workspace holds.
    attention : position or name, optional
        A member that gives each proposal its salience and proposes nothing; by default each states
        its own.
    cool, hot : float
        Temperature at the greatest diversity, and at none; the first cycle is cool.
    embed : callable, optional
        Measure diversity by embeddings of the proposals and not by their answers.

    Returns
    -------
    Verdict
        The most salient answer of the last cycle; ``votes`` are saliences. ``reason`` is
        ``settled`` (all agree twice running, the second time at the hot end), ``done`` or
        ``budget``.
    """
    expect(cycles >= 1 and capacity >= 1, "1 or more", [cycles, capacity], "cycles and capacity")
    expect(0 <= cool <= hot, "temperatures 0 <= cool <= hot", [cool, hot], "cool and hot")
    focus = None if attention is None else position(members, attention, "attention")
    able = [i for i in range(len(members)) if i != focus]
    expect(bool(able), "a member beside the attending one", members.names, "attention")
    held: list[tuple[Said, float]] = []
    temperature, reason, alike = cool, "done", False
    try:
        for _ in range(cycles):
            stage = [said for said, _ in held[:capacity] if said.text]
            said = await members.ask(
                "respond" if stage else "propose", to=able, sees=stage, temperature=temperature
            )
            felt = await _salience(members, said, focus)
            held = _ranked(members, said, felt)
            if unanimous(said) and alike:
                reason = "settled"
                break
            alike = unanimous(said)
            temperature = cool + (hot - cool) * (1 - diversity(said, embed))
    except OutOfBudget:
        if not held:
            raise
        reason = "budget"
    return replace(_decided(members, held), reason=reason)


def diversity(said: Sequence[Said], embed: Embed | None = None) -> float:
    """Return the entropy of proposals over that of as many different ones, from 0 to 1.

    Of the answers, Shannon's; of embeddings, that of the eigenvalues of their cosines over n (von
    Neumann's entropy, the logarithm of the Vendi score: D. Friedman and A. B. Dieng, TMLR 2023).
    What has no answer is left out; fewer than two have none.
    """
    able = [one for one in said if one.votes]
    n = len(able)
    if n < 2:
        return 0.0
    shares: NDArray[np.floating]
    if embed is None:
        shares = np.array(list(Counter(one.answer for one in able).values())) / n
    else:
        rows = units([one.text for one in able], embed)
        shares = np.linalg.eigvalsh(rows @ rows.T / n)
    shares = shares[shares > 1e-12]
    return float(np.clip(-(shares * np.log(shares)).sum() / math.log(n), 0.0, 1.0))


async def _salience(members: Members, said: Sequence[Said], focus: int | None) -> list[float]:
    stated = [float(one.fields.get("salience", 0.0)) for one in said]
    if focus is None:
        return stated
    heard = [i for i, one in enumerate(said) if one.text]
    if not heard:
        return stated
    marks = {f"salience_{n}": Number(0, MOST) for n in range(1, len(heard) + 1)}
    shown = [said[i] for i in heard]
    (view,) = await members.ask("attend", to=focus, space=Record(**marks), sees=shown, fresh=True)
    for i, mark in zip(heard, marks, strict=True):
        stated[i] = float(view.fields.get(mark, stated[i]))
    return stated


def _ranked(
    members: Members, said: Sequence[Said], felt: Sequence[float]
) -> list[tuple[Said, float]]:
    """Return proposals by salience; equals in a drawn order."""
    drawn = members.random("workspace/order").bits(size=len(said))[0].tolist()
    order = sorted(range(len(said)), key=lambda i: (-felt[i], drawn[i]))
    return [(said[i], felt[i]) for i in order]


def _decided(members: Members, held: Sequence[tuple[Said, float]]) -> Verdict:
    able = [(said, salience) for said, salience in held if said.votes]
    if not able:
        return plurality([said for said, _ in held])
    most = able[0][1]
    best = [said for said, salience in able if salience == most]
    votes: dict[object, float] = {}
    for said, salience in able:
        votes[said.answer] = max(salience, votes.get(said.answer, 0.0))
    unparsed = len(held) - len(able)
    chosen = plurality(best, members.random)
    return replace(chosen, votes=votes, confidence=None, unparsed=unparsed)
