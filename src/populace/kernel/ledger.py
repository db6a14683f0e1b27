"""Two ledgers of a run: what the method costs, and what was billed for it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from populace.kernel.spend import Spend, Total

_Key = tuple[int, str, str, str]


class Spent(NamedTuple):
    """The two sums of a ledger."""

    logical: Spend
    billed: Spend


class Ledger:
    """What was spent, by tick, kind of decision, policy and model.

    The *logical* spend is what the method costs where nothing is stored: an answer read from a
    store costs what it cost when it was bought. Methods are compared by it. The *billed* spend is
    what this run paid. Sums are exact and independent of the order of calls; adding is safe across
    tasks and threads.

    Attributes
    ----------
    tick : int
        Where `add` books; the simulation sets it.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.add("vote", "model", "small", Spend(calls=1, tokens_in=40), Spend())
    >>> ledger.totals().logical.tokens, ledger.totals().billed.tokens
    (40, 0)
    """

    def __init__(self) -> None:
        self.tick = 0
        self._rows: defaultdict[_Key, tuple[Total, Total]] = defaultdict(lambda: (Total(), Total()))
        self._sum = Total(), Total()
        self._lock = threading.Lock()

    def add(self, kind: str, policy: str, model: str, logical: Spend, billed: Spend) -> None:
        """Book what one or more calls cost, and what of it was billed."""
        totals = Total(), Total()
        for total, spend in zip(totals, (logical, billed), strict=True):
            total.add(spend)
        self.include(kind, policy, model, *totals)

    def include(self, kind: str, policy: str, model: str, logical: Total, billed: Total) -> None:
        """As `add`, for the sums of many calls."""
        with self._lock:
            row = self._rows[self.tick, kind, policy, model]
            for side, total in enumerate((logical, billed)):
                row[side].include(total)
                self._sum[side].include(total)

    def table(self, tick: int | None = None) -> list[dict[str, Any]]:
        """Return a row a tick, kind, policy and model, in that order; of one tick if given.

        Columns: tick, kind, policy, model, then ``logical_`` and ``billed_`` calls, tokens_in,
        tokens_out, usd (None where a price is missing), seconds.
        """
        with self._lock:
            keys = sorted(key for key in self._rows if tick is None or key[0] == tick)
            spends = [Spent(*(total.spend for total in self._rows[key])) for key in keys]
        names = ("tick", "kind", "policy", "model")
        return [
            {
                **dict(zip(names, key, strict=True)),
                **{f"logical_{name}": value for name, value in asdict(spent.logical).items()},
                **{f"billed_{name}": value for name, value in asdict(spent.billed).items()},
            }
            for key, spent in zip(keys, spends, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """Return everything booked, for a checkpoint."""
        with self._lock:
            rows = [[*key, *(total.state() for total in row)] for key, row in self._rows.items()]
            return {"rows": rows, "sum": [total.state() for total in self._sum]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        with self._lock:
            self._rows.clear()
            for tick, kind, policy, model, *totals in state["rows"]:
                for total, kept in zip(self._rows[tick, kind, policy, model], totals, strict=True):
                    total.restore(kept)
            for total, kept in zip(self._sum, state["sum"], strict=True):
                total.restore(kept)

    def totals(self) -> Spent:
        """Return the sums over everything booked."""
        with self._lock:
            return Spent(*(total.spend for total in self._sum))
