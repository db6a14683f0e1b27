"""How far a run is: a live bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from populace.records.run import when

Step = Callable[[int, int], None]

_EVERY = 10.0  # seconds between two lines where there is no terminal


class _Rate(ProgressColumn):
    """Ticks a second, or seconds a tick."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else rate(speed), style="progress.data.speed")


def rate(speed: float) -> str:
    """Return a speed in words.

    >>> rate(12.34), rate(0.5)
    ('12.3 ticks/s', '2.0 s/tick')
    """
    return f"{speed:,.1f} ticks/s" if speed >= 1 else f"{1 / speed:,.1f} s/tick"


@contextmanager
def fetching(console: Console, silent: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give the function that is told how far the fetching of a model's weights is.

    A bar at a terminal, else a line a step (download, check, convert). Nothing is shown before the
    first call.
    """
    if silent:
        yield lambda what, done, total: None
        return
    if not console.is_terminal:
        yield _stages(console)
        return
    columns = [TextColumn("[bold]{task.description}"), BarColumn(), TaskProgressColumn()]
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if not tasks:
            bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(f"model: {what}", total=None)
        bar.update(tasks[what], completed=done, total=total or None)

    try:
        yield tell
    finally:
        if tasks:
            bar.stop()


def _stages(console: Console) -> Callable[[str, int, int], None]:
    told: set[str] = set()

    def tell(what: str, done: int, total: int) -> None:
        if what not in told:
            told.add(what)
            size = f" ({total / 1e6:,.0f} MB)" if total and what != "convert" else ""
            console.print(f"model: {what}{size}", highlight=False, markup=False)

    return tell


class Watch:
    """Shows the progress of one run on stderr.

    Parameters
    ----------
    console : Console
    name : str
        What is running.
    bar : bool
        Whether to draw a live bar (never with a person at the same terminal).
    silent : bool
    """

    def __init__(
        self,
        console: Console,
        name: str,
        bar: bool,
        silent: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._name, self._silent, self._clock = console, name, silent, clock
        self._bar = bar and not silent
        self._done = 0

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Show that the world is being built."""
        if not self._bar:
            yield
            return
        with self._console.status(f"preparing {self._name}"):
            yield

    @contextmanager
    def running(self, ticks: int, first: int, calendar: Mapping[str, Any] | None) -> Iterator[Step]:
        """Give the function to call after every tick."""
        if not self._bar:
            yield self._lines()
            return
        columns: list[Any] = [
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.completed:,}/{task.total:,}"),
            TextColumn("{task.fields[at]}", style="cyan"),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
        ]
        with Progress(
            *columns, console=self._console, transient=True, refresh_per_second=8, expand=True
        ) as progress:
            task = progress.add_task(self._name, total=ticks, at="")

            def step(done: int, total: int) -> None:
                at = when(calendar, first + done - 1) if calendar else ""
                progress.update(task, completed=done, at=at)

            yield step

    def _lines(self) -> Step:
        begun = told = self._clock()

        def step(done: int, total: int) -> None:
            nonlocal told
            now = self._clock()
            if not self._silent and now - told >= _EVERY and done < total:
                told = now
                speed = done / (now - begun)
                left = (total - done) / speed
                line = (
                    f"{self._name}: {done:,} of {total:,} ticks, {rate(speed)}, {left:,.0f} s left"
                )
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

        return step
