"""Equal budgets: what an item may cost, how many samples that is, and what a pilot foretells.

Card 1: the number of samples of self-consistency is ``k = floor(B / mean cost of a sample)``, the
mean measured on a pilot that shares no item with what is judged; or samples are drawn until the
budget is exhausted (the online form).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError, StudyError, nearest
from populace.kernel.spend import MEASURES
from populace.studies.power import detectable

if TYPE_CHECKING:
    import polars as pl

Limits = dict[str, float]
MATCHED = "matched"  # as a setting's value: as many samples as the budget pays for, by the pilot
ONLINE = "online"  # as a setting's value: None, samples until the budget is exhausted


def levels(budget: Mapping[str, Any]) -> list[Limits]:
    """Return the budgets an item, smallest first as given: lists go side by side.

    Raises
    ------
    ParameterError
        For an unknown measure, an amount of 0 or less, or lists of different lengths.

    Examples
    --------
    >>> levels({"tokens": [200, 400], "calls": 9})
    [{'tokens': 200, 'calls': 9}, {'tokens': 400, 'calls': 9}]
    """
    where = "budget"
    if not isinstance(budget, Mapping) or not budget:
        raise ParameterError("expected a budget an item", where=where, mend="tokens = [500, 1000]")
    for measure, amounts in budget.items():
        if measure not in MEASURES:
            raise ParameterError(f"knows no {measure!r}; {nearest(measure, MEASURES)}", where=where)
        held = amounts if isinstance(amounts, (list, tuple)) else [amounts]
        for amount in held or [None]:
            number = isinstance(amount, (int, float)) and not isinstance(amount, bool)
            if not number or not 0 < amount < math.inf:
                raise ParameterError(f"expected {measure} above 0, got {amount!r}", where=where)
    lists = [held for held in budget.values() if isinstance(held, (list, tuple))]
    count = len(lists[0]) if lists else 1
    if any(len(held) != count for held in lists):
        raise ParameterError("expected lists of the same length", where=where)
    return [
        {m: held[i] if isinstance(held, (list, tuple)) else held for m, held in budget.items()}
        for i in range(count)
    ]


def told(limits: Mapping[str, float]) -> str:
    """Return a budget in words.

    >>> told({"tokens": 1200, "usd": 0.01})
    '1,200 tokens, $0.01'
    """
    return ", ".join(f"${v:g}" if m == "usd" else f"{v:,g} {m}" for m, v in limits.items())


def samples(limits: Mapping[str, float], cost: Mapping[str, float], who: str) -> int:
    """Return how many samples a budget pays for, at their mean cost.

    Raises
    ------
    StudyError
        If it pays for none, or a cost is not known.
    """
    k = math.inf
    for measure, limit in limits.items():
        mean = cost.get(measure)
        if mean is None or math.isnan(mean):
            raise StudyError(f"what a sample costs in {measure} is not known", where=who)
        if mean > limit:
            raise StudyError(
                f"a sample takes {mean:,.4g} {measure} on average, more than the {limit:,g} of "
                "the budget", where=who, mend="raise the budget",
            )  # fmt: skip
        k = min(k, limit / mean if mean > 0 else math.inf)
    if math.isinf(k):
        raise StudyError("a sample costs nothing", where=who, mend="limit the calls")
    return math.floor(k * (1 + 1e-12))


def cost(items: pl.DataFrame) -> dict[str, float]:
    """Return the mean cost of items that ran, by measure; NaN where a price is missing."""
    import polars as pl

    ran = items.filter(pl.col("calls") > 0)
    found: dict[str, float] = {}
    for measure in MEASURES:
        known = ran[measure].drop_nulls()
        whole = len(known) == ran.height > 0
        found[measure] = float(known.mean()) if whole else math.nan  # type: ignore[arg-type]
    return found


@dataclass(frozen=True)
class Alone:
    """One model by itself on the pilot.

    Attributes
    ----------
    name : str
    n, right : int
        Items it ran, and how many of them it got right.
    cost : mapping
        Mean a sample, by measure.
    """

    name: str
    n: int
    right: int
    cost: Mapping[str, float]


def alone(name: str, items: pl.DataFrame) -> Alone:
    """Return how a model did by itself."""
    ran = items.filter(items["status"] == "ran")
    return Alone(name, ran.height, int(ran["correct"].sum()), cost(items))


def best(singles: Sequence[Alone]) -> Alone:
    """Return the most accurate one; of equals the cheaper in tokens, then the first by name.

    Raises
    ------
    StudyError
        If none of them ran an item.
    """
    able = [one for one in singles if one.n]
    if not able:
        raise StudyError("no member could run an item of the pilot", where="pilot")
    return min(able, key=lambda one: (-one.right / one.n, one.cost["tokens"], one.name))


def foretold(discordant: int, n: int, items: int, alpha: float) -> float:
    """Return the least true difference in accuracy that `items` items can be expected to show.

    By McNemar's test with power 0.8, at the share of discordant items that the pilot suggests: the
    posterior mean ``(d + 1) / (n + 2)`` under a uniform prior, since a small pilot may show none.
    Infinite if no difference can be found.
    """
    if items < 2:
        return math.inf
    return detectable(items, discordant=(discordant + 1) / (n + 2), alpha=alpha)


def scope(limits: Mapping[str, float], name: str = "item") -> Budget:
    """Return the budget of one item."""
    held: dict[str, Any] = dict(limits)
    return Budget(at_end="missing", name=name, **held)
