"""`Purse`: one budget for all runs of a comparison, and where the answers of their models are kept.

A budget counts as it is used, in one process. So that it can hold for a whole comparison, the runs
are made one after the other, and share it; which of them it is enough for is then the same every
time. What a comparison has bought is on file in its answer store, whatever became of its runs:
going on after a kill, it counts what is there, less what was there before it began.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from populace.kernel.budget import Budget
from populace.kernel.errors import BudgetError
from populace.kernel.prices import Prices
from populace.kernel.spend import Spend
from populace.records.answers import AnswerStore, Mode
from populace.records.files import as_json, write_atomically

_BEFORE = "purse.json"


class Purse:
    """Resources of every run of a comparison, as ``compare(resources=...)`` takes them.

    Parameters
    ----------
    budget : Budget
        Of all runs together. A run in which it refuses a call fails, as do those that would spend
        after it; they are made when the comparison goes on with a larger one.
    answers : path or None
        File of the answers; None keeps them in memory, for all runs.
    mode : "fill", "strict" or "refresh"
        See `AnswerStore`. What is bought anew (refresh) adds nothing to the file, and is not
        counted once the comparison was killed.
    prices : Prices, optional
    to : path, optional
        Directory of the comparison. Where the answers are in another one, which may hold those of
        others, it keeps what was there at the beginning.
    """

    def __init__(
        self,
        budget: Budget,
        answers: str | Path | None = None,
        mode: Mode = "fill",
        prices: Prices | None = None,
        to: str | Path | None = None,
    ) -> None:
        self.budget, self.prices = budget, prices or Prices()
        self._answers, self._mode = answers, mode
        self._folder = None if to is None else Path(to)
        self._store: AnswerStore | None = None

    def __call__(self) -> dict[str, Any]:
        """Return what `Simulation` takes for a run that may spend.

        Raises
        ------
        BudgetError
            If the budget is spent.
        RecordError
            If the answers cannot be used.
        """
        if self._store is None:
            self._store = AnswerStore(self._answers, self._mode)
            self._count_earlier(self._store)
        if self.spent:
            raise BudgetError(
                "the budget of the comparison is spent", where=repr(self.budget), mend="raise it"
            )
        return {"answers": self._store, "budget": self.budget, "prices": self.prices}

    @property
    def spent(self) -> bool:
        """Whether the budget has refused a call, and is to stop runs by that."""
        return self.budget.stopping

    def close(self) -> None:
        """Close the answers."""
        if self._store is not None:
            self._store.close()

    def _count_earlier(self, store: AnswerStore) -> None:
        """Count what this comparison has bought already."""
        bought = store.totals()
        place = None if store.path is None else store.path.resolve().parent
        shared = self._folder is not None and place not in (None, self._folder.resolve())
        before = self._at_beginning(bought) if shared else {}
        for model, spend in bought.items():
            old = before.get(model, Spend())
            own = Spend(
                max(0, spend.calls - old.calls),
                max(0, spend.tokens_in - old.tokens_in),
                max(0, spend.tokens_out - old.tokens_out),
                seconds=max(0.0, spend.seconds - old.seconds),
            )
            priced = self.prices.priced(own, model)
            # held for nothing, so that it counts in full even if it passes a limit
            self.budget.reserve(tokens=0, calls=0, usd=0, seconds=0).settle(priced)

    def _at_beginning(self, bought: dict[str, Spend]) -> dict[str, Spend]:
        """Return what was in the store when the comparison began, which is now if it is new."""
        assert self._folder is not None
        file = self._folder / _BEFORE
        if file.exists():
            return {model: Spend(**told) for model, told in json.loads(file.read_bytes()).items()}
        told = {model: vars(spend) for model, spend in bought.items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda out: out.write(as_json(told)))
        return bought
