"""Card 3, debate with a judge.

T. Liang et al., "Encouraging Divergent Thinking in Large Language Models through Multi-Agent
Debate" (2023; EMNLP 2024).
"""

from __future__ import annotations

from dataclasses import replace

from populace.kernel.spaces import Choice, Record, Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality

LEVELS = ("may", "must")


async def judged_debate(
    members: Members,
    question: Question,
    *,
    rounds: int = 3,
    disagree: str = "may",
    affirmative: int | str = 0,
    negative: int | str = 1,
    moderator: int | str = 2,
    judge: int | str | None = None,
) -> Verdict:
    """Two sides in turn, a moderator after each round, a judge if it never comes to a preference.

    Parameters
    ----------
    rounds : int
        At most (3 in the paper); the moderator ends the debate when it prefers a side.
    disagree : "may" or "must"
        Level of disagreement that both sides are told: they need not fully agree (the paper's
        default), or must disagree on every point. The negative's opening always disagrees.
    affirmative, negative, moderator, judge : position or name
        Who plays what; by default the moderator judges too.

    Returns
    -------
    Verdict
        ``reason`` is ``moderator``, ``judge``, or ``budget``: then the vote of both sides' last
        words.

    Notes
    -----
    The moderator's reply is a typed document: one that cannot be read is no preference, and the
    debate goes on. The judge reads the whole debate (section 2 of the paper; the released code
    shows it each side's opening alone), lists the candidate answers, then picks one.
    """
    expect(rounds >= 1, "1 or more rounds", rounds, "rounds")
    expect(disagree in LEVELS, f"one of {', '.join(LEVELS)}", disagree, "disagree")
    pro, con = (
        position(members, affirmative, "affirmative"),
        position(members, negative, "negative"),
    )
    chair = position(members, moderator, "moderator")
    court = chair if judge is None else position(members, judge, "judge")
    expect(
        len({pro, con, chair}) == 3 and court not in (pro, con),
        "two sides and others to judge",
        [pro, con, chair, court],
        "members",
    )
    view = Record(
        preference=Choice(["yes", "no"]),
        side=Choice(["affirmative", "negative", "neither"]),
        reason=Text(2000),
        answer=question.space,
    )
    debate: list[Said] = []
    try:
        for r in range(rounds):
            for side, name, other in ((pro, "affirmative", con), (con, "negative", pro)):
                prompt = "rebut" if r else f"{name}_{disagree}"
                before = [said for said in debate if said.member == other][-1:]
                heard = [said for said in before if said.text]
                debate += await members.ask(prompt, to=side, sees=heard)
            heard = [said for said in debate[-2:] if said.text]
            (seen,) = await members.ask("moderate", to=chair, space=view, sees=heard)
            if seen.votes and seen.fields["preference"] == "yes":
                return replace(plurality([seen]), reason="moderator")
        # sample 1: a conversation of its own, should the chair be the judge
        heard = [said for said in debate if said.text]
        await members.ask("candidates", to=court, sample=1, space=Text(4000), sees=heard)
        ruling = await members.ask("judge", to=court, sample=1)
    except OutOfBudget:
        last = {said.member: said for said in debate}
        return replace(plurality(list(last.values()), members.random), reason="budget")
    return replace(plurality(ruling), reason="judge")
