"""``populace run``: find the world, cast it, run it, and leave a readable run whatever happens."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from populace.cli.casting import read_cast
from populace.cli.failing import (
    FAILED,
    INTERRUPTED,
    STOPPED,
    USAGE,
    fail,
    failing,
    telling_warnings,
)
from populace.cli.finding import find
from populace.cli.inputs import Inputs
from populace.cli.progress import Watch, fetching
from populace.cli.replying import Replies
from populace.cli.seating import asks_people
from populace.cli.sizes import read_records
from populace.cli.spending import Spending
from populace.kernel.errors import (
    ParameterError,
    PolicyError,
    PopulaceError,
    PromptError,
    RecordError,
    RegistryError,
    WorldError,
)
from populace.kernel.parameters import parse
from populace.kernel.world import World
from populace.records import Run, read
from populace.records.cadence import Checkpoints
from populace.records.files import MANIFEST, check_free
from populace.simulation.focus import Records


def run_world(
    world: str,
    settings: tuple[str, ...],
    cast: str | None,
    ticks: int | None,
    seed: int,
    intervene: tuple[Path, ...],
    panel: str,
    columns: str | None,
    kinds: str | None,
    measures: str | None,
    exchanges: bool | None,
    keep_every: int,
    to: Path | None,
    replies: Path | None,
    answers: Path | None,
    mode: str | None,
    budget: str | None,
    prices: Path | None,
    abort_failures: str | None,
    checkpoint_every: str,
    no_checkpoints: bool,
    no_report: bool,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Carry out the command; ends the process with its exit status unless all went well."""
    errors = Console(stderr=True)
    folder = to
    try:
        with failing(debug, as_json):
            cls = find("world", world)
            name = world_name(world, cls)
            folder = fresh(name, seed) if to is None else to
            check_free(folder)
            made = make_world(cls, name, settings)
            checkpoint = False if no_checkpoints else Checkpoints.parse(checkpoint_every)
            typed = None if replies is None else Replies.of(replies)
            inputs = Inputs()
            command = inputs.command(world, cast, typed)
            spending = Spending.read(answers, mode, budget, prices, abort_failures)
            kept = read_records(panel, columns, kinds, measures, keep_every, exchanges)
            with fetching(errors, quiet or as_json) as progress:
                given = read_cast(cast, made, progress, typed)
        watch = Watch(errors, name, bar(errors, as_json, given, made), quiet or as_json)
        with watch.preparing():
            simulation = _prepared(made, given, seed, kept, intervene, spending, debug, as_json)
        simulation.command, simulation.inputs = command, inputs.files
        length = int(made.ticks) if ticks is None else ticks
        with failing(debug, as_json):
            simulation.interventions.schedule.check_length(length)
    except KeyboardInterrupt:
        _interrupted(folder, not no_report, as_json, debug)
    live(simulation, length, folder, watch, checkpoint, no_report, quiet, as_json, debug)


def live(
    simulation: Any,
    ticks: int,
    folder: Path,
    watch: Watch,
    checkpoint: Any,
    no_report: bool,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Run into a folder and tell what came of it; ends the process unless all went well."""
    running = watch.running(ticks, simulation.tick, _calendar(simulation.world))
    try:
        with _terminate_as_interrupt(), telling_warnings(), running as step:
            run = simulation.run(ticks, to=folder, progress=step, checkpoint=checkpoint)
    except KeyboardInterrupt:
        _interrupted(folder, not no_report, as_json, debug)
    except Exception as error:
        _failed(error, folder, not no_report, as_json, debug)
    with failing(debug, as_json, FAILED):
        _tell(folder, None if no_report else _report(folder), quiet, as_json)
    if run.status == "stopped":
        if quiet:
            click.echo(f"Stopped after {run.ticks:,} ticks: {run.manifest['stopped']}", err=True)
        raise SystemExit(STOPPED)


def world_name(text: str, cls: Any) -> str:
    if ":" in text or text.endswith(".py"):
        return str(getattr(cls, "__name__", "world")).lower()
    return text


def fresh(name: str, seed: int) -> Path:
    """Return the first of runs/NAME-SEED, runs/NAME-SEED-2, ... that is not there yet."""
    return unused(Path("runs") / f"{name}-{seed}")


def unused(folder: Path) -> Path:
    """Return the first of FOLDER, FOLDER-2, ... that is not there yet."""
    name, k = folder.name, 1
    while folder.exists():
        k += 1
        folder = folder.with_name(f"{name}-{k}")
    return folder


def make_world(cls: Any, name: str, settings: tuple[str, ...]) -> World:
    if not (isinstance(cls, type) and issubclass(cls, World)):
        raise RegistryError(f"expected a World class, got {cls!r:.80}", where=name)
    texts: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise ParameterError(
                f"expected --set name=value, got {setting!r}",
                where=name,
                mend=f"'populace list {name}' shows the names",
            )
        texts[key.strip()] = value
    return cls(**parse(cls, texts, name))


def _prepared(
    world: World,
    cast: Any,
    seed: int,
    records: Records,
    interventions: tuple[Path, ...],
    spending: Spending,
    debug: bool,
    as_json: bool,
) -> Any:
    from populace.simulation import Simulation

    try:
        return Simulation(
            world, cast, seed, records=records, interventions=interventions, **spending.resources()
        )
    except PopulaceError as error:
        wrong = isinstance(error, (WorldError, PolicyError))  # its code failed, not its input
        fail(error, FAILED if wrong else USAGE, debug, as_json)


def _calendar(world: World) -> dict[str, Any] | None:
    calendar = world.calendar
    return None if calendar is None else {"start": str(calendar.start), "unit": calendar.unit}


def bar(console: Console, as_json: bool, cast: Any, world: World) -> bool:
    """Whether to draw a bar: at a terminal that no person is asked at."""
    from populace.kernel.cast import Cast

    casts = cast.values() if isinstance(cast, dict) else [cast]
    policies = [p for c in casts if isinstance(c, Cast) for p in c.policies.values()]
    if cast is None:
        policies = list(world.policies().values())
    return console.is_terminal and not as_json and not any(map(asks_people, policies))


# -- how it ended --------------------------------------------------------------------------------


def _report(folder: Path) -> Path:
    from populace.reports import write_report

    return write_report(folder)


def _tell(folder: Path, report: Path | None, quiet: bool, as_json: bool) -> None:
    from populace.cli.summary import print_summary, summary

    run = read(folder)
    if as_json:
        found = {**summary(run), "report": None if report is None else str(report)}
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    elif not quiet:
        print_summary(run, report)


def _left(folder: Path | None, report: bool) -> Run | None:
    """Return what the run left, if it had begun, with a report of it."""
    if folder is None or not (folder / MANIFEST).exists():
        return None
    try:
        run = read(folder)
        if report:
            _report(folder)
    except PopulaceError:  # the first error is the one to tell
        return None
    return run


def _interrupted(folder: Path | None, report: bool, as_json: bool, debug: bool) -> NoReturn:
    run = _left(folder, report)
    if run is None:
        click.echo("Interrupted before the first tick.", err=True)
    else:
        click.echo(
            f"Interrupted after {run.ticks:,} ticks; they are in {folder}"
            + (
                f"\nGo on with: populace resume {folder}" if run.manifest.get("checkpoints") else ""
            ),
            err=True,
        )
    if as_json and run is not None and folder is not None:
        _tell(folder, folder / "report.html" if report else None, True, True)
    raise SystemExit(INTERRUPTED)


def _failed(
    error: Exception, folder: Path | None, report: bool, as_json: bool, debug: bool
) -> NoReturn:
    ours = not (isinstance(error, RecordError) and "holds a run" in error.what)
    if ours:
        _left(folder, report)
    wrong = isinstance(error, PromptError)  # found at the first ask: the input does not fit
    fail(error, USAGE if wrong else FAILED, debug, as_json)


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let a polite kill (SIGTERM) or a closed terminal (SIGHUP) end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    before = {
        number: signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
        for number in numbers
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN  # as nohup has it
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
