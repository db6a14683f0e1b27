"""One round of one item: reserved as a whole, sent to the models, settled, and read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import Outcome
from populace.kernel.budget import Budget, Hold
from populace.kernel.errors import BudgetError
from populace.language.model import LanguageModel
from populace.teams.calling import Heard, Tally, bound, converse
from populace.teams.conversation import Ask, Item, put
from populace.teams.interface import OutOfBudget

if TYPE_CHECKING:
    from populace.teams.team import Team


class Sender:
    """Sends rounds of a team to its models.

    Parameters
    ----------
    team : Team
    shared : bool
        Whether the run's budget limits anything, so that rounds are reserved there too.
    """

    def __init__(self, team: Team, shared: bool) -> None:
        self.team, self.shared = team, shared

    async def send(
        self,
        item: Item,
        number: int,
        asks: list[Ask],
        ready: asyncio.Future[bool] | None = None,
    ) -> None:
        """Reserve what a round's calls can cost, send them, and settle what they did cost."""
        if not asks:
            return
        resources, team = self.team.resources, self.team
        groups = self._by_model(asks)
        run = resources.budget if resources is not None and self.shared else None
        budgets = [budget for budget in (item.budget, run) if budget is not None]
        with ExitStack() as stack:
            holds = [stack.enter_context(await self._hold(b, groups)) for b in budgets]
            if ready is not None:
                ready.set_result(True)
            if len(groups) == 1 or all(model.capabilities.at_once for model, _ in groups):
                heard = [await self._spoken(item, model, held) for model, held in groups]
            else:
                heard = await _together([self._spoken(item, *group) for group in groups])
            now = Tally() if holds else item.tally
            for (model, _), came in zip(groups, heard, strict=True):
                now.add(model.identity.model, came)
            if holds:
                item.tally.include(now)
                logical, billed = now.totals(resources)
                for budget, hold in zip(budgets, holds, strict=True):
                    hold.settle(logical if budget is item.budget else billed)
        for (_, held), came in zip(groups, heard, strict=True):
            for ask, one in zip(held, came, strict=True):
                counts = one.tokens_in, one.tokens_out
                if one.outcome == Outcome.ACTED:
                    ask.said = item.read(ask, number, one.text, *counts, one.confidence)
                else:
                    ask.said = item.silent(ask, number, one.outcome, one.text, *counts)
                if ask.said.outcome != Outcome.ACTED:
                    team.note(item, ask, one)

    def _by_model(self, asks: Sequence[Ask]) -> list[tuple[LanguageModel, list[Ask]]]:
        groups: dict[int, tuple[LanguageModel, list[Ask]]] = {}
        for ask in asks:
            model = self.team.seats[ask.member].model
            assert model is not None  # only models are sent requests
            groups.setdefault(id(model), (model, []))[1].append(ask)
        return list(groups.values())

    async def _spoken(self, item: Item, model: LanguageModel, held: Sequence[Ask]) -> list[Heard]:
        """Ask one model; what it said to this question before is not asked again.

        A store that ends with the run would hold just that, since requests carry the seed of their
        question: then the question keeps it itself, which costs less.
        """
        resources, timeout = self.team.resources, self.team.timeout
        requests, choices = put(held)
        if resources is not None and resources.lasting and resources.answers is not None:
            return await converse(model, requests, choices, resources.answers, timeout)
        known = item.known
        keys = [
            (ask.member, ask.sample, ask.prompt.name, request.messages)
            for ask, request in zip(held, requests, strict=True)
        ]
        new = {
            key: (request, own)
            for key, request, own in zip(keys, requests, choices, strict=True)
            if key not in known
        }
        said: dict[Any, Heard] = {}
        if new:
            fresh, options = zip(*new.values(), strict=True)
            came = await converse(model, fresh, options, None, timeout)
            said = dict(zip(new, came, strict=True))
        heard = []
        for key in keys:
            if key in known:
                heard.append(replace(known[key], paid=False))
                continue
            heard.append(said[key])
            if said[key].outcome in (Outcome.ACTED, Outcome.REFUSED):
                known[key] = said[key]
        return heard

    async def _hold(
        self, budget: Budget, groups: Sequence[tuple[LanguageModel, list[Ask]]]
    ) -> Hold:
        """Reserve a round; raise OutOfBudget if it does not fit."""
        tokens = usd = None
        counted = budget.limited("tokens"), budget.limited("usd")
        resources = self.team.resources
        if any(counted):
            tokens, dollars = 0, 0.0
            for model, held in groups:
                read, write = bound(model, *put(held))
                tokens += read + write
                price = None
                if resources is not None:
                    price = resources.prices.usd(model.identity.model, read, write)
                dollars = float("nan") if price is None else dollars + price
            usd = None if dollars != dollars else dollars
        n = sum(len(held) for _, held in groups)
        timeout = self.team.timeout
        seconds = n * timeout if timeout is not None and budget.limited("seconds") else None
        try:
            return await budget.acquire(tokens=tokens, calls=n, usd=usd, seconds=seconds)
        except BudgetError as refusal:
            if not refusal.scope:  # no limit was met: the reservation itself is impossible
                raise
            raise OutOfBudget(refusal.what, where=refusal.where, mend=refusal.mend) from refusal


async def _together(jobs: Sequence[Any]) -> list[list[Heard]]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except BaseExceptionGroup as failures:
        raise cause(failures) from None
    return [task.result() for task in tasks]


def cause(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure of a group of tasks, the one that ended the others."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
