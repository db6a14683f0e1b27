"""Going on with a run that the command line made, or along another branch of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from populace.cli.casting import read_cast
from populace.cli.failing import failing, telling_warnings
from populace.cli.finding import find
from populace.cli.inputs import Inputs, kept_cast
from populace.cli.progress import Watch, fetching
from populace.cli.replying import Replies
from populace.cli.running import bar, live, unused
from populace.cli.spending import Spending
from populace.kernel.errors import ParameterError, RecordError
from populace.kernel.world import World
from populace.records import Run, read
from populace.records.cadence import Checkpoints
from populace.records.files import check_free


def resume_run(
    directory: Path,
    ticks: int | None,
    quiet: bool,
    as_json: bool,
    debug: bool,
    no_report: bool,
    checkpoint_every: str,
    no_checkpoints: bool,
    **spending: Any,
) -> None:
    """Carry out ``populace resume``."""
    from populace.simulation import Simulation

    console = Console(stderr=True)
    with failing(debug, as_json), telling_warnings():
        run = read(directory)
        first = run.manifest["ticks"]["first"]
        length = run.manifest["ticks"]["asked"] if ticks is None else ticks
        if run.status == "finished" and length <= run.manifest["ticks"]["asked"]:
            if not quiet:
                click.echo(f"{directory} has finished; --ticks N goes on to N ticks", err=True)
            return
        checkpoint = False if no_checkpoints else Checkpoints.parse(checkpoint_every)
        world = _world_again(run)
        cast = _cast_again(run, world, console, quiet or as_json)
        changes = _changes(spending)
        simulation = Simulation.resume(directory, world, cast, **changes)
        left = first + length - simulation.tick
        if left < 0:
            raise ParameterError(f"the run is beyond {length} ticks", where=str(directory))
    watch = _watch(console, run, cast, world, quiet, as_json)
    live(simulation, left, directory, watch, checkpoint, no_report, quiet, as_json, debug)


def fork_run(
    directory: Path,
    at: str | None,
    settings: tuple[str, ...],
    cast: str | None,
    intervene: tuple[Path, ...],
    ticks: int | None,
    to: Path | None,
    quiet: bool,
    as_json: bool,
    debug: bool,
    no_report: bool,
    checkpoint_every: str,
    no_checkpoints: bool,
    **spending: Any,
) -> None:
    """Carry out ``populace fork``."""
    from populace.simulation import Simulation
    from populace.simulation.checkpointing import last_tick

    console = Console(stderr=True)
    with failing(debug, as_json), telling_warnings():
        run = read(directory)
        folder = unused(directory.with_name(f"{directory.name}-fork")) if to is None else to
        check_free(folder)
        checkpoint = False if no_checkpoints else Checkpoints.parse(checkpoint_every)
        world = _world_again(run)
        tick = last_tick(directory) if at is None else _tick(at, world)
        before = _cast_again(run, world, console, quiet or as_json, tick)
        inputs = Inputs()
        command = dict(run.manifest["command"] or {})
        own = None
        if cast is not None:
            command = inputs.command(command.get("world", ""), cast)
            with fetching(console, quiet or as_json) as progress:
                own = read_cast(cast, world, progress)
        elif command.get("inputs"):
            kept_cast(directory, command)
            inputs.files = {
                name: (directory / "inputs" / name).read_bytes() for name in command["inputs"]
            }
        watch = _watch(console, run, own or before, world, quiet, as_json)
        with watch.preparing():
            simulation = Simulation.fork(
                directory,
                tick,
                set=_settings(settings),
                cast=own,
                interventions=list(intervene),
                world=world,
                parent_cast=before,
                **_changes(spending),
            )
        simulation.command, simulation.inputs = command, inputs.files
        length = run.manifest["ticks"]["asked"] if ticks is None else ticks
        left = run.manifest["ticks"]["first"] + length - simulation.tick
        if left < 0:
            raise ParameterError(f"the branch begins beyond {length} ticks", where="--ticks")
        simulation.interventions.schedule.check_length(simulation.tick + left)
    live(simulation, left, folder, watch, checkpoint, no_report, quiet, as_json, debug)


def _world_again(run: Run) -> World:
    """Return the world of a run, made as the command line made it."""
    from populace.simulation.checkpointing import remade_world

    assert run.path is not None
    command = run.manifest.get("command")
    if command is None:
        raise RecordError(
            "this run was made in Python",
            where=str(run.path),
            mend="go on there: Simulation.resume(path, world=..., cast=...)",
        )
    return remade_world(run.path, find("world", command["world"]))


def _cast_again(
    run: Run, world: World, console: Console, silent: bool, until: int | None = None
) -> Any:
    """Return the cast of a run, made as the command line made it, with what people replied."""
    command = run.manifest["command"]
    assert run.path is not None
    text = kept_cast(run.path, command)
    with fetching(console, silent) as progress:
        return read_cast(text, world, progress, Replies.again(run, command, until))


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options on spending that were given, as `Simulation.resume` has them."""
    found = Spending.read(
        options["answers"], options["mode"], options["budget"], options["prices"], None
    )
    return {name: value for name, value in found.resources().items() if value is not None}


def _settings(settings: tuple[str, ...]) -> dict[str, str]:
    texts = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise ParameterError(f"expected --set name=value, got {setting!r}")
        texts[key.strip()] = value
    return texts


def _tick(text: str, world: World) -> int:
    from populace.simulation.timing import Timing

    timing = Timing("--at", at=int(text) if text.isdecimal() else text)
    found = timing.tick(world.calendar)
    assert found is not None  # it was given
    return found


def _watch(
    console: Console, run: Run, cast: Any, world: World, quiet: bool, as_json: bool
) -> Watch:
    silent = quiet or as_json
    return Watch(console, run.manifest["world"]["name"], bar(console, as_json, cast, world), silent)
