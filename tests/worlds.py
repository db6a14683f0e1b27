"""Small worlds that several test files share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from populace import Choice, Minds, Population, World

Body = Callable[["Scripted", Minds], Awaitable[None]]


class Scripted(World):
    """A world whose step is a function given by the test; it keeps what the test puts in `log`."""

    def __init__(self, n: int = 6, body: Body | None = None, **columns: Any) -> None:
        self.people = Population(n, **(columns or {"x": np.arange(n)}))
        self.body = body
        self.log: list[Any] = []

    async def step(self, minds: Minds) -> None:
        if self.body is not None:
            await self.body(self, minds)

    def measure(self) -> dict[str, float]:
        return {"total": float(sum(map(float, self.people.x))), "agents": len(self.people)}


class Coins(World):
    """Everybody tosses a coin each tick; the heads are counted."""

    def __init__(self, n: int = 50) -> None:
        self.people = Population(n, heads=np.int32)

    async def step(self, minds: Minds) -> None:
        tossed = await minds.ask("toss", self.people, Choice(["tails", "heads"]), see=["heads"])
        self.people.heads += tossed.values
        self.luck = minds.stream("luck").uniform(1)[0]

    def measure(self) -> dict[str, float]:
        return {"heads": int(self.people.heads.sum()), "luck": float(self.luck)}
