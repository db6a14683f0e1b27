"""Card 4, debate with diversity-aware initialisation and calibrated confidence.

X. Zhu et al., "Demystifying Multi-Agent Debate: The Role of Confidence and Diversity" (Findings of
ACL 2026): with agents of a kind and uniform updates correctness is a martingale, so that a debate
cannot beat the vote in expectation; it may with diverse first answers and with confidence that
tells right from wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.language.embedding import Embed, units
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import by_member, expect
from populace.teams.structures.consistency import allotment
from populace.teams.votes import confidence_weighted, plurality

Map = Callable[[float], float]


async def diverse_debate(
    members: Members,
    question: Question,
    *,
    pool: int = 10,
    rounds: int = 5,
    embed: Embed | None = None,
    by: str = "answers",
    calibration: Map | Mapping[str, Map] | None = None,
) -> Verdict:
    """Start from the most different of a pool of candidates, then debate with stated confidence.

    Parameters
    ----------
    pool : int
        Candidates (10 in the paper), dealt round-robin to the members; as many as there are members
        (5 in the paper) are chosen, one for each to start from.
    rounds : int
        With the first one (5 in the paper).
    embed : callable, optional
        Embeddings of texts, array of shape (n, d); distance is 1 - cosine. Without it, answers that
        differ are at distance 1.
    by : "answers" or "embedding"
        What is spread first: different answers and then distance (ours, cheaper), or distance alone
        (the paper).
    calibration : callable, or mapping of name to callable, optional
        From stated confidence to the probability of being right (`populace.teams.calibration`).
        With it, who is surer than the mean of the group keeps its answer and is not asked again,
        and the last vote weighs log-odds (ours: the condition of the paper's theory). Without it
        all revise and the last vote is the plurality, as in the released code.

    Returns
    -------
    Verdict
        ``reason`` is ``done`` or ``budget``.
    """
    n = len(members)
    expect(pool >= n, f"a pool of {n} or more, one for each member", pool, "pool")
    expect(rounds >= 1, "1 or more rounds", rounds, "rounds")
    expect(by in ("answers", "embedding"), "answers or embedding", by, "by")
    expect(by == "answers" or embed is not None, "an embedder", embed, "embed")
    maps = (
        by_member(members, calibration, "calibration")
        if isinstance(calibration, Mapping)
        else calibration
    )
    turns = list(itertools.islice(allotment(n), pool))
    found = await members.ask(
        "sure", to=[i for i, _ in turns], sample=[s for _, s in turns], fresh=True
    )
    chosen = spread(found, n, embed, answers_first=by == "answers")
    held = [replace(found[j], member=i) for i, j in enumerate(chosen)]
    reason = "done"
    for _ in range(1, rounds):
        asked = _unsure(held, maps)
        try:
            new = await members.ask(
                "revise",
                to=asked,
                sees={i: [one for one in held if one.member != i and one.text] for i in asked},
                fresh=True,
                own={i: held[i].text for i in asked},
            )
        except OutOfBudget:
            reason = "budget"
            break
        for i, said in zip(asked, new, strict=True):
            held[i] = said
    if maps is None:
        verdict = plurality(held, members.random)
    else:
        verdict = confidence_weighted(held, members.random, maps)
    return replace(verdict, reason=reason)


def spread(
    said: Sequence[Said], k: int, embed: Embed | None = None, *, answers_first: bool = True
) -> list[int]:
    """Return k positions by greedy farthest-point choice; what did not parse only fills up.

    The first two are the pair of greatest distance; then comes always the one whose nearest chosen
    is farthest (T. F. Gonzalez, Theoretical Computer Science 38, 1985); the first of equals.

    Parameters
    ----------
    answers_first : bool
        Prefer an answer that is not yet chosen, whatever the distances.
    """
    able = [i for i, one in enumerate(said) if one.votes]
    rest = [i for i, one in enumerate(said) if not one.votes]
    if len(able) <= k:
        return (able + rest)[:k]
    far = _distances([said[i] for i in able], embed)
    if answers_first:  # a different answer outweighs any distance, which is 2 at most
        far = far + 4.0 * _distances([said[i] for i in able], None)
    first, second = np.unravel_index(np.argmax(far), far.shape)
    picked = [int(first), int(second)] if first != second else [0]
    near = far[picked].min(axis=0)
    while len(picked) < k:
        near[picked] = -1.0
        picked.append(int(np.argmax(near)))
        near = np.minimum(near, far[picked[-1]])
    return [able[i] for i in picked[:k]]


def _distances(said: Sequence[Said], embed: Embed | None) -> NDArray[np.float64]:
    if embed is None:
        return np.array([[float(a.answer != b.answer) for b in said] for a in said])
    unit = units([one.text for one in said], embed)
    return np.asarray(1 - unit @ unit.T)


def _unsure(held: Sequence[Said], maps: Any) -> list[int]:
    """Return who is asked to revise: nobody is left out unless confidence is calibrated."""
    if maps is None:
        return [said.member for said in held]
    sure = []
    for said in held:
        trust = maps[said.member] if isinstance(maps, Mapping) else maps
        known = said.votes and said.confidence is not None
        sure.append(trust(said.confidence) if known else 0.0)
    mean = float(np.mean(sure))
    return [said.member for said, p in zip(held, sure, strict=True) if p <= mean + 1e-12]
