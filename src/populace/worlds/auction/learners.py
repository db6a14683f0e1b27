"""Traders that learn from what all hear and from what they earn; their memory is in columns."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.population import Population
from populace.kernel.streams import Streams
from populace.worlds.auction.clearing import Result
from populace.worlds.auction.rules import inside, orders, whole
from populace.worlds.auction.schedules import BUYER, SELLER

Factor = Annotated[float, Parameter("largest random part of a target", low=0, high=1)]


class ZIP(Parametric):
    """Zero intelligence plus: a profit margin that follows what others pay and offer.

    Cliff (1997), *Minimal-intelligence agents for bargaining behaviors in market-based
    environments*, HP Labs HPL-97-91, section 5. A trader's price is p = limit (1 + margin). After
    an order at q, it moves p towards a target R q + A by the Widrow-Hoff rule with momentum,
    change = g change + (1 - g) b (R q + A - p), up or down as that section says. An order that was
    refused counts as one that found nobody. Per agent: b uniform in [0.1, 0.5], g in [0, 0.1],
    first margin 5 to 35 %.

    Parameters
    ----------
    relative, absolute : float
        Raising: R uniform in [1, 1 + relative], A in [0, absolute]; lowering: mirrored.
    """

    def __init__(self, relative: Factor = 0.05, absolute: Factor = 0.05) -> None:
        self.relative, self.absolute = relative, absolute

    def start(self, population: Population, streams: Streams) -> None:
        """Draw everybody's margin and rates."""
        if "zip/margin" in population.columns:
            return
        u = streams.stream("zip").uniform(population, size=3)
        sign = np.where(population.side == BUYER, -1, 1)
        population.add_column("zip/margin", sign * (0.05 + 0.30 * u[:, 0]))
        population.add_column("zip/rate", 0.1 + 0.4 * u[:, 1])
        population.add_column("zip/momentum", 0.1 * u[:, 2])
        population.add_column("zip/change", np.float64)

    def act(self, o: Observation) -> Any:
        price = o["limit"] * (1 + o.agents["zip/margin"])
        return orders(inside(o, price))

    def hear(self, o: Observation) -> None:
        """Adjust the margins of those concerned by an order."""
        if o.kind != "order":
            return
        limit, margin = np.asarray(o["limit"], float), o.agents["zip/margin"]
        price = limit * (1 + margin)
        q, bid, traded = o["price"], o["by"] == BUYER, o["result"] == Result.TRADED
        buyer, active = o["side"] == BUYER, o["left"] > 0
        asked = whole(o["side"], price)
        worse = np.where(buyer, asked >= q, asked <= q)  # a better price was had: raise the margin
        behind = np.where(buyer, asked <= q, asked >= q)
        greedy = traded & worse & (limit > 0)
        eager = ~greedy & active & behind & np.where(traded, bid != buyer, bid == buyer)
        moved = np.flatnonzero(greedy | eager)
        u = o.random.uniform(size=2)[moved]
        up = (greedy != buyer)[moved]  # a greedy seller's price rises, a greedy buyer's falls
        sign = np.where(up, 1, -1)
        q = np.asarray(q, float)[moved]
        target = (1 + sign * self.relative * u[:, 0]) * q + sign * self.absolute * u[:, 1]
        mine = o.agents[moved]
        g = mine["zip/momentum"]
        change = g * mine["zip/change"] + (1 - g) * mine["zip/rate"] * (target - price[moved])
        mine["zip/change"] = change
        new = (price[moved] + change) / limit[moved] - 1
        mine["zip/margin"] = np.where(buyer[moved], np.clip(new, -1, 0), np.maximum(new, 0))


class GjerstadDickhaut(Parametric):
    """Beliefs of which prices are taken, from the recent past; the best expected gain.

    Gjerstad and Dickhaut (1998), *Price formation in double auctions*, Games and Economic Behavior
    22, 1. An ask at a is believed to be taken with probability (TA + B) / (TA + B + R): taken asks
    and all bids at a or above, rejected asks at a or below; a bid likewise. Between prices that
    were heard, a cubic with level ends; 1 at the sure end, 0 at the hopeless one; 0 for what is no
    better than the best that stands. Passes where nothing is expected to be gained.

    Parameters
    ----------
    trades : int
        How many trades back it remembers, with the orders since.
    memory : int
        How many orders at most.
    """

    def __init__(
        self,
        trades: Annotated[int, Parameter("trades remembered", low=1)] = 5,
        memory: Annotated[int, Parameter("most orders remembered", low=1)] = 100,
    ) -> None:
        self.trades, self.memory = trades, memory

    def start(self, population: Population, streams: Streams) -> None:
        """Make room for the memory."""
        if "gd/price" not in population.columns:
            n = len(population)
            population.add_column("gd/price", np.zeros((n, self.memory), np.int32))
            population.add_column("gd/what", np.zeros((n, self.memory), np.int8))
            population.add_column("gd/heard", np.int64)

    def act(self, o: Observation) -> Any:
        from populace.worlds.auction.beliefs import best_prices

        mine = o.agents
        price = best_prices(
            mine["gd/price"],
            mine["gd/what"],
            mine["gd/heard"],
            np.asarray(o["side"], np.int64),
            np.asarray(o["limit"], np.int64),
            np.nan_to_num(np.asarray(o["bid"], float)).astype(np.int64),
            np.nan_to_num(np.asarray(o["ask"], float)).astype(np.int64),
            int(o["most"]),
            self.trades,
        )
        return orders(np.maximum(price, 1), price > 0)

    def hear(self, o: Observation) -> None:
        """Remember an order that came into the book, or one in it that was taken."""
        if o.kind != "order":
            return
        from populace.worlds.auction.beliefs import remember

        kept = np.flatnonzero(o["result"] != Result.REFUSED)
        people = o.agents.population
        remember(
            people["gd/price"],
            people["gd/what"],
            people["gd/heard"],
            o.agents.rows[kept],
            np.asarray(o["by"], np.int64)[kept],
            np.asarray(o["price"], np.int64)[kept],
            (o["result"] == Result.TRADED)[kept],
        )


class RothErev(Parametric):
    """Reinforcement of how much to shade one's price, a day at a time.

    Roth and Erev (1995, Games and Economic Behavior 8, 164) as modified by Nicolaisen, Petrov and
    Tesfatsion (2001, IEEE Transactions on Evolutionary Computation 5, 504): after a day with gain
    G, the propensity of the shading chosen becomes (1 - r) q + (1 - e) G, that of each of the
    K - 1 others (1 - r) q + e q / (K - 1); one is chosen in proportion to its propensity. An order
    stands off the limit by the chosen of K even steps from 0 to `widest`.

    Parameters
    ----------
    recency, experimentation : float
        r and e; those papers' best fit by default.
    options : int
        K.
    widest : int
        Largest distance from the limit, in units of price.
    scale : float
        Sum of the first propensities.
    """

    def __init__(
        self,
        recency: Annotated[float, Parameter("forgetting r", low=0, high=1)] = 0.1,
        experimentation: Annotated[float, Parameter("experimentation e", low=0, high=1)] = 0.2,
        options: Annotated[int, Parameter("shadings to choose from", low=2)] = 30,
        widest: Annotated[int, Parameter("largest shading", "units of price", low=0)] = 40,
        scale: Annotated[float, Parameter("sum of first propensities", low=0)] = 9.0,
    ) -> None:
        self.recency, self.experimentation = recency, experimentation
        self.options, self.widest, self.scale = options, widest, scale

    def start(self, population: Population, streams: Streams) -> None:
        """Begin with all shadings alike."""
        if "rotherev/propensity" in population.columns:
            return
        n, k = len(population), self.options
        population.add_column("rotherev/propensity", np.full((n, k), max(self.scale, 1e-9) / k))
        first = streams.stream("rotherev").integers(population, 0, k)
        population.add_column("rotherev/chosen", first)

    def act(self, o: Observation) -> Any:
        shade = o.agents["rotherev/chosen"] * self.widest / (self.options - 1)
        sign = np.where(o["side"] == SELLER, 1, -1)
        price = inside(o, o["limit"] + sign * shade)
        return orders(price)

    def hear(self, o: Observation) -> None:
        """Reinforce what was chosen by what the day brought; choose for the next."""
        if o.kind != "day":
            return
        k, e = self.options, self.experimentation
        q, chosen = o.agents["rotherev/propensity"], o.agents["rotherev/chosen"]
        gain = np.maximum(np.asarray(o["reward"], float), 0)  # propensities are not negative
        at = np.arange(len(q))
        new = (1 - self.recency) * q + e * q / (k - 1)
        new[at, chosen] = (1 - self.recency) * q[at, chosen] + (1 - e) * gain
        new = np.maximum(new, 1e-12)
        o.agents["rotherev/propensity"] = new
        o.agents["rotherev/chosen"] = o.random.choice(p=new).astype(np.int64)
