"""Card 17, relay inference: one member opens a conversation, another goes on with it.

T. R. Davidson et al., "The Collaboration Gap" (2025, arXiv:2511.02687): two agents talk turn by
turn; for the first K turns a strong model plays one side, then a weak one (a strong primer), or the
other way round (a strong recovery).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from populace.kernel.errors import ParameterError
from populace.kernel.spaces import Space
from populace.kernel.streams import Stream
from populace.teams.interface import Members, OutOfBudget, Question, Said, Structure, Verdict
from populace.teams.settings import expect, position, shown
from populace.teams.votes import plurality


async def dialogue(
    members: Members, question: Question, *, turns: int = 50, views: Sequence[str] | None = None
) -> Verdict:
    """Let two members talk in turn until both give the same answer.

    Parameters
    ----------
    turns : int
        Most messages (50 in the paper).
    views : two names, optional
        Columns of the world, of which each side is shown one: what the other does not know.

    Returns
    -------
    Verdict
        ``reason`` is ``agreed``, ``turns`` or ``budget``; unless agreed, the vote of both sides'
        last words.
    """
    expect(len(members) == 2, "two members", list(members.names), "dialogue")
    expect(turns >= 1, "1 or more turns", turns, "turns")
    expect(views is None or len(views) == 2, "two columns", views, "views")
    own = ["", ""] if views is None else [shown(question.columns, v, "views") for v in views]
    chat: list[Said] = []
    reason = "turns"
    while len(chat) < turns:
        who, heard = len(chat) % 2, [said for said in chat[-1:] if said.text]
        prompt = "talk" if len(chat) > 1 else "join" if heard else "begin"
        try:
            chat += await members.ask(prompt, to=who, sees=heard, view=own[who])
        except OutOfBudget:
            if not chat:
                raise
            reason = "budget"
            break
        last = chat[-2:]
        if len(last) == 2 and all(one.votes for one in last) and last[0].answer == last[1].answer:
            reason = "agreed"
            break
    return replace(plurality(chat[-2:], members.random), reason=reason)


class Relay:
    """Any structure of two members, one of which is replaced after `k` turns.

    Parameters
    ----------
    structure : async function
        Of two members.
    k : int
        Turns, of both sides together, before the change (2, 4, 6 and 8 in the paper).
    prefix, suffix : position or name
        Who plays the side before, and after; it goes on with the other's conversation.
    partner : position or name
        Who plays the other side throughout.
    side : 0 or 1
        Which of the two the replaced one is: the first speaks first.

    Notes
    -----
    Requests before the change do not depend on `suffix` or `k`, so that arms of one team with one
    answer store share the prefix: it is paid once.

    Examples
    --------
    ``Team([strong, weak, other], Relay(debate, k=2))``
    """

    def __init__(
        self,
        structure: Structure,
        *,
        k: int = 2,
        prefix: int | str = 0,
        suffix: int | str = 1,
        partner: int | str = 2,
        side: int = 0,
    ) -> None:
        expect(callable(structure), "a structure of two members", structure, "Relay")
        expect(k >= 0, "0 or more turns", k, "k")
        expect(side in (0, 1), "side 0 or 1", side, "side")
        self.func = structure  # prompts are its own (see `populace.teams.prompting.Wordings`)
        self.k, self.side = k, side
        self.prefix, self.suffix, self.partner = prefix, suffix, partner
        self.__name__ = f"relay of {getattr(structure, '__name__', 'a structure')}"

    async def __call__(self, members: Members, question: Question, **settings: Any) -> Any:
        """Play the structure with the side handed over."""
        given = {"prefix": self.prefix, "suffix": self.suffix, "partner": self.partner}
        first, second, other = (position(members, who, name) for name, who in given.items())
        expect(other not in (first, second), "a partner of its own", given, "Relay")
        sides = [(other, other), (other, other)]
        sides[self.side] = (first, second)
        return await self.func(_Handed(members, sides, self.k), question, **settings)

    def __repr__(self) -> str:
        return f"Relay({self.__name__}, k={self.k})"


async def relay(
    members: Members,
    question: Question,
    *,
    k: int = 2,
    prefix: int | str = 0,
    suffix: int | str = 1,
    partner: int | str = 2,
    side: int = 0,
    turns: int = 50,
    views: Sequence[str] | None = None,
) -> Verdict:
    """Hold a `dialogue` whose one side is handed over after `k` turns (see `Relay`).

    Parameters
    ----------
    k, prefix, suffix, partner, side
        As of `Relay`.
    turns, views
        As of `dialogue`.
    """
    both = Relay(dialogue, k=k, prefix=prefix, suffix=suffix, partner=partner, side=side)
    verdict: Verdict = await both(members, question, turns=turns, views=views)
    return verdict


class _Handed:
    """Members as two sides, each played by one member before turn `k` and one from it on."""

    def __init__(self, members: Members, sides: Sequence[tuple[int, int]], k: int) -> None:
        self._members, self._sides, self._k = members, sides, k
        self._turns = 0
        self._played: dict[tuple[int, int], int] = {}  # (round, side) to the member that spoke
        self._handed = False

    def __len__(self) -> int:
        return len(self._sides)

    @property
    def names(self) -> Sequence[str]:
        return [self._members.names[before] for before, _ in self._sides]

    async def ask(
        self,
        prompt: str = "answer",
        *,
        to: Sequence[int] | int | None = None,
        space: Space | None = None,
        sees: Sequence[Said] | Mapping[int, Sequence[Said]] = (),
        sample: int | Sequence[int] = 0,
        fresh: bool = False,
        temperature: float | None = None,
        **columns: Any,
    ) -> list[Said]:
        who = [to] if isinstance(to, int) else list(range(len(self)) if to is None else to)
        if any(not 0 <= side < len(self) for side in who):
            raise ParameterError(f"expected sides 0 and 1, got {who}", where="Relay")
        late = [self._turns + turn >= self._k for turn in range(len(who))]
        real = [self._sides[side][after] for side, after in zip(who, late, strict=True)]
        self._hand_over(any(late))
        playing = dict(zip(who, real, strict=True))
        said = await self._members.ask(
            prompt,
            to=real,
            space=space,
            sees={player: self._heard(side, sees) for side, player in playing.items()}
            if sees
            else (),
            sample=sample,
            fresh=fresh,
            temperature=temperature,
            **{name: _by_player(value, playing) for name, value in columns.items()},
        )
        self._turns += len(who)
        for side, one in zip(who, said, strict=True):
            self._played[one.round, side] = one.member
        return [replace(one, member=side) for side, one in zip(who, said, strict=True)]

    def _hand_over(self, due: bool) -> None:
        if due and not self._handed:
            self._handed = True
            for before, after in self._sides:
                if before != after and self._turns:
                    self._members.hand_over(before, after)

    def _heard(self, side: int, sees: Sequence[Said] | Mapping[int, Sequence[Said]]) -> list[Said]:
        """Return what a side hears, as said by the members that said it; its own is left out."""
        heard = sees.get(side, ()) if isinstance(sees, Mapping) else sees
        return [
            replace(one, member=self._played.get((one.round, one.member), one.member))
            for one in heard
            if one.member != side
        ]

    def hand_over(self, old: int, new: int) -> None:
        raise ParameterError("a relay hands its side over by itself", where="Relay")

    def random(self, name: str) -> Stream:
        return self._members.random(name)

    def left(self) -> Mapping[str, float]:
        return self._members.left()

    def said(self) -> Sequence[Said]:
        sides = {(number, player): side for (number, side), player in self._played.items()}
        return [
            replace(one, member=sides[one.round, one.member])
            for one in self._members.said()
            if (one.round, one.member) in sides
        ]


def _by_player(value: Any, playing: Mapping[int, int]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {player: value[side] for side, player in playing.items() if side in value}
