"""``populace resume`` and ``populace fork``: their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from populace.cli.commands import (
    checkpoint_options,
    debug_option,
    ending_options,
    intervene_option,
    json_option,
    main,
    spending_options,
)


@main.command("resume", epilog="Example:  populace resume runs/brooklyn-0")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--ticks", type=click.IntRange(min=0), help="How long in all, if not as before.")
@spending_options
@checkpoint_options
@ending_options
@json_option
@debug_option
def resume(**options: Any) -> None:
    """Go on with the run in DIR, which was killed, interrupted or stopped.

    It ends as if it had never been interrupted: to the bit, on any number of threads. What is given
    here is instead of what the run had: a larger budget, for instance.
    """
    from populace.cli.resuming import resume_run

    resume_run(**options)


@main.command(
    "fork", epilog="Example:  populace fork runs/brooklyn-0 --at 2020-03-15 --set order=2020-03-15"
)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--at", metavar="TICK|DATE", help="Where the branch begins; by default the last checkpoint."
)
@click.option("settings", "--set", metavar="NAME=VALUE", multiple=True, help="Change a parameter.")
@click.option("--cast", metavar="FILE|NAME=SHARE,...", help="Who decides from then on.")
@intervene_option
@click.option("--ticks", type=click.IntRange(min=0), help="How long in all, if not as the run.")
@click.option("--to", type=click.Path(path_type=Path), help="Run directory of the branch.")
@spending_options
@checkpoint_options
@ending_options
@json_option
@debug_option
def fork(**options: Any) -> None:
    """Branch off the run in DIR: the same past, another future, the same luck.

    The branch differs by what is changed here only: all random draws are common to both.
    """
    from populace.cli.resuming import fork_run

    fork_run(**options)
