"""What a run may spend, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from populace.kernel.budget import Budget
from populace.kernel.budget_text import parse_budget
from populace.kernel.errors import ParameterError
from populace.kernel.prices import Prices
from populace.kernel.resources import parse_share


@dataclass(frozen=True)
class Spending:
    """Budget, prices, stored answers and the share of failures that stops a run.

    A budget counts as it is used: one for each run.
    """

    answers: Path | None = None
    mode: Any = "fill"
    budget: Budget | None = None
    prices: Prices | None = None
    abort_failures: float | None = None

    @classmethod
    def read(
        cls,
        answers: Path | None,
        mode: str | None,
        budget: str | None,
        prices: Path | None,
        abort_failures: str | None,
    ) -> Spending:
        """Return what the options say.

        Raises
        ------
        ParameterError
            For a mode without answers, an unreadable prices file, an impossible limit or share.
        """
        if mode is not None and answers is None:
            raise ParameterError(
                f"--mode {mode} is about stored answers", mend="name their file: --answers PATH"
            )
        return cls(
            answers,
            mode or "fill",
            None if budget is None else parse_budget(budget),
            None if prices is None else Prices.read(prices),
            None if abort_failures is None else parse_share(abort_failures),
        )

    def resources(self) -> dict[str, Any]:
        """Return arguments of `Simulation`, the answer store opened.

        Raises
        ------
        RecordError
            If the store cannot be opened.
        """
        from populace.records.answers import AnswerStore

        return {
            "budget": self.budget,
            "prices": self.prices,
            "abort_failures": self.abort_failures,
            "answers": None if self.answers is None else AnswerStore(self.answers, self.mode),
        }
