"""Running a world with a cast: the loop of ticks, and what is kept of it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from populace.kernel.answers import Outcome
from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError, PopulaceError, WorldError
from populace.kernel.measures import By
from populace.kernel.minds import Minds, Turns
from populace.kernel.population import Population, find_populations
from populace.kernel.prices import Prices
from populace.kernel.resources import Resources, Store
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.records import Recorder, Run
from populace.records.answers import AnswerStore
from populace.simulation.casts import cast_all
from populace.simulation.focus import Records
from populace.simulation.inquiry import Responses, Surveys, hold
from populace.simulation.interventions import Interventions, gathered
from populace.simulation.manifest import describe_casts, manifest
from populace.simulation.survey import Questions, Survey
from populace.simulation.timing import measurable

Progress = Callable[[int, int], None]
T = TypeVar("T")

FAILURES = [Outcome.INVALID, Outcome.TIMEOUT, Outcome.FAILED, Outcome.REFUSED]


class Simulation:
    """A world, a cast and a seed: all that a run depends on.

    Parameters
    ----------
    world : World
        Used up by one simulation.
    cast : Cast, Policy, function, or mapping of population name to one of these, optional
        A lone cast serves the world's only population. By default the minds that the world offers
        (`World.policies`), by its `World.shares`.
    seed : int
        From 0 to 2**64 - 1. Every draw of the run is a function of it.
    panel : int
        How many agents of each population have every decision recorded; as ``Records(panel=...)``.
    records : Records, optional
        What is kept of the run: whose decisions, which columns and measures, how often.
    budget : Budget, optional
        What the minds may spend on models; unlimited by default.
    answers : AnswerStore or path, optional
        Where answers of models are kept, so that none is paid twice; by default in memory.
    prices : Prices, optional
        Of models, for a budget in US dollars.
    abort_failures : float, optional
        The run stops after a tick when more than this share of its decisions has failed.
    interventions : Intervention, path of a TOML file, or sequence of these, optional
        What is changed from outside in mid-run, and when.
    surveys : Survey or sequence of Survey, optional
        Questions put to agents at times of the run, which leave no trace in it.
    turns : "fixed", "reversed", "random" or "together", optional
        Overrides the order of every `Minds.each` (see `populace.compare_orders`).

    Raises
    ------
    CastError
        If a population has no cast, a cast names no population, or somebody has no policy.
    ParameterError
        For an impossible seed, panel or intervention.
    WorldError
        If the world fails to start, or has no population.

    Examples
    --------
    >>> from populace import Choice, Population, Rule, World
    >>> class Coin(World):
    ...     def __init__(self): self.people = Population(4)
    ...     async def step(self, minds):
    ...         self.up = (await minds.ask("toss", self.people, Choice(["no", "yes"]))).chose("yes")
    ...     def measure(self): return {"up": self.up.sum()}
    >>> run = Simulation(Coin(), Rule(toss=lambda o: o.random.bernoulli(p=0.5)), seed=1).run(2)
    >>> run.metrics["tick"].to_list()
    [0, 1]
    """

    def __init__(
        self,
        world: World,
        cast: Any = None,
        seed: int = 0,
        *,
        panel: int | None = None,
        turns: Turns | None = None,
        budget: Budget | None = None,
        answers: Store | str | Path | None = None,
        prices: Prices | None = None,
        abort_failures: float | None = None,
        records: Records | None = None,
        interventions: Any = None,
        surveys: Any = None,
    ) -> None:
        if not isinstance(world, World):
            raise WorldError(f"expected a World, got {world!r:.80}", where="Simulation")
        if records is None:
            records = Records() if panel is None else Records(panel=panel)
        elif panel is not None:
            raise ParameterError("panel is given twice", mend="give it to Records only")
        self.records = records
        self.world, self.seed, self.tick = world, seed, 0
        streams = Streams(seed)
        with _world_fails(world, "start"):
            world.start(streams.named("start"))
        self.populations: dict[str, Population] = dict(find_populations(world))
        self.casts = cast_all(cast, self.populations, world)
        for name, own in self.casts.items():
            people = self.populations[name]
            own.bind(people, streams.named("cast"))
        self._watched = records.watched(self.populations, streams)
        self._unchecked = records.measures is not None
        if self._unchecked and (known := measurable(world)) is not None:
            records.check_measures(known)
            self._unchecked = False
        self._minds = Minds(self.casts, streams, self._watched, turns)
        if answers is None and any(cast.spends for cast in self.casts.values()):
            answers = AnswerStore(None)
        elif isinstance(answers, (str, Path)):
            answers = AnswerStore(answers)
        self.resources = Resources(
            budget=budget or Budget(),
            answers=answers,
            prices=prices or Prices(),
            abort_failures=abort_failures,
        )
        for own in self.casts.values():
            own.equip(self.resources)
        self.interventions = Interventions(
            gathered(interventions), world, self.populations, self.casts, seed
        )
        self.surveys = Surveys(surveys, self)
        self._asked = self._failed = 0

    @property
    def took_turns(self) -> bool:
        """Whether the world has asked agents in turn (`Minds.each`) so far."""
        return self._minds.took_turns

    def run(
        self, ticks: int, to: str | Path | None = None, progress: Progress | None = None
    ) -> Run:
        """Run some ticks, from a script or inside a running event loop (Jupyter) alike.

        Parameters
        ----------
        ticks : int
            How many, from where the last call ended; fewer if the world is `done`.
        to : path, optional
            Run directory to write, which must not hold a run yet; without it records stay in
            memory.
        progress : callable, optional
            Called after every tick with (ticks done, ticks asked).

        Returns
        -------
        Run

        Raises
        ------
        PopulaceError
            What went wrong, after the records so far are saved and marked failed.
        KeyboardInterrupt
            After Ctrl-C, which ends the run at a tick's end, the records so far saved.
        """
        return _run(self.run_async(ticks, to, progress))

    async def run_async(
        self, ticks: int, to: str | Path | None = None, progress: Progress | None = None
    ) -> Run:
        """As `run`, to be awaited."""
        if isinstance(ticks, bool) or not isinstance(ticks, int) or ticks < 0:
            raise ParameterError(f"expected 0 or more ticks, got {ticks!r}", where="run")
        self.interventions.schedule.begin(self.tick)
        self.surveys.schedule.begin(self.tick)
        recorder = Recorder(None if to is None else Path(to))
        recorder.begin(manifest(self, ticks), self.world.reference())
        status, error = "failed", None
        stopped = ""
        try:
            for done in range(1, ticks + 1):
                if self.world.done or stopped:
                    break
                await self._step(recorder)
                if progress is not None:
                    progress(done, ticks)
                await asyncio.sleep(0)  # where Ctrl-C lands
                stopped = self._must_stop()
            status = "stopped" if stopped else "finished"
        except asyncio.CancelledError:
            status = "interrupted"
            raise
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._minds.close()
            recorder.update(
                cast=describe_casts(self.casts),
                interventions=self.interventions.describe(),
                surveys=self.surveys.describe(),
                stopped=stopped,
                spend=self._spent(),
            )
            recorder.finish(status, error)
            for cast in self.casts.values():
                await cast.close()
        return recorder.run(self.world)

    def survey(self, questions: Questions, who: Any = None, **settings: Any) -> Responses:
        """Put questions to agents now, the clock stopped; nothing of the run changes.

        Parameters
        ----------
        questions : mapping of name to (text, Space)
        who : int, Part, mask, rows or condition, optional
        **settings : as `Survey` takes them: population, see, columns, kind, follow, budget, name

        Raises
        ------
        ParameterError, PopulationError, PromptError
            Before anybody is asked, for what cannot be asked, seen or drawn.

        Examples
        --------
        >>> from populace import Number
        >>> question = {"trust": ("How much do you trust the news?", Number(0, 10))}
        >>> simulation.survey(question, who=500, see=["age"]).answers  # doctest: +SKIP
        """
        return _run(self.survey_async(questions, who, **settings))

    async def survey_async(
        self, questions: Questions, who: Any = None, **settings: Any
    ) -> Responses:
        """As `survey`, to be awaited."""
        survey = Survey(**{"at": self.tick, "questions": questions, "who": who, **settings})
        return await hold(survey, self)

    async def _step(self, recorder: Recorder) -> None:
        minds, world = self._minds, self.world
        held = await self.surveys.ask(self.tick)
        minds.begin(self.tick)
        self.resources.ledger.tick = self.tick
        with _world_fails(world, f"change at tick {self.tick}"):
            events = self.interventions.apply(minds)
        with _world_fails(world, f"step at tick {self.tick}"):
            await world.step(minds)
        await minds.heard()
        with _world_fails(world, f"measure at tick {self.tick}"):
            metrics, broken = _measured(world)
        self.interventions.schedule.measured(metrics)
        self.surveys.schedule.measured(metrics)
        reports = [
            {"tick": self.tick, **row} for cast in self.casts.values() for row in cast.reports()
        ]
        spend = self.resources.ledger.table(self.tick)
        with _world_fails(world, f"measure at tick {self.tick}"):
            asks = list(minds.counts.values())
            failed = [row for cast in self.casts.values() for row in cast.failed()]
            said = [row for cast in self.casts.values() for row in cast.transcripts()]
            told = reports, spend, failed, events, said, held
            kept, by, panel = self._kept(metrics, broken)
            recorder.tick(self.tick, kept, by, asks, panel, *told, self._states())
        for ask in asks:
            self._asked += ask.agents
            self._failed += int(ask.outcomes[FAILURES].sum())
        self.tick += 1

    def _kept(self, metrics: Any, broken: Any) -> tuple[Any, Any, Any]:
        """Return what the records take of this tick: measures, those broken down, panel."""
        records = self.records
        if not records.takes(self.tick):
            return None, [], []
        if self._unchecked:
            records.check_measures({*metrics, *(row[0] for row in broken)})
            self._unchecked = False
        return *records.measured(metrics, broken), records.seen(self._minds.seen)

    def _states(self) -> Iterable[tuple[str, Any]]:
        """Return the columns of the panel that the records take of this tick."""
        if not self.records.columns or not self.records.takes(self.tick):
            return ()
        return self.records.states(self.populations, self._watched)

    def _must_stop(self) -> str:
        """Return why the run must stop at this tick's end, or nothing."""
        limit = self.resources.abort_failures
        if limit is not None and self._failed > limit * self._asked:
            share = self._failed / self._asked
            return f"{share:.1%} of the decisions failed, more than the {limit:.1%} allowed"
        return "a budget is spent" if self.resources.budget.stopping else ""

    def _spent(self) -> dict[str, Any]:
        totals = self.resources.ledger.totals()
        return {"logical": asdict(totals.logical), "billed": asdict(totals.billed)}


def _run(running: Coroutine[Any, Any, T]) -> T:
    """Run to the end, from a script or inside a running event loop alike."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(running)
    return _run_in_thread(running)


def _run_in_thread(running: Coroutine[Any, Any, T]) -> T:
    """Run beside the event loop that is running in this thread; Ctrl-C reaches it all the same."""
    entered: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        entered.append((asyncio.get_running_loop(), task))
        return await running

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(context.run, asyncio.run, main())
        try:
            return future.result()
        except KeyboardInterrupt:
            for loop, task in entered:
                if not future.done():
                    loop.call_soon_threadsafe(task.cancel)
            raise  # once the thread is through: the run is saved by then


def _measured(world: World) -> tuple[dict[str, Any], list[tuple[str, str, list[str], list[float]]]]:
    """Split measures into plain ones and those broken down along an axis."""
    metrics: dict[str, Any] = {}
    broken = []
    for name, value in world.measure().items():
        if isinstance(value, By):
            broken.append((name, value.axis, *value.pairs(world.axes)))
        else:
            metrics[name] = value
    return metrics, broken


class _world_fails:
    """Turn an exception of a world into a WorldError that says where it arose."""

    def __init__(self, world: World, doing: str) -> None:
        self.where = f"{type(world).__name__}.{doing}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, PopulaceError):
            line = ""
            while trace is not None:  # the innermost line of the world's own file
                if trace.tb_frame.f_globals.get("__name__", "").split(".")[0] != "asyncio":
                    line = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
                trace = trace.tb_next
            raise WorldError(
                f"{type(error).__name__}: {error} ({line})", where=self.where
            ) from error
