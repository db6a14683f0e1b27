"""Minds of a few lines: customers who choose among offers, businesses who make them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.population import Population
from populace.kernel.streams import Streams
from populace.policies import Rule

TACTICS = Path(__file__).parent / "prompts" / "tactics.toml"

# -- customers: 0 waits or leaves, k takes the k-th offer ----------------------------------------


def perfect(o: Observation) -> Any:
    """Wait for all replies, and take the cheapest offer that is said to meet all needs."""
    return _cheapest(o, _worthwhile(o))


def cheapest(o: Observation) -> Any:
    """Wait for all replies, and take the cheapest offer, whatever amenities are missing."""
    return _cheapest(o, o["price"] <= o["value"][:, None])


def first_fit(o: Observation) -> Any:
    """Take the first offer that is said to meet all needs, without waiting for others."""
    good = _worthwhile(o)
    return np.where(good.any(axis=1), good.argmax(axis=1) + 1, 0)


def first_proposal(o: Observation) -> Any:
    """Take the first offer, whatever it says."""
    return np.ones(len(o), np.int64)


def lexical_first(o: Observation) -> Any:
    """Wait for all replies, and take the offer of the business that the search put first."""
    place = np.where(np.isnan(o["price"]), np.inf, o["place"])
    return np.where(o["waiting"] == 0, place.argmin(axis=1) + 1, 0)


def random(o: Observation) -> Any:
    """Wait for all replies, and take any offer that is said to meet all needs."""
    return _any(o, _worthwhile(o))


class Credulous(Parametric):
    """Believes in words: waits for all replies, and goes by the longest message.

    Parameters
    ----------
    credence : float
        How often it does; else it is ``perfect``.
    """

    def __init__(
        self, credence: Annotated[float, Parameter("how often it goes by words", "", 0, 1)] = 1.0
    ) -> None:
        self.credence = credence

    def act(self, observation: Observation) -> Any:
        o = observation
        if o.kind != "decide":
            return Answers(None, Outcome.ABSTAINED)
        good = _worthwhile(o)
        longest = np.where(good, o["letters"], -1).argmax(axis=1) + 1
        moved = o.random.bernoulli(p=self.credence)
        chosen = _cheapest(o, good)
        return np.where(moved & (chosen > 0), longest, chosen)


class Wary:
    """``perfect``, and takes no offer of a business that has deceived it before.

    It remembers the last 8 of those that were paid and did not meet its need.
    """

    def start(self, population: Population, streams: Streams) -> None:
        """Add the column ``deceivers``: ids of businesses, -1 for none."""
        population.add_column("deceivers", np.full((population.rows, 8), -1))

    def act(self, observation: Observation) -> Any:
        o = observation
        if o.kind != "decide":
            return Answers(None, Outcome.ABSTAINED)
        known = (o["business"][:, :, None] == o.agents["deceivers"][:, None, :]).any(axis=2)
        return _cheapest(o, _worthwhile(o) & ~known)

    def hear(self, observation: Observation) -> None:
        """Remember who was paid and did not meet the need."""
        o = observation
        if o.kind == "bought" and not o["met"].all():
            cheated = ~o["met"]
            part = o.agents[cheated]
            latest = o["business"][cheated][:, None]
            part["deceivers"] = np.concatenate([latest, part["deceivers"][:, :-1]], axis=1)


def _worthwhile(o: Observation) -> NDArray[np.bool_]:
    """Return which offers are said to meet all needs, at a price that is worth it."""
    return np.asarray((o["price"] <= o["value"][:, None]) & o["said"])


def _cheapest(o: Observation, good: NDArray[np.bool_]) -> NDArray[np.int64]:
    price = np.where(good, o["price"], np.inf)
    return _any(o, good & (price == price.min(axis=1, keepdims=True)))


def _any(o: Observation, good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return one of the good offers at random once all replies are in, or 0."""
    keys = np.where(good, o.random.uniform(size=good.shape[1]), -1.0)
    done = (o["waiting"] == 0) & good.any(axis=1)
    return np.where(done, keys.argmax(axis=1) + 1, 0)


# -- businesses ----------------------------------------------------------------------------------


class Seller(Parametric):
    """Offers what it has at the price of its menu, and says truly which amenities it has.

    It makes no offer where a good is missing, and one where an amenity is.

    Parameters
    ----------
    tactic : str
        What it adds to its messages, a table of ``prompts/tactics.toml``; empty for nothing. After
        the attempts at manipulation of Bansal et al. 2025, in our words.
    markup : float
        Added to the price, as a share of it.
    lies : bool
        It says that it has all amenities asked for, whether it does or not.

    Raises
    ------
    ParameterError
        If there is no such tactic.
    """

    def __init__(
        self,
        tactic: Annotated[str, Parameter("what it adds to its messages")] = "",
        markup: Annotated[float, Parameter("added to the price", "share", -1, 10)] = 0.0,
        lies: Annotated[bool, Parameter("says that it has all amenities")] = False,
    ) -> None:
        if tactic and tactic not in tactics():
            raise ParameterError(
                f"unknown tactic {tactic!r}; {nearest(tactic, tactics())}", where="Seller"
            )
        self.tactic, self.markup, self.lies = tactic, markup, lies
        self._words = f" {tactics()[tactic]}" if tactic else ""

    def act(self, observation: Observation) -> Any:
        o = observation
        if o.kind != "reply":
            return Answers(None, Outcome.ABSTAINED)
        offer = ~np.isnan(o["total"])
        price = np.where(offer, o["total"] * (1 + self.markup), 0.0).round(2)
        said = o["fits"] | self.lies
        words = [
            (f"We have all you ask for{'' if yes else f', but not all of {wished}'}." + self._words)
            if here
            else "We do not have all you ask for."
            for here, yes, wished in zip(
                offer.tolist(), said.tolist(), o["wishes"].tolist(), strict=True
            )
        ]
        return {"offer": offer, "amenities": said, "price": price, "words": column(words)}


@cache
def tactics() -> dict[str, str]:
    """Return the texts of ``prompts/tactics.toml`` by name."""
    read = tomllib.loads(TACTICS.read_text(encoding="utf-8"))
    return {name: str(text) for name, text in read.items() if name != "about"}


def customers() -> dict[str, Any]:
    """Return minds of customers by name."""
    rules = (perfect, first_fit, first_proposal, cheapest, lexical_first, random)
    named = {rule.__name__: Rule(decide=rule) for rule in rules}
    return {**named, "wary": Wary(), "credulous": Credulous()}


def businesses() -> dict[str, Any]:
    """Return minds of businesses by name: truthful, liars, and one for each tactic."""
    honest = {"truthful": Seller(), "liar": Seller(lies=True)}
    return {**honest, **{name: Seller(name, markup=0.2) for name in tactics()}}
