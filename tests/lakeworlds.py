"""A package outside populace, for the command line to find; its worlds go wrong when told to."""

from datetime import date
from typing import Annotated

import numpy as np

from populace import By, Calendar, Choice, Number, Parameter, Population, World
from populace.kernel.parameters import Parametric
from populace.records import read


class Fixed(Parametric):
    """Takes a fixed share of the stock."""

    def __init__(
        self,
        share: Annotated[float, Parameter("of the stock", "1", 0, 1)] = 0.1,
        since: date = date(2020, 1, 1),
    ):
        self.share, self.since = share, since

    def act(self, o):
        if o.kind == "mood":
            return "good"
        return o["stock"] * self.share / o["fishers"]


def nothing(o):
    return 0


class Lake(World):
    """Fishers share a lake.

    Its stock doubles every month."""

    axes = {"side": ["north", "south"]}
    calendar = Calendar(date(2020, 1, 1), "month")
    ticks = 12

    def __init__(
        self,
        fishers: Annotated[int, Parameter("who fish", "people", low=1)] = 6,
        capacity: Annotated[float, Parameter("most fish", "t", 0, 1e6)] = 100.0,
        fault: str = "",
        at: int = 2,
    ):
        if fault == "init":
            raise KeyError("two\nlines")
        self.people = Population(fishers, catch=np.float64)
        self.stock = self.capacity = capacity
        self.fault, self.at = fault, at

    def start(self, streams):
        if self.fault == "start":
            raise RuntimeError("dry")

    def broken(self, fault):
        return self.fault == fault and self.tick == self.at

    async def step(self, minds):
        self.tick = minds.tick
        if self.broken("step"):
            raise ValueError("two\nlines")
        if self.broken("ready"):
            print("ready", flush=True)
        if self.fault.startswith("flushed:") and read(self.fault[8:]).ticks > 0:
            print("ready", flush=True)
        wish = await minds.ask(
            "harvest",
            self.people,
            Number(0, self.stock),
            stock=self.stock,
            fishers=len(self.people),
        )
        await minds.ask("mood", self.people, Choice(["bad", "good"]))
        self.people.catch[:] = np.minimum(wish.values, self.stock / len(self.people))
        self.stock = min(2 * (self.stock - self.people.catch.sum()), self.capacity)

    def measure(self):
        bad = {"text": "much", "infinite": np.inf}
        stock = next((v for k, v in bad.items() if self.broken(k)), self.stock)
        return {"stock": stock, "catch": By("side", [1.0, 2.0])}

    def policies(self):
        def answer(o):
            if o.kind == "mood":
                return o.random.bernoulli(p=0.5)
            if self.broken("length"):
                return [1.0] * 99
            if self.broken("nan"):
                return np.nan
            if self.broken("outside"):
                return 1e9
            if self.broken("policy"):
                return 1 / 0
            return 1.0

        return {"one": answer, "tenth": Fixed()}

    def shares(self):
        return {"one": 1, "tenth": 2}


class Market(World):
    """Buyers meet sellers."""

    def __init__(self):
        self.buyers, self.sellers = Population(4), Population(2)

    async def step(self, minds):
        await minds.ask("bid", self.buyers, Number(0, 9))
        await minds.ask("offer", self.sellers, Number(0, 9))

    def policies(self):
        return {"five": lambda o: 5.0, "two": lambda o: 2.0}


class Bazaar(Market):
    """A market that says which minds are whose."""

    def policies(self):
        return {**super().policies(), "three": lambda o: 3.0}

    def shares(self):
        return {"buyers": {"five": 1, "two": 0}, "sellers": {"three": 2, "two": 0}}
