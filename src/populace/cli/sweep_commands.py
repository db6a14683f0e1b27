"""``populace sweep``: its options. What is heavy is imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from populace.cli.commands import debug_option, intervene_option, json_option, main

_EXAMPLE = (
    "Example:  populace sweep contagion --grid transmission=0.02,0.05 --range degree=4:16 --lhs 8"
    " --seeds 5"
)


@main.command("sweep", epilog=_EXAMPLE)
@click.argument("world")
@click.option("grids", "--grid", metavar="NAME=A,B,...", multiple=True, help="Try these values.")
@click.option(
    "ranges",
    "--range",
    metavar="NAME=LOW:HIGH[:log]",
    multiple=True,
    help="Try values of a range, in a design: --lhs or --sobol.",
)
@click.option("--lhs", type=click.IntRange(1), metavar="N", help="Latin hypercube of N samples.")
@click.option(
    "--sobol", type=click.IntRange(1), metavar="N", help="Sobol sequence of N samples (2, 4, ...)."
)
@click.option("--design-seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option("settings", "--set", metavar="NAME=VALUE", multiple=True, help="Set a parameter.")
@click.option("--cast", metavar="FILE|NAME=SHARE,...", help="Who decides: a TOML file, or shares.")
@intervene_option
@click.option("--ticks", type=click.IntRange(0), help="How long; by default the world's own.")
@click.option(
    "--seeds",
    metavar="N|A,B,...",
    default="1",
    show_default=True,
    help="So many seeds from 0 on, or these (a lone one: A,).",
)
@click.option("--workers", type=click.IntRange(1), help="Runs at a time; by default the cores.")
@click.option(
    "--backend",
    type=click.Choice(["processes", "serial", "ray"]),
    default="processes",
    show_default=True,
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Directory to keep it in, and to go on from; by default one named by what is asked.",
)
@click.option("measures", "--measure", metavar="NAME", multiple=True, help="Show this measure.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@json_option
@debug_option
def sweep_(**options: Any) -> None:
    """Run WORLD with many parameters, each with every seed.

    The same command goes on where a stopped one was.
    """
    from populace.cli.sweeping import carry_out

    carry_out(**options)
