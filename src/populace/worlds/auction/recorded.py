"""A recorded game: orders in a file, cleared again, by the same rules or others.

The file is JSON Lines. First line: ``{"auction": 1, "rules": {...}, "markets": [...]}``, with the
rules of `Rules` (left out: its defaults) and of each market ``values`` and ``costs`` as `Schedule`
has them. Then a line an order, in the order in which they came: ``{"day": 0, "market": 0,
"trader": 3, "price": 120}``. Traders are numbered from 0, buyers first; ``"price": null`` cancels.
A record may add what came of it, ``result`` (refused, standing, traded or cancelled) and ``paid``,
and end with a line ``{"payoffs": [[...], ...]}``: a list a market, a whole number a trader.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, RecordError
from populace.worlds.auction.clearing import Books, Result, Rules
from populace.worlds.auction.schedules import BUYER, Ints, Schedule

if TYPE_CHECKING:
    import polars

VERSION: Final = 1
UNKNOWN: Final = -1  # a result that the record does not tell
_RESULTS = {r.name.lower(): int(r) for r in Result}


@dataclass(frozen=True)
class Game:
    """Orders of some markets, and what the record says came of them.

    Attributes
    ----------
    rules : Rules
    schedules : tuple of Schedule, one a market
    orders : int64 array of shape (n, 4)
        Day, market, trader, price (0 cancels); days never fall.
    told : int64 array of shape (n, 2)
        `Result` (-1: not told) and price paid.
    payoffs : int64 array of shape (markets, most traders), or None
        Profits that the record claims, 0 where there is nobody.
    """

    rules: Rules
    schedules: tuple[Schedule, ...]
    orders: Ints
    told: Ints
    payoffs: Ints | None = None

    @classmethod
    def recorded(cls, rules: Rules, schedules: Any, table: Ints) -> Game:
        """Return a game from rows of day, market, trader, price, result, paid."""
        bare = cls(rules, tuple(schedules), table[:, :4], table[:, 4:])
        return cls(bare.rules, bare.schedules, bare.orders, bare.told, bare.clear().payoffs)

    def clear(self, **rules: Any) -> Clearing:
        """Put all orders through empty books again.

        Parameters
        ----------
        **rules : fields of `Rules` to clear by in place of the recorded ones.

        Raises
        ------
        ParameterError
            For an unknown rule or value.
        """
        books = Books(self.schedules, _rules({**self.rules.describe(), **rules}))
        n = len(self.orders)
        result, paid = np.zeros(n, np.int8), np.zeros(n, np.int64)
        payoffs = np.zeros(books.side.shape, np.int64)
        made = np.zeros(books.side.shape, np.int64)  # units traded so far today
        day = self.orders[:, 0]
        edges = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), n]
        for begin, end in itertools.pairwise(edges):
            books.open()
            made[:] = 0
            today = self.orders[begin:end]
            result[begin:end], partner, paid[begin:end] = books.submit(*today[:, 1:].T)
            for k in np.flatnonzero(result[begin:end] == Result.TRADED):
                m, price = today[k, 1], paid[begin + k]
                for who in (today[k, 2], partner[k]):
                    limit = books.limits[m, who, made[m, who]]
                    payoffs[m, who] += (
                        limit - price if books.side[m, who] == BUYER else price - limit
                    )
                    made[m, who] += 1
        return Clearing(self, books.rules, result, paid, payoffs)

    def write(self, path: str | Path) -> None:
        """Write the game to a file."""
        markets = [{"values": _plain(s.values), "costs": _plain(s.costs)} for s in self.schedules]
        lines: list[Any] = [
            {"auction": VERSION, "rules": self.rules.describe(), "markets": markets}
        ]
        names = {code: name for name, code in _RESULTS.items()}
        rows = zip(self.orders.tolist(), self.told.tolist(), strict=True)
        for (day, market, trader, price), (result, paid) in rows:
            line = {"day": day, "market": market, "trader": trader, "price": price or None}
            if result != UNKNOWN:
                line |= {"result": names[result]} | ({"paid": paid} if paid else {})
            lines.append(line)
        if self.payoffs is not None:
            each = zip(self.payoffs.tolist(), self.schedules, strict=True)
            lines.append({"payoffs": [row[: len(s.side)] for row, s in each]})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        Path(path).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Clearing:
    """What came of a game's orders.

    Attributes
    ----------
    game : Game
    rules : Rules
        Those it was cleared by.
    result : int8 array of shape (n,), of `Result`
    paid : int64 array of shape (n,)
        Price of the trade that each order made, else 0.
    payoffs : int64 array of shape (markets, most traders)
    """

    game: Game
    rules: Rules
    result: NDArray[np.int8]
    paid: Ints
    payoffs: Ints

    @property
    def differing(self) -> NDArray[np.intp]:
        """Positions of the orders of which the record tells something else."""
        told = self.game.told
        other = (told[:, 0] != self.result) | (told[:, 1] != self.paid)
        return np.flatnonzero(other & (told[:, 0] != UNKNOWN))

    @property
    def trades(self) -> int:
        """How many units traded."""
        return int(np.count_nonzero(self.result == Result.TRADED))

    @property
    def efficiency(self) -> float:
        """Surplus made as a share of the most in as many days; NaN where there is none to make."""
        days = len(np.unique(self.game.orders[:, 0]))
        most = days * sum(s.equilibrium.surplus for s in self.game.schedules)
        return float(self.payoffs.sum() / most) if most else float("nan")

    def table(self) -> polars.DataFrame:
        """Return a row a trader: market, trader, side, recorded (or null), cleared, difference."""
        import polars

        rows = []
        for m, schedule in enumerate(self.game.schedules):
            for t, side in enumerate(schedule.side):
                told = None if self.game.payoffs is None else int(self.game.payoffs[m, t])
                now = int(self.payoffs[m, t])
                gap = None if told is None else now - told
                rows.append((m, t, "buyer" if side == BUYER else "seller", told, now, gap))
        names = ("market", "trader", "side", "recorded", "cleared", "difference")
        kinds = (polars.Int64, polars.Int64, polars.String, *[polars.Int64] * 3)
        schema = dict(zip(names, kinds, strict=True))
        return polars.DataFrame(rows, schema=schema, orient="row")


def read_game(path: str | Path) -> Game:
    """Return the game in a file.

    Raises
    ------
    RecordError
        If there is no such file, or a line is not what the schema above says; with its number.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read the game: {error}", where=str(path)) from error
    if not lines:
        raise RecordError("expected a recorded game, got an empty file", where=str(path))
    head = _object(lines[0], path, 1)
    if head.get("auction") != VERSION:
        raise RecordError(
            f'expected {{"auction": {VERSION}, ...}} as the first line, got {lines[0]:.80}',
            where=f"{path}, line 1",
        )
    rules, schedules = _head(head, path)
    rows: list[list[int]] = []
    payoffs: Ints | None = None
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        found = _object(line, path, number)
        if payoffs is not None:
            raise RecordError("expected nothing after the payoffs", where=f"{path}, line {number}")
        if "payoffs" in found:
            payoffs = _payoffs(found["payoffs"], schedules, path, number)
        else:
            rows.append(_order(found, schedules, rows[-1][0] if rows else 0, path, number))
    table = np.array(rows, np.int64).reshape(-1, 6)
    return Game(rules, schedules, table[:, :4], table[:, 4:], payoffs)


def _head(head: Mapping[str, Any], path: Path) -> tuple[Rules, tuple[Schedule, ...]]:
    try:
        rules = _rules(head.get("rules", {}))
        markets = head.get("markets")
        if not isinstance(markets, list) or not markets:
            raise ParameterError("expected markets as a list of values and costs")
        for market in markets:
            if not isinstance(market, dict) or set(market) != {"values", "costs"}:
                raise ParameterError(f"expected values and costs of a market, got {market!r:.80}")
            for units in market.values():
                lists = isinstance(units, list) and all(isinstance(row, list) for row in units)
                if not lists or not all(_whole(u) for row in units for u in row):
                    raise ParameterError(f"expected lists of whole numbers, got {units!r:.80}")
        return rules, tuple(Schedule(**market) for market in markets)
    except ParameterError as error:
        raise RecordError(error.what, where=f"{path}, line 1", mend=error.mend) from error


def _rules(given: Any) -> Rules:
    known = {f.name for f in fields(Rules)}
    if not isinstance(given, Mapping) or set(given) - known:
        raise ParameterError(f"expected rules among {', '.join(sorted(known))}, got {given!r:.80}")
    for name in ("improve", "solvent"):
        if not isinstance(given.get(name, False), bool):
            raise ParameterError(f"expected {name} as true or false, got {given[name]!r:.80}")
    return Rules(**given)


def _order(
    found: Mapping[str, Any], schedules: tuple[Schedule, ...], day: int, path: Path, number: int
) -> list[int]:
    def expect(good: bool, what: str) -> None:
        if not good:
            raise RecordError(
                f"expected {what}, got {json.dumps(found):.120}", where=f"{path}, line {number}"
            )

    needed, known = {"day", "market", "trader", "price"}, {"result", "paid"}
    expect(needed <= set(found) <= needed | known, "day, market, trader, price of an order")
    expect(_whole(found["day"], day), "days as whole numbers that never fall")
    expect(_whole(found["market"], 0, len(schedules)), f"a market below {len(schedules)}")
    traders = len(schedules[found["market"]].side)
    expect(_whole(found["trader"], 0, traders), f"a trader below {traders}")
    price = found["price"]
    expect(price is None or _whole(price, 1), "a price of 1 or more, or null to cancel")
    result, paid = found.get("result"), found.get("paid", 0)
    expect(result is None or result in _RESULTS, f"a result of {', '.join(_RESULTS)}")
    expect(_whole(paid, 0), "paid as a whole number")
    code = UNKNOWN if result is None else _RESULTS[result]
    return [found["day"], found["market"], found["trader"], price or 0, code, paid]


def _payoffs(given: Any, schedules: tuple[Schedule, ...], path: Path, number: int) -> Ints:
    sizes = [len(s.side) for s in schedules]
    lists = isinstance(given, list) and all(isinstance(row, list) for row in given)
    if not lists or [len(row) for row in given] != sizes:
        raise RecordError(
            f"expected payoffs of {sizes} traders, a list a market", where=f"{path}, line {number}"
        )
    table = np.zeros((len(sizes), max(sizes)), np.int64)
    for m, row in enumerate(given):
        if not all(_whole(p, -(2**53)) for p in row):
            raise RecordError("expected whole payoffs", where=f"{path}, line {number}")
        table[m, : len(row)] = row
    return table


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}", where=f"{path}, line {number}") from error
    if not isinstance(found, dict):
        raise RecordError(f"expected an object, got {line:.80}", where=f"{path}, line {number}")
    return found


def _whole(value: Any, low: int = 1, end: int = 2**53) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < end


def _plain(rows: Any) -> list[list[int]]:
    return [[int(u) for u in row] for row in rows]
