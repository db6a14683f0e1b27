"""A world for studies whose law is known: independent normal counts about a mean."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from populace import Choice, Parameter, Population, World


class Gauge(World):
    """Every tick shows ``level + noise`` with a standard normal draw."""

    ticks = 20

    def __init__(
        self,
        level: Annotated[float, Parameter("mean of the gauge")] = 0.0,
        spread: Annotated[float, Parameter("standard deviation", low=0)] = 1.0,
        times: Annotated[int, Parameter("factor of the level", low=1)] = 1,
    ):
        self.people = Population(1)
        self.level, self.spread, self.times = level, spread, times
        self.shown = 0.0

    async def step(self, minds):
        await minds.ask("read", self.people, Choice(["yes"]))
        draw = minds.stream("gauge").normal(np.arange(1))[0]
        self.shown = self.level * self.times + self.spread * draw

    def measure(self):
        return {"shown": float(self.shown), "count": max(0, round(self.shown))}

    def policies(self):
        return {"reader": lambda o: "yes"}


def broken(level):
    """A gauge that cannot be made above 1."""
    if level > 1:
        raise RuntimeError("the gauge burst")
    return Gauge(level)
