"""Commands about recorded answers: import, show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from populace.cli.commands import debug_option, json_option, main
from populace.cli.failing import failing

_path = click.Path(path_type=Path)
KINDS = ("jsonl", "rg", "mmlu-pro")


@main.group("recorded")
def recorded() -> None:
    """Recorded answers of real models: import, show."""


@recorded.command(
    "import", epilog="Example:  populace recorded import jsonl answers.jsonl --to answers.rec"
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("answers", metavar="SRC", type=_path)
@click.option("--to", type=_path, required=True, help="The recording to write.")
@click.option("--items", type=_path, help="The items' file; for rg and mmlu-pro that beside SRC.")
@debug_option
def recorded_import(kind: str, answers: Path, to: Path, items: Path | None, debug: bool) -> None:
    """Make a recording of the answers in SRC.

    jsonl is anyone's own log, a line an answer; rg and mmlu-pro are two public sets of answers.
    """
    from populace.language.recorded_import import IMPORTERS

    with failing(debug):
        found = IMPORTERS[kind](answers, to, items)
        count = found.table().height
        click.echo(
            f"{count:,} answers of {len(found.models)} models to {len(found.items):,} items: {to}"
        )


@recorded.command("show", epilog="Example:  populace recorded show answers.rec")
@click.argument("path", metavar="FILE", type=_path)
@json_option
@debug_option
def recorded_show(path: Path, as_json: bool, debug: bool) -> None:
    """Say what a recording holds: a line a model."""
    from populace.language.recording import Recording

    with failing(debug, as_json):
        found = Recording(path)
        models = found.summary().to_dicts()
        if as_json:
            about = {"fingerprint": found.fingerprint, "items": len(found.items)}
            click.echo(json.dumps({**about, "models": models}, indent=2, allow_nan=False))
            return
        click.echo(f"{len(found.items):,} items, {path.stat().st_size / 1e6:,.1f} MB  {path}")
        for model in models:
            click.echo(_line(model))


def _line(model: dict[str, Any]) -> str:
    said = f"  {model['model']}: {model['answers']:,} answers to {model['items']:,} items"
    if model["right"] is not None:
        said += f", {model['right']:.3f} right"
    if model["tokens_out"] is not None:
        guessed = "about " if model["estimated"] else ""
        said += f", {guessed}{model['tokens_out']:,.0f} tokens each"
    return f"{said}, {model['unparsed']:,} without an answer"
