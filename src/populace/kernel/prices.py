"""What models charge, from a user's file; a missing price is never taken as nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from populace.kernel.budget import Budget
from populace.kernel.errors import BudgetError, ParameterError, nearest
from populace.kernel.spend import Spend, exact

_FORM = 'write ["the model\'s name"], then in = 0.25 and out = 2.0: US dollars a million tokens'


@dataclass(frozen=True)
class Price:
    """US dollars a million tokens: read by the model, and written by it."""

    tokens_in: float
    tokens_out: float

    def __post_init__(self) -> None:
        exact(self.tokens_in, "usd", "a price in", where="Price")
        exact(self.tokens_out, "usd", "a price out", where="Price")


class Prices:
    """Prices by model name.

    Parameters
    ----------
    prices : mapping of model name to Price

    Examples
    --------
    >>> prices = Prices({"small": Price(0.25, 2.0)})
    >>> prices.usd("small", tokens_in=1_000_000, tokens_out=500_000)
    1.25
    >>> (prices | Prices({"mine": Price(0, 0)})).usd("mine", 10, 10)
    0.0
    """

    def __init__(self, prices: Mapping[str, Price] | None = None) -> None:
        self._prices = dict(prices or {})

    @classmethod
    def read(cls, path: str | Path) -> Prices:
        """Read a TOML file with a table a model: its ``in`` and ``out``, US dollars a million.

        Raises
        ------
        ParameterError
            If the file cannot be read, or a table is not of that form.
        """
        try:
            tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ParameterError(f"cannot be read: {error}", where=str(path), mend=_FORM) from error
        return cls({name: _price(name, table, str(path)) for name, table in tables.items()})

    def usd(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """Return what tokens cost in US dollars, to the picodollar; None if no price is known."""
        if (price := self._prices.get(model)) is None:
            return None
        return round((price.tokens_in * tokens_in + price.tokens_out * tokens_out) / 1e6, 12)

    def priced(self, spend: Spend, model: str) -> Spend:
        """Return `spend` with its usd by these prices (None if no price is known)."""
        return replace(spend, usd=self.usd(model, spend.tokens_in, spend.tokens_out))

    def require(self, models: Iterable[str], budget: Budget) -> None:
        """Check, before the first call, that every model has a price if money is limited.

        Raises
        ------
        BudgetError
            Naming every model without a price, if `budget` or a scope around it limits usd.
        """
        missing = sorted(set(models) - set(self._prices))
        if not missing or not budget.limited("usd"):
            return
        hints = ", ".join(f"{name!r} ({nearest(name, self._prices)})" for name in missing)
        raise BudgetError(
            f"usd are limited, and there is no price for {hints}",
            where=f"budget {budget.name!r}",
            mend=f"in the prices file, {_FORM}",
            measure="usd",
        )

    def __or__(self, other: Prices) -> Prices:
        return Prices(self._prices | other._prices)

    def __contains__(self, model: object) -> bool:
        return model in self._prices

    def __len__(self) -> int:
        return len(self._prices)


def _price(name: str, table: Any, path: str) -> Price:
    if not isinstance(table, dict) or set(table) != {"in", "out"}:
        raise ParameterError(
            f"expected in and out of {name!r}, got {table!r}", where=path, mend=_FORM
        )
    try:
        return Price(table["in"], table["out"])
    except ParameterError as error:
        raise ParameterError(f"{name!r}: {error.what}", where=path, mend=_FORM) from None
