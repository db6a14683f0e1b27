"""Writing a run: cheap each tick, flushed now and then, readable whenever it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import OUTCOMES
from populace.kernel.errors import PopulaceError, RecordError
from populace.records.files import MANIFEST, as_json, claim, write_atomically
from populace.records.frames import Broken
from populace.records.redact import readable
from populace.records.run import Run
from populace.records.tables import Tables

if TYPE_CHECKING:
    import polars as pl

    from populace.kernel.exchanges import Exchange
    from populace.kernel.minds import AskCount, PanelRows

_LONGEST = 60.0  # seconds between two flushes, however long the run lasts
_FRACTION = 1 / 20  # of the run's age: so a run of hours has few hundred parts, not thousands


def _utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Recorder:
    """Records of one run, in a directory or in memory.

    Parts are flushed at most every `flush_seconds`, later every 1/20 of the run's age, and at
    least once a minute if ticks go by; the manifest follows its parts, so that ``ticks.done`` never
    says more than the tables hold.

    Parameters
    ----------
    to : Path or None
        Run directory, absent or empty; None keeps everything in memory.
    flush_seconds : float
        0 flushes at every tick.
    clock : callable
        Seconds that only grow.
    now : callable
        The time as ISO 8601 text in UTC, for the manifest.

    Raises
    ------
    RecordError
        By `begin`, if the directory holds a run or other files or cannot be made; by any method,
        if the disk refuses to be written.
    """

    def __init__(
        self,
        to: Path | None,
        flush_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], str] = _utc_now,
    ) -> None:
        self.path = None if to is None else Path(to)
        self.manifest: dict[str, Any] = {}
        self._flush_seconds, self._clock, self._now = flush_seconds, clock, now
        self._tables = Tables(self.path)
        self._begun = self._flushed = 0.0
        self._done = 0
        self._before = 0.0  # seconds that earlier parts of the run took
        self._outcomes = dict.fromkeys(OUTCOMES, 0)

    def begin(self, manifest: Mapping[str, Any], reference: pl.DataFrame | None = None) -> None:
        """Claim the directory and write the first manifest, and the real series if there is one.

        `manifest` says what will run (world, cast, seed, ticks asked); status, times and totals are
        added here.
        """
        if self.manifest:
            raise RecordError("this recorder has begun a run already", mend="make a new one")
        ticks = {"first": 0, "asked": 0, **manifest.get("ticks", {}), "done": 0}
        self.manifest = {
            "format": 1,
            "status": "running",
            "error": None,
            **manifest,
            "ticks": ticks,
            "outcomes": dict(self._outcomes),
            "started": self._now(),
            "updated": self._now(),
            "finished": None,
            "seconds": 0.0,
        }
        self._begun = self._flushed = self._clock()
        if self.path is not None:
            claim(self.path, self.manifest)
        if reference is not None:
            try:
                self._tables.put_reference(reference)
            except PopulaceError as error:
                self.finish("failed", error)
                raise

    def position(self) -> dict[str, Any]:
        """Write what has been gathered, and return how far the records go, as JSON can hold it."""
        self.flush()
        done = {"done": self._done, "outcomes": dict(self._outcomes)}
        return {**self._tables.position(), **done, "seconds": self.manifest["seconds"]}

    def go_on(
        self,
        manifest: Mapping[str, Any],
        position: Mapping[str, Any],
        source: Path | Recorder,
        reference: pl.DataFrame | None = None,
    ) -> None:
        """Continue the records of a run from a `position`, instead of `begin`.

        Parameters
        ----------
        manifest : mapping
            As that of the run, changed where it now differs.
        position : mapping
            As `position` returned it.
        source : Path or Recorder
            The run directory: this recorder's own; or another run's, or (of a branch) another
            recorder, whose records up to the position are taken over.
        reference : polars.DataFrame, optional
            As for `begin`.

        Raises
        ------
        RecordError
            If a part is gone, or the directory of a branch is not free.
        """
        if self.path is not None and self.path != source:
            claim(self.path, manifest)
        self.manifest = {**manifest, "status": "running", "error": None, "finished": None}
        self._done = position["done"]
        self._outcomes.update(position["outcomes"])
        self._begun = self._flushed = self._clock()
        self._before = position["seconds"]
        self._save()
        self._tables.take(source._tables if isinstance(source, Recorder) else source, position)
        if reference is not None:
            self._tables.put_reference(reference)

    def tick(
        self,
        tick: int,
        metrics: Mapping[str, Any] | None,
        by: Iterable[Broken] = (),
        asks: Iterable[AskCount] = (),
        panel: Iterable[PanelRows] = (),
        minds: Iterable[Mapping[str, Any]] = (),
        spend: Iterable[Mapping[str, Any]] = (),
        failures: Iterable[Mapping[str, Any]] = (),
        events: Iterable[Mapping[str, Any]] = (),
        transcript: Iterable[Mapping[str, Any]] = (),
        replies: Iterable[Mapping[str, Any]] = (),
        surveys: Iterable[Any] = (),
        states: Iterable[tuple[str, pl.DataFrame]] = (),
        exchanges: Iterable[Exchange] = (),
    ) -> None:
        """Record one tick; what is handed over must not be changed afterwards.

        Parameters
        ----------
        metrics : mapping of str to int, float or None, or None
            None or NaN: not defined at this tick. None instead of a mapping: no row of this tick.
        by : iterable of (measure, axis, labels, values)
        asks : iterable of AskCount
        panel : iterable of PanelRows
        minds, spend, failures, events, transcript, replies : iterable of mapping
            Rows of those tables (see `Run`).
        surveys : iterable of Responses
            Their answers go into ``surveys``, the columns of agents among them into ``states``.
        states : iterable of (population, frame)
            Columns of agents: ``id``, and a column each.
        exchanges : iterable of Exchange

        Raises
        ------
        WorldError
            If a measure is no finite number.
        """
        asks, typed = list(asks), list(replies)
        rows = {"minds": minds, "spend": spend, "failures": map(readable, failures)}
        rows |= {"events": events, "transcript": transcript, "replies": typed}
        self._tables.add(tick, metrics, by, asks, panel, rows, exchanges)
        for held in surveys:
            self._tables.add_survey(tick, held.name, held.population, held.answers)
        for population, frame in states:
            self._tables.add_states(tick, population, frame)
        for ask in asks:
            for name, count in zip(OUTCOMES, ask.outcomes, strict=True):
                if count:
                    self._outcomes[name] += int(count)
        self._done += 1
        if self.path is not None:
            now = self._clock()
            wait = min(_FRACTION * (now - self._begun), _LONGEST)
            if typed or now - self._flushed >= max(self._flush_seconds, wait):
                self.flush()  # at once what a person has typed: nothing is dearer

    def unfinished(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Keep what people replied in a tick that did not come to its end."""
        self._tables.add_rows({"replies": replies})

    def update(self, **fields: Any) -> None:
        """Set fields of the manifest (written with the next flush)."""
        self.manifest.update(fields)

    def flush(self) -> None:
        """Write what has been gathered, then the manifest."""
        self._tables.flush()
        self._save()
        self._flushed = self._clock()

    def finish(self, status: str = "finished", error: BaseException | None = None) -> None:
        """Write everything and close the run.

        Parameters
        ----------
        status : "finished", "stopped", "interrupted" or "failed"
        error : exception, optional
            What ended the run; a keyboard interrupt or cancellation makes it "interrupted".
        """
        if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
            status, error = "interrupted", None
        self.manifest["status"] = status
        if error is not None:
            self._fail(error)
        self.manifest["finished"] = self._now()
        try:
            if self.path is not None:
                self._tables.complete()
        except PopulaceError as failure:  # the disk is full, say: the manifest may still fit
            self._fail(failure)
            raise
        finally:
            self._save()

    def run(self, world: Any = None) -> Run:
        """Return what was recorded."""
        source = self._tables.frame if self.path is None else None
        return Run(self.manifest, self.path, world, source)

    def _fail(self, error: BaseException) -> None:
        self.manifest["status"] = "failed"
        if self.manifest["error"] is None:
            self.manifest["error"] = {"type": type(error).__name__, "message": str(error)}

    def _save(self) -> None:
        self.manifest["ticks"] = {**self.manifest["ticks"], "done": self._done}
        self.manifest["outcomes"] = dict(self._outcomes)
        self.manifest["seconds"] = round(self._before + self._clock() - self._begun, 3)
        self.manifest["updated"] = self._now()
        if self.path is not None:
            text = as_json(self.manifest)
            write_atomically(self.path / MANIFEST, lambda file: file.write(text))
