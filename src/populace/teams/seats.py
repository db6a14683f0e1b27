"""Who sits in a team: language models, policies of any kind, and other teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.kernel.answers import Outcome, settle
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.exchange import act_all
from populace.kernel.observation import Observation
from populace.kernel.policy import Policy, as_policy, describe_policy
from populace.kernel.schema import json_schema
from populace.kernel.spaces import Record, Space
from populace.language.model import LanguageModel
from populace.teams.conversation import Ask
from populace.teams.interface import Said
from populace.teams.reading import as_json, canonical

if TYPE_CHECKING:
    from populace.teams.runtime import Round, Work
    from populace.teams.team import Team


@dataclass(frozen=True, slots=True)
class Seat:
    """A member: one of `model`, `policy` and `team`.

    Attributes
    ----------
    copy, copies : int
        Which of how many members with the same model this is: they answer the same prompt by
        different samples.
    """

    name: str
    model: LanguageModel | None = None
    policy: Policy | None = None
    team: Team | None = None
    copy: int = 0
    copies: int = 1

    @property
    def reads(self) -> bool:
        """Whether it is spoken to in words."""
        return self.policy is None

    def describe(self) -> Any:
        """Return what the manifest says of it."""
        if self.model is not None:
            identity = self.model.identity
            return {
                "model": identity.model,
                "endpoint": identity.endpoint,
                "fingerprint": identity.fingerprint,
            }
        return describe_policy(self.policy if self.team is None else self.team)


def seated(members: Sequence[Any] | Mapping[str, Any]) -> tuple[Seat, ...]:
    """Return the seats of a team.

    Raises
    ------
    ParameterError
        If there is no member.
    CastError, ModelUnavailable
        If one is neither a model, a policy nor a team, or a model's name stands for nothing.
    """
    from populace.teams.team import Team

    if isinstance(members, str) or not isinstance(members, (Sequence, Mapping)) or not members:
        raise ParameterError(f"expected one member or more, got {members!r:.80}", where="Team")
    given = members.items() if isinstance(members, Mapping) else [("", one) for one in members]
    opened: dict[str, LanguageModel] = {}
    seats: list[Seat] = []
    for name, one in given:
        if isinstance(one, str):
            if one not in opened:
                from populace.language.opening import open_model

                opened[one] = open_model(one)
            one = opened[one]
        if isinstance(one, Team):
            seats.append(Seat(name or one.name, team=one))
        elif isinstance(one, LanguageModel):
            seats.append(Seat(name or one.identity.model, model=one))
        else:
            policy = as_policy(one, name or f"member {len(seats)}")
            seats.append(Seat(name or type(policy).__name__.lower(), policy=policy))
    return _told_apart(seats)


def _told_apart(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    """Give members different names, and those with one model different samples."""
    names: dict[str, int] = {}
    copies: dict[Any, int] = {}
    for seat in seats:
        if seat.model is not None:
            copies[seat.model.identity] = copies.get(seat.model.identity, 0) + 1
    taken: dict[Any, int] = {}
    apart = []
    for seat in seats:
        count = names[seat.name] = names.get(seat.name, 0) + 1
        name = seat.name if count == 1 else f"{seat.name} {count}"
        identity = None if seat.model is None else seat.model.identity
        copy = taken.get(identity, 0)
        taken[identity] = copy + 1
        apart.append(
            Seat(name, seat.model, seat.policy, seat.team, copy, copies.get(identity, 1))
            if identity is not None
            else Seat(name, None, seat.policy, seat.team)
        )
    if len({seat.name for seat in apart}) < len(apart):
        raise ParameterError(
            f"expected different names, got {[seat.name for seat in apart]}", where="Team"
        )
    return tuple(apart)


# -- asking policies ----------------------------------------------------------------------------


async def ask_policies(work: Work, rounds: Sequence[Round]) -> None:
    """Ask every policy and team that the rounds of a wave name, all their items in one batch.

    A policy is shown the world's columns and the ask's, ``peers`` (what it sees, as models read
    it), ``prompt`` and ``round``. Of a `Record` with a field ``answer`` it is asked that alone:
    it decides, and has nothing else to fill in.
    """
    groups: dict[Any, list[tuple[Round, Ask]]] = {}
    for one in rounds:
        for ask in one.asks:
            if ask.request is None:
                groups.setdefault(_key(one, ask), []).append((one, ask))
    if not groups:
        return
    policies: list[tuple[str, Any]] = []
    observations = []
    for held in groups.values():
        seat = work.seats[held[0][1].member]
        policies.append((f"{work.path}/{seat.name}", _Speaker(work, seat, held)))
        observations.append(_observation(work, held))
    results = await act_all(policies, observations, work.observation.tick)
    for held, observation, (raw, _) in zip(groups.values(), observations, results, strict=True):
        seat = work.seats[held[0][1].member]
        if seat.team is not None:
            continue
        _said(held, observation, raw, f"{work.path}/{seat.name}")


def _key(one: Round, ask: Ask) -> tuple[Any, ...]:
    """Return what asks of one batch have in common."""
    space = _space(one, ask)
    form = None if space is None else json_schema(space)
    return (ask.member, ask.sample, ask.nth, ask.prompt.name, as_json(form), *sorted(ask.columns))


def _space(one: Round, ask: Ask) -> Space | None:
    """Return the space of an ask, None where it is the question's own."""
    space = ask.space
    if isinstance(space, Record) and space is not one.item.question.space:
        space = space.fields.get("answer", space)
    return None if space is None or space is one.item.question.space else space


def _observation(work: Work, held: Sequence[tuple[Round, Ask]]) -> Observation:
    ask = held[0][1]
    seat = work.seats[ask.member]
    shown: dict[str, Any] = {
        name: _column([a.columns[name] for _, a in held]) for name in ask.columns
    }
    shown["prompt"], shown["round"] = ask.prompt.name, ask.nth
    shown["peers"] = _column([a.peers for _, a in held])
    if seat.team is not None:
        shown["question"] = _column([a.asked for _, a in held])
    return work.observation.asked(
        np.array([one.item.index for one, _ in held]),
        f"team/{seat.name}/{ask.nth}/{ask.sample}",
        _space(held[0][0], ask),
        **shown,
    )


def _column(values: Sequence[Any]) -> Any:
    if all(isinstance(v, (bool, int, float, np.number)) for v in values):
        return np.array(values)
    return column(values)


class _Speaker:
    """A member as the one policy of a batch; a team is asked within the items' budgets."""

    def __init__(self, work: Work, seat: Seat, held: Sequence[tuple[Round, Ask]]) -> None:
        self._work, self._seat, self._held = work, seat, held
        if seat.team is not None:
            self.act = self._ask_team
        else:
            assert seat.policy is not None
            self.act = seat.policy.act

    async def _ask_team(self, observation: Observation) -> None:
        team = self._seat.team
        assert team is not None
        budgets = [one.item.budget for one, _ in self._held]
        path = f"{self._work.path}/{self._seat.name}"
        inner = await team.decide(observation, budgets, path, len(observation))
        for (one, _), said in zip(self._held, inner.rows, strict=True):
            one.item.inner += said
        told = zip(self._held, inner.verdicts, inner.tokens, strict=True)
        for (one, ask), verdict, (read, write) in told:
            assert verdict is not None
            ask.said = Said(
                ask.member,
                one.number,
                verdict.text or ("" if verdict.answer is None else str(verdict.answer)),
                verdict.answer,
                verdict.outcome,
                verdict.confidence,
                tokens_in=read,
                tokens_out=write,
            )


def _said(
    held: Sequence[tuple[Round, Ask]], observation: Observation, raw: Any, where: str
) -> None:
    """Turn what a policy answered into what a member said."""
    space = observation.space
    values, outcome = settle(raw, space, len(observation), where)
    answers, labels = canonical(space, values), space.label(values)
    rows = zip(held, answers, labels, outcome.tolist(), strict=True)
    for (one, ask), answer, label, code in rows:
        went = Outcome(code)
        if went not in (Outcome.ACTED, Outcome.FALLBACK):
            ask.said = Said(ask.member, one.number, "", None, went)
            continue
        ask.said = Said(ask.member, one.number, str(label), answer, went)
        if answer is None:
            ask.said = Said(ask.member, one.number, "", None, Outcome.INVALID)
