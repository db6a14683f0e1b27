"""An order book written a second time, to hold the world's own against."""

from __future__ import annotations

from populace.worlds.auction.clearing import Result, Rules
from populace.worlds.auction.schedules import BUYER, Schedule


class Reference:
    """One market's book again: a list of orders in the order in which they came, no arrays."""

    def __init__(self, schedule: Schedule, rules: Rules) -> None:
        self.rules, self.units = rules, [list(u) for u in (*schedule.values, *schedule.costs)]
        self.side = schedule.side.tolist()
        self.book: list[tuple[int, int]] = []  # trader, price

    def submit(self, who: int, price: int) -> tuple[int, int, int]:
        side = self.side[who]
        stood = [order for order in self.book if order[0] == who]
        if price == 0:
            self.book = [order for order in self.book if order[0] != who]
            return (Result.CANCELLED if stood else Result.REFUSED), -1, 0
        if not self.units[who]:
            return Result.REFUSED, -1, 0
        limit = self.units[who][0]
        if self.rules.solvent and (price > limit if side == BUYER else price < limit):
            return Result.REFUSED, -1, 0
        mine = [p for trader, p in self.book if self.side[trader] == side]
        better = max(mine, default=0) < price if side == BUYER else min(mine, default=999) > price
        if self.rules.improve and not better:
            return Result.REFUSED, -1, 0
        theirs = [o for o in self.book if self.side[o[0]] != side]
        theirs = [o for o in theirs if (o[1] <= price if side == BUYER else o[1] >= price)]
        self.book = [order for order in self.book if order[0] != who]
        if not theirs:
            self.book.append((who, price))
            return Result.STANDING, -1, 0
        best = (min if side == BUYER else max)(theirs, key=lambda o: o[1])  # the first of equals
        self.book = [] if self.rules.book == "cleared" else [o for o in self.book if o != best]
        self.units[who].pop(0)
        self.units[best[0]].pop(0)
        return Result.TRADED, best[0], best[1]
