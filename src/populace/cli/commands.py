"""Commands and their options. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from populace import __version__
from populace.cli.failing import FAILED, INTERRUPTED, failing

_EPILOG = "Example:  populace run brooklyn --set people=20000 --ticks 60 --to runs/spring"

debug_option = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


_world_options = [
    click.option("settings", "--set", metavar="NAME=VALUE", multiple=True, help="Set a parameter."),
    click.option(
        "--cast",
        metavar="FILE|NAME=SHARE,...|NAME@ID,...",
        help="Who decides: a TOML file, or shares, or agents by their ids.",
    ),
    click.option(
        "--ticks", type=click.IntRange(min=0), help="How long; by default the world's own."
    ),
    click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True),
]
intervene_option = click.option(
    "--intervene",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="TOML file of what is changed from outside in mid-run; may be given again.",
)
_spending_options = [
    click.option(
        "--answers", type=click.Path(path_type=Path), help="Where answers of models are kept."
    ),
    click.option(
        "--mode",
        type=click.Choice(["fill", "strict", "refresh"]),
        help="fill (default): call for what is not kept; strict: never call; refresh: call anew.",
    ),
    click.option(
        "--budget",
        metavar="NAME=LIMIT,...",
        help="What models may cost: tokens=, usd=, calls=, seconds=; at_end=stop|missing.",
    ),
    click.option(
        "--prices",
        type=click.Path(path_type=Path),
        help="TOML file of US dollars a million tokens by model.",
    ),
]


def _all(options: list[Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_records_options = [
    click.option(
        "--panel",
        metavar="N|CONDITION",
        default="100",
        show_default=True,
        help="Agents whose every decision is kept: so many, or those with, say, 'age >= 65'.",
    ),
    click.option("--columns", metavar="NAME,...", help="Columns of the panel that are kept."),
    click.option("--kinds", metavar="NAME,...", help="Only these decisions of the panel."),
    click.option("--measures", metavar="NAME,...", help="Only these measures."),
    click.option(
        "--exchanges/--no-exchanges",
        default=None,
        help="Keep what the panel saw, remembered and was asked; by default if it is everybody.",
    ),
    click.option(
        "--keep-every",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="Keep measures, panel and columns at every Nth tick only.",
    ),
]

_checkpoint_options = [
    click.option(
        "--checkpoint-every",
        metavar="N|Ns|auto",
        default="auto",
        show_default=True,
        help="Write a checkpoint every N ticks or seconds, or as often as is cheap.",
    ),
    click.option("--no-checkpoints", is_flag=True, help="Write none: the run cannot be resumed."),
]
_ending_options = [
    click.option("--no-report", is_flag=True, help="Write no report.html."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
]

checkpoint_options, ending_options = _all(_checkpoint_options), _all(_ending_options)
world_options, spending_options = _all(_world_options), _all(_spending_options)
records_options = _all(_records_options)


class _OneLine(click.Group):
    """A command line that says what is wrong in one line, without the usage above it."""

    def main(self, *args: Any, **options: Any) -> Any:
        options["standalone_mode"] = False
        try:
            status = super().main(*args, **options)
        except NoArgsIsHelpError as error:
            error.show()
            status = error.exit_code
        except click.ClickException as error:
            click.echo(f"Error: {' '.join(error.format_message().split())}", err=True)
            status = error.exit_code
        except click.Abort:
            status = INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = FAILED
        sys.exit(status if isinstance(status, int) else 0)


@click.group(cls=_OneLine, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="populace")
def main() -> None:
    """Run societies of heterogeneous agents, and look at what came of them."""


@main.command("run", epilog=_EPILOG)
@click.argument("world")
@world_options
@intervene_option
@records_options
@click.option("--to", type=click.Path(path_type=Path), help="Run directory, absent or empty.")
@click.option(
    "--replies",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A run whose people's replies are taken again: nobody is asked.",
)
@spending_options
@click.option(
    "--abort-failures",
    metavar="SHARE",
    help="Stop once more than this share of the decisions has failed, as 5%.",
)
@checkpoint_options
@ending_options
@json_option
@debug_option
def run(**options: Any) -> None:
    """Run WORLD, write its records, and report.

    WORLD is a name that 'populace list' shows, package.module:Class, or file.py:Class.
    """
    from populace.cli.running import run_world

    debug = options.pop("debug")
    run_world(debug=debug, **options)


@main.command("list", epilog="Example:  populace list worlds")
@click.argument("what", required=False, metavar="[worlds|policies|NAME]")
@json_option
@debug_option
def list_(what: str | None, as_json: bool, debug: bool) -> None:
    """List worlds and policies with their parameters, units, ranges and defaults."""
    from populace.cli.listing import listed, show_list

    with failing(debug, as_json):
        found = listed(what)
        if as_json:
            click.echo(json.dumps(found, indent=2, allow_nan=False))
        else:
            show_list(found)


@main.command("show", epilog="Example:  populace show runs/brooklyn-0")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
@debug_option
def show(directory: Path, as_json: bool, debug: bool) -> None:
    """Show what a run holds: status, measures, who decided what."""
    from populace.cli.summary import print_summary, summary
    from populace.records import read

    with failing(debug, as_json):
        found = read(directory)
        if as_json:
            click.echo(json.dumps(summary(found), indent=2, allow_nan=False))
        else:
            print_summary(found)


@main.command("report", epilog="Example:  populace report runs/brooklyn-0 --out spring.html")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="By default DIR/report.html.")
@debug_option
def report(directory: Path, out: Path | None, debug: bool) -> None:
    """Write the report of a run or a comparison: one HTML file that opens anywhere."""
    from populace.reports import write_comparison, write_report
    from populace.studies.comparison import is_comparison

    with failing(debug):
        write = write_comparison if is_comparison(directory) else write_report
        click.echo(write(directory, out))
