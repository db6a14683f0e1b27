"""One act of a team: items concurrently, rounds as a whole, waves where order must not tell.

Each item (one agent's question) runs the structure by itself. A round that asks models only, with
nothing to share but the model, is sent at once. Where items share more, a policy that answers all
of them in one batch or a run's budget that may end, rounds wait for the next *wave*: when every
item at work waits, all waiting rounds are carried out in the order of agents. So no result depends
on which reply came first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from populace.kernel.answers import Outcome
from populace.kernel.budget import Budget
from populace.kernel.errors import BudgetError, PolicyError
from populace.kernel.observation import Observation
from populace.kernel.spend import MEASURES
from populace.kernel.streams import Stream
from populace.teams.conversation import Ask, Item
from populace.teams.interface import OutOfBudget, Question, Said, Verdict
from populace.teams.prompting import Wordings, questions, safe, spread, words
from populace.teams.reading import Form, SpaceForm
from populace.teams.rounds import Sender, cause
from populace.teams.seats import Seat, ask_policies
from populace.teams.transcript import Row, rows
from populace.teams.votes import plurality

if TYPE_CHECKING:
    from populace.teams.team import Team

COUNTS = (
    "items",
    "calls",
    "paid",
    "rounds",
    "unparsed",
    "ties",
    "over_budget",
    "tokens_in",
    "tokens_out",
)
_STILL = 3  # turns of the event loop without anything new, after which every item waits


@dataclass(slots=True)
class Round:
    """An ask of one item, to be carried out in the next wave."""

    item: Item
    number: int
    asks: list[Ask]
    done: asyncio.Future[None]
    queued: bool = True


class Work:
    """What a team does for one observation.

    Parameters
    ----------
    team : Team
    observation : Observation
    budgets : sequence of Budget or None, optional
        In which the items are asked, where another team asks.
    path : str
        The team's name in ledgers and transcripts.
    transcripts : int
        Of how many items, the first ones, the transcript is kept.

    Attributes
    ----------
    verdicts : list of Verdict
        In the order of the agents.
    tokens : list of (int, int)
        Read and written for each item.
    rows : list of list
        What was said, an item.
    counts : dict
        Sums over the items (`COUNTS`).
    """

    def __init__(
        self,
        team: Team,
        observation: Observation,
        budgets: Sequence[Budget | None] | None,
        path: str,
        transcripts: int = 0,
    ) -> None:
        self.team, self.observation, self.path = team, observation, path
        self.seats: tuple[Seat, ...] = team.seats
        self.names: tuple[str, ...] = team.names
        self.wordings: Wordings = team.wordings
        self.columns = frozenset(observation.columns)
        n = len(observation)
        self.verdicts: list[Verdict | None] = [None] * n
        self.tokens: list[tuple[int, int]] = [(0, 0)] * n
        self.rows: list[list[Row]] = [[]] * n
        self.counts = dict.fromkeys(COUNTS, 0)
        self._budgets, self._transcripts = budgets, transcripts
        resources = team.resources
        self.shared = resources is not None and any(map(resources.budget.limited, MEASURES))
        self._sender = Sender(team, self.shared)
        self._columns = {name: spread(observation[name], n) for name in observation.columns}
        self._said: dict[str, list[str]] | None = None
        self._texts = questions(observation, team.prompts)
        self._forms: dict[Any, Form] = {}
        self._seeds: list[int] = observation.random.named("team").bits().tolist() if n else []
        self._group: asyncio.TaskGroup | None = None
        self._pending: list[Round] = []
        self._live = self._waiting = self._moves = 0
        self._watched = False

    # -- items -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work on all items, at most `in_flight` at once."""
        turns = iter(range(len(self.verdicts)))
        try:
            async with asyncio.TaskGroup() as self._group:
                for _ in range(min(len(self.verdicts), self.team.in_flight)):
                    self._group.create_task(self._worker(turns))
        except BaseExceptionGroup as failures:
            raise cause(failures) from None

    @property
    def decided(self) -> list[Verdict]:
        """The verdicts, once there is one for each item."""
        return [verdict for verdict in self.verdicts if verdict is not None]

    async def _worker(self, turns: Iterator[int]) -> None:
        for i in turns:
            self._live += 1
            item = self._item(i)
            try:
                verdict = await self._decided(item)
            finally:
                self._book(item)
            self._keep(i, item, verdict)
            self._live -= 1
            self._stirred()

    async def _decided(self, item: Item) -> Verdict:
        try:
            result = await self.team.structure(item, item.question, **self.team.settings)
        except OutOfBudget:
            return _last_round(item)
        if isinstance(result, Verdict):
            return result if result.text or result.answer is None else _worded(result, item)
        if isinstance(result, Said):
            return Verdict(result.answer, result.outcome, result.text, result.confidence)
        if result is None:
            return Verdict(None, Outcome.ABSTAINED)
        if isinstance(result, np.generic):
            result = result.item()
        if not isinstance(result, (str, int, float, tuple)):
            raise PolicyError(
                f"expected a Verdict, a Said or an answer, got {result!r:.80}",
                where=f"structure {self.team.structure_name!r}",
            )
        return _worded(Verdict(result), item)

    def _keep(self, i: int, item: Item, verdict: Verdict) -> None:
        """Keep what is told of an item; its conversations end here."""
        said, counts = item.said(), self.counts
        self.verdicts[i] = verdict
        read, write = sum(s.tokens_in for s in said), sum(s.tokens_out for s in said)
        self.tokens[i] = read, write
        counts["items"] += 1
        counts["calls"] += len(said)
        counts["paid"] += item.tally.paid
        counts["rounds"] += item.rounds
        counts["unparsed"] += sum(s.outcome == Outcome.INVALID for s in said)
        counts["ties"] += verdict.tie
        counts["over_budget"] += verdict.reason == "budget"
        counts["tokens_in"] += read
        counts["tokens_out"] += write
        if i < self._transcripts:
            self.rows[i] = [*rows(item, verdict, self.path, self.names), *item.inner]

    def _book(self, item: Item) -> None:
        """Book what an item's calls cost, a row a model."""
        if (resources := self.team.resources) is None:
            return
        kind = self.observation.kind
        for model, (logical, billed) in item.tally.spends(resources).items():
            resources.ledger.add(kind, self.path, model, logical, billed)

    def _item(self, i: int) -> Item:
        observation = self.observation
        columns = {name: held[i] for name, held in self._columns.items()}
        space = observation.space.part(np.array([i]))
        question = Question(
            observation.kind,
            self._texts[i],
            space,
            int(observation.ids[i]),
            observation.tick,
            columns,
        )
        around = None if self._budgets is None else self._budgets[i]
        budget, limits = around, self.team.limits
        if limits:
            name = f"{self.path}/{question.agent}"
            if around is not None:
                budget = around.scope(name, at_end="missing", **limits)
            else:
                budget = Budget(at_end="missing", name=name, **limits)
        return Item(self, i, question, self._form(columns, space), self._seeds[i], budget)

    def _form(self, columns: Mapping[str, Any], space: Any) -> Form:
        given = self.team.form if self.team.form is not None else columns.get("form")
        if given is not None and not isinstance(given, str):
            return cast(Form, given)
        key = given if given is not None else id(space)
        if key not in self._forms:
            if given is None:
                self._forms[key] = SpaceForm(space)
            else:
                from populace.language.forms import form

                self._forms[key] = form(given)
        found = self._forms[key]
        if isinstance(found, SpaceForm) and found.space is not space:  # an id used again
            found = self._forms[key] = SpaceForm(space)
        return found

    def words(self, i: int) -> dict[str, str]:
        """Return what the world shows agent `i`, in words."""
        if self._said is None:
            n = len(self.verdicts)
            self._said = {
                name: [safe(text) for text in words(self.observation[name], n, name)]
                for name in self.observation.columns
            }
        return {name: said[i] for name, said in self._said.items()}

    def stream(self, name: str, i: int) -> Stream:
        """Return the random stream of a question by name, bound to its agent."""
        return self.observation.random.named(f"team/{name}").part(slice(i, i + 1))

    # -- rounds ----------------------------------------------------------------------------------

    async def carry_out(self, item: Item, number: int, asks: list[Ask]) -> None:
        """Ask the members of one round; each ask then has its `said`.

        Raises
        ------
        OutOfBudget
        """
        if not self.shared and all(ask.request is not None for ask in asks):
            await self._sender.send(item, number, asks)
            return
        waiting = Round(item, number, asks, asyncio.get_running_loop().create_future())
        self._pending.append(waiting)
        item.pending += 1
        self._waiting += item.pending == 1
        self._stirred()
        try:
            await waiting.done
        finally:
            self._leave(waiting)

    def _leave(self, waiting: Round) -> None:
        """Take a round out of those that wait, once."""
        if waiting.queued:
            waiting.queued = False
            waiting.item.pending -= 1
            self._waiting -= waiting.item.pending == 0
            self._moves += 1

    def _stirred(self) -> None:
        """Something changed: start a wave once every item at work has come to wait."""
        self._moves += 1
        if self._pending and not self._watched and self._waiting == self._live:
            self._watched = True
            asyncio.get_running_loop().call_soon(self._watch, self._moves, _STILL)

    def _watch(self, moves: int, left: int) -> None:
        loop = asyncio.get_running_loop()
        if self._waiting != self._live:
            self._watched = False
        elif moves != self._moves:
            loop.call_soon(self._watch, self._moves, _STILL)
        elif left:
            loop.call_soon(self._watch, moves, left - 1)
        else:
            self._watched = False
            wave, self._pending = [r for r in self._pending if r.queued], []
            for waiting in wave:
                self._leave(waiting)
            assert self._group is not None
            self._group.create_task(self._wave(sorted(wave, key=_order)))

    async def _wave(self, wave: list[Round]) -> None:
        """Carry out rounds together: reserved in order, policies asked in one batch each.

        A round ends with its last answer, whatever the others of the wave still wait for.
        """
        loop = asyncio.get_running_loop()
        ready: list[asyncio.Future[bool]] = [loop.create_future() for _ in wave]
        policies = loop.create_future()

        async def carry(one: Round, reserved: asyncio.Future[bool]) -> None:
            asks = [ask for ask in one.asks if ask.request is not None]
            try:
                await self._sender.send(one.item, one.number, asks, reserved)
            except (OutOfBudget, BudgetError) as refusal:
                reserved.set_result(False)
                if not one.done.done():
                    one.done.set_exception(refusal)
                return
            if not reserved.done():
                reserved.set_result(True)
            if len(asks) < len(one.asks):
                await policies
            if not one.done.done():  # else the structure no longer waits
                one.done.set_result(None)

        async with asyncio.TaskGroup() as group:
            for one, reserved in zip(wave, ready, strict=True):
                group.create_task(carry(one, reserved))
            granted = [await reserved for reserved in ready]
            await ask_policies(self, [one for one, yes in zip(wave, granted, strict=True) if yes])
            policies.set_result(None)


def _order(waiting: Round) -> tuple[int, int]:
    return waiting.item.index, waiting.number


def _last_round(item: Item) -> Verdict:
    """Return the plurality of the last round that answered the question: the budget is spent.

    A judge's pick, a route or a summary is no answer to it.
    """
    for asks in reversed(item.committed()):
        said = [ask.said for ask in asks if ask.said is not None and item.answers(ask)]
        if any(one.votes for one in said):
            return replace(plurality(said, item.random), reason="budget")
    return Verdict(None, Outcome.OVER_BUDGET, reason="budget")


def _worded(verdict: Verdict, item: Item) -> Verdict:
    """Return a verdict with the words of the last member whose answer it is."""
    for said in reversed(item.said()):
        if said.votes and item.form.same(said.answer, verdict.answer):
            return replace(verdict, text=said.text)
    return verdict
