"""Buyers with private values and sellers with private costs in a continuous double auction."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, WorldError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Part, Population
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.auction.clearing import Book, Books, Result, Rules
from populace.worlds.auction.learners import ZIP, GjerstadDickhaut, RothErev
from populace.worlds.auction.rules import (
    MOST,
    ORDER,
    PASS,
    constrained,
    order_space,
    sniper,
    truthful,
    unconstrained,
)
from populace.worlds.auction.schedules import (
    BUYER,
    Equilibrium,
    Ints,
    Name,
    Schedule,
    drawn,
    fair,
    named,
)
from populace.worlds.auction.scores import Day, score

PROMPTS = Path(__file__).parent / "prompts" / "auction.toml"
"""Prompts with which a language model trades: ``Language(model, PROMPTS)``."""

_MADE = "the markets are set up at the start"


class Auction(World):
    """Continuous double auctions with induced values and costs, many side by side.

    Smith (1962), Gode and Sunder (1993, Journal of Political Economy 101, 119). Each of `days`
    trading periods has `steps` ticks; every morning all have their units again. At each tick
    `asked` traders of each market, drawn among those who can still trade, are asked ``order``: to
    ``pass``, to ``order`` one unit at a whole ``price`` from 1 to `most`, or to ``cancel`` their
    order. Orders reach the book in the order of the draw; one that crosses trades at once at the
    price of the order that stood (`populace.worlds.auction.clearing`). Who does not decide passes.

    Traders see their ``side`` (0 buys, 1 sells), the ``limit`` (value or cost of their next unit),
    ``left`` (units), ``own`` order, the best ``bid`` and ``ask``, the ``last`` and ``mean`` price
    of today, ``low``, ``high`` of yesterday (NaN for none), ``step``, ``steps``, ``day``, ``days``
    and ``most``. All of a market are told each ``order`` (``by`` which side, its ``price``, the
    `Result`, whether it is ``mine``, and their own ``side``, ``limit`` and ``left``); who traded,
    ``traded`` (``reward``, ``price``); in the evening all, ``day`` (``reward``, the day's profit).

    Measures are of the last day that is over, means over markets: ``efficiency`` is the surplus
    made as a share of the most there is; ``alpha`` Smith's coefficient of convergence, per cent;
    ``dispersion`` the root mean square of profits less those at equilibrium prices.

    Attributes
    ----------
    traders : Population
        Columns ``market``, ``seat``, ``side``, ``profit`` (today's) and ``gain`` (of all days).
    schedules : list of Schedule, one a market
    equilibria : list of Equilibrium
    books : Books
    history : list of Day
        What came of each day that is over, by market.
    """

    ticks = 9000
    charts = (
        Chart("Efficiency", ["efficiency"], unit="share", note="Surplus made, of the most."),
        Chart("Price", ["price", "equilibrium"], unit="units of price"),
        Chart("Smith's alpha", ["alpha"], unit="%", note="Prices about the equilibrium price."),
        Chart("Units traded", ["volume", "volume_equilibrium"], unit="units a day"),
        Chart("Profit", ["profit"], unit="a trader and day", by="mind"),
        Chart(
            "Profit as a share of that at equilibrium prices", ["share"], by="mind", unit="share"
        ),
    )

    def __init__(
        self,
        schedule: Annotated[
            Name | Schedule | tuple[Schedule, ...],
            Parameter("supply and demand; several take turns over the markets", fixed=_MADE),
        ] = "gode-sunder-1",
        markets: Annotated[int, Parameter("markets side by side", low=1, fixed=_MADE)] = 1,
        days: Annotated[int, Parameter("trading periods", "days", low=1)] = 6,
        steps: Annotated[int, Parameter("ticks of a day", low=1, fixed=_MADE)] = 1500,
        asked: Annotated[int, Parameter("traders of a market asked together", low=1)] = 1,
        improve: Annotated[bool, Parameter("orders must be better than the best", fixed=_MADE)] = (
            True
        ),
        book: Annotated[Book, Parameter("what a trade leaves of other orders", fixed=_MADE)] = (
            "cleared"
        ),
        solvent: Annotated[bool, Parameter("orders at a loss are refused", fixed=_MADE)] = False,
        most: Annotated[
            int,
            Parameter("highest price; 0: 200, or that doubled till limits fit", low=0, fixed=_MADE),
        ] = 0,
        buyers: Annotated[int, Parameter("of random schedules", low=1, fixed=_MADE)] = 6,
        sellers: Annotated[int, Parameter("of random schedules", low=1, fixed=_MADE)] = 6,
        units: Annotated[int, Parameter("a trader, of random schedules", low=1, fixed=_MADE)] = 4,
        record: Annotated[bool, Parameter("keep every order, for `game`", fixed=_MADE)] = False,
    ) -> None:
        self.days, self.asked, self._steps, self._most = days, asked, steps, most or MOST
        self.ticks = days * steps  # type: ignore[misc]  # all days, unless told otherwise
        self._schedule, self._record = schedule, record
        self.rules = Rules(improve, book, solvent)
        self.schedules: list[Schedule] = []
        if schedule == "random":
            self._drawn = (buyers, sellers, units, self._most)
            side = np.repeat([0, 1], [buyers, sellers]).astype(np.int8)
        else:
            each = schedule if isinstance(schedule, tuple) else (schedule,)
            some = [s if isinstance(s, Schedule) else named(s) for s in each]
            self.schedules = [some[m % len(some)] for m in range(markets)]
            side = some[0].side
            if not all(np.array_equal(s.side, side) for s in some):
                raise ParameterError(
                    "expected as many buyers and sellers in all schedules", where="Auction"
                )
            highest = max(int(s.limits.max()) for s in some)
            while not most and self._most < highest:
                self._most *= 2
            if highest > self._most:
                raise ParameterError(
                    f"expected most >= {highest}, the highest value or cost, got {most}",
                    where="Auction",
                )
        self.markets, n = markets, len(side)
        market, seat = np.divmod(np.arange(markets * n), n)
        self.traders = Population(
            markets * n,
            market=market.astype(np.int32),
            seat=seat.astype(np.int16),
            side=np.tile(side, markets),
            profit=np.int64,
            gain=np.int64,
        )
        self.clock = 0
        self.minds: tuple[str, ...] = ()
        self._mind = np.full(markets * n, -1, np.int16)
        self.equilibria: list[Equilibrium] = []
        self.history: list[Day] = []
        self.orders: list[NDArray[np.int64]] = []

    def start(self, streams: Streams) -> None:
        """Draw random schedules; market m is the same whatever the number of markets."""
        if not self.schedules:
            self.schedules = [
                drawn(*self._drawn, streams.stream(f"schedule/{m}")) for m in range(self.markets)
            ]
        made = {id(s): (s.equilibrium, fair(s)) for s in self.schedules}
        self.equilibria = [made[id(s)][0] for s in self.schedules]
        self._fair = np.array([made[id(s)][1] for s in self.schedules])
        self._prices = np.array([e.price for e in self.equilibria])
        self.books = Books(self.schedules, self.rules)
        self._yesterday = np.full((2, self.markets), np.nan)
        self._open()

    @property
    def done(self) -> bool:
        """Whether all days are over."""
        return self.clock >= self.days * self._steps

    @property
    def day(self) -> int:
        """The day, from 0."""
        return self.clock // self._steps

    async def step(self, minds: Minds) -> None:
        part = self._drawn_traders(minds)
        if len(part):
            space = order_space(self._most)
            missing = {"action": "pass", "price": 1}
            found = await minds.ask(
                "order", part, space, see=["side"], missing=missing, **self._shown(part)
            )
            assert found.policy is not None
            self.minds = found.policies
            self._mind[part.rows] = found.policy
            self._take(minds, part, found.values["action"], found.values["price"])
        self.clock += 1
        if self.clock % self._steps == 0:
            self._close(minds)

    # -- a tick ----------------------------------------------------------------------------------

    def _drawn_traders(self, minds: Minds) -> Part:
        """Draw who is asked in each market, in the order in which they come."""
        books, people = self.books, self.traders
        able = books.left > 0
        buys = books.side == BUYER
        going = (able & buys).any(axis=1) & (able & ~buys).any(axis=1)
        keys = minds.stream("turns").uniform(people).reshape(able.shape)
        keys[~(able & going[:, None])] = np.inf
        if self.asked == 1:
            first = keys.argmin(axis=1)[:, None]
        else:
            first = np.argsort(keys, axis=1, kind="stable")[:, : self.asked]
        rows = first + np.arange(self.markets)[:, None] * able.shape[1]
        asked = np.isfinite(np.take_along_axis(keys, first, axis=1))
        part: Part = people[rows[asked]]
        return part

    def _take(
        self, minds: Minds, part: Part, action: NDArray[Any], price: NDArray[np.int64]
    ) -> None:
        """Put what was answered into the books, the first of each market, then the second, ..."""
        market, seat = part["market"], part["seat"].astype(np.int64)
        turn = np.arange(len(part)) - np.searchsorted(market, market)
        acts = action != PASS
        for k in range(int(turn.max()) + 1):
            now = np.flatnonzero((turn == k) & acts)
            if len(now):
                wanted = np.where(action[now] == ORDER, price[now], 0)
                self._clear(minds, market[now], seat[now], wanted)

    def _clear(self, minds: Minds, market: Ints, seat: Ints, price: Ints) -> None:
        """Put one order a market into the books, book what is earned, and tell who should know."""
        books, people = self.books, self.traders
        width = books.side.shape[1]
        result, partner, paid = books.submit(market, seat, price)
        if self._record:
            day = np.full(len(market), self.day)
            self.orders.append(np.column_stack([day, market, seat, price, result, paid]))
        hit = np.flatnonzero(result == Result.TRADED)
        if len(hit):
            m = market[hit]
            both, who, at = np.tile(m, 2), np.concatenate([seat[hit], partner[hit]]), paid[hit]
            sold = books.limits[both, who, books.traded[both, who] - 1]  # the unit just traded
            sign = np.where(books.side[both, who] == BUYER, 1, -1)
            gain, rows = sign * (sold - np.tile(at, 2)), both * width + who
            people.profit[rows] += gain
            people.gain[rows] += gain
            self._trades[0, m] += 1
            self._trades[1, m] += at
            self._squares[m] += (at - self._prices[m]) ** 2
            self._last[m] = at
            self._range[0, m] = np.fmin(self._range[0, m], at)
            self._range[1, m] = np.fmax(self._range[1, m], at)
            minds.tell("traded", people[rows], reward=gain, price=np.tile(at, 2))
        shouted = np.flatnonzero(price > 0)
        if len(shouted):
            m = market[shouted]
            rows = (m[:, None] * width + np.arange(width)).ravel()
            said = np.where(paid > 0, paid, price)[shouted]
            minds.tell(
                "order",
                people[rows] if len(rows) < len(people) else people,
                side=people.side[rows],
                limit=books.limit[m].ravel(),
                left=books.left[m].ravel(),
                by=np.repeat(books.side[m, seat[shouted]], width),
                price=np.repeat(said, width),
                result=np.repeat(result[shouted], width),
                mine=(np.arange(width) == seat[shouted][:, None]).ravel(),
            )

    # -- days ------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.books.open()
        self.traders.profit = 0
        m = self.markets
        self._trades, self._squares = np.zeros((2, m), np.int64), np.zeros(m)  # number, sum
        self._last, self._range = np.full(m, np.nan), np.full((2, m), np.nan)

    def _close(self, minds: Minds) -> None:
        people = self.traders
        profit = people.profit.reshape(self.markets, -1)
        day = score(profit, self._trades, self._squares, self.equilibria, self._fair)
        self.history.append(day)
        self._by_mind = self._profits(people.profit)
        minds.tell("day", people, reward=people.profit.copy(), day=self.day - 1)
        self._yesterday = self._range
        self._open()

    def _profits(self, profit: Ints) -> tuple[dict[str, float], dict[str, float]]:
        """Return mean profit, and profit as a share of that at equilibrium, by kind of mind."""
        mean, share = {}, {}
        even = self._fair.ravel()
        for code, name in enumerate(self.minds):
            who = self._mind == code
            if who.any():
                mean[name] = float(profit[who].mean())
                due = float(even[who].sum())
                share[name] = float(profit[who].sum()) / due if due else float("nan")
        return mean, share

    def measure(self) -> Mapping[str, float | By | None]:
        if not self.history:
            return {"day": 0}
        day = self.history[-1]
        mean, share = self._by_mind
        return {
            "day": len(self.history),
            **day.means(),
            "equilibrium": float(self._prices.mean()),
            "volume_equilibrium": float(np.mean([e.quantity for e in self.equilibria])),
            "profit": By("mind", mean),
            "share": By("mind", share),
        }

    def results(self) -> list[dict[str, Any]]:
        """Return a row a market and day: efficiency, alpha, price, volume, dispersion."""
        return [row for day, one in enumerate(self.history) for row in one.rows(day)]

    def game(self) -> Any:
        """Return what was ordered so far, to be written, cleared again and compared.

        Returns
        -------
        populace.worlds.auction.recorded.Game

        Raises
        ------
        WorldError
            Without ``record=True``.
        """
        from populace.worlds.auction.recorded import Game

        if not self._record:
            raise WorldError("no order was kept", where="Auction", mend="Auction(record=True)")
        table = np.concatenate(self.orders) if self.orders else np.zeros((0, 6), np.int64)
        return Game.recorded(self.rules, self.schedules, table)

    def policies(self) -> Mapping[str, Policy]:
        from populace.worlds.speaking import Speaking

        return {
            "zi-c": Rule(order=constrained),
            "zi-u": Rule(order=unconstrained),
            "zip": ZIP(),
            "gd": GjerstadDickhaut(),
            "roth-erev": RothErev(),
            "sniper": Rule(order=sniper),
            "truthful": Rule(order=truthful),
            "language": Speaking(PROMPTS),
        }

    # -- what traders see ------------------------------------------------------------------------

    def _shown(self, part: Part) -> dict[str, Any]:
        books, market, seat = self.books, part["market"], part["seat"]
        count, total = self._trades
        mean = np.full(self.markets, np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        low, high = self._yesterday
        return {
            "limit": books.limits[market, seat, books.traded[market, seat]],
            "left": books.units[market, seat] - books.traded[market, seat],
            "own": _known(books.quote[market, seat]),
            "bid": _known(books.bid)[market],
            "ask": _known(books.ask)[market],
            "last": self._last[market],
            "mean": mean[market],
            "low": low[market],
            "high": high[market],
            "day": self.day,
            "days": self.days,
            "step": self.clock % self._steps,
            "steps": self._steps,
            "most": self._most,
        }


def _known(price: Ints) -> NDArray[np.float64]:
    """Return prices, NaN where there is none."""
    return np.where(price > 0, price.astype(np.float64), np.nan)


__all__ = ["PROMPTS", "Auction", "Equilibrium", "GjerstadDickhaut", "RothErev", "Schedule", "ZIP"]
