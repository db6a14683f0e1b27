"""Generator, verifier, refiner: the inference form of MALT.

S. R. Motwani et al., "MALT: Improving Reasoning with Multi-Agent LLM Training" (2024). The paper
trains a model for each of the three roles; here the roles are any members.
"""

from __future__ import annotations

from dataclasses import replace

from populace.kernel.spaces import Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality

CRITIQUE = Text(8000)


async def refine(
    members: Members,
    question: Question,
    *,
    passes: int = 3,
    generator: int | str = 0,
    verifier: int | str = 1,
    refiner: int | str = 2,
) -> Verdict:
    """Answer, criticise, refine; vote over independent passes of all three.

    Parameters
    ----------
    passes : int
        Samples of the whole chain; the plurality of what the refiner wrote wins.
    generator, verifier, refiner : position or name
        Different members; one model may hold several seats.

    Returns
    -------
    Verdict
        ``reason`` is ``done`` or ``budget``: then over the passes that were whole, or with the
        first answer if there is none.
    """
    expect(passes >= 1, "1 or more passes", passes, "passes")
    given = {"generator": generator, "verifier": verifier, "refiner": refiner}
    first, second, third = (position(members, who, name) for name, who in given.items())
    expect(len({first, second, third}) == 3, "three members", given, "refine")
    refined: list[Said] = []
    reason = "done"
    for sample in range(passes):
        try:
            draft = await members.ask(to=first, sample=sample)
            if not draft[0].text:  # no reply: nothing to verify, and no vote
                refined += draft
                continue
            views = await members.ask(
                "verify", to=second, sample=sample, sees=draft, space=CRITIQUE
            )
            seen = [one for one in (*draft, *views) if one.text]
            refined += await members.ask("refine", to=third, sample=sample, sees=seen)
        except OutOfBudget:
            if not refined:
                raise
            reason = "budget"
            break
    return replace(plurality(refined, members.random), reason=reason)
