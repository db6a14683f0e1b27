"""Card 18, five architectures: single, independent, centralised, decentralised, hybrid.

Y. Kim et al., "Towards a Science of Scaling Agent Systems" (2025, arXiv:2512.08296). All five work
by the same two prompts, a first turn and further ones, so that only who talks to whom differs; give
them the same members and the same budget an item. With n agents of k turns each they cost O(k),
O(nk), O(rnk) + O(r), O(dnk) and O(rnk) + O(r) + O(p) calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from populace.kernel.spaces import Choice, Record, Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality, unanimous

TASK = Text(4000)


async def steps(
    members: Members, question: Question, *, k: int = 7, member: int | str = 0
) -> Verdict:
    """Let a single agent think for `k` turns; the last answer counts.

    Parameters
    ----------
    k : int
        Turns (7.2 on average in the paper).
    member : position or name
    """
    return plurality(await _worked(members, [position(members, member, "member")], k))


async def independent(members: Members, question: Question, *, k: int = 3) -> Verdict:
    """Let every member work alone for `k` turns; the plurality of their last answers.

    Parameters
    ----------
    k : int
        Turns of each (3 iterations in the paper).
    """
    return plurality(await _worked(members, range(len(members)), k), members.random)


async def decentralised(
    members: Members, question: Question, *, k: int = 1, rounds: int = 3
) -> Verdict:
    """Let all work, then talk all to all; end with a consensus, or the plurality.

    Parameters
    ----------
    k : int
        Turns of each a round.
    rounds : int
        Of talk (3 in the paper, with three members).

    Returns
    -------
    Verdict
        ``reason`` is ``consensus``, ``done`` or ``budget``.
    """
    expect(rounds >= 0, "0 or more rounds", rounds, "rounds")
    everybody = range(len(members))
    said = await _worked(members, everybody, k)
    reason = "done"
    try:
        for _ in range(rounds):
            if unanimous(said):
                break
            said = await _worked(members, everybody, k, peers=said)
    except OutOfBudget:
        reason = "budget"
    if unanimous(said) and reason == "done":
        reason = "consensus"
    return replace(plurality(said, members.random), reason=reason)


async def centralised(
    members: Members,
    question: Question,
    *,
    k: int = 3,
    rounds: int = 5,
    orchestrator: int | str = 0,
) -> Verdict:
    """Let an orchestrator hand out tasks, read what comes back, and decide.

    Parameters
    ----------
    k : int
        Turns of each of the others a round (3 in the paper, with three of them).
    rounds : int
        At most (5 in the paper); the orchestrator ends it earlier.
    orchestrator : position or name

    Returns
    -------
    Verdict
        The orchestrator's last answer; ``reason`` is ``finished``, ``done`` or ``budget``. If its
        budget ends before its first answer, the vote of the others' last ones.
    """
    return await _orchestrated(members, question, k, rounds, orchestrator, peers=0)


async def hybrid(
    members: Members,
    question: Question,
    *,
    k: int = 3,
    rounds: int = 5,
    peers: int = 1,
    orchestrator: int | str = 0,
) -> Verdict:
    """Do as `centralised`, and let the others talk to one another before they report.

    Parameters
    ----------
    k, rounds, orchestrator
        As of `centralised`.
    peers : int
        How often a round they hear one another, a turn each.
    """
    expect(peers >= 1, "1 or more talks", peers, "peers")
    return await _orchestrated(members, question, k, rounds, orchestrator, peers)


async def _orchestrated(
    members: Members,
    question: Question,
    k: int,
    rounds: int,
    orchestrator: int | str,
    peers: int,
) -> Verdict:
    expect(rounds >= 1, "1 or more rounds", rounds, "rounds")
    chief = position(members, orchestrator, "orchestrator")
    others = [i for i in range(len(members)) if i != chief]
    expect(bool(others), "a member beside the orchestrator", members.names, "orchestrator")
    named = ", ".join(members.names[i] for i in others)
    tasks = {f"task_{n}": TASK for n in range(1, len(others) + 1)}
    view = Record(finished=Choice(["yes", "no"]), answer=question.space, **tasks)
    best: Said | None = None
    reason = "done"
    try:
        (plan,) = await members.ask("assign", to=chief, space=Record(**tasks), others=named)
        for _ in range(rounds):
            given = {i: str(plan.fields.get(f"task_{n}", "")) for n, i in enumerate(others, 1)}
            said = await _worked(members, others, k, tasks=given)
            for _ in range(peers):
                said = await _worked(members, others, 1, peers=said)
            heard = [one for one in said if one.text]
            (plan,) = await members.ask("review", to=chief, space=view, sees=heard, others=named)
            best = plan if plan.votes else best
            if plan.fields.get("finished") == "yes":
                reason = "finished"
                break
    except OutOfBudget:
        if best is None:
            raise
        reason = "budget"
    return replace(plurality([plan if best is None else best]), reason=reason)


async def _worked(
    members: Members,
    who: Sequence[int],
    k: int,
    peers: Sequence[Said] = (),
    tasks: Mapping[int, str] | None = None,
) -> list[Said]:
    """Let members take `k` turns each, having heard `peers`; return their last words."""
    expect(k >= 1, "1 or more turns", k, "k")
    heard = [one for one in peers if one.text]
    if heard:
        said = await members.ask("exchange", to=who, sees=heard)
    else:
        said = await members.ask("work", to=who, task=tasks or "")
    for _ in range(1, k):
        said = await members.ask("step", to=who)
    return said
