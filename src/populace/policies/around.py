"""A policy around others: what the run does with it, it does with them."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from populace.kernel.policy import Policy, closed


class Around(ABC):
    """Base of policies that hold others, which are started, equipped, told and closed with them."""

    @abstractmethod
    def inner(self) -> Sequence[Policy]:
        """Return the policies inside."""

    @property
    def waiting(self) -> bool:
        """Whether a person is being asked."""
        return any(getattr(policy, "waiting", False) for policy in self.inner())

    def start(self, population: Any, streams: Any) -> None:
        """Start all."""
        for policy in self.inner():
            if start := getattr(policy, "start", None):
                start(population, streams)

    def equip(self, resources: Any) -> None:
        """Equip all."""
        for policy in self.inner():
            if equip := getattr(policy, "equip", None):
                equip(resources)

    def hear(self, observation: Any) -> Any:
        """Let all hear: whoever decides next may remember it."""
        return hearing([(policy, observation) for policy in self.inner()])

    async def close(self) -> None:
        """Close all."""
        for policy in self.inner():
            await closed(policy)

    def report(self) -> list[Any]:
        """Return what all report."""
        return self._told("report")

    def failed(self) -> list[Any]:
        """Return the failures of all."""
        return self._told("failed")

    def transcript(self) -> list[Any]:
        """Return what members of teams said in all."""
        return self._told("transcript")

    def replied(self) -> list[Any]:
        """Return what people typed in all."""
        return self._told("replied")

    def _told(self, what: str) -> list[Any]:
        return [one for policy in self.inner() for one in getattr(policy, what, list)()]


def hearing(told: Sequence[tuple[Any, Any]]) -> Any:
    """Let each policy hear its observation; return an awaitable where one takes its time."""
    waiting = [
        result
        for policy, observation in told
        if (hear := getattr(policy, "hear", None)) is not None
        and inspect.isawaitable(result := hear(observation))
    ]
    return _all(waiting) if waiting else None


async def _all(waiting: Sequence[Any]) -> None:
    for one in waiting:
        await one
