"""The public goods game, with and without costly punishment: Fehr and Gächter."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.columns import column
from populace.kernel.measures import Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Number, Record
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.worlds.public_goods.facts import payoffs
from populace.worlds.public_goods.rules import minds as rule_minds
from populace.worlds.speaking import Speaking

PROMPTS = Path(__file__).parent / "prompts" / "public_goods.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""

Matching = Literal["partner", "stranger"]
_MADE = "groups are formed at the start"
_FIRST = "This is the first period."


class PublicGoods(World):
    """Groups give to a good that all share alike, and may fine each other at a cost.

    Fehr and Gächter (2000, American Economic Review 90; the 1:3 punishment of 2002, Nature 415).
    Each tick is a period, in all `groups` side by side. Everybody is asked ``contribute``, from 0
    to the `endowment`, all at once; a member's payoff is ``endowment - own + mpcr * (sum of the
    group)``. Then, with `punishment`, everybody sees what each other member gave and is asked
    ``punish``: points for each, from 0 to `most`, which cost `cost` each and take `impact` from who
    gets them. Who does not decide gives nothing and fines nobody. Payoffs may be negative.

    Groups stay together (``partner``) or are drawn anew each period (``stranger``). Agents see the
    period, their last contribution ``own``, the mean ``others`` of their group's other members then
    (NaN in the first period), the points they were ``fined``; and when they punish, ``own`` and
    ``gave`` of this period, the others in the order of ``members`` (A, B, ...). ``past`` and
    ``given`` say so in words.

    Attributes
    ----------
    people : Population
        Columns ``contribution``, ``others``, ``spent`` and ``received`` (points), ``payoff`` (of
        the period) and ``earned``.
    members : int64 array of shape (groups, size)
        Rows of the members of each group, this period.
    """

    title = "Public goods"
    ticks = 10
    charts = (
        Chart("Contributions", ["contribution", "largest", "smallest"], unit="units"),
        Chart("Payoff", ["payoff"], unit="units a period", note="After fines and what they cost."),
        Chart("Free riders and full contributors", ["free_riders", "full"], unit="share"),
        Chart("Punishment", ["points"], unit="points an agent"),
    )

    def __init__(
        self,
        groups: Annotated[int, Parameter("groups side by side", low=1, fixed=_MADE)] = 6,
        size: Annotated[int, Parameter("members of a group", low=2, high=27, fixed=_MADE)] = 4,
        endowment: Annotated[float, Parameter("each period", "units", low=0)] = 20.0,
        mpcr: Annotated[
            float, Parameter("marginal per-capita return of the good", low=0, high=1)
        ] = 0.4,
        punishment: Annotated[bool, Parameter("members may fine each other")] = False,
        impact: Annotated[float, Parameter("taken by a point", "units", low=0)] = 3.0,
        cost: Annotated[float, Parameter("paid for a point", "units", low=0)] = 1.0,
        most: Annotated[float, Parameter("points for one member", "points", low=0)] = 10.0,
        matching: Annotated[Matching, Parameter("who meets whom again")] = "partner",
        whole: Annotated[bool, Parameter("units and points are not divided")] = True,
    ) -> None:
        self.endowment, self.mpcr, self.matching, self.whole = endowment, mpcr, matching, whole
        self.punishment, self.impact, self.cost, self.most = punishment, impact, cost, most
        self._names = tuple(string.ascii_uppercase[: size - 1])
        zero = (np.float64, 0.0)
        self.people = Population(
            groups * size,
            contribution=zero,
            others=(np.float64, np.nan),
            spent=zero,
            received=zero,
            payoff=zero,
            earned=zero,
        )
        self.members = np.arange(groups * size).reshape(groups, size)
        self._aside = _others(size)
        self.past = [_FIRST] * (groups * size)
        self.period = 0

    def start(self, streams: Streams) -> None:
        """Draw the first groups, so that partners are no neighbours by number."""
        self._draw(streams.stream("groups").permutation(self.people))

    def _draw(self, order: NDArray[np.int64]) -> None:
        self.members = order.reshape(self.members.shape)

    async def step(self, minds: Minds) -> None:
        people = self.people
        if self.matching == "stranger" and self.period:
            self._draw(minds.stream("groups").permutation(people))
        self.period += 1
        answers = await minds.ask(
            "contribute",
            people,
            Number(0, self.endowment, integer=self.whole),
            see=["others"],
            missing=0,
            own=people.contribution.copy(),
            fined=people.received.copy(),
            past=column(self.past),
            **self._rules(),
        )
        people.contribution[:] = answers.values
        given = people.contribution[self.members]
        aside = self._spread(given)
        people.others[:] = aside.mean(axis=1)
        people.payoff[self.members] = payoffs(given, self.endowment, self.mpcr)
        people.spent[:] = people.received[:] = 0.0
        if self.punishment:
            await self._punish(minds, aside)
        people.earned += people.payoff
        self.past = self._words(aside)
        minds.tell(
            "paid", people, reward=people.payoff.copy(), fined=people.received.copy(), gave=aside
        )

    async def _punish(self, minds: Minds, aside: NDArray[np.float64]) -> None:
        """Ask for points, and book what they cost and take."""
        people = self.people
        points = Number(0, self.most, integer=self.whole)
        answers = await minds.ask(
            "punish",
            people,
            Record(**dict.fromkeys(self._names, points)),
            missing=dict.fromkeys(self._names, 0),
            own=people.contribution.copy(),
            gave=aside,
            given=column(self._told(aside)),
            members=self._names,
            **self._rules(),
        )
        table = np.column_stack([answers.values[name] for name in self._names]).astype(np.float64)
        people.spent[:] = table.sum(axis=1)
        groups, size = self.members.shape
        target = self.members[:, self._aside]  # (groups, member, other): whose points these are
        received = np.zeros(groups * size)
        np.add.at(received, target.reshape(-1, size - 1), table[self.members].reshape(-1, size - 1))
        people.received[:] = received
        people.payoff -= self.cost * people.spent + self.impact * people.received

    # -- what agents see -------------------------------------------------------------------------

    def _rules(self) -> dict[str, Any]:
        return {
            "period": self.period,
            "endowment": self.endowment,
            "mpcr": self.mpcr,
            "size": self.members.shape[1],
            "cost": self.cost,
            "impact": self.impact,
            "most": self.most,
            "whole": self.whole,
            "punishment": self.punishment,
            "matching": self.matching,
        }

    def _spread(self, given: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each agent's other members gave, shape (agents, size - 1), by row."""
        aside = np.empty((len(self.people), given.shape[1] - 1))
        aside[self.members] = given[:, self._aside]
        return aside

    def _told(self, aside: NDArray[np.float64]) -> list[str]:
        return [
            ", ".join(f"{name} gave {g:g}" for name, g in zip(self._names, row, strict=True))
            for row in aside.tolist()
        ]

    def _words(self, aside: NDArray[np.float64]) -> list[str]:
        """Return each agent's last period in a sentence or two."""
        people, fines = self.people, [""] * len(self.people)
        if self.punishment:
            points = zip(people.spent.tolist(), people.received.tolist(), strict=True)
            fines = [f" You assigned {s:g} points and got {r:g}." for s, r in points]
        rows = zip(
            people.contribution.tolist(), self._told(aside), fines, people.payoff.tolist(),
            strict=True,
        )  # fmt: skip
        return [
            f"Last period you gave {own:g}; {told}.{fine} You earned {paid:g}."
            for own, told, fine, paid in rows
        ]

    def measure(self) -> Mapping[str, float]:
        people = self.people
        given = people.contribution
        return {
            "contribution": float(given.mean()),
            "largest": float(given[self.members].mean(axis=1).max()),
            "smallest": float(given[self.members].mean(axis=1).min()),
            "free_riders": float((given == 0).mean()),
            "full": float((given == self.endowment).mean()),
            "payoff": float(people.payoff.mean()),
            "points": float(people.spent.mean()),
        }

    def policies(self) -> Mapping[str, Policy]:
        return {**rule_minds(), "language": Speaking(PROMPTS)}

    def shares(self) -> Mapping[str, float]:
        punishers = {"punisher": 1.0} if self.punishment else {}
        return {"conditional": 3.0, "free_rider": 1.0, **punishers}


def _others(size: int) -> NDArray[np.int64]:
    """Return each member's other members' places, in their order; shape (size, size - 1).

    >>> _others(3).tolist()
    [[1, 2], [0, 2], [0, 1]]
    """
    places = np.arange(size)
    return np.array([places[places != own] for own in places])
