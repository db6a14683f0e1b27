"""Card 2, multi-agent debate.

Y. Du, S. Li, A. Torralba, J. B. Tenenbaum and I. Mordatch, "Improving Factuality and Reasoning in
Language Models through Multiagent Debate" (2023; ICML 2024).
"""

from __future__ import annotations

from dataclasses import replace

from populace.kernel.spaces import Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect
from populace.teams.topology import neighbours as heard
from populace.teams.votes import plurality, unanimous

SUMMARY = Text(4000)
ASIDE = 1


async def debate(
    members: Members,
    question: Question,
    *,
    rounds: int = 2,
    neighbours: str | int = "all",
    stop: bool = False,
    summarise: bool = False,
) -> Verdict:
    """Answer alone, then again with the others' last answers in view; plurality of the last round.

    Parameters
    ----------
    rounds : int
        With the first one, in which nobody hears anybody (2 in the paper, with three members).
    neighbours : "all", "ring", "star" or int
        Whom each hears (`populace.teams.topology.neighbours`); all in the paper.
    stop : bool
        End when all give the same answer.
    summarise : bool
        Each member first sums up what it hears, apart from its own conversation, and goes on with
        the summary (the paper's way to many members): a call more a member and round.

    Returns
    -------
    Verdict
        ``reason`` is ``done``, ``unanimous`` or ``budget``: the last round that was whole counts.

    Notes
    -----
    Each keeps its own conversation. An answer that cannot be parsed is seen by the others and does
    not vote (the released code scores it as right).
    """
    expect(rounds >= 1, "1 or more rounds", rounds, "rounds")
    hears = heard(len(members), neighbours) if len(members) > 1 else [[]]
    answers = await members.ask()
    reason = "done"
    for _ in range(1, rounds):
        if stop and unanimous(answers):
            reason = "unanimous"
            break
        sees = {i: [answers[j] for j in near if answers[j].text] for i, near in enumerate(hears)}
        try:
            if len(members) == 1:
                answers = await members.ask("recheck")
            elif summarise:
                answers = await _summarised(members, sees)
            else:
                answers = await members.ask("debate", sees=sees)
        except OutOfBudget:
            reason = "budget"
            break
    return replace(plurality(answers, members.random), reason=reason)


async def _summarised(members: Members, sees: dict[int, list[Said]]) -> list[Said]:
    # of another sample, so that it is no part of the conversation that goes on
    short = await members.ask("summarise", sees=sees, space=SUMMARY, sample=ASIDE, fresh=True)
    return await members.ask("summarised", summary={i: said.text for i, said in enumerate(short)})
