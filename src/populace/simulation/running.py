"""Running a world with a cast: the loop of ticks, and what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from populace.kernel.answers import Outcome
from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError, WorldError
from populace.kernel.minds import Turns
from populace.kernel.population import Population, find_populations
from populace.kernel.prices import Prices
from populace.kernel.resources import Resources, Store
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.records import Recorder, Run
from populace.records.answers import AnswerStore
from populace.records.cadence import Checkpoints
from populace.simulation.casts import cast_all
from populace.simulation.checkpointing import last_tick, replay, resumed
from populace.simulation.exchanging import Exchanging
from populace.simulation.focus import Records
from populace.simulation.imagining import Foreseeing, Imagining
from populace.simulation.inquiry import Responses, Surveys, hold
from populace.simulation.interventions import Intervention, Interventions, gathered
from populace.simulation.keeping import Keeping, Past, settings_of
from populace.simulation.loop import finished, measured, world_fails
from populace.simulation.survey import Questions, Survey
from populace.simulation.timing import measurable

Progress = Callable[[int, int], None]

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
        self.command: Mapping[str, Any] | None = None  # for the manifest: how it was made
        self.inputs: Mapping[str, bytes] = {}  # files it was made from, kept in a run directory
        self._past: Past | None = None
        self._parameters = world._given_parameters
        self._own_cast, self._own_answers = cast is None, answers is None
        streams = Streams(seed)
        with world_fails(world, "start"):
            world.start(streams.named("start"))
        self.populations: dict[str, Population] = dict(find_populations(world))
        self.casts = cast_all(cast, self.populations, world)
        for name, own in self.casts.items():
            own.bind(self.populations[name], streams.named("cast"))
        self._watched = records.watched(self.populations, streams)
        self._unchecked = records.measures is not None
        if self._unchecked and (known := measurable(world)) is not None:
            records.check_measures(known)
            self._unchecked = False
        kept = records.exchanging(self.populations, self._watched)
        self._minds = Foreseeing(self.casts, streams, self._watched, turns, kept)
        self._exchanging = Exchanging(records, self._minds)
        lasting = answers is not None
        if answers is None and any(cast.spends for cast in self.casts.values()):
            answers = AnswerStore(None)
        elif isinstance(answers, (str, Path)):
            answers = AnswerStore(answers)
        self.resources = Resources(
            budget=budget or Budget(),
            answers=answers,
            lasting=lasting,
            prices=prices or Prices(),
            abort_failures=abort_failures,
            imagining=Imagining(world, self.populations, self.casts, self._minds, seed),
        )
        for own in self.casts.values():
            own.equip(self.resources)
        self._interventions = gathered(interventions)
        self.interventions = Interventions(
            self._interventions, world, self.populations, self.casts, seed
        )
        self._surveys = [surveys] if isinstance(surveys, Survey) else list(surveys or ())
        self.surveys = Surveys(self._surveys, self)
        self._asked = self._failed = 0

    @property
    def took_turns(self) -> bool:
        """Whether the world has asked agents in turn (`Minds.each`) so far."""
        return self._minds.took_turns

    @classmethod
    def resume(
        cls,
        path: str | Path,
        world: World | type[World] | None = None,
        cast: Any = None,
        **changes: Any,
    ) -> Simulation:
        """Return the simulation of a run directory, as it was at the last sound checkpoint.

        Its `run` goes on writing there, and ends as a run that was never interrupted.

        Parameters
        ----------
        path : path
            Of a run that was killed, interrupted or stopped, or is to go on for longer.
        world : World or its class, optional
            As the run's was made; needed where its class cannot be imported by name, or (the world
            itself) where a parameter cannot be stored.
        cast : optional
            As the run's; needed where it was made in Python.
        **changes : budget, answers, prices, abort_failures
            As in `Simulation`, in place of the run's.

        Raises
        ------
        RecordError
            If no run is there, it kept no checkpoints, or world or cast are missing or others.
        CheckpointError
            If what the run is made of is damaged on disk.
        StateError
            If the code has changed, so that the state does not fit it.
        BudgetError
            If the run has stopped because its budget is spent, and there is no larger one.
        """
        return resumed(cls, path, world, cast, changes)

    @classmethod
    def fork(
        cls,
        path: str | Path,
        at: int | None = None,
        *,
        set: Mapping[str, Any] | None = None,
        cast: Any = None,
        interventions: Any = None,
        world: World | type[World] | None = None,
        parent_cast: Any = None,
        **changes: Any,
    ) -> Simulation:
        """Return a branch of a run: its past is the parent's, and all draws stay common.

        Parameters
        ----------
        path : path
            The parent's run directory.
        at : int, optional
            The tick before which the branch begins; by default that of the last checkpoint. The run
            is lived through again from the last checkpoint before.
        set : mapping of parameter to value, optional
            Changes at that tick (`World.change`).
        cast : optional
            A new cast from that tick on, as in `Simulation`; what policies remember outside of
            columns begins anew.
        interventions : optional
            Further ones, none earlier than the branch.
        world, parent_cast, **changes
            As `world`, `cast` and changes in `resume`.

        Raises
        ------
        ParameterError
            If the run did not reach that tick, or a parameter cannot change in mid-run.
        RecordError, CheckpointError, StateError, BudgetError
            As `resume`.
        """
        extra = gathered(interventions)
        if at is None:
            at = last_tick(path)
        if set:
            extra.insert(0, Intervention(name="fork", at=at, set=set))
        branch = resumed(cls, path, world, parent_cast, {**changes, "interventions": extra}, at)
        finished(replay(branch, at))
        if cast is not None:
            branch._change_cast(cast)
        return branch

    def run(
        self,
        ticks: int | None = None,
        to: str | Path | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoints | bool | str | None = None,
    ) -> Run:
        """Run some ticks, from a script or inside a running event loop (Jupyter) alike.

        Parameters
        ----------
        ticks : int
            How many, from where the last call ended; fewer if the world is `done`. Of a resumed run
            or a branch by default those that are left.
        to : path, optional
            Run directory to write, which must not hold a run yet; without it records stay in
            memory, or are those of the resumed run. Answers of models are then kept there as well,
            unless the simulation was told where.
        checkpoint : Checkpoints, bool or str, optional
            When checkpoints are written into the run directory: by default so often that they take
            2 % of the time; False for none; as text what `Checkpoints.parse` reads.
        progress : callable, optional
            Called after every tick with (ticks done, ticks asked).

        Returns
        -------
        Run

        Raises
        ------
        StateError
            If the world holds what no checkpoint can keep, before the first tick.
        PopulaceError
            What went wrong, after the records so far are saved and marked failed.
        KeyboardInterrupt
            After Ctrl-C, which ends the run at a tick's end, records and a checkpoint saved.
        """
        return finished(self.run_async(ticks, to, progress, checkpoint))

    async def run_async(
        self,
        ticks: int | None = None,
        to: str | Path | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoints | bool | str | None = None,
    ) -> Run:
        """As `run`, to be awaited."""
        past = self._past
        if ticks is None and past is not None:
            ticks = max(0, past.end - self.tick)
        if to is None and past is not None and isinstance(past.source, Path):
            to = past.source
        if isinstance(ticks, bool) or not isinstance(ticks, int) or ticks < 0:
            raise ParameterError(f"expected 0 or more ticks, got {ticks!r}", where="run")
        self.interventions.schedule.begin(self.tick)
        self.surveys.schedule.begin(self.tick)
        keeping = Keeping(self, ticks, None if to is None else Path(to), settings_of(checkpoint))
        status, error, stopped = "failed", None, ""
        try:
            for done in range(1, ticks + 1):
                if self.world.done or stopped:
                    break
                await keeping.step()
                if progress is not None:
                    progress(done, ticks)
                await asyncio.sleep(0)  # where Ctrl-C lands
                stopped = self._must_stop()
                keeping.between()
            if stopped:
                keeping.save()
            status = "stopped" if stopped else "finished"
        except asyncio.CancelledError:
            status = "interrupted"
            keeping.save()
            raise
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._minds.close()
            keeping.end(status, stopped, error)
            for cast in self.casts.values():
                await cast.close()
        return keeping.recorder.run(self.world)

    def save(self, path: str | Path) -> None:
        """Write the simulation as it is now to a directory, from which `resume` goes on.

        Parameters
        ----------
        path : path
            Absent or empty.

        Raises
        ------
        RecordError, StateError
            As `run`.
        """
        self.run(0, path)

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
        return finished(self.survey_async(questions, who, **settings))

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
        with world_fails(world, f"change at tick {self.tick}"):
            events = self.interventions.apply(minds)
        self.resources.imagining.begin()
        with world_fails(world, f"step at tick {self.tick}"):
            await world.step(minds)
        await minds.heard()
        with world_fails(world, f"measure at tick {self.tick}"):
            metrics, broken = measured(world)
        self.interventions.schedule.measured(metrics)
        self.surveys.schedule.measured(metrics)
        reports = [
            {"tick": self.tick, **row} for cast in self.casts.values() for row in cast.reports()
        ]
        spend = self.resources.ledger.table(self.tick)
        with world_fails(world, f"measure at tick {self.tick}"):
            asks = list(minds.counts.values())
            failed = [row for cast in self.casts.values() for row in cast.failed()]
            said = [row for cast in self.casts.values() for row in cast.transcripts()]
            typed = [row for cast in self.casts.values() for row in cast.replies()]
            told = reports, spend, failed, events, said, typed, held
            kept, by, panel = self._kept(metrics, broken)
            last = self._states(), self._exchanging.take(self.tick, recorder)
            recorder.tick(self.tick, kept, by, asks, panel, *told, *last)
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
        panel = {name: self._minds.panel(people) for name, people in self.populations.items()}
        return self.records.states(self.populations, panel)

    def _must_stop(self) -> str:
        """Return why the run must stop at this tick's end, or nothing."""
        limit = self.resources.abort_failures
        if limit is not None and self._failed > limit * self._asked:
            share = self._failed / self._asked
            return f"{share:.1%} of the decisions failed, more than the {limit:.1%} allowed"
        return "a budget is spent" if self.resources.budget.stopping else ""

    def _change_cast(self, cast: Any) -> None:
        """Cast all agents anew, by the same draws as the first time."""
        streams = Streams(self.seed).named("cast")
        for name, own in cast_all(cast, self.populations, self.world).items():
            own.bind(self.populations[name], streams)
            own.equip(self.resources)
            self.casts[name] = self._minds._casts[name] = own
        self._own_cast = False

    def _spent(self) -> dict[str, Any]:
        totals = self.resources.ledger.totals()
        return {"logical": asdict(totals.logical), "billed": asdict(totals.billed)}
