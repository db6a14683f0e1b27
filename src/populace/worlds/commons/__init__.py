"""A commons that a group shares, talks about, and may lose: fishery, pasture, river and house."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Calendar, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Number, Text
from populace.kernel.world import World
from populace.worlds.commons.agreement import Agreement, ask_limit, read_limit, said_by, within
from populace.worlds.commons.resource import Allocation, Floats, Resource, ration
from populace.worlds.commons.rules import minds as rule_minds
from populace.worlds.commons.scenes import SCENES, SceneName
from populace.worlds.commons.scores import efficiency, equality
from populace.worlds.seats import names
from populace.worlds.speaking import Speaking

PROMPTS = {scene: Path(__file__).parent / "prompts" / f"{scene}.toml" for scene in SCENES}
"""Prompts with which a language model plays, by scene: ``Language(model, PROMPTS["fishery"])``."""
REMEMBERING = {name: path.with_stem(f"{name}_memory") for name, path in PROMPTS.items()}
"""The same for a mind with a memory: ``Language(model, REMEMBERING["fishery"], memory=True)``."""

Discussion = Literal["none", "together", "turns"]
_MADE = "the games are set up at the start"
_NOTHING = "Nothing was said yet."
_AGREEMENTS = Chart(
    "Agreements",
    ["agreed", "kept"],
    unit="share",
    note="Games that agreed on a limit; harvests within the last one.",
)


class Commons(World):
    """A group harvests a shared stock, month by month (GovSim, Piatti et al. 2024).

    Each tick is a month, in each of `games` games of `fishers` agents. (1) **Harvest**: all are
    asked ``harvest`` at once and in private, from 0 to the stock; where they want more than there
    is, it is rationed. (2) **Pooling**: a chair announces what everybody took. (3) **Discussion**:
    `rounds` rounds of ``speak``, all at once or in turns; with an `agreement`, the limit that was
    agreed on is ``read`` by a rule (`populace.worlds.commons.agreement`) or the first member is
    ``asked`` (kind ``limit``, -1 for none), and all are told it; nothing enforces it. (4)
    **Reflection**: ``reflect``, a note to oneself, which is told back as memory and shown from then
    on. Then what is left doubles, up to the capacity; if less than `collapse` is left, the game is
    over (after its last discussion).

    ``fishery``, ``pasture`` and ``pollution`` tell the same game in three wordings, as the paper
    has it; ``house`` is the inverse environment of Curvo et al. 2025 (arXiv:2505.09289), a shared
    bad that grows and that it costs effort to take away. `populace.worlds.commons.resource` has the
    thresholds and optima in closed form, `populace.worlds.commons.scores` the measures.

    A `newcomer` is the last seat of each game, who joins at the beginning of that month. Who does
    not decide takes nothing, says nothing, notes nothing.

    Agents see the stock, its ``capacity``, how many ``members`` there are, ``share`` (the
    sustainable part of each), the mean harvest of the ``others`` last month and the stock
    ``before`` it (NaN in the first month, or where nothing is revealed), whether they are a
    ``newcomer``, the limit ``agreed`` on last (NaN for none); and in words ``events``, the past
    months, ``said``, the last discussion, ``notes``, their own last reflection, and the
    ``universal`` sentence. The prompts shipped leave out the share (but for that sentence) and the
    number of ``months``, as the paper does.

    Attributes
    ----------
    people : Population
        Columns ``game``, ``seat``, ``joined`` (month), ``harvest`` (last month's) and ``gain``.
    stock : float64 array of shape (games,)
        At the beginning of the coming month.
    playing : bool array of shape (games,)
    lasted : int64 array of shape (games,)
        Months that were played: once a game is over, its survival time.
    """

    ticks = 12
    calendar = Calendar(dt.date(2024, 1, 1), "month")
    charts: Sequence[Chart] = (
        Chart(
            "Stock", ["stock"], unit="units", note="Mean over games; a good that collapsed is 0."
        ),
        Chart("Harvest", ["harvest"], unit="units an agent", note="Mean of those who play."),
        Chart("Games that go on", ["survival"], unit="share"),
        Chart(
            "Gain and its division",
            ["efficiency", "equality", "overuse"],
            unit="share",
            note="Of the sustained total; one less the Gini coefficient; harvests above the share.",
        ),
        Chart("Gain by seat", ["gain_of"], unit="units so far", by="seat"),
    )

    def __init__(
        self,
        scene: Annotated[SceneName, Parameter("what is shared", fixed=_MADE)] = "fishery",
        games: Annotated[int, Parameter("games side by side", low=1, fixed=_MADE)] = 1,
        fishers: Annotated[int, Parameter("agents of a game", low=1, high=50, fixed=_MADE)] = 5,
        months: Annotated[int, Parameter("longest game", "months", low=1)] = 12,
        capacity: Annotated[float, Parameter("most there can be", "units", 1, fixed=_MADE)] = 100.0,
        growth: Annotated[
            float, Parameter("what is left multiplies by this", "1/month", 1.01, fixed=_MADE)
        ] = 2.0,
        collapse: Annotated[
            float, Parameter("what is left below which all is lost", "units", 0, fixed=_MADE)
        ] = 5.0,
        allocation: Annotated[
            Allocation, Parameter("who gets how much where more is wanted than there is")
        ] = "random",
        whole: Annotated[bool, Parameter("units are not divided", fixed=_MADE)] = True,
        reveal: Annotated[bool, Parameter("the harvests are announced")] = True,
        discussion: Annotated[Discussion, Parameter("who speaks when")] = "none",
        rounds: Annotated[int, Parameter("rounds of a discussion", low=1, high=20)] = 1,
        agreement: Annotated[
            Agreement, Parameter("how the limit that was agreed on is found")
        ] = "none",
        reflection: Annotated[bool, Parameter("agents write themselves a note")] = False,
        universalisation: Annotated[
            bool, Parameter("show what becomes of it if everyone did the same")
        ] = False,
        sentence: Annotated[
            str, Parameter("in place of that sentence; {share} is the sustainable share")
        ] = "",
        newcomer: Annotated[
            int, Parameter("month in which the last seat joins; 0: all from the start", low=0)
        ] = 0,
        letters: Annotated[int, Parameter("longest text", "characters", low=10)] = 1000,
        history: Annotated[int, Parameter("past months shown in words", "months", low=0)] = 12,
    ) -> None:
        if not whole and allocation == "random":
            allocation = "proportional"
        if newcomer and fishers < 2:
            raise ParameterError("a newcomer needs somebody to come to", where="Commons")
        self.scene, self.games, self.fishers, self.months = scene, games, fishers, months
        self.resource = Resource(capacity, growth, collapse, SCENES[scene].bad)
        self.allocation, self.whole, self.reveal = allocation, whole, reveal
        self.discussion, self.rounds, self.reflection = discussion, rounds, reflection
        self.agreement = agreement
        if agreement != "none":
            self.charts = (*self.charts, _AGREEMENTS)
        self.universalisation, self.sentence = universalisation, sentence
        self.newcomer, self.letters, self.history = newcomer, letters, history
        self._ruin = float(capacity) if self.resource.bad else 0.0
        self.names = names(fishers)
        self.axes = {"seat": list(self.names)}
        game, seat = np.divmod(np.arange(games * fishers), fishers)
        joined = np.where(seat == fishers - 1, max(newcomer, 1), 1)
        self.people = Population(
            games * fishers,
            game=game.astype(np.int32),
            seat=seat.astype(np.int16),
            joined=joined.astype(np.int32),
            harvest=(np.float64, 0.0),
            gain=(np.float64, 0.0),
        )
        self.month = 0
        self.stock = np.full(games, float(capacity))
        self.before = np.full(games, np.nan)
        self.playing = np.ones(games, np.bool_)
        self.lasted = np.zeros(games, np.int64)
        self.acts, self.overused = np.zeros(games, np.int64), np.zeros(games, np.int64)
        self.agreed = np.full(games, np.nan)
        self.promised, self.kept = np.zeros(games, np.int64), np.zeros(games, np.int64)
        self.events: list[list[str]] = [[] for _ in range(games)]
        self.said: list[list[str]] = [[] for _ in range(games)]
        self.notes = [""] * (games * fishers)

    @property
    def done(self) -> bool:
        """Whether every game is over."""
        return self.month >= self.months or not self.playing.any()

    async def step(self, minds: Minds) -> None:
        self.month += 1
        people = self.people
        there = (people.joined <= self.month) & self.playing[people.game]
        part = people[there]
        if not len(part):
            return
        high = self.stock[part["game"]]
        answers = await minds.ask(
            "harvest", part, Number(0, high, integer=self.whole), missing=0, **self._shown(part)
        )
        wanted = np.zeros(len(people))
        wanted[part.rows] = answers.values
        left = self._harvest(wanted, there, minds)
        minds.tell(
            "harvested", part, reward=part["harvest"], stock=left[part["game"]], month=self.month
        )
        if self.discussion != "none":
            await self._discuss(minds, part)
        if self.reflection:
            await self._reflect(minds, part)
        self._grow(left)

    # -- the phases ------------------------------------------------------------------------------

    def _harvest(self, wanted: Floats, there: NDArray[np.bool_], minds: Minds) -> Floats:
        """Ration what is wanted, book it, and return what is left of each game's stock."""
        people, table = self.people, (self.games, self.fishers)
        here = there.reshape(table)
        got = ration(
            wanted.reshape(table), self.stock, self.allocation, self.whole, minds.stream("ration")
        )
        people.harvest = got.ravel()
        people.gain += people.harvest
        share = self._threshold(here.sum(axis=1))[:, None]
        slack = 1e-9 * self.resource.capacity
        over = got < share - slack if self.resource.bad else got > share + slack
        self.overused += (over & here).sum(axis=1)
        self.acts += here.sum(axis=1)
        promised = here & ~np.isnan(self.agreed)[:, None]
        self.promised += promised.sum(axis=1)
        self.kept += (promised & within(got, self.agreed[:, None], self.resource.bad)).sum(axis=1)
        self.lasted += self.playing
        left: Floats = np.maximum(0.0, self.stock - got.sum(axis=1))
        if self.reveal and self.history:
            self._write(got, left, here)
        self.before = np.where(self.playing, self.stock, np.nan)
        return left

    def _write(self, got: Floats, left: Floats, here: NDArray[np.bool_]) -> None:
        """Write the month down as the chair announces it."""
        told = SCENES[self.scene]
        for game in np.flatnonzero(self.playing).tolist():
            who = [self.names[seat] for seat in np.flatnonzero(here[game])]
            stock, rest = float(self.stock[game]), float(left[game])
            line = told.month(self.month, stock, rest, who, got[game][here[game]].tolist())
            self.events[game] = [*self.events[game], line][-self.history :]

    async def _discuss(self, minds: Minds, part: Part) -> None:
        chair = SCENES[self.scene].chair
        for game in np.flatnonzero(self.playing).tolist():
            news = self.events[game][-1:] if self.reveal else []
            self.said[game] = [f"{chair}: {line}" for line in news]
        game, seat = part["game"], part["seat"]
        groups = [np.arange(len(part))]
        if self.discussion == "turns":
            groups = [np.flatnonzero(seat == s) for s in range(self.fishers)]
        for number in range(1, self.rounds + 1):
            for group in groups:
                speakers = part[group]
                if not len(speakers):
                    continue
                found = await minds.ask(
                    "speak",
                    speakers,
                    Text(self.letters),
                    missing="",
                    round=number,
                    rounds=self.rounds,
                    **self._shown(speakers, now=True),
                )
                for g, s, text in zip(game[group], seat[group], found.values, strict=True):
                    if text:
                        self.said[g].append(f"{self.names[s]}: {text}")
        if self.agreement != "none":
            await self._agree(minds, part)
        minds.tell("heard", part, words=self._by_game(self.said, part), month=self.month)

    async def _agree(self, minds: Minds, part: Part) -> None:
        """Find what limit was agreed on, and tell all."""
        members, most = np.bincount(part["game"], minlength=self.games), self.resource.capacity
        self.agreed[:] = np.nan
        for game in np.flatnonzero(self.playing).tolist():
            words = said_by(self.said[game], self.names)
            self.agreed[game] = read_limit(words, int(members[game]), most)
        if self.agreement == "asked":
            shown = partial(self._shown, now=True)
            self.agreed = await ask_limit(minds, part, self.agreed, most, self.whole, shown)
        told = SCENES[self.scene]
        for game in np.flatnonzero(~np.isnan(self.agreed)).tolist():
            line = told.agreed.format(limit=f"{self.agreed[game]:g}")
            self.said[game].append(f"{told.chair}: {line}")

    async def _reflect(self, minds: Minds, part: Part) -> None:
        found = await minds.ask(
            "reflect", part, Text(self.letters), missing="", **self._shown(part, now=True)
        )
        for row, text in zip(part.rows.tolist(), found.values, strict=True):
            self.notes[row] = text or self.notes[row]
        minds.tell("memory", part, text=found.values, month=self.month)

    def _grow(self, left: Floats) -> None:
        grown = self.resource.grown(left)
        if self.whole:
            grown = np.floor(grown + 1e-9)
        lost = self.resource.collapsed(left)
        self.playing &= ~lost
        self.stock = np.where(self.playing, grown, left)

    # -- what agents see -------------------------------------------------------------------------

    def _threshold(self, members: NDArray[Any]) -> Floats:
        """Return f(t) / n, each one's part of what can be taken for ever; shape (games,)."""
        return np.asarray(self.resource.sustainable(self.stock) / np.maximum(members, 1))

    def _share(self, stock: Floats, members: NDArray[Any]) -> Floats:
        """Return that part in units that can be taken."""
        share = self.resource.sustainable(stock) / np.maximum(members, 1)
        if not self.whole:
            return np.asarray(share)
        bad = self.resource.bad
        return np.asarray(np.ceil(share - 1e-9) if bad else np.floor(share + 1e-9))

    def _shown(self, part: Part, now: bool = False) -> dict[str, Any]:
        """Return what these agents see, before their harvest or (`now`) after it."""
        people, game, seat = self.people, part["game"], part["seat"]
        table = (self.games, self.fishers)
        here = ((people.joined <= self.month) & self.playing[people.game]).reshape(table)
        members = here.sum(axis=1)
        took = people.harvest.reshape(table)
        left = self.stock - took.sum(axis=1) if now else self.stock
        coming = self.resource.grown(np.maximum(left, 0)) if now else self.stock
        soon = self._share(coming, members)
        # of the others who were there last month: whoever joins now took nothing then
        met = (people.joined < self.month + now).reshape(table).sum(axis=1)
        own_met = part["joined"] < self.month + now
        others = np.full(len(part), np.nan)
        known = self.reveal and (now or self.month > 1)
        if known:
            company = met[game] - own_met
            total = took.sum(axis=1)[game] - np.where(own_met, part["harvest"], 0)
            np.divide(total, company, out=others, where=company > 0)
        return {
            "scene": self.scene,
            "good": not self.resource.bad,
            "whole": self.whole,
            "month": self.month,
            "months": self.months,
            "capacity": self.resource.capacity,
            "growth": self.resource.growth,
            "collapse": self.resource.collapse,
            "inflow": self.resource.inflow,
            "limit": self.resource.limit,
            "name": column(self.names)[seat],
            "members": members[game],
            "stock": left[game] if now else self.stock[game],
            "share": self._share(self.stock, members)[game],
            "next_share": soon[game],
            "agreed": self.agreed[game],
            "newcomer": part["joined"] > 1,
            "own": part["harvest"],
            "others": others,
            "before": (self.stock if now else self.before)[game],
            "universal": self._universal(soon)[game],
            "events": self._by_game(self.events, part, "This is the first month."),
            "said": self._by_game(self.said, part),
            "notes": column([self.notes[row] or "none" for row in part.rows.tolist()]),
        }

    def _universal(self, share: Floats) -> NDArray[Any]:
        """Return the universalisation sentence, a text a game."""
        if not self.universalisation:
            return column([""] * self.games)
        text = self.sentence or SCENES[self.scene].universal
        return column([text.replace("{share}", f"{amount:g}") for amount in share.tolist()])

    def _by_game(self, texts: list[list[str]], part: Part, nothing: str = _NOTHING) -> NDArray[Any]:
        """Return each agent's game's texts as one, lines apart."""
        whole = column(["\n".join(own) or nothing for own in texts])
        return np.asarray(whole[part["game"]])

    # -- results ---------------------------------------------------------------------------------

    def results(self) -> dict[str, NDArray[Any]]:
        """Return columns of a row a game, as GovSim defines them.

        ``lasted``: months that the game was played, the survival time m once it is over.
        ``survived``: it did not collapse. ``gain``: the group's total so far. ``efficiency``: of
        the total that a sustained harvest makes over all months. ``equality``: one less the Gini
        coefficient of the members' gains. ``overuse``: share of all harvests above f(t) / n (below
        it, of a bad). ``kept``: share of the harvests after an agreement that were within it.
        """
        table = (self.games, self.fishers)
        gains = self.people.gain.reshape(table)
        members = (self.people.joined <= max(self.month, 1)).reshape(table)
        with np.errstate(invalid="ignore"):
            overuse, kept = self.overused / self.acts, self.kept / self.promised
        return {
            "game": np.arange(self.games),
            "lasted": self.lasted.copy(),
            "survived": self.playing.copy(),
            "gain": gains.sum(axis=1),
            "efficiency": efficiency(gains.sum(axis=1), self.resource, self.months, self.playing),
            "equality": equality(gains, members),
            "overuse": overuse,
            "kept": kept,
        }

    def measure(self) -> Mapping[str, float | By | None]:
        found, people = self.results(), self.people
        there = (people.joined <= self.month) & (self.lasted == self.month)[people.game]
        return {
            "stock": float(np.where(self.playing, self.stock, self._ruin).mean()),
            "harvest": float(people.harvest[there].mean()) if there.any() else None,
            "survival": float(self.playing.mean()),
            "survival_time": float(self.lasted.mean()),
            "gain": float(found["gain"].mean()),
            "efficiency": float(found["efficiency"].mean()),
            "equality": _mean(found["equality"]),
            "overuse": _mean(found["overuse"]),
            **self._agreements(found["kept"]),
            "gain_of": By("seat", people.gain.reshape(self.games, self.fishers).mean(axis=0)),
        }

    def _agreements(self, kept: Floats) -> dict[str, float | None]:
        """Return share of games with an agreement, its limit, share of harvests within it."""
        if self.agreement == "none":
            return {}
        going = self.agreed[self.playing]
        share = None if not len(going) else float((~np.isnan(going)).mean())
        return {"agreed": share, "limit": _mean(self.agreed), "kept": _mean(kept)}

    def policies(self) -> Mapping[str, Policy]:
        remembering = Speaking(REMEMBERING[self.scene], memory=True, reflect=True)
        return {
            **rule_minds(), "language": Speaking(PROMPTS[self.scene]), "remembering": remembering
        }  # fmt: skip

    def shares(self) -> Mapping[str, float]:
        return {"village" if self.newcomer else "careful": 1.0}


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
