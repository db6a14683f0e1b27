"""Best of n: several candidates, one chosen by a verifier or by a judge.

K. Cobbe et al., "Training Verifiers to Solve Math Word Problems" (2021), section 4: sample, score
each with a verifier, take the best. A model as judge between candidates: L. Zheng et al., "Judging
LLM-as-a-Judge" (NeurIPS 2023), whose remedy for position bias is a drawn order.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from populace.kernel.spaces import Number, Record, Text
from populace.teams.interface import Members, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.structures.consistency import allotment
from populace.teams.votes import plurality

Verifier = Callable[[Question, Said], float | Awaitable[float]]


async def best_of_n(
    members: Members,
    question: Question,
    *,
    n: int | None = None,
    verifier: Verifier | None = None,
    judge: int | str | None = None,
) -> Verdict:
    """Choose among `n` samples.

    Parameters
    ----------
    n : int, optional
        Candidates, dealt round-robin to all members but the judge; by default one each.
    verifier : callable, optional
        ``verifier(question, said)`` returns a score (or True and False), at once or awaited. The
        highest wins; the plurality decides among equals.
    judge : position or name, optional
        The member that is shown the candidates in a drawn order and picks one. If its reply names
        none there is no answer.

    Raises
    ------
    ParameterError
        Unless exactly one of `verifier` and `judge` is given; for a score that is not finite.
    """
    expect(
        (verifier is None) != (judge is None),
        "a verifier or a judge",
        [verifier, judge],
        "best_of_n",
    )
    expect(n is None or n >= 1, "1 or more candidates", n, "n")
    chooser = None if judge is None else position(members, judge, "judge")
    able = [i for i in range(len(members)) if i != chooser]
    expect(bool(able), "a member beside the judge", members.names, "judge")
    turns = list(itertools.islice(allotment(len(able)), len(able) if n is None else n))
    said = await members.ask(
        to=[able[i] for i, _ in turns], sample=[sample for _, sample in turns], fresh=True
    )
    candidates = [one for one in said if one.votes]
    if verifier is not None:
        chosen = await _verified(question, candidates, verifier, members)
    elif len(candidates) > 1:
        chosen = await _judged(members, candidates, chooser)
    else:
        chosen = plurality(candidates)
    silent = chosen if candidates else plurality(said)
    return replace(silent, unparsed=len(said) - len(candidates))


async def _verified(
    question: Question, candidates: Sequence[Said], verifier: Verifier, members: Members
) -> Verdict:
    scores = []
    for one in candidates:
        score: Any = verifier(question, one)
        scores.append(float(await score if inspect.isawaitable(score) else score))
    expect(all(map(math.isfinite, scores)), "finite scores", scores, "verifier")
    best = [one for one, s in zip(candidates, scores, strict=True) if s == max(scores)]
    scored: dict[Any, float] = {}
    for one, score in zip(candidates, scores, strict=True):
        scored[one.answer] = max(score, scored.get(one.answer, score))
    return replace(plurality(best, members.random), votes=scored, confidence=None)


async def _judged(members: Members, candidates: Sequence[Said], judge: int | None) -> Verdict:
    order = np.argsort(members.random("judge/order").bits(size=len(candidates))[0])
    listed = [candidates[i] for i in order]
    (choice,) = await members.ask(
        "judge",
        to=judge,
        space=Record(reason=Text(2000), best=Number(1, len(listed), integer=True)),
        sees=listed,
    )
    if "best" not in choice.fields:
        return replace(plurality([choice]), answer=None, reason="judge")
    won = listed[int(choice.fields["best"]) - 1]
    return Verdict(won.answer, text=won.text, votes={won.answer: 1.0}, reason="judge")
