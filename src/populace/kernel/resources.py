"""What a simulation hands to policies that spend: budget, ledgers, stored answers and prices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError
from populace.kernel.ledger import Ledger
from populace.kernel.prices import Prices


class Store(Protocol):
    """Where answers are kept, so that none is paid twice (see `populace.AnswerStore`)."""

    async def fetch(
        self,
        key: str | None,
        request: Mapping[str, Any],
        call: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> tuple[dict[str, Any], bool]:
        """Return the answer to a request, and whether this call paid for it."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Handed to every policy with a method ``equip(resources)``, before the first tick.

    Parameters
    ----------
    budget : Budget
        Unlimited by default.
    ledger : Ledger
    answers : Store or None
        None: nothing is kept.
    lasting : bool
        Whether `answers` outlives the run, or may have been filled before it.
    policy : str
        Name of the policy in the cast, under which it books what it spends.
    agents : int
        How many agents the policy decides for at the start; with none, it need not prepare.
    prices : Prices
    abort_failures : float or None
        Share of decisions, from 0 to 1, whose failure stops the run; None: never.
    imagining : populace.simulation.imagining.Imagining or None
        Futures of the running world; None where no world is running, as in a survey.

    Raises
    ------
    ParameterError
        For an impossible share.
    """

    budget: Budget = field(default_factory=Budget)
    ledger: Ledger = field(default_factory=Ledger)
    answers: Store | None = None
    lasting: bool = True
    policy: str = ""
    agents: int = 0
    prices: Prices = field(default_factory=Prices)
    abort_failures: float | None = None
    imagining: Any = None

    def __post_init__(self) -> None:
        share = self.abort_failures
        if share is not None and not 0 <= share <= 1:  # NaN fails too
            raise ParameterError(f"expected abort_failures from 0 to 1, got {share!r}")


def parse_share(text: str) -> float:
    """Read a share such as ``5%`` or ``0.05``.

    Raises
    ------
    ParameterError
        Unless it lies between 0 and 1.

    Examples
    --------
    >>> parse_share("5%")
    0.05
    """
    try:
        number = text.strip().removesuffix("%")
        share = float(number) / 100 if number != text.strip() else float(number)
        if not 0 <= share <= 1:
            raise ValueError
    except ValueError:
        raise ParameterError(
            f"expected a share from 0 to 1 or a percentage, got {text!r}", mend="for instance 5%"
        ) from None
    return share
