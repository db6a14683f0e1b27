"""Commands and their options. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from populace import __version__
from populace.cli.failing import FAILED, INTERRUPTED, failing

_EPILOG = "Example:  populace run brooklyn --set people=20000 --ticks 60 --to runs/spring"

_debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


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
@click.option("settings", "--set", metavar="NAME=VALUE", multiple=True, help="Set a parameter.")
@click.option("--cast", metavar="FILE|NAME=SHARE,...", help="Who decides: a TOML file, or shares.")
@click.option("--ticks", type=click.IntRange(min=0), help="How long; by default the world's own.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option(
    "--panel",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Agents whose every decision is kept.",
)
@click.option("--to", type=click.Path(path_type=Path), help="Run directory, absent or empty.")
@click.option("--no-report", is_flag=True, help="Write no report.html.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@_as_json
@_debug
def run(**options: Any) -> None:
    """Run WORLD, write its records, and report.

    WORLD is a name that 'populace list' shows, package.module:Class, or file.py:Class.
    """
    from populace.cli.running import run_world

    debug = options.pop("debug")
    run_world(debug=debug, **options)


@main.command("list", epilog="Example:  populace list worlds")
@click.argument("what", required=False, metavar="[worlds|policies|NAME]")
@_as_json
@_debug
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
@_as_json
@_debug
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
@_debug
def report(directory: Path, out: Path | None, debug: bool) -> None:
    """Write the report of a run: one HTML file that opens anywhere."""
    from populace.reports import write_report

    with failing(debug):
        click.echo(write_report(directory, out))


@main.group("prompt")
def prompt() -> None:
    """Try prompts before trusting them."""


@prompt.command(
    "check",
    epilog="Example:  populace prompt check town.toml --grid age=20,50,80 --grid cases=0,100",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--kind", help="Which decision, if the file has several.")
@click.option("--model", default="embedded", show_default=True, help="Name, file or URL#model.")
@click.option("--grid", metavar="NAME=VALUE,...", multiple=True, help="Values of a column.")
@click.option("--options", metavar="NAME,...", help="Options; by default those of the file.")
@click.option("--orders", type=click.Choice(["1", "all"]), default="1", help="Orders of options.")
@click.option("--content-free", is_flag=True, help="Calibrate by content-free inputs.")
@_as_json
@_debug
def prompt_check(file: Path, as_json: bool, debug: bool, **options: Any) -> None:
    """Score FILE on a grid of columns, and say which way each one moves the choice."""
    from populace.cli import prompting

    with failing(debug, as_json):
        options["orders"] = 1 if options["orders"] == "1" else "all"
        options["calibration"] = "content-free" if options.pop("content_free") else None
        found = prompting.checked(file, **options)
        click.echo(json.dumps(prompting.as_json(found), indent=2) if as_json else found)
