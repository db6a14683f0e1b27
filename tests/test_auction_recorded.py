"""Recorded games: written, read, cleared again, tampered with, and malformed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from populace import Simulation
from populace.cli import main
from populace.errors import ParameterError, RecordError
from populace.worlds.auction import Auction
from populace.worlds.auction.recorded import Game, read_game


@pytest.fixture(scope="module")
def game() -> Game:
    world = Auction(markets=2, days=3, steps=60, record=True)
    Simulation(world, world.policies()["zi-c"], seed=5).run(world.ticks)
    found = world.game()
    np.testing.assert_array_equal(found.payoffs.ravel(), world.traders.gain)
    return found  # type: ignore[no-any-return]


@pytest.fixture
def path(game: Game, tmp_path: Path) -> Path:
    game.write(tmp_path / "game.jsonl")
    return tmp_path / "game.jsonl"


def edited(path: Path, number: int, change: Any) -> Path:
    lines = path.read_text().splitlines()
    lines[number] = change(lines[number])
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_written_game_is_read_and_cleared_to_the_same_payoffs(game: Game, path: Path) -> None:
    back = read_game(path)
    np.testing.assert_array_equal(back.orders, game.orders)
    np.testing.assert_array_equal(back.told, game.told)
    assert back.rules == game.rules
    again = back.clear()
    np.testing.assert_array_equal(again.payoffs, game.payoffs)
    assert len(again.differing) == 0
    assert again.table()["difference"].to_list() == [0] * 24
    assert again.trades == (game.told[:, 1] > 0).sum()
    assert 0.5 < again.efficiency <= 1


def test_other_rules_give_other_payoffs(game: Game) -> None:
    other = game.clear(book="standing", improve=False)
    assert other.rules.book == "standing"
    assert len(other.differing) > 0
    assert (other.payoffs >= 0).all()  # nobody ordered at a loss
    gap = other.table()["difference"].sum()
    assert gap == other.payoffs.sum() - game.payoffs.sum()  # type: ignore[union-attr]
    with pytest.raises(ParameterError, match="rules among"):
        game.clear(tie="random")


def test_orders_alone_are_a_record(tmp_path: Path) -> None:
    """The schema as the docs have it: two traders, a bid, an ask that meets it."""
    lines = [
        {"auction": 1, "markets": [{"values": [[10]], "costs": [[2]]}]},
        {"day": 0, "market": 0, "trader": 0, "price": 7},
        {"day": 0, "market": 0, "trader": 1, "price": 3},
        {"day": 1, "market": 0, "trader": 1, "price": 9},
        {"day": 1, "market": 0, "trader": 1, "price": None},
        {"day": 1, "market": 0, "trader": 0, "price": 9},
    ]
    path = tmp_path / "small.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    found = read_game(path).clear()
    assert found.result.tolist() == [1, 2, 1, 3, 1]
    assert found.payoffs.tolist() == [[3, 5]]
    assert found.table()["recorded"].to_list() == [None, None]
    assert found.efficiency == 0.5  # one of two days
    result = CliRunner().invoke(main, ["auction", "replay", str(path)])
    assert result.exit_code == 0
    assert "5 orders, 1 trades, efficiency 0.500; 0 orders and 0 payoffs differ" in result.output


def test_tampering_shows(path: Path) -> None:
    honest = CliRunner().invoke(main, ["auction", "replay", str(path)])
    assert honest.exit_code == 0
    assert "0 orders and 0 payoffs differ from the record" in honest.output

    def richer(line: str) -> str:
        payoffs = json.loads(line)
        payoffs["payoffs"][0][0] += 5
        return json.dumps(payoffs)

    edited(path, -1, richer)
    found = CliRunner().invoke(main, ["auction", "replay", str(path)])
    assert found.exit_code == 1
    assert "0 orders and 1 payoffs differ" in found.output
    assert "(-5)" in found.output

    def dearer(line: str) -> str:
        return json.dumps(json.loads(line) | {"result": "traded", "paid": 1})

    edited(path, 1, dearer)
    found = CliRunner().invoke(main, ["auction", "replay", str(path), "--json"])
    assert found.exit_code == 1
    told = json.loads(found.output)
    assert (told["orders_that_differ"], told["payoffs_that_differ"]) == (1, 1)
    # by other rules a difference is no lie
    other = CliRunner().invoke(main, ["auction", "replay", str(path), "--no-improve"])
    assert other.exit_code == 0


BAD = [
    (0, "{", "line 1: not JSON"),
    (0, "[]", "line 1: expected an object"),
    (0, '{"auction": 2}', 'expected {"auction": 1'),
    (0, '{"auction": 1}', "expected markets as a list"),
    (0, '{"auction": 1, "markets": [{"values": [[1]]}]}', "values and costs"),
    (0, '{"auction": 1, "markets": [{"values": [[1, 2]], "costs": [[1]]}]}', "never rise"),
    (0, '{"auction": 1, "markets": [{"values": "9", "costs": [[1]]}]}', "lists of whole"),
    (0, '{"auction": 1, "rules": {"speed": 1}, "markets": []}', "rules among"),
    (0, '{"auction": 1, "rules": {"improve": 1}, "markets": []}', "improve as true or false"),
    (2, '{"day": 0, "market": 0, "trader": 0}', "line 3: expected day, market, trader, price"),
    (2, '{"day": -1, "market": 0, "trader": 0, "price": 5}', "days as whole numbers"),
    (2, '{"day": 0, "market": 2, "trader": 0, "price": 5}', "a market below 2"),
    (2, '{"day": 0, "market": 0, "trader": 12, "price": 5}', "a trader below 12"),
    (2, '{"day": 0, "market": 0, "trader": true, "price": 5}', "a trader below 12"),
    (2, '{"day": 0, "market": 0, "trader": 0, "price": 0}', "a price of 1 or more"),
    (2, '{"day": 0, "market": 0, "trader": 0, "price": 5.5}', "a price of 1 or more"),
    (2, '{"day": 0, "market": 0, "trader": 0, "price": 5, "result": "won"}', "a result of"),
    (2, '{"day": 0, "market": 0, "trader": 0, "price": 5, "tip": 1}', "price of an order"),
    (-1, '{"payoffs": [[1]]}', "expected payoffs of"),
    (2, '{"payoffs": [[0,0,0,0,0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0,0,0,0,0]]}', "nothing after"),
]


@pytest.mark.parametrize(("number", "line", "said"), BAD)
def test_malformed_records_are_refused_with_the_line(
    path: Path, number: int, line: str, said: str
) -> None:
    edited(path, number, lambda _: line)
    with pytest.raises(RecordError) as error:
        read_game(path)
    assert said in str(error.value)
    found = CliRunner().invoke(main, ["auction", "replay", str(path)])
    assert found.exit_code == 2
    assert len(found.stderr.strip().splitlines()) == 1


def test_absent_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        read_game(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(RecordError, match="empty file"):
        read_game(tmp_path / "empty.jsonl")
