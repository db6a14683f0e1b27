"""``populace sweep``: a world over many parameters and seeds, as a table."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from populace.cli.casting import read_cast
from populace.cli.failing import FAILED, INTERRUPTED, failing
from populace.cli.finding import find
from populace.cli.running import _terminate_as_interrupt, make_world, world_name
from populace.cli.seating import unattended
from populace.cli.summary import _number, _table
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.parameters import ParameterInfo, parameters
from populace.records.files import as_json as json_bytes

_EVERY = 10.0  # seconds between two lines where there is no terminal
_COLUMNS = 5  # measures shown unless chosen


@dataclass(frozen=True)
class Ordered:
    """The factory of a sweep from the command line: all of it texts, read where the run is."""

    world: str
    settings: tuple[str, ...]
    cast: str | None
    interventions: tuple[str, ...]

    def __call__(self, **sample: Any) -> dict[str, Any]:
        cls = find("world", self.world)
        name = world_name(self.world, cls)
        fixed = make_world(cls, name, self.settings)._given_parameters if self.settings else {}
        made = cls(**{**fixed, **sample})
        found: dict[str, Any] = {"world": made, "cast": unattended(read_cast(self.cast, made))}
        if self.interventions:
            found["interventions"] = list(self.interventions)
        return found

    def describe(self) -> dict[str, Any]:
        """Return what was ordered, files by their content too."""
        files = [text for text in (self.cast, *self.interventions) if text and Path(text).is_file()]
        digests = {text: hashlib.sha256(Path(text).read_bytes()).hexdigest() for text in files}
        return {**asdict(self), "files": digests}


def carry_out(
    world: str,
    grids: tuple[str, ...],
    ranges: tuple[str, ...],
    lhs: int | None,
    sobol: int | None,
    design_seed: int,
    settings: tuple[str, ...],
    cast: str | None,
    intervene: tuple[Path, ...],
    ticks: int | None,
    seeds: str,
    workers: int | None,
    backend: Any,
    to: Path | None,
    measures: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Carry out the command; ends the process with its exit status unless every run finished."""
    from populace.studies.sweep import check_samples, sweep

    errors = Console(stderr=True)
    done = [0, 0]
    with failing(debug, as_json):
        cls = find("world", world)
        name = world_name(world, cls)
        make_world(cls, name, settings)
        known = parameters(cls)
        samples = _design(name, known, grids, ranges, lhs, sobol, design_seed, settings)
        check_samples(cls, samples)
        factory = Ordered(world, settings, cast, tuple(str(path) for path in intervene))
        factory(**samples[0])  # what cannot be cast is said now
        numbers = _seeds(seeds)
        folder = to or _own(name, [factory.describe(), samples, ticks, seeds])
    try:
        with (
            failing(debug, as_json, FAILED),
            _terminate_as_interrupt(),
            _watching(errors, name, quiet or as_json, done) as progress,
        ):
            found = sweep(
                factory,
                samples,
                numbers,
                ticks=ticks,
                workers=workers,
                backend=backend,
                to=folder,
                progress=progress,
            )
    except KeyboardInterrupt:
        told = f"Interrupted after {done[0]:,} of {done[1]:,} runs; the same command goes on"
        click.echo(f"{told} ({folder})", err=True)
        raise SystemExit(INTERRUPTED) from None
    with failing(debug, as_json):
        if as_json:
            click.echo(json_bytes({"path": str(folder), "runs": found.table.to_dicts()}), nl=False)
        elif not quiet:
            show(found, measures, folder)
    failed = found.table.filter(found.table["status"] == "failed")
    if failed.height:
        told = f"{failed.height:,} of {found.table.height:,} runs failed: {failed['error'][0]}"
        click.echo(f"Error: {told}", err=True)
        raise SystemExit(FAILED)


def show(found: Any, measures: tuple[str, ...], folder: Path) -> None:
    """Print a row a sample: the mean of each measure over the seeds, with the deviation."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 110
    frame = found.over_seeds()
    numeric = [name for name in found.measures if f"{name}_sd" in frame.columns]
    for name in measures:
        if name not in numeric:
            raise ParameterError(f"no measure {name!r}; {nearest(name, numeric)}", where="sweep")
    shown = list(measures) or numeric[:_COLUMNS]
    table = _table(*found.parameters, "runs", "failed", *shown, left=())
    for row in frame.to_dicts():
        cells = [_cell(row[name]) for name in (*found.parameters, "runs", "failed")]
        for name in shown:
            sd = row[f"{name}_sd"]
            cells.append(_number(row[name]) + ("" if sd is None else f" ± {_number(sd)}"))
        table.add_row(*map(Text, cells))
    console.print(table)
    if len(shown) < len(numeric) and not measures:
        rest = ", ".join(numeric[_COLUMNS:])
        console.print(Text(f"more measures (--measure): {rest}", style="dim"), soft_wrap=True)
    if len(found.seeds) > 1:
        console.print(Text("± is the standard deviation over the seeds", style="dim"))
    console.print(Text(f"records  {folder}"), soft_wrap=True)


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(value)
    return "-" if value is None else str(value)


def _design(
    world: str,
    known: Mapping[str, ParameterInfo],
    grids: tuple[str, ...],
    ranges: tuple[str, ...],
    lhs: int | None,
    sobol: int | None,
    seed: int,
    settings: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Return every combination of the grid with every sample of the design."""
    from populace.studies import design

    lists: dict[str, list[Any]] = {}
    for text in grids:
        name, value = _named(text, "--grid", "NAME=A,B,...", known, lists)
        lists[name] = [known[name].parse(each, world) for each in value.split(",")]
    axes: dict[str, Any] = {}
    for text in ranges:
        name, value = _named(text, "--range", "NAME=LOW:HIGH[:log]", known, {**lists, **axes})
        axes[name] = _range(value, known[name])
    fixed = {setting.partition("=")[0].strip() for setting in settings}
    for name in (*lists, *axes):
        if name in fixed:
            raise ParameterError(f"{name} is both set and varied", where=world)
    if bool(axes) != ((lhs is not None) + (sobol is not None) == 1) or (lhs and sobol):
        raise ParameterError(
            "expected --range with one of --lhs N and --sobol N",
            where="sweep",
            mend="for instance --range degree=4:16 --lhs 8",
        )
    cells = design.grid(**lists)
    if not axes:
        return cells
    make = design.latin_hypercube if lhs is not None else design.sobol
    inner = make(lhs or sobol or 1, seed=seed, **axes)
    return [{**cell, **sample} for cell in cells for sample in inner]


def _named(
    text: str, option: str, form: str, known: Mapping[str, Any], taken: Mapping[str, Any]
) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise ParameterError(f"expected {option} {form}, got {text!r}", where="sweep")
    if name not in known:
        raise ParameterError(
            f"there is no parameter {name!r}; {nearest(name, known)}", where=option
        )
    if name in taken:
        raise ParameterError(f"{name} is varied twice", where="sweep")
    return name, value


def _range(text: str, parameter: ParameterInfo) -> Any:
    from populace.studies.design import Range

    low, _, rest = text.partition(":")
    high, _, scale = rest.partition(":")
    if scale not in ("", "log"):
        raise ParameterError(f"expected LOW:HIGH or LOW:HIGH:log, got {text!r}", where="--range")
    ends = [parameter.parse(end, "--range") for end in (low, high)]
    if not all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in ends):
        raise ParameterError(
            f"{parameter.name} is {parameter.type_name}, no number",
            where="--range",
            mend="list its values: --grid",
        )
    whole = all(isinstance(end, int) for end in ends)
    return Range(ends[0], ends[1], log=scale == "log", integer=whole)


def _seeds(text: str) -> list[int]:
    from populace.studies.sweep import seed_list

    try:
        if "," not in text:
            return seed_list(int(text))
        return seed_list([int(each) for each in text.split(",") if each.strip()])
    except ValueError:
        raise ParameterError(
            f"expected a number of seeds, or A,B,..., got {text!r}", where="--seeds"
        ) from None


def _own(name: str, asked: Any) -> Path:
    """Return a directory named by what is asked, so that the same command finds it again."""
    from populace.simulation.manifest import plain

    text = json.dumps(plain(asked), sort_keys=True)
    return Path("runs") / f"{name}-sweep-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@contextmanager
def _watching(
    console: Console, name: str, silent: bool, done: list[int]
) -> Iterator[Callable[[int, int], None]]:
    """Give the function to call after every run; it draws a bar at a terminal, else lines."""
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        expand=True,
        disable=silent or not console.is_terminal,
    )
    told = time.monotonic()

    with bar:
        task = bar.add_task(name, total=None)

        def progress(now: int, total: int) -> None:
            nonlocal told
            done[:] = now, total
            bar.update(task, completed=now, total=total)
            if console.is_terminal or silent or now == total:
                return
            if time.monotonic() - told >= _EVERY:
                told = time.monotonic()
                line = f"{name}: {now:,} of {total:,} runs"
                console.print(line, highlight=False, markup=False)

        yield progress
