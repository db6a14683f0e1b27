"""What calls to one model may cost, and what they did: reserved, summed up, booked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from populace.kernel.spend import Measure, Spend, Total, exact
from populace.language.model import LanguageModel, Message, Request

if TYPE_CHECKING:
    from populace.kernel.budget import Budget, Hold
    from populace.kernel.resources import Resources


@runtime_checkable
class Bounded(Protocol):
    """What a `LanguageModel` may offer beside: what a request costs, known before it is sent."""

    def bound(self, request: Request) -> tuple[int, int]:
        """Return the most tokens, in and out, that `generate` reports for the request."""
        ...


class Cost(NamedTuple):
    """What a call cost, usd and seconds in units of ``1 / SCALE``; usd None without a price."""

    tokens_in: int
    tokens_out: int
    usd: int | None
    seconds: int


class Bill:
    """What calls that score the same choices, or generate, may cost and did cost.

    Parameters
    ----------
    model : LanguageModel
    resources : Resources or None
    choices : sequence of str, or None
    timeout : float or None
        Bounds the seconds of a call.

    Attributes
    ----------
    logical, billed : Total
        Of the calls booked: once for every agent that they stand for, and as paid.
    """

    def __init__(
        self,
        model: LanguageModel,
        resources: Resources | None,
        choices: Sequence[str] | None,
        timeout: float | None,
    ) -> None:
        self.model, self.resources, self.choices = model, resources, choices
        self.timeout, self._name = timeout, model.identity.model
        self._known = model.bound if isinstance(model, Bounded) else None
        self.logical, self.billed = Total(), Total()
        self.booked = False

    # -- before ----------------------------------------------------------------------------------

    def bound(self, request: Request, budget: Budget) -> dict[str, Any]:
        """Return the most that a request can cost, of what is limited."""
        bound: dict[str, Any] = {"calls": 1}
        if budget.limited("tokens") or budget.limited("usd"):
            tokens_in, tokens_out = self._most(request)
            bound["tokens"] = tokens_in + tokens_out
            bound["usd"] = self._usd(tokens_in, tokens_out)
        if budget.limited("seconds"):
            bound["seconds"] = self.timeout
        return bound

    def reserved(self, requests: Sequence[Request]) -> Reserved | None:
        """Reserve what many requests can cost; None if that may not fit, or cannot be told."""
        if self.resources is None:
            return Reserved(None, None)
        budget = self.resources.budget
        if budget.limited("seconds"):
            return None
        asked: dict[Measure, int] = {"calls": len(requests)}
        bounds: list[tuple[int, int]] | None = None
        if budget.limited("tokens") or budget.limited("usd"):
            most = [self._most(request) for request in requests]
            prices = [self._usd(*counts) for counts in most]
            if None in prices and budget.limited("usd"):
                return None
            usd = [exact(price or 0, "usd", "usd", "up") for price in prices]
            bounds = [(a + b, price) for (a, b), price in zip(most, usd, strict=True)]
            asked["tokens"] = sum(a + b for a, b in most)
            if None not in prices:
                asked["usd"] = sum(usd)
        hold = budget.spare(asked)
        return None if hold is None else Reserved(hold, bounds, "usd" in asked)

    def _most(self, request: Request) -> tuple[int, int]:
        if self.choices is not None:
            return self.model.count_tokens(request.messages), self._options
        if self._known is not None:
            return self._known(request)
        return self.model.count_tokens(request.messages), request.max_tokens

    @cached_property
    def _options(self) -> int:
        return sum(self.model.count_tokens([Message("user", c)]) for c in self.choices or ())

    # -- after -----------------------------------------------------------------------------------

    def spend(self, tokens_in: int, tokens_out: int, seconds: float) -> Spend:
        """Return what a call cost."""
        return Spend(1, tokens_in, tokens_out, self._usd(tokens_in, tokens_out), seconds)

    def cost(self, tokens_in: int, tokens_out: int, seconds: float) -> Cost:
        """As `spend`, in units."""
        usd = self._usd(tokens_in, tokens_out)
        return Cost(
            exact(tokens_in, "calls", "tokens_in"),
            exact(tokens_out, "calls", "tokens_out"),
            None if usd is None else exact(usd, "usd", "usd"),
            exact(seconds, "seconds", "seconds"),
        )

    def book(self, cost: Cost, seconds: float, agents: int, paid: bool) -> None:
        """Book a call of that cost: once for every agent that it stands for, billed once."""
        many = cost
        if agents != 1:
            usd = self._usd(cost.tokens_in, cost.tokens_out)
            many = Cost(
                cost.tokens_in * agents,
                cost.tokens_out * agents,
                None if usd is None else exact(usd * agents, "usd", "usd"),
                exact(seconds * agents, "seconds", "seconds"),
            )
        self.logical.book(agents, *many)
        if paid:
            self.billed.book(1, *cost)
        self.booked = True

    def enter(self, kind: str, policy: str) -> None:
        """Enter in the ledger what was booked."""
        if self.resources is not None and self.booked:
            self.resources.ledger.include(kind, policy, self._name, self.logical, self.billed)

    def _usd(self, tokens_in: int, tokens_out: int) -> float | None:
        if self.resources is None:
            return None
        return self.resources.prices.usd(self._name, tokens_in, tokens_out)


class Reserved:
    """A reservation of many calls made one after the other; settled once, with their sum.

    Parameters
    ----------
    hold : Hold or None
    bounds : list of (tokens, usd in units), or None
        What was reserved for each call; None where neither is limited.
    usd : bool
        Whether usd are reserved.
    """

    def __init__(
        self, hold: Hold | None, bounds: list[tuple[int, int]] | None, usd: bool = False
    ) -> None:
        self._hold, self._bounds, self._usd = hold, bounds, usd
        self._total, self._over = Total(), 0

    def spent(self, n: int, cost: Cost) -> None:
        """Take what the `n`-th call cost."""
        self._total.book(1, *cost)
        if self._bounds is not None:
            tokens, usd = self._bounds[n]
            above = self._usd and cost.usd is not None and cost.usd > usd
            self._over += above or cost.tokens_in + cost.tokens_out > tokens

    def settle(self) -> None:
        """Give back what was not spent."""
        if self._hold is not None:
            self._hold.settle_all(self._total, self._over)
