"""Keeping a run: its records, and checkpoints of the simulation between two ticks."""

from __future__ import annotations

import asyncio
import hashlib
import types
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from populace.kernel.code import code_name
from populace.kernel.errors import CheckpointError, ParameterError, StateError
from populace.kernel.overlay import overlay
from populace.kernel.state import State, capture
from populace.records import Recorder
from populace.records.answers import AnswerStore
from populace.records.cadence import Checkpoints
from populace.records.checkpoints import Vault, tick_name
from populace.records.files import held, write_atomically
from populace.simulation.loop import collecting_seldom
from populace.simulation.manifest import describe_casts, manifest, versions

if TYPE_CHECKING:
    from populace.simulation.running import Simulation

START = "start"  # the checkpoint that holds what a run was made of, rather than its state
ANSWERS, INPUTS = "answers.sqlite", "inputs"
_GRACE = 10.0  # seconds that a tick has to end in after Ctrl-C; none where a person is asked


@dataclass(frozen=True)
class Past:
    """Where a simulation comes from that does not begin at its world's start.

    Parameters
    ----------
    source : Path or Recorder
        What holds the records so far: a run directory, or (of a branch) a recorder in memory.
    manifest : mapping
        Of the run that goes on.
    records : mapping
        How far the records go.
    parent : mapping, optional
        Of a branch: path and tick.
    """

    source: Path | Recorder
    manifest: Mapping[str, Any]
    records: Mapping[str, Any]
    parent: Mapping[str, Any] | None = None

    @property
    def end(self) -> int:
        """The tick before which the run was to end."""
        ticks = self.manifest["ticks"]
        return int(ticks["first"] + ticks["asked"])


def snapshot(simulation: Simulation) -> State:
    """Return the state of a simulation between two ticks.

    Raises
    ------
    StateError
        Naming what the world holds that can be neither stored nor taken as code.
    """
    return capture(_held(simulation), _anchors(simulation))


def restore(simulation: Simulation, state: State) -> None:
    """Put a state into a simulation that was made as the stored one was.

    Raises
    ------
    StateError
        If world or cast are not made as they were.
    """
    kept = overlay(_held(simulation), state, _anchors(simulation))
    simulation.tick = kept["tick"]
    simulation._asked, simulation._failed = kept["decisions"]
    simulation._minds.took_turns = kept["took_turns"]


def _held(simulation: Simulation) -> dict[str, Any]:
    resources = simulation.resources
    return {
        "world": simulation.world,
        "casts": simulation.casts,
        "interventions": simulation.interventions,
        "surveys": simulation.surveys,
        "budget": resources.budget,
        "ledger": resources.ledger,
        "tick": simulation.tick,
        "decisions": [simulation._asked, simulation._failed],
        "took_turns": simulation._minds.took_turns,
        "exchanging": simulation._exchanging,
    }


def _anchors(simulation: Simulation) -> dict[str, Any]:
    found = {"minds": simulation._minds, "resources": simulation.resources}
    return {**found, "answers": simulation.resources.answers, "simulation": simulation}


# -- while it runs ---------------------------------------------------------------------------------


class Keeping:
    """Keeps one run: its records, and checkpoints of the simulation between ticks.

    Parameters
    ----------
    simulation : Simulation
    ticks : int
    to : Path or None
    settings : Checkpoints or None
        None: no checkpoints.
    """

    def __init__(
        self, simulation: Simulation, ticks: int, to: Path | None, settings: Checkpoints | None
    ) -> None:
        self._simulation, self._past = simulation, simulation._past
        self._at: int | None = None  # the tick of the last checkpoint
        self._whole = True  # between two ticks
        self._stack = ExitStack()
        self.recorder = Recorder(to)
        self._vault = None if to is None or settings is None else Vault(to, settings)
        state = None if self._vault is None else snapshot(simulation)
        self._same = self._past is not None and self._past.source == to
        if self._vault is not None and self._same:
            self._stack.enter_context(held(self._vault.folder))
        self._begin(ticks)
        try:
            if to is not None:
                self._keep(to)
            if self._vault is not None and state is not None:
                self._vault.cadence.expect(state.nbytes)
                self._first()
        except BaseException as error:
            self.recorder.finish("failed", error)
            if self._vault is not None:
                self._vault.close()
            self._stack.close()
            raise

    def _begin(self, ticks: int) -> None:
        """Begin the records, or go on with those of the past."""
        simulation, past = self._simulation, self._past
        told, reference = manifest(simulation, ticks), simulation.world.reference()
        if past is None:
            self.recorder.begin(told, reference)
            return
        first = past.manifest["ticks"]["first"]
        told["ticks"] = {"first": first, "asked": simulation.tick - first + ticks, "done": 0}
        told["populations"] = past.manifest["populations"]
        told = {**past.manifest, **told, "stopped": ""}
        if past.parent is None:
            again = {"tick": simulation.tick, "versions": versions()}
            told["resumed"] = [*past.manifest.get("resumed", ()), again]
        else:
            told |= {"parent": dict(past.parent), "resumed": []}
        self.recorder.go_on(told, past.records, past.source, reference)

    def _keep(self, folder: Path) -> None:
        """Keep with the run what it needs to go on: answers, and the files it was made from."""
        answers = self._simulation.resources.answers
        own = self._simulation._own_answers
        if own and isinstance(answers, AnswerStore) and answers.path is None:
            answers.move(folder / ANSWERS)
        for name, content in self._simulation.inputs.items():
            path = folder / INPUTS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, partial(_written, content))

    def _first(self) -> None:
        """Write what the run is made of, unless it goes on where it was."""
        simulation, vault = self._simulation, self._vault
        assert vault is not None
        if self._same:
            vault.drop_after(simulation.tick)
            return
        self._stack.enter_context(held(vault.folder))
        if self._past is not None or simulation.tick:  # it is not at its world's start
            self.save()
        vault.write(START, simulation.tick, *_made_of(simulation))
        vault.finish()

    async def step(self) -> None:
        """Live through one tick, to its end if that is near when the run is interrupted."""
        self._whole = False
        with collecting_seldom():
            if self._vault is None:
                await self._simulation._step(self.recorder)
            else:
                await self._to_its_end(asyncio.ensure_future(self._simulation._step(self.recorder)))
        self._whole = True

    async def _to_its_end(self, step: asyncio.Task[None]) -> None:
        try:
            await asyncio.shield(step)
        except asyncio.CancelledError:
            try:
                waiting = any(cast.waiting for cast in self._simulation.casts.values())
                await asyncio.wait([step], timeout=0 if waiting else _GRACE)
            finally:
                step.cancel()
                self._whole = step.done() and not step.cancelled() and step.exception() is None
            if not step.done():
                await asyncio.wait([step])
            raise

    def between(self) -> None:
        """Write a checkpoint if one is due."""
        if self._vault is not None and self._vault.due(self._simulation.tick):
            self.save()

    def save(self) -> None:
        """Write a checkpoint now, if the tick is over and there is none of it."""
        tick = self._simulation.tick
        if self._vault is None or self._at == tick or not self._whole:
            return
        about = {"records": self.recorder.position()}
        self._vault.write(tick_name(tick), tick, snapshot(self._simulation), about)
        self._at = tick

    def end(self, status: str, stopped: str, error: BaseException | None) -> None:
        """Close checkpoints and records.

        Raises
        ------
        CheckpointError
            If the disk refused the last checkpoint, unless the run failed before.
        """
        simulation, refused = self._simulation, None
        simulation._past = None
        try:
            if self._vault is not None:
                try:
                    self._vault.close()
                except CheckpointError as failure:
                    status, refused = "failed", failure
                seconds = round(self._vault.seconds, 3)
                self.recorder.update(checkpoints={"seconds": seconds, "last": self._at})
            self.recorder.update(
                cast=describe_casts(simulation.casts),
                interventions=simulation.interventions.describe(),
                surveys=simulation.surveys.describe(),
                stopped=stopped,
                spend=simulation._spent(),
            )
            casts = simulation.casts.values()
            self.recorder.unfinished(row for cast in casts for row in cast.replies())
            self.recorder.finish(status, error or refused)
        finally:
            self._stack.close()
        if refused is not None and error is None:
            raise refused


def _written(content: bytes, file: IO[bytes]) -> int:
    return file.write(content)


def settings_of(given: Checkpoints | bool | str | None) -> Checkpoints | None:
    """Return what the argument ``checkpoint`` of a run says; None for no checkpoints."""
    if given is None or given is True:
        return Checkpoints()
    if given is False:
        return None
    if isinstance(given, str):
        return Checkpoints.parse(given)
    if isinstance(given, Checkpoints):
        return given
    raise ParameterError(f"expected Checkpoints, True or False, got {given!r}", where="checkpoint")


def _made_of(simulation: Simulation) -> tuple[State, dict[str, Any]]:
    """Return what a simulation was made of, as far as it can be stored."""
    resources, cls = simulation.resources, type(simulation.world)
    kept = {
        "parameters": simulation._parameters,
        "prices": resources.prices,
        "interventions": simulation._interventions,
        "surveys": simulation._surveys,
        "records": simulation.records,
    }
    answers = resources.answers
    about = {
        "class": code_name(cls),
        "code": code_digest(cls),
        "versions": versions(),
        "own_cast": simulation._own_cast,
        "turns": simulation._minds._turns,
        "abort_failures": resources.abort_failures,
        "budget": {**asdict(resources.budget.limits), "at_end": resources.budget.at_end},
        "answers": _where_answers(answers, simulation),
    }
    try:
        return capture(kept), about
    except StateError:  # what cannot be stored must then be given again
        return capture(kept, lenient=True), about


def _where_answers(answers: Any, simulation: Simulation) -> dict[str, Any] | None:
    if simulation._own_answers or not isinstance(answers, AnswerStore) or answers.path is None:
        return None
    return {"path": str(answers.path.resolve()), "mode": answers.mode}


def code_digest(cls: type) -> str | None:
    """Return the sha256 of the files that a class is written in; None where they are not there."""
    functions = [f for f in vars(cls).values() if isinstance(f, types.FunctionType)]
    digest = hashlib.sha256()
    try:
        for file in sorted({function.__code__.co_filename for function in functions}):
            digest.update(Path(file).read_bytes())
    except OSError:
        return None
    return digest.hexdigest()
