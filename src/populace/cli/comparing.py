"""``populace compare``: runs, sweeps, arms of a world, or a study in a file, paired by seed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from populace.cli.commands import (
    debug_option,
    intervene_option,
    json_option,
    main,
    spending_options,
)
from populace.cli.failing import FAILED, INTERRUPTED, STOPPED, fail, failing

_path = click.Path(path_type=Path)
_EPILOG = """
Examples:

\b
  populace compare wealth --swap spender=saver --seeds 20
  populace compare commons --swap model=careful --seeds 30 --budget tokens=2e6
  populace compare brooklyn --set people=20000 --arm 'late: order=2020-03-29' --measure deaths
  populace compare runs/early-* runs/late-*
  populace compare study.toml --to studies/order
"""


@dataclass(frozen=True)
class Options:
    """The options of the command."""

    arm: tuple[str, ...]
    swap: tuple[str, ...]
    settings: tuple[str, ...]
    cast: str | None
    intervene: tuple[Path, ...]
    seeds: int | None
    ticks: int | None
    measure: tuple[str, ...]
    baseline: str | None
    precision: str | None
    family: str | None
    level: float | None
    workers: int | None
    answers: Path | None
    mode: str | None
    budget: str | None
    prices: Path | None
    to: Path | None
    no_report: bool
    quiet: bool
    as_json: bool
    debug: bool


@main.command("compare", epilog=_EPILOG)
@click.argument("what", nargs=-1, required=True, metavar="WORLD|STUDY.toml|DIR...")
@click.option(
    "--arm", metavar="'NAME: NAME=VALUE,...'", multiple=True,
    help="An arm: parameters, cast=, swap=, intervene=; may be given again.",
)  # fmt: skip
@click.option(
    "--swap", metavar="GROUP=MIND", multiple=True,
    help="An arm in which one group has another mind; all else is the same.",
)  # fmt: skip
@click.option("settings", "--set", metavar="NAME=VALUE", multiple=True, help="Set in all arms.")
@click.option("--cast", metavar="FILE|NAME=SHARE,...", help="Who decides, in all arms.")
@intervene_option
@click.option("--seeds", type=click.IntRange(min=1), help="Runs an arm; 10 by default.")
@click.option("--ticks", type=click.IntRange(min=0), help="How long; by default the world's own.")
@click.option(
    "--measure", metavar="NAME[:HOW]", multiple=True,
    help="Last value, or its sum, mean, max, min, argmax, argmin; by default the last of each.",
)  # fmt: skip
@click.option("--baseline", metavar="ARM", help="By default the first arm.")
@click.option(
    "--precision", metavar="SHARE|AMOUNT",
    help="Half-width wanted, as 5% of the baseline's mean (default) or an amount.",
)  # fmt: skip
@click.option(
    "--family", type=click.Choice(["all", "arms"]),
    help="Adjust p over all of the table (default), or over the arms of each measure.",
)  # fmt: skip
@click.option("--level", type=click.FloatRange(0, 1, True, True), help="By default 0.95.")
@click.option("--workers", type=click.IntRange(min=1), help="By default one a core.")
@spending_options
@click.option("--to", type=_path, help="Directory to write; a comparison begun there goes on.")
@click.option("--no-report", is_flag=True, help="Write no report.html.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@json_option
@debug_option
def compare_command(what: tuple[str, ...], **options: Any) -> None:
    """Compare arms of a world, run on the same seeds and draws, with intervals.

    WORLD with --arm or --swap, a STUDY.toml, or directories of runs or sweeps that are there.
    """
    given = Options(**options)
    with failing(given.debug, given.as_json):
        comparison = _dispatch(what, given)
    if comparison is not None:
        with failing(given.debug, given.as_json, FAILED):
            _tell(comparison, given)


def _exam(path: Path, study: dict[str, Any], options: Options) -> None:
    from populace.cli.examining import compare_exam

    compare_exam(path, study, options)


# Studies of other kinds, by the name of their world: each carries out a study's file by itself.
KINDS: dict[str, Callable[[Path, dict[str, Any], Options], None]] = {"exam": _exam}


def _dispatch(what: tuple[str, ...], options: Options) -> Any:
    from populace.kernel.errors import ParameterError
    from populace.studies.gathering import is_gatherable

    first = Path(what[0])
    if len(what) == 1 and first.suffix == ".toml":
        from populace.cli.arming import read_study

        study = read_study(first)
        if (own := KINDS.get(study["world"])) is not None:
            return own(first, study, options)
        return _study(first, study, options)
    if len(what) == 1 and not first.is_dir():
        return _world(what[0], options)
    for each in what:
        if not is_gatherable(each):
            raise ParameterError(
                "expected directories of runs or sweeps, or one world", where=each,
                mend="there is no run in it",
            )  # fmt: skip
    return _gathered(what, options)


def _world(text: str, options: Options) -> Any:
    from populace.cli.arming import NamedCast, arms_of, everybody, settings_of, world_of
    from populace.cli.finding import find
    from populace.studies.arms import Arm

    cls = find("world", text)
    arms = arms_of(options.arm, options.swap, cls, text)
    settings, who = settings_of(options.settings, cls, text), options.cast
    if who is None and all(arm.cast is None for arm in arms):
        who = everybody(arms, cls(**settings))
        if who is not None and not (options.quiet or options.as_json):
            click.echo(f"The world's own cast has no such group: base is --cast {who}.", err=True)
    cast = None if who is None else NamedCast(who)
    common = Arm("common", settings, cast, options.intervene)
    return _run(world_of(text), common, arms, options, {})


def _study(path: Path, study: dict[str, Any], options: Options) -> Any:
    from populace.cli.arming import study_arms, world_of
    from populace.cli.finding import find
    from populace.kernel.errors import ParameterError

    if options.arm or options.swap or options.settings or options.cast or options.intervene:
        raise ParameterError("arms and settings stand in the file", where=str(path))
    text = study["world"]
    if text.rpartition(":")[0].endswith(".py") or text.endswith(".py"):
        text = str(path.parent / text)  # beside the study
    common, arms = study_arms(study, find("world", text), path)
    return _run(world_of(text), common, arms, options, study)


def _run(world: Any, common: Any, arms: list[Any], options: Options, study: dict[str, Any]) -> Any:
    from populace.cli.running import _terminate_as_interrupt
    from populace.kernel.errors import StudyError
    from populace.studies import compare

    seeds = options.seeds if options.seeds is not None else study.get("seeds", 10)
    name = world if isinstance(world, str) else Path(world.text.rpartition(":")[0]).stem
    folder = _fresh(name) if options.to is None else options.to
    resources = _resources(options, folder)
    silent = options.quiet or options.as_json
    try:
        with _terminate_as_interrupt(), _watching(name, silent, len(arms)) as progress:
            return compare(
                world,
                arms,
                seeds,
                ticks=options.ticks if options.ticks is not None else study.get("ticks"),
                parameters=common.parameters,
                cast=common.cast,
                interventions=common.interventions,
                resources=resources,
                workers=options.workers,
                to=folder,
                progress=progress,
                **_analysis(options, study),
            )
    except KeyboardInterrupt:
        click.echo(f"Interrupted; with --to {folder} the same command goes on.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except StudyError as error:  # not one seed in every arm
        if not getattr(resources, "spent", False):
            raise
        click.echo(_goes_on(folder), err=True)
        fail(error, STOPPED, options.debug, options.as_json)


def _resources(options: Options, folder: Path) -> Any:
    """Return what models may spend; what cannot be read is said before any run."""
    from populace.cli.arming import NamedResources
    from populace.cli.spending import Spending
    from populace.studies.folder import ANSWERS
    from populace.studies.purse import Purse

    given = Spending.read(options.answers, options.mode, options.budget, options.prices, None)
    if options.answers is not None:
        given.resources()["answers"].close()
    answers = options.answers or folder / ANSWERS
    if given.budget is None:
        return NamedResources(answers, options.mode, None, options.prices)
    return Purse(given.budget, answers, given.mode, given.prices, folder)


def _goes_on(folder: Path) -> str:
    return f"The budget is spent; with --to {folder} and a larger one the same command goes on."


def _gathered(what: tuple[str, ...], options: Options) -> Any:
    from populace.kernel.errors import ParameterError
    from populace.records.files import check_free
    from populace.studies.comparison import Comparison, is_comparison
    from populace.studies.gathering import gather

    for name in ("arm", "swap", "settings", "cast", "intervene", "seeds", "ticks"):
        if getattr(options, name):
            option = "set" if name == "settings" else name
            raise ParameterError(f"--{option} is for runs still to be made", where="compare")
    folder = _fresh("runs") if options.to is None else options.to
    if not is_comparison(folder):
        check_free(folder)
    outcomes, about = gather(what)
    if len(outcomes.arms) < 2:
        raise ParameterError(
            f"expected two arms or more, got {', '.join(outcomes.arms)}: the runs differ by their "
            "seeds alone", where="compare",
        )  # fmt: skip
    told = {"directories": list(what), **about}
    return Comparison.of(outcomes, about=told, path=folder, **_analysis(options, {}))


def _analysis(options: Options, study: dict[str, Any]) -> dict[str, Any]:
    """Return what `compare` and `Comparison.of` take alike; options come before the file."""
    given = {
        "measures": list(options.measure) or None,
        "baseline": options.baseline,
        "precision": None if options.precision is None else _precision(options),
        "family": options.family,
        "level": options.level,
    }
    names = ("measures", "baseline", "precision", "family", "level")
    told = {name: study[name] for name in names if name in study}
    return {**told, **{name: value for name, value in given.items() if value is not None}}


def _precision(options: Options) -> Any:
    from populace.kernel.errors import ParameterError

    text = str(options.precision)
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ParameterError(
            f"expected a share, as 5%, or an amount above 0, got {text!r}", where="--precision"
        )
    if text.endswith("%"):
        return value / 100
    if not options.measure:
        raise ParameterError("an amount is of one measure: name it", where="--precision",
                             mend="add --measure, or give a share, as 5%")  # fmt: skip
    return dict.fromkeys(options.measure, value)


def _fresh(name: str) -> Path:
    folder, k = Path("runs") / f"compare-{name}", 1
    while folder.exists():
        k += 1
        folder = folder.with_name(f"compare-{name}-{k}")
    return folder


@contextmanager
def _watching(name: str, silent: bool, arms: int) -> Iterator[Callable[[int, int], None]]:
    """Give what is told of every run done; it tells first what will run, and what to expect."""
    from rich.console import Console

    from populace.cli import sweeping
    from populace.cli.compare_table import expected

    console = Console(stderr=True)
    with sweeping._watching(console, name, silent, done := [0, 0]) as step:

        def progress(finished: int, total: int) -> None:
            if not silent and not done[1]:
                for line in expected(arms, total // arms):
                    console.print(line, highlight=False, soft_wrap=True)
            step(finished, total)

        yield progress


def _tell(comparison: Any, options: Options) -> None:
    from populace.cli.compare_table import print_comparison

    folder = comparison.write()
    report = None
    if not options.no_report:
        from populace.reports import write_comparison

        report = write_comparison(folder)
    if options.as_json:
        found = {
            **comparison.manifest,
            "path": str(folder),
            "report": None if report is None else str(report),
            "table": comparison.table.to_dicts(),
        }
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    elif not options.quiet:
        print_comparison(comparison, report)
    if comparison.manifest.get("stopped"):
        click.echo(_goes_on(folder), err=True)
        raise SystemExit(STOPPED)
