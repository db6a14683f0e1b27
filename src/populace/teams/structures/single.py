"""Card 1, single and reflect: one call, and a second look.

The second look is the control that Y. Du et al., "Improving Factuality and Reasoning in Language
Models through Multiagent Debate" (2023), run beside their debate: as many calls, nobody else.
"""

from __future__ import annotations

from populace.teams.interface import Members, Question, Said
from populace.teams.settings import expect, position


async def single(members: Members, question: Question, *, member: int | str = 0) -> Said:
    """Take one member's one answer.

    Parameters
    ----------
    member : position or name
    """
    (said,) = await members.ask(to=position(members, member, "member"))
    return said


async def reflect(
    members: Members, question: Question, *, times: int = 1, member: int | str = 0
) -> Said:
    """Let one member answer, then check its own answer; the last word counts.

    Parameters
    ----------
    times : int
        How often it checks.
    member : position or name
    """
    expect(times >= 0, "0 or more second looks", times, "times")
    who = position(members, member, "member")
    (said,) = await members.ask(to=who)
    for _ in range(times):
        (said,) = await members.ask("recheck", to=who)
    return said
