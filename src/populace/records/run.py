"""Reading a run: its manifest, and its tables as polars frames when they are asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.records.files import MANIFEST, read_head
from populace.records.frames import joined, load

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1


class Run:
    """A recorded run. Its tables are read when first used.

    Parameters
    ----------
    manifest : mapping
    path : Path or None
        Run directory; None for a run in memory.
    world : World or None
        The world as the run left it; None for a run read from disk.
    source : callable, optional
        Returns a table by name, for a run in memory.

    Attributes
    ----------
    metrics : polars.DataFrame
        A row a tick: tick, then a column a measure.
    by : polars.DataFrame
        Broken-down measures: tick, measure, axis, label, value.
    asks : polars.DataFrame
        A row a tick, population, kind and policy: agents, agents by outcome, seconds.
    panel : polars.DataFrame
        Every decision of the sampled agents: tick, population, id, kind, policy, outcome, value
        (numbers), label (options and texts).
    exchanges : polars.DataFrame
        What passed between the world and the panel's agents: tick, turn (of the asks and tells of
        the tick, from 0), population, id, act ("asked" or "told"), kind, policy, outcome, value and
        label (as in the panel), shown (a list of column, value, label) and notes (a list of what,
        text: prompts, memories, replies, as the mind tells them).
    minds : polars.DataFrame
        What policies report of themselves: tick, population, policy, kind, measure, value.
    spend : polars.DataFrame
        What calls of models cost: tick, kind, policy, model, then ``logical_`` (as if nothing were
        stored) and ``billed_`` calls, tokens_in, tokens_out, usd, seconds.
    failures : polars.DataFrame
        Calls of models that gave no decision, the first 100 of each policy: tick, population,
        policy, kind, outcome, agents (how many it left undecided), prompt, reply, why. Long texts
        are cut, and secrets of the environment hidden.
    events : polars.DataFrame
        What interventions did: tick, name, what.
    transcript : polars.DataFrame
        What members of teams said, the first items of each team, a row an answer: tick, population,
        agent, policy (the team), round, turn, member, prompt (its name), asked (its text), sees
        (whose words), text, answer (canonical; JSON unless a text), outcome, confidence, tokens_in,
        tokens_out; and a row a verdict: prompt "verdict", without a member, with votes (JSON pairs
        of answer and weight) and the reason why the structure ended.
    replies : polars.DataFrame
        What people at a seat typed: tick, population, id, kind, number (of the reply to that
        question, from 0), reply (null: time was up; blank: none, or input had ended).
    surveys : polars.DataFrame
        Answers to surveys held in the run: tick, survey, population, id, policy, question, outcome,
        value, label.
    states : polars.DataFrame
        Columns of agents: of who was surveyed, by what the survey showed, and of the panel, as the
        run was told to keep: tick, population, id, column, value (numbers), label (texts).
    reference : polars.DataFrame
        Real series: tick, measure, value.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        path: Path | None = None,
        world: Any = None,
        source: Callable[[str], pl.DataFrame] | None = None,
    ) -> None:
        self.manifest = dict(manifest)
        self.path = path
        self.world = world
        self._source = source

    @property
    def status(self) -> str:
        """Status: "running" (or its process died), "finished", "stopped", "interrupted" or
        "failed"."""
        return str(self.manifest["status"])

    @property
    def ticks(self) -> int:
        """Ticks recorded."""
        return int(self.manifest["ticks"]["done"])

    @cached_property
    def metrics(self) -> pl.DataFrame:
        return self._table("metrics")

    @cached_property
    def by(self) -> pl.DataFrame:
        return self._table("by")

    @cached_property
    def asks(self) -> pl.DataFrame:
        return self._table("asks")

    @cached_property
    def panel(self) -> pl.DataFrame:
        return self._table("panel")

    @cached_property
    def exchanges(self) -> pl.DataFrame:
        return self._table("exchanges")

    @cached_property
    def minds(self) -> pl.DataFrame:
        return self._table("minds")

    @cached_property
    def spend(self) -> pl.DataFrame:
        return self._table("spend")

    @cached_property
    def failures(self) -> pl.DataFrame:
        return self._table("failures")

    @cached_property
    def events(self) -> pl.DataFrame:
        return self._table("events")

    @cached_property
    def transcript(self) -> pl.DataFrame:
        return self._table("transcript")

    @cached_property
    def replies(self) -> pl.DataFrame:
        return self._table("replies")

    @cached_property
    def surveys(self) -> pl.DataFrame:
        return self._table("surveys")

    @cached_property
    def states(self) -> pl.DataFrame:
        return self._table("states")

    @cached_property
    def reference(self) -> pl.DataFrame:
        return self._table("reference")

    def when(self, tick: int) -> str:
        """Return the date of a tick by the world's calendar, or "tick n" without one."""
        return when(self.manifest["world"].get("calendar"), tick)

    def __repr__(self) -> str:
        world, seed = self.manifest["world"]["name"], self.manifest["seed"]
        where = "in memory" if self.path is None else str(self.path)
        return f"Run({world}, seed {seed}, {self.ticks} ticks, {self.status}, {where})"

    def _table(self, name: str) -> pl.DataFrame:
        if self._source is not None:
            return self._source(name)
        assert self.path is not None
        parts = sorted((self.path / name).glob("part-*.parquet"))
        frame = joined(name, [load(part) for part in parts])
        if self.status != "running" or name == "reference":
            return frame
        # Parts are written before the manifest: keep to the ticks that every table has.
        import polars as pl

        ticks = self.manifest["ticks"]
        return frame.filter(pl.col("tick") < ticks.get("first", 0) + ticks["done"])


def when(calendar: Mapping[str, Any] | None, tick: int) -> str:
    """Return the date of a tick by a calendar as the manifest holds it.

    >>> when({"start": "2020-02-29", "unit": "day"}, 1), when(None, 1)
    ('2020-03-01', 'tick 1')
    """
    if not calendar:
        return f"tick {tick}"
    start, unit = dt.date.fromisoformat(calendar["start"]), calendar["unit"]
    if unit in ("day", "week"):
        return (start + dt.timedelta(days=tick * (7 if unit == "week" else 1))).isoformat()
    months = start.year * 12 + start.month - 1 + tick * (12 if unit == "year" else 1)
    return f"{months // 12:04d}" + ("" if unit == "year" else f"-{months % 12 + 1:02d}")


def read(path: str | Path) -> Run:
    """Return the run in a directory (finished, failed, or still running).

    Raises
    ------
    RecordError
        If there is no run, or it was written in a format that this version does not know.

    Examples
    --------
    >>> read("no/such/place")
    Traceback (most recent call last):
    populace.kernel.errors.RecordError: no/such/place: no run is here (it has no manifest.json)...
    """
    folder = Path(path)
    if folder.name == MANIFEST:
        folder = folder.parent
    mend = "name a directory that 'populace run --to' wrote"
    manifest = read_head(folder, MANIFEST, FORMAT, "run", mend, where=str(path))
    return Run(manifest, folder)
