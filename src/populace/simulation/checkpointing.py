"""Going on from a run's checkpoints: where it was, or along another branch."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.budget import Budget
from populace.kernel.code import code_name
from populace.kernel.errors import BudgetError, ParameterError, RecordError, StateError
from populace.kernel.overlay import overlay
from populace.kernel.state import State
from populace.kernel.world import World
from populace.records import Recorder, read
from populace.records.answers import AnswerStore
from populace.records.checkpoints import Checkpoint, Vault
from populace.records.files import as_json
from populace.simulation.keeping import ANSWERS, START, Past, code_digest, restore
from populace.simulation.manifest import describe_casts, plain, versions

if TYPE_CHECKING:
    from populace.simulation.running import Simulation

_NOWHERE: dict[str, Any] = {"parts": {}, "kinds": {}, "done": 0, "outcomes": {}, "seconds": 0.0}


def resumed(
    cls: type[Simulation],
    path: str | Path,
    world: World | type[World] | None,
    cast: Any,
    given: Mapping[str, Any],
    at: int | None = None,
) -> Simulation:
    """Return a simulation as it was at a run's last sound checkpoint, of tick `at` or before.

    Parameters
    ----------
    cls, path, world, cast : see `Simulation.resume`
    given : mapping
        Arguments of `Simulation` that replace those of the run; interventions are added.

    Raises
    ------
    RecordError
        If no run is there, or it was not kept so that it can go on.
    """
    run = read(path)
    assert run.path is not None
    where, start = str(run.path), _start(run.path)
    found, about = Vault(run.path).latest(at), start.about
    if world is None or isinstance(world, type):
        world = _rebuilt(run.manifest, start, world)
    _check_world(world, run.manifest, about, where)
    if cast is None and not about["own_cast"]:
        raise RecordError(
            f"its cast ({_policies(run.manifest['cast'])}) was made in Python",
            where=where,
            mend="give it again: Simulation.resume(path, cast=...)",
        )
    made = _revived(start, {code_name(type(world)).partition(".")[0].partition(":")[0]})
    options = {name: about[name] for name in ("turns", "abort_failures")}
    options |= {name: made.get(name) for name in ("prices", "records")}
    options |= {"budget": Budget(**about["budget"])}
    if about["answers"] is not None and "answers" not in given:
        options["answers"] = AnswerStore(about["answers"]["path"], about["answers"]["mode"])
    options |= given
    for name in ("interventions", "surveys"):
        options[name] = [*_again(made, name, where), *given.get(name, ())]
    simulation = cls(world, cast, int(run.manifest["seed"]), **options)
    _check_casts(simulation, run.manifest, where)
    if found is not None:
        try:
            restore(simulation, found.state)
        except StateError as error:
            raise StateError(error.what, where=str(found.path), mend=error.mend) from error
    budget = simulation.resources.budget
    if "budget" in given:
        budget._stopping = False
    elif budget.stopping:
        raise BudgetError("its budget is spent", where=where, mend="give a larger one to go on")
    records = _NOWHERE if found is None else found.about["records"]
    simulation._past = Past(run.path, run.manifest, records)
    simulation.command = run.manifest.get("command")
    return simulation


def last_tick(path: str | Path) -> int:
    """Return the tick of a run's last checkpoint that is there, its first tick without any."""
    run = read(path)
    assert run.path is not None
    names = Vault(run.path).names()
    return names[-1][0] if names else int(run.manifest["ticks"]["first"])


async def replay(simulation: Simulation, at: int) -> None:
    """Take a resumed simulation to a tick that its run has lived through, as a branch of that run.

    Raises
    ------
    ParameterError
        If the run did not reach that tick.
    """
    past = simulation._past
    assert past is not None
    assert isinstance(past.source, Path)
    ticks = past.manifest["ticks"]
    last = ticks["first"] + ticks["done"]
    if not ticks["first"] <= at <= last:
        raise ParameterError(
            f"expected a tick of the run, {ticks['first']} to {last}, got {at}", where="fork"
        )
    recorder = Recorder(None)
    recorder.go_on(past.manifest, past.records, past.source)
    answers, kept = simulation.resources.answers, past.source / ANSWERS
    if simulation._own_answers and isinstance(answers, AnswerStore) and kept.exists():
        answers.take(kept)
    while simulation.tick < at:
        await simulation._step(recorder)
    parent = {"path": str(past.source.resolve()), "tick": at}
    simulation._past = Past(recorder, past.manifest, recorder.position(), parent)


def remade_world(path: str | Path, cls: type[World] | None = None) -> World:
    """Return the world of a run, made anew by its parameters.

    Parameters
    ----------
    path : path
        Run directory.
    cls : class, optional
        Its class, where that cannot be imported by name.

    Raises
    ------
    RecordError
        If the class cannot be imported, or a parameter is not stored.
    """
    run = read(path)
    assert run.path is not None
    return _rebuilt(run.manifest, _start(run.path), cls)


def _start(folder: Path) -> Checkpoint:
    vault = Vault(folder)
    if not (vault.folder / START).exists():
        raise RecordError(
            "this run keeps no checkpoints, so that it cannot go on",
            where=str(folder),
            mend="run it anew, without --no-checkpoints",
        )
    return vault.read(START)


def _rebuilt(told: Mapping[str, Any], start: Checkpoint, cls: type[World] | None) -> World:
    """Return the world made anew by its class and parameters."""
    module, _, name = start.about["class"].partition(":")
    mend = "give the world: Simulation.resume(path, world=...)"
    try:
        found: Any = cls or sys.modules.get(module) or importlib.import_module(module)
        for part in () if cls is not None else name.split("."):
            found = vars(found)[part]
    except (ImportError, KeyError, TypeError, ValueError):
        found = None
    if not (isinstance(found, type) and issubclass(found, World)):
        raise RecordError(f"no world {module}:{name} can be imported", mend=mend)
    parameters = _revived(start, {found.__module__.split(".")[0]}).get("parameters")
    if parameters is None or _told(parameters) != told["world"]["parameters"]:
        raise RecordError(f"the parameters of {name} cannot be told from the run alone", mend=mend)
    return found(**parameters)


def _revived(start: Checkpoint, packages: set[str]) -> dict[str, Any]:
    """Return those of the things that a run is made of that can be made anew."""
    tree, kept = start.state.tree, {}
    for name, value in tree["nodes"][tree["root"]["@"]]["dict"]:
        state = State({"root": value, "nodes": tree["nodes"]}, start.state.arrays)
        with suppress(StateError):
            kept[name] = overlay(None, state, packages=packages)
    return kept


def _again(made: Mapping[str, Any], name: str, where: str) -> list[Any]:
    if name not in made:
        raise RecordError(f"its {name} cannot be told from the run alone", where=where)
    return list(made[name])


def _told(parameters: Any) -> Any:
    """Return parameters as a manifest tells them."""
    return json.loads(as_json(plain(parameters)))


def _check_world(
    world: World, told: Mapping[str, Any], about: Mapping[str, Any], where: str
) -> None:
    name = code_name(type(world))
    if name.partition(":")[2] != about["class"].partition(":")[2]:
        raise RecordError(f"expected the world {about['class']}, got {name}", where=where)
    now, then = _told(world._given_parameters), told["world"]["parameters"]
    changed = [key for key in {**then, **now} if now.get(key) != then.get(key)]
    if changed:
        raise RecordError(
            f"the world's {changed[0]} was {then.get(changed[0])!r:.60}, "
            f"now it is {now.get(changed[0])!r:.60}",
            where=where,
            mend="make it as it was; to change it, fork the run",
        )
    old = [f"{k} {v}" for k, v in about["versions"].items() if versions().get(k) != v]
    code = about["code"]
    if code is not None and code != code_digest(type(world)):
        old.append(f"another version of {type(world).__name__}'s code")
    if old:
        warnings.warn(
            f"{where}: it began with {', '.join(old)}; what follows may differ from a run that was "
            "never interrupted",
            RuntimeWarning,
            stacklevel=4,
        )


def _check_casts(simulation: Simulation, told: Mapping[str, Any], where: str) -> None:
    now = describe_casts(simulation.casts)
    for name, then in told["cast"].items():
        mine = {k: v["class"] for k, v in now.get(name, {}).get("policies", {}).items()}
        theirs = {k: v["class"] for k, v in then["policies"].items()}
        if list(mine.items()) != list(theirs.items()):
            raise RecordError(
                f"the cast of {name} was {_named(theirs)}; it is {_named(mine)}",
                where=where,
                mend="give it as it was; to change it, fork the run",
            )


def _named(classes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({cls.rpartition('.')[2]})" for name, cls in classes.items())


def _policies(casts: Mapping[str, Any]) -> str:
    return ", ".join(name for cast in casts.values() for name in cast["policies"])
