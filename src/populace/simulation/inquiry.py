"""Holding a survey or an interview, so that it leaves no trace.

Who is asked are twins of the minds (see `populace.simulation.twins`), over columns of their own,
with streams, ledger, budget and stored answers of their own. So a run with a survey and one without
it are the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import OUTCOMES, Answers, Outcome, settle
from populace.kernel.budget import Budget
from populace.kernel.cast import Cast
from populace.kernel.errors import (
    AnswerError,
    ParameterError,
    PolicyError,
    PopulationError,
    nearest,
)
from populace.kernel.exchange import act_all
from populace.kernel.ledger import Ledger, Spent
from populace.kernel.observation import Observation
from populace.kernel.population import Part, Population
from populace.kernel.resources import Resources
from populace.kernel.spaces import Space
from populace.kernel.streams import Streams
from populace.records.answers import AnswerStore
from populace.simulation.conditions import Condition
from populace.simulation.survey import Survey
from populace.simulation.timing import Schedule
from populace.simulation.twins import shadow, twin_cast

if TYPE_CHECKING:
    import polars as pl

    from populace.simulation.running import Simulation


@dataclass(frozen=True)
class Responses:
    """What came of a survey.

    Attributes
    ----------
    name, population : str
    tick : int
        The tick before whose step it took place.
    answers : polars.DataFrame
        A row an agent and question: id, the columns of `see`, policy, question, outcome, value
        (numbers), label (options and texts); value and label are null without a decision.
    spend : list of dict
        The survey's own ledger, a row a question, policy and model (see `Ledger.table`).
    spent : Spent
        Its sums, ``logical`` and ``billed``.
    failures : list of dict
        Policies that raised where they were asked: question, policy, agents, why.
    """

    name: str
    population: str
    tick: int
    answers: pl.DataFrame
    spend: list[dict[str, Any]]
    spent: Spent
    failures: list[dict[str, Any]]

    @property
    def counts(self) -> pl.DataFrame:
        """Agents by question, policy and outcome; the mean of `value` among those who decided."""
        import polars as pl

        return (
            self.answers.group_by("question", "policy", "outcome", maintain_order=True)
            .agg(agents=pl.len(), mean=pl.col("value").mean())
            .sort("question", "policy", "outcome", maintain_order=True)
        )


class Surveys:
    """The surveys of one simulation that have their times in its run."""

    def __init__(self, items: Any, simulation: Simulation) -> None:
        items = [items] if isinstance(items, Survey) else list(items or ())
        for item in items:
            if not isinstance(item, Survey):
                raise ParameterError(f"expected a Survey, got {item!r:.80}", where="surveys")
            _Inquiry(item, simulation)
        self._items = {item.name: item for item in items}
        self._simulation = simulation
        self.schedule = Schedule(items, simulation.world)
        self._spent: dict[str, list[dict[str, Any]]] = {name: [] for name in self._items}

    async def ask(self, tick: int) -> list[Responses]:
        """Hold the surveys that are due."""
        held = []
        for name in self.schedule.due(tick):
            responses = await _Inquiry(self._items[name], self._simulation).hold()
            self._spent[name] += responses.spend
            held.append(responses)
        return held

    def describe(self) -> list[dict[str, Any]]:
        """Return every survey as plain data, how often it was held and what it spent."""
        fired = self.schedule.fired()
        return [
            {**item.describe(), "done": fired[name], "spend": self._spent[name]}
            for name, item in self._items.items()
        ]

    def state(self) -> dict[str, Any]:
        """Return the progress, as JSON can hold it."""
        return {**self.schedule.state(), "spent": self._spent}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.schedule.restore(state)
        self._spent = {name: list(state["spent"].get(name, ())) for name in self._items}


async def hold(survey: Survey, simulation: Simulation) -> Responses:
    """Hold a survey now, outside a run."""
    inquiry = _Inquiry(survey, simulation)
    try:
        return await inquiry.hold()
    finally:
        await inquiry.close()


class _Inquiry:
    """One survey at one tick: whom it asks, what they are shown, what is kept."""

    def __init__(self, survey: Survey, simulation: Simulation) -> None:
        self.survey, self.simulation = survey, simulation
        self.people = _population(survey, simulation)
        self.cast: Cast = simulation.casts[self.people.name]
        for name in survey.see:
            if name not in self.people.columns:
                raise PopulationError(
                    f"{self.people.name!r} has no column {name!r}; "
                    + nearest(name, self.people.columns),
                    where=survey.label,
                )
        if isinstance(survey.who, str):
            Condition(survey.who, survey.label).check(self.people, survey.label)
        if isinstance(survey.who, int) and survey.who > len(self.people):
            raise ParameterError(
                f"cannot draw {survey.who} of {len(self.people)} agents", where=survey.label
            )
        limits = simulation.resources.budget.limits
        limited = any(value is not None for value in vars(limits).values())
        if limited and self.cast.spends and survey.budget is None:
            raise ParameterError(
                "the run has a budget, and models would be asked without one",
                where=survey.label,
                mend="give the survey a budget of its own",
            )
        self.streams = Streams(simulation.seed).named("survey").named(survey.name)
        self._casts: list[Cast] = []

    async def hold(self) -> Responses:
        survey, tick = self.survey, self.simulation.tick
        part = self._who(tick)
        ledger = Ledger()
        ledger.tick = tick
        store, ours = _store(survey.answers)
        resources = Resources(
            budget=survey.budget or Budget(),
            ledger=ledger,
            answers=store,
            prices=self.simulation.resources.prices,
        )
        given = self._given(part)
        if survey.follow:
            given["interview"] = np.full(len(part), "", object)
        frames, failures = [], list[dict[str, Any]]()
        cast: Cast | None = None
        try:
            for name, (text, space) in survey.questions.items():
                if cast is None or not survey.follow:
                    cast = self._twins(resources)
                shown = {**given, "question": text}
                answers, failed = await self._ask(cast, part, name, space, shown)
                failures += failed
                values, labels = _plain(answers, space)
                frames.append(self._frame(part, name, answers, values, labels))
                if survey.follow:
                    given = _remembered(given, name, text, values, labels)
        finally:
            if ours:
                store.close()
        import polars as pl

        return Responses(
            survey.name, self.people.name, tick, pl.concat(frames), ledger.table(),
            ledger.totals(), failures,
        )  # fmt: skip

    async def close(self) -> None:
        for cast in self._casts:
            await cast.close()

    # -- inside ----------------------------------------------------------------------------------

    def _who(self, tick: int) -> Part:
        who, people = self.survey.who, self.people
        if who is None:
            return people.everyone
        if isinstance(who, str):
            return Condition(who).part(people)
        if isinstance(who, int):
            order = self.streams.stream("who", tick).permutation(people.ids)
            chosen: Part = people.everyone[np.sort(order[:who])]
            return chosen
        part: Part = who.living if isinstance(who, Part) else people[who]
        if part.population is not people:
            raise PopulationError("these agents belong elsewhere", where=self.survey.label)
        return part

    def _given(self, part: Part) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, value in self.survey.columns.items():
            if isinstance(value, (list, np.ndarray)):
                value = np.asarray(value)
                if value.ndim and len(value) != part.population.rows:
                    raise PopulationError(
                        f"column {name!r} has {len(value)} values for {part.population.rows} rows",
                        where=self.survey.label,
                    )
                value = value[part.rows] if value.ndim else value[()]
            given[name] = value
        return given

    def _twins(self, resources: Resources) -> Cast:
        memo: dict[int, Any] = {}
        for people in self.simulation.populations.values():
            memo[id(people)] = shadow(people)
        cast = twin_cast(self.cast, memo[id(self.people)], memo)
        cast.equip(resources)
        self._casts.append(cast)
        return cast

    async def _ask(
        self, cast: Cast, part: Part, name: str, space: Space, shown: Mapping[str, Any]
    ) -> tuple[Answers, list[dict[str, Any]]]:
        """Put one question to everybody: groups at once, one that raises harming no other."""
        people = cast._population
        assert people is not None
        own = people[part.rows] if len(part) else people[:0]
        kind, tick = self.survey.kind or name, self.simulation.tick
        whole = Observation(
            kind, space, own, tick, see=tuple(self.survey.see), given=shown,
            streams=self.streams, stream=f"{people.name}/{name}",
        )  # fmt: skip
        groups = cast.groups(own)
        parts = [whole if index is None else whole.part(index) for _, index in groups]
        names = [cast.names[code] for code, _ in groups]
        came = await asyncio.gather(
            *(
                _answered(who, cast.policies[who], seen)
                for who, seen in zip(names, parts, strict=True)
            )
        )
        values, outcome = space.empty(len(own)), np.zeros(len(own), np.uint8)
        failures = []
        for (_, index), who, (some, result, why) in zip(groups, names, came, strict=True):
            at = slice(None) if index is None else index
            space.put(values, at, some)
            outcome[at] = result
            if why:
                agents = len(result)
                failures.append({"question": name, "policy": who, "agents": agents, "why": why})
        codes: NDArray[np.uint8] = cast.codes[own.rows]
        return Answers(values, outcome, own, space, codes, cast.names), failures

    def _frame(
        self,
        part: Part,
        question: str,
        answers: Answers,
        values: list[float | None],
        labels: list[str | None],
    ) -> pl.DataFrame:
        import polars as pl

        names = np.array([*answers.policies, ""], object)
        assert answers.policy is not None
        return pl.DataFrame(
            {
                "id": np.asarray(part.ids, np.int64),
                **{name: _column(part, name) for name in self.survey.see},
                "policy": names[answers.policy].tolist(),
                "question": [question] * len(part),
                "outcome": [OUTCOMES[code] for code in answers.outcome],
                "value": pl.Series(values, dtype=pl.Float64, strict=False),
                "label": pl.Series(labels, dtype=pl.String, strict=False),
            },
            schema_overrides={"policy": pl.String, "question": pl.String, "outcome": pl.String},
        )


async def _answered(
    name: str, policy: Any, seen: Observation
) -> tuple[Any, NDArray[np.uint8], str]:
    """Return values, outcomes, and why there are none where the policy raised."""
    n = len(seen)
    try:
        ((raw, _),) = await act_all([(name, policy)], [seen], seen.tick)
        return (*settle(raw, seen.space, n, f"policy {name!r}, {seen.kind!r}"), "")
    except (PolicyError, AnswerError) as error:  # it does not know what to do with this question
        return seen.space.empty(n), np.full(n, Outcome.FAILED, np.uint8), str(error)


def _population(survey: Survey, simulation: Simulation) -> Population:
    populations = simulation.populations
    if isinstance(survey.who, Part) and not survey.population:
        return survey.who.population
    if survey.population:
        if survey.population not in populations:
            raise PopulationError(
                f"no population {survey.population!r}; {nearest(survey.population, populations)}",
                where=survey.label,
            )
        return populations[survey.population]
    if len(populations) > 1:
        raise PopulationError(
            f"which population: {', '.join(populations)}?", where=survey.label,
            mend="give population=",
        )  # fmt: skip
    return next(iter(populations.values()))


def _store(given: Any) -> tuple[Any, bool]:
    """Return where answers are kept, and whether it is ours to close."""
    if given is None:
        return AnswerStore(None), True
    return (AnswerStore(given), True) if isinstance(given, (str, Path)) else (given, False)


def _plain(answers: Answers, space: Space) -> tuple[list[float | None], list[str | None]]:
    """Return values and labels as the panel has them, None where nobody decided."""
    acted = np.flatnonzero(answers.acted)
    values: list[float | None] = [None] * len(answers)
    labels: list[str | None] = [None] * len(answers)
    for i, value, label in zip(
        acted.tolist(), *space.record(space.take(answers.values, acted)), strict=True
    ):
        values[i], labels[i] = value, label
    return values, labels


def _remembered(
    given: Mapping[str, Any],
    name: str,
    text: str,
    values: list[float | None],
    labels: list[str | None],
) -> dict[str, Any]:
    """Return what is shown next: with the answer just given, and the interview so far in words."""
    said = [_said(value, label) for value, label in zip(values, labels, strict=True)]
    before = given["interview"]
    words = [f"{old}Q: {text}\nA: {new}\n" for old, new in zip(before, said, strict=True)]
    return {
        **given,
        f"answer_{name}": np.array(said, object),
        "interview": np.array(words, object),
    }


def _said(value: float | None, label: str | None) -> str:
    if label is not None:
        return label
    return "(no answer)" if value is None else f"{value:g}"


def _column(part: Part, name: str) -> Any:
    values = part.gather(name)
    return values if values.ndim == 1 and values.dtype.kind != "U" else values.tolist()
