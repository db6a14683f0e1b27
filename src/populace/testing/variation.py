"""The same run done another way: rows permuted, groups split or reversed, more threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel import threads as threading
from populace.kernel.answers import Answers, settle
from populace.kernel.cast import Cast, Group
from populace.kernel.observation import Observation
from populace.kernel.population import Part
from populace.kernel.streams import Streams

Way = Literal["as written", "permuted", "split", "two threads"]

Order = Callable[[Observation], list[NDArray[np.intp]]]


class Varied:
    """A policy shown its group in other parts or another order; answers are put back in place."""

    def __init__(self, policy: Any, order: Order) -> None:
        self.policy, self._order = policy, order

    async def act(self, observation: Observation) -> Answers:
        space, n = observation.space, len(observation)
        values, outcome = space.empty(n), np.zeros(n, np.uint8)
        for rows in self._order(observation):
            part = observation.part(rows)
            raw = self.policy.act(part)
            raw = await raw if inspect.isawaitable(raw) else raw
            some, result = settle(raw, part.space, len(part), f"{observation.kind!r}")
            space.put(values, rows, some)
            outcome[rows] = result
        return Answers(values, outcome)

    def hear(self, observation: Observation) -> Any:
        hear = getattr(self.policy, "hear", None)
        if hear is None:
            return None
        waiting = []
        for rows in self._order(observation):
            part = observation.part(rows)
            for name in part.columns:
                part[name]  # gathered now: what is heard later must be what is told now
            if inspect.isawaitable(result := hear(part)):
                waiting.append(result)
        return _all(waiting) if waiting else None


async def _all(waiting: list[Any]) -> None:
    for one in waiting:
        await one


def permuted(observation: Observation) -> list[NDArray[np.intp]]:
    """Return all rows at once, in another order at each tick."""
    stream = Streams(0).stream("populace.testing", observation.tick)
    return [stream.permutation(observation.ids)]


def split(observation: Observation) -> list[NDArray[np.intp]]:
    """Return the first row alone, and the others in two parts that differ from tick to tick."""
    stream = Streams(0).stream("populace.testing/split", observation.tick)
    rest = np.arange(1, len(observation))
    few = stream.bernoulli(observation.ids, 1 / 3)[1:]
    return [rows for rows in (np.zeros(1, np.intp), rest[few], rest[~few]) if len(rows)]


ORDERS: dict[str, Order] = {"permuted": permuted, "split": split}


def vary(casts: Mapping[str, Cast], way: Way) -> None:
    """Change casts that are bound already, so that who has which policy stays the same."""
    if way in ORDERS:
        for cast in casts.values():
            for name, policy in cast.policies.items():
                cast.policies[name] = Varied(policy, ORDERS[way])
    if way == "permuted":
        for cast in casts.values():
            cast.__class__ = _Reversed


class _Reversed(Cast):
    """A cast whose groups come in reverse; its copies do likewise."""

    def groups(self, part: Part) -> list[Group]:
        return super().groups(part)[::-1]


@contextmanager
def two_threads() -> Iterator[None]:
    """Run kernels on two threads, however few rows they have."""
    before = threading.SERIAL_BELOW
    threading.SERIAL_BELOW = 2
    try:
        with threading.threads(2):
            yield
    finally:
        threading.SERIAL_BELOW = before
