"""``populace compare STUDY.toml`` where the study's world is an exam.

::

    world = "exam"
    seed = 7                                   # also: baseline, pairs, family, level, clusters,
                                               # incomplete (see `populace.studies.compare_teams`)
    [exam]
    source = "reasoning-gym:syllogism"         # or a file beside this one
    items = 100                                # judged; also: pilot, size, source_seed, threshold
    choices = {syllogism = ["Yes", "No"]}      # closed answers of reasoning-gym's tasks; config too

    [budget]                                   # an item; lists are several budgets
    tokens = [1000, 4000]

    [team]                                     # settings of all teams
    max_tokens = 200

    [models.small]
    model = "embedded"                         # as in a cast file, with options = {...}

    [arms.debate]
    structure = "debate"                       # registered, module:name, or FILE.py:name
    members = ["small", "small", "small"]      # of [models], or models by name
    rounds = 2                                 # settings; k = "matched" is what the budget pays for
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from populace.cli.finding import find
from populace.cli.speaking import open_named
from populace.kernel.errors import ParameterError, nearest

if TYPE_CHECKING:
    from populace.cli.comparing import Options

_TOP = ("world", "title", "seed", "baseline", "pairs", "family", "level", "clusters", "incomplete")
_TABLES = ("exam", "budget", "team", "models", "arms")
_EXAM = ("source", "items", "pilot", "size", "source_seed", "threshold", "choices", "config")
_FOREIGN = (
    *("arm", "swap", "settings", "cast", "intervene", "seeds", "ticks", "measure", "precision"),
    *("workers", "budget"),
)


def compare_exam(path: Path, study: Mapping[str, Any], options: Options) -> None:
    """Carry out a study of teams at an exam, and tell what came of it."""
    from populace.cli.exam_table import Teller, print_exam
    from populace.cli.spending import Spending
    from populace.studies.exams import compare_teams

    for name in _FOREIGN:
        if getattr(options, name):
            option = "set" if name == "settings" else name
            raise ParameterError(f"--{option} has no place here: say it in the file",
                                 where=str(path))  # fmt: skip
    given = read_exam_study(path, study)
    if options.baseline is not None:
        given["baseline"] = options.baseline
    given |= {k: v for k in ("family", "level") if (v := getattr(options, k)) is not None}
    spending = Spending.read(options.answers, options.mode, None, options.prices, None)
    resources = spending.resources()
    silent = options.quiet or options.as_json
    folder = _fresh(path.stem) if options.to is None else options.to
    with Teller(Console(stderr=True), silent) as teller:
        comparison = compare_teams(
            **given,
            answers=resources["answers"],
            prices=resources["prices"],
            to=folder,
            note=teller,
        )
    report = None
    if not options.no_report:
        from populace.reports import write_exam_comparison

        report = write_exam_comparison(folder)
    if options.as_json:
        found = {
            **{k: v for k, v in comparison.manifest.items() if k != "foretold"},
            "path": str(folder),
            "report": None if report is None else str(report),
            "table": comparison.table.to_dicts(),
            "accuracy": comparison.arms.to_dicts(),
            "oracle": comparison.oracle.to_dicts(),
            "dropped": comparison.dropped.to_dicts(),
        }
        click.echo(json.dumps(found, indent=2, default=str))
    elif not options.quiet:
        print_exam(comparison, report)


def read_exam_study(path: Path, study: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's file as arguments of `compare_teams`.

    Raises
    ------
    ParameterError
        For a key that is not known, or a value that does not fit.
    ModelError, RegistryError
        If a model or structure cannot be had.
    """
    where = str(path)
    _known(study, (*_TOP, *_TABLES), where)
    for name in _TABLES:
        if not isinstance(study.get(name, {}), Mapping):
            raise ParameterError(f"expected a table [{name}]", where=where)
    exam = dict(study.get("exam", {}))
    _known(exam, _EXAM, f"{where}: exam")
    source = _source(exam, path)
    models = {
        name: _model(name, table, path) for name, table in dict(study.get("models", {})).items()
    }
    arms = {name: _arm(name, table, models, path) for name, table in study.get("arms", {}).items()}
    if not arms:
        raise ParameterError("expected tables [arms.NAME], got none", where=where)
    _arguments(study, exam, where)
    return {
        **{key: study[key] for key in _TOP if key in study and key not in ("world", "title")},
        **{key: exam[key] for key in ("items", "pilot", "threshold") if key in exam},
        "source": source, "arms": arms, "budget": study.get("budget", {}),
        "team": _paths(study.get("team", {}), path),
        "about": {"title": study.get("title", path.stem),
                  "exam": {**study.get("exam", {})}},
    }  # fmt: skip


def _arguments(study: Mapping[str, Any], exam: Mapping[str, Any], where: str) -> None:
    """Refuse values of another type than the parameters of `compare_teams`."""
    for table, keys, kind, word in (
        (study, ("seed",), int, "a whole number"),
        (study, ("pairs",), bool, "true or false"),
        (study, ("level",), float, "a number"),
        (exam, ("items", "pilot"), int, "a whole number"),
        (exam, ("threshold",), (int, float), "a number"),
    ):
        for key in keys:
            if key in table and (
                not isinstance(table[key], kind)
                or (kind is not bool and isinstance(table[key], bool))
            ):
                raise ParameterError(f"expected {key} = {word}, got {table[key]!r}", where=where)


def _source(exam: Mapping[str, Any], path: Path) -> Any:
    from populace.worlds.exam import ReasoningGym
    from populace.worlds.exam.sources import source_named

    text = exam.get("source")
    if not isinstance(text, str):
        raise ParameterError(f"expected source = a name, got {text!r}", where=f"{path}: exam")
    size, seed = exam.get("size", 50), exam.get("source_seed", 0)
    kind, colon, rest = text.partition(":")
    if colon and kind == "reasoning-gym":
        tasks = [task.strip() for task in rest.split(",") if task.strip()]
        return ReasoningGym(tasks, size, seed, exam.get("config"), exam.get("choices"))
    for key in ("choices", "config", "size", "source_seed"):
        if key in exam:
            raise ParameterError(f"{key} is of reasoning-gym", where=f"{path}: exam")
    file = rest if colon and kind in ("jsonl", "recorded") else text
    if (path.parent / file).is_file():
        text = f"{kind}:{path.parent / file}" if file is rest else str(path.parent / file)
    return source_named(text, size, seed)


def _model(name: str, table: Any, path: Path) -> Any:
    if not isinstance(table, Mapping) or not isinstance(table.get("model"), str):
        raise ParameterError("expected model = a name", where=f"{path}: models.{name}")
    _known(table, ("model", "options"), f"{path}: models.{name}")
    text = table["model"]
    place, _, rest = text.rpartition(":")
    if place.endswith(".py"):
        text = f"{path.parent / place}:{rest}"
    elif text.startswith("recorded:") and not Path(text[9:].rpartition("#")[0]).is_file():
        text = f"recorded:{path.parent / text[9:]}"
    return open_named(text, table.get("options"))


def _arm(name: str, table: Any, models: Mapping[str, Any], path: Path) -> Any:
    from populace.studies.exams import TeamArm

    where = f"{path}: arms.{name}"
    if not isinstance(table, Mapping):
        raise ParameterError(f"expected a table, got {table!r:.60}", where=where)
    given = _paths(table, path)
    members, structure = given.pop("members", None), given.pop("structure", None)
    if isinstance(members, str):
        members = [members]
    if not isinstance(members, (list, Mapping)) or not members:
        raise ParameterError(f"expected members, got {members!r}", where=where)
    if structure is not None and not isinstance(structure, str):
        raise ParameterError(f"expected structure = a name, got {structure!r}", where=where)
    place, _, rest = (structure or "").rpartition(":")
    if place.endswith(".py"):
        structure = f"{path.parent / place}:{rest}"
    seats: dict[str, Any] = {}
    listed = members.items() if isinstance(members, Mapping) else [(one, one) for one in members]
    for seat, one in listed:
        if not isinstance(one, str):
            raise ParameterError(f"expected a member's name, got {one!r}", where=where)
        if one not in models and ":" not in one and not one.endswith(".gguf"):
            raise ParameterError(f"no model {one!r}; {nearest(one, models)}", where=where,
                                 mend=f"add a table [models.{one}]")  # fmt: skip
        n, key = 1, str(seat)
        while key in seats:
            n += 1
            key = f"{seat} {n}"
        seats[key] = models[one] if one in models else open_named(one)
    if structure is None:
        return TeamArm(seats, settings=given)
    return TeamArm(seats, find("structure", structure), given)


def _paths(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return settings, files among them taken to be beside the study."""
    given = dict(table)
    for key in ("prompts", "wording"):
        if isinstance(given.get(key), str):
            given[key] = path.parent / given[key]
    return given


def _known(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise ParameterError(f"knows no {key!r}; {nearest(key, keys)}", where=where)


def _fresh(name: str) -> Path:
    folder, k = Path("runs") / f"compare-{name}", 1
    while folder.exists():
        k += 1
        folder = folder.with_name(f"compare-{name}-{k}")
    return folder
