"""Commands about auctions: a recorded game cleared again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from populace.cli.commands import debug_option, json_option, main
from populace.cli.failing import FAILED, failing


@main.group("auction")
def auction() -> None:
    """Recorded double auctions: replay."""


@auction.command("replay", epilog="Example:  populace auction replay game.jsonl --book standing")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--improve/--no-improve", default=None, help="Orders must be better than the best.")
@click.option(
    "--book", type=click.Choice(["cleared", "standing"]), help="What a trade leaves of the others."
)
@click.option("--solvent/--no-solvent", default=None, help="Orders at a loss are refused.")
@json_option
@debug_option
def replay(
    path: Path,
    improve: bool | None,
    book: str | None,
    solvent: bool | None,
    as_json: bool,
    debug: bool,
) -> None:
    """Clear the orders in FILE again, and compare the payoffs.

    By the recorded rules unless told otherwise; then what the record claims must come out, or the
    exit status is 1.
    """
    from populace.worlds.auction.recorded import read_game

    rules = {"improve": improve, "book": book, "solvent": solvent}
    rules = {name: value for name, value in rules.items() if value is not None}
    with failing(debug, as_json):
        game = read_game(path)
        found = game.clear(**rules)
        table, other = found.table(), found.differing
        changed = int((table["difference"].fill_null(0) != 0).sum())
        if as_json:
            about = {
                "rules": found.rules.describe(),
                "orders": len(game.orders),
                "trades": found.trades,
                "efficiency": None if found.efficiency != found.efficiency else found.efficiency,
                "orders_that_differ": len(other),
                "payoffs_that_differ": changed,
            }
            click.echo(json.dumps({**about, "payoffs": table.to_dicts()}, indent=2))
        else:
            click.echo(
                f"{len(game.orders):,} orders, {found.trades:,} trades, efficiency "
                f"{found.efficiency:.3f}; {len(other):,} orders and {changed:,} payoffs differ "
                "from the record"
            )
            for row in table.iter_rows(named=True):
                told = "" if row["recorded"] is None else f"  recorded {row['recorded']:,}"
                mark = f"  ({row['difference']:+,})" if row["difference"] else ""
                click.echo(
                    f"  market {row['market']}  {row['side']} {row['trader']}: "
                    f"{row['cleared']:,}{told}{mark}"
                )
    if (len(other) or changed) and found.rules == game.rules:
        raise SystemExit(FAILED)
