"""Arms from directories: recorded runs that differ by more than their seed, and sweeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from populace.kernel.errors import RecordError
from populace.records import Run, read
from populace.records.files import MANIFEST
from populace.studies.comparison import is_comparison, read_comparison
from populace.studies.folder import STUDY
from populace.studies.outcomes import EMPTY, Outcome, Outcomes, as_floats, of_sweep
from populace.studies.sweep import read_sweep

Settings = dict[str, Any]

_ABOUT = ("world", "title", "charts", "calendar")


def is_gatherable(path: str | Path) -> bool:
    """Whether a directory holds a run, a sweep, or runs in its directories."""
    folder = Path(path)
    return (folder / MANIFEST).is_file() or (folder / STUDY).is_file() or bool(_inside(folder))


def gather(paths: Sequence[str | Path]) -> tuple[Outcomes, dict[str, Any]]:
    """Return the runs in some directories by arm, and what a report says of their world.

    A directory is a run, a sweep (each sample is an arm), or holds run directories, which together
    are an arm of its name. Single runs form an arm where only their seeds differ; it is called by
    what sets it apart from the others. Arms come in the order of the directories.

    Raises
    ------
    RecordError
        If there is no run in one, a run is there twice, or their worlds are not the same.
    """
    outcomes, told = Outcomes(), dict[str, Any]()
    groups: dict[str, list[Run]] = {}
    settings: dict[str, Settings] = {}
    names: dict[str, str] = {}  # fixed by a directory's name
    for folder in map(Path, paths):
        if (folder / STUDY).is_file():
            told = _one_world(told, _add_sweep(folder, outcomes), folder)
            continue
        inside = [] if (folder / MANIFEST).is_file() else _inside(folder)
        for each in inside or [folder]:
            run = read(each)
            told = _one_world(told, _about(run), each)
            own = _settings(run)
            key = json.dumps([str(folder) if inside else "", own], sort_keys=True)
            groups.setdefault(key, []).append(run)
            settings[key] = own
            if inside:
                names[key] = folder.name
    for name in set(names.values()):
        if list(names.values()).count(name) > 1:
            raise RecordError(
                "holds runs that differ by more than their seed",
                where=name,
                mend="name the run directories themselves",
            )
    texts = _named(settings, names)
    for key, name in texts.items():
        if list(texts.values()).count(name) > 1:  # apart by what a few words do not tell
            name = str(groups[key][0].path)
        if name in outcomes.runs:
            raise RecordError(f"two arms are called {name!r}", where="compare")
        _add_runs(name, groups[key], outcomes)
    return outcomes, told


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each.parent for each in folder.glob(f"*/{MANIFEST}"))


def _add_sweep(folder: Path, outcomes: Outcomes) -> dict[str, Any]:
    sweep = read_sweep(folder)
    texts = [{k: _text(v) for k, v in sample.items()} for sample in sweep.samples]
    arms = [", ".join(f"{k}={v}" for k, v in each.items()) or folder.name for each in texts]
    if sweep.parameters == ["arm"]:  # of an earlier comparison
        arms = [each["arm"] for each in texts]
    if len(set(arms)) < len(arms) or set(arms) & set(outcomes.runs):
        raise RecordError("two arms have the same name and parameters", where=str(folder))
    of_sweep(sweep, arms, outcomes)
    if not is_comparison(folder):
        return {}
    manifest = read_comparison(folder).manifest
    return {name: manifest[name] for name in _ABOUT if name in manifest}


def _add_runs(name: str, runs: Iterable[Run], outcomes: Outcomes) -> None:
    seen: dict[int, Run] = {}
    for run in runs:
        seed = int(run.manifest["seed"])
        if seed in seen:
            raise RecordError(
                f"is the same run as {seen[seed].path}: seed {seed}", where=str(run.path)
            )
        seen[seed] = run
        if run.status != "finished":
            error = (run.manifest.get("error") or {}).get("message") or f"the run is {run.status}"
            outcomes.add(name, seed, None, str(error))
            continue
        metrics = run.metrics
        series = {n: as_floats(metrics[n].to_list()) for n in metrics.columns[1:]}
        ticks = np.asarray(metrics["tick"].to_list(), np.int64)
        outcomes.add(name, seed, Outcome(ticks, series) if series else None, EMPTY)


def _settings(run: Run) -> Settings:
    """Return what makes a run what it is, beside its seed."""
    manifest = run.manifest
    casts = manifest.get("cast") or {}
    return {
        "parameters": manifest["world"].get("parameters") or {},
        "cast": {name: _without(cast, "agents") for name, cast in casts.items()},
        "interventions": [_without(each, "done") for each in manifest.get("interventions") or []],
        "ticks": manifest["ticks"]["asked"],
    }


def _without(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    return [_without(v, key) for v in value] if isinstance(value, list) else value


def _about(run: Run) -> dict[str, Any]:
    world = run.manifest["world"]
    return {
        "world": world["name"],
        "title": world.get("title") or world["name"],
        "charts": world.get("charts") or [],
        "calendar": world.get("calendar"),
    }


def _one_world(before: dict[str, Any], now: dict[str, Any], where: Path) -> dict[str, Any]:
    if before and now and before["world"] != now["world"]:
        raise RecordError(
            f"is a run of {now['world']}, the others are of {before['world']}", where=str(where)
        )
    return before or now


def _named(settings: Mapping[str, Settings], names: Mapping[str, str]) -> dict[str, str]:
    """Return a name for every arm: a directory's, or what sets its settings apart."""
    flat = {key: _flat(own) for key, own in settings.items()}
    found: dict[str, str] = {}
    for key, own in flat.items():
        others = [each for other, each in flat.items() if other != key]
        apart = [
            what
            for what in dict.fromkeys([*own, *(w for each in others for w in each)])
            if any(each.get(what) != own.get(what) for each in others)
        ]
        text = ", ".join(f"{what}={own.get(what, 'none')}" for what in apart) or "runs"
        found[key] = names.get(key, text)
    return found


def _flat(own: Settings) -> dict[str, str]:
    flat = {name: _text(value) for name, value in own["parameters"].items()}
    for population, cast in own["cast"].items():
        shares = cast.get("shares") or dict.fromkeys(cast.get("policies") or {}, 1)
        told = " ".join(f"{name}:{share:.4g}" for name, share in shares.items() if share)
        flat["cast" if len(own["cast"]) == 1 else f"cast of {population}"] = told
        minds = {name: each.get("class", "") for name, each in (cast.get("policies") or {}).items()}
        flat["minds"] = " ".join(str(each).rsplit(".", 1)[-1] for each in minds.values())
    if own["interventions"]:
        flat["interventions"] = " ".join(str(each.get("name")) for each in own["interventions"])
    flat["ticks"] = str(own["ticks"])
    return flat


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
