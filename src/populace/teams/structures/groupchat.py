"""Group chat: one speaks at a time, everybody hears, and someone or something picks the next.

Q. Wu et al., "AutoGen: Enabling Next-Gen LLM Applications via Multi-Agent Conversation" (2023; COLM
2024): speakers in turn, at random, or chosen by a manager; conditions that end the chat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from populace.kernel.spaces import Choice
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality

Stop = Callable[[Sequence[Said]], str | None]
"""From the chat so far to the reason for its end, or None."""

SPEAKERS = ("turns", "random", "moderator")
END = "nobody"


def agreed(n: int = 2) -> Stop:
    """Return a condition: the last words of `n` speakers or more are answers, and all the same."""

    def stop(chat: Sequence[Said]) -> str | None:
        last = list({said.member: said for said in chat}.values())
        answers = {said.answer for said in last}
        good = len(last) >= n and len(answers) == 1 and all(said.votes for said in last)
        return "agreed" if good else None

    return stop


def says(words: str) -> Stop:
    """Return a condition: the last message holds these words (AutoGen's ``TERMINATE``)."""
    return lambda chat: "said" if words in chat[-1].text else None


async def groupchat(
    members: Members,
    question: Question,
    *,
    speaker: str = "turns",
    moderator: int | str | None = None,
    turns: int = 12,
    stop: Sequence[Stop] | None = None,
) -> Verdict:
    """Let members speak one by one, each having heard all since it last spoke.

    Parameters
    ----------
    speaker : "turns", "random" or "moderator"
        Who is next: the members in order, one drawn (never the same twice running), or whom the
        moderator names; it may also name nobody, which ends the chat.
    moderator : position or name, optional
        The member that names speakers and does not speak itself.
    turns : int
        Most messages.
    stop : sequence of callable, optional
        Conditions, each of which ends the chat; by default `agreed` by all that may speak.

    Returns
    -------
    Verdict
        The plurality of everybody's last words. ``reason`` is that of the condition met,
        ``moderator``, ``turns`` or ``budget``.

    Notes
    -----
    Where the moderator's choice cannot be read the one next in order speaks.
    """
    expect(speaker in SPEAKERS, f"one of {', '.join(SPEAKERS)}", speaker, "speaker")
    expect(turns >= 1, "1 or more turns", turns, "turns")
    by_choice = speaker == "moderator"
    expect(by_choice == (moderator is not None), "a moderator if it is to choose", moderator, "by")
    chair = None if moderator is None else position(members, moderator, "moderator")
    able = [i for i in range(len(members)) if i != chair]
    expect(bool(able), "a member beside the moderator", members.names, "moderator")
    ends = [agreed(len(able))] if stop is None else list(stop)
    chat: list[Said] = []
    reason = "turns"
    try:
        while len(chat) < turns:
            who: int | None = _next(chat, able)
            if by_choice and chair is not None:
                who = await _named(members, chat, able, chair)
            elif speaker == "random":
                who = _drawn(members, chat, able)
            if who is None:
                reason = "moderator"
                break
            new = _since(chat, who)
            chat += await members.ask("speak" if new else "answer", to=who, sees=new)
            if why := next((why for end in ends if (why := end(chat))), None):
                reason = why
                break
    except OutOfBudget:
        if not chat:
            raise
        reason = "budget"
    last = {said.member: said for said in chat}
    return replace(plurality(list(last.values()), members.random), reason=reason)


def _since(chat: Sequence[Said], who: int) -> list[Said]:
    """Return what was said since `who` last spoke: it has the rest in its conversation."""
    own = [i for i, said in enumerate(chat) if said.member == who]
    return [said for said in chat[own[-1] + 1 if own else 0 :] if said.text]


def _next(chat: Sequence[Said], able: Sequence[int]) -> int:
    return able[0] if not chat else able[(able.index(chat[-1].member) + 1) % len(able)]


def _drawn(members: Members, chat: Sequence[Said], able: Sequence[int]) -> int:
    others = [i for i in able if not chat or i != chat[-1].member] or list(able)
    return others[int(members.random("chat/speaker").integers(low=0, high=len(others))[0])]


async def _named(
    members: Members, chat: Sequence[Said], able: Sequence[int], chair: int
) -> int | None:
    names = {members.names[i]: i for i in able if not chat or i != chat[-1].member}
    options = [*names, END] if chat else list(names)
    if not options:
        return None
    heard = [said for said in chat[-1:] if said.text]
    (choice,) = await members.ask("choose", to=chair, space=Choice(options), sees=heard)
    if choice.answer == END:
        return None
    return names.get(choice.answer, _next(chat, able))
