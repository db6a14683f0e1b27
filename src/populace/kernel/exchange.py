"""How one ask is carried out: groups act concurrently, columns fit, failures name their cause."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import OUTCOMES, Answers, Outcome
from populace.kernel.cast import Group
from populace.kernel.errors import MissingDecision, PolicyError, PopulaceError, PopulationError
from populace.kernel.observation import Observation
from populace.kernel.policy import Policy
from populace.kernel.population import Part
from populace.kernel.spaces import Space


async def act_all(
    policies: Sequence[tuple[str, Policy]], observations: Sequence[Observation], tick: int
) -> list[tuple[Any, float]]:
    """Let every group act: asynchronous ones at once, ordinary ones meanwhile, results in order."""
    n = len(policies)
    slow = [inspect.iscoroutinefunction(policy.act) for _, policy in policies]

    def call(i: int) -> tuple[Any, float]:
        name, policy = policies[i]
        begun = time.perf_counter()
        with blaming(name, f"answering {observations[i].kind!r}", tick):
            raw = policy.act(observations[i])
        return raw, time.perf_counter() - begun

    async def wait(i: int, raw: Any) -> tuple[Any, float]:
        begun = time.perf_counter()
        raw = await guarded(raw, policies[i][0], f"answering {observations[i].kind!r}", tick)
        return raw, time.perf_counter() - begun

    if not any(slow):
        results = [call(i) for i in range(n)]
        if not any(inspect.isawaitable(raw) for raw, _ in results):
            return results
    else:
        results = [(None, 0.0)] * n
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {}
            for i in range(n):
                if slow[i]:
                    tasks[i] = group.create_task(wait(i, call(i)[0]))
                elif inspect.isawaitable(results[i][0]):
                    tasks[i] = group.create_task(wait(i, results[i][0]))
            if any(slow) and not all(slow):
                await asyncio.sleep(0)  # let the asynchronous ones set out first
                for i in range(n):
                    if not slow[i]:
                        results[i] = call(i)
                        if inspect.isawaitable(results[i][0]):
                            tasks[i] = group.create_task(wait(i, results[i][0]))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    for i, task in tasks.items():
        results[i] = task.result()
    return results


class blaming:
    """Turn an exception of a policy into a PolicyError that names it."""

    __slots__ = ("doing", "name", "tick")

    def __init__(self, name: str, doing: str, tick: int) -> None:
        self.name, self.doing, self.tick = name, doing, tick

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, PopulaceError):
            raise PolicyError(
                f"{type(error).__name__}: {error}",
                where=f"policy {self.name!r} {self.doing} at tick {self.tick}",
            ) from error


async def guarded(awaited: Awaitable[Any], name: str, doing: str, tick: int) -> Any:
    with blaming(name, doing, tick):
        return await awaited


def aligned(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0


def fitting(columns: Mapping[str, Any], n: int, kind: str) -> dict[str, Any]:
    """Return the columns as scalars, tuples, or arrays of one row an agent."""
    fitted: dict[str, Any] = {}
    for name, value in columns.items():
        if isinstance(value, list):
            value = np.array(
                value, dtype=object if any(isinstance(v, str) for v in value) else None
            )
        if isinstance(value, np.ndarray):
            if value.ndim == 0:
                value = value[()]
            elif len(value) != n:
                raise PopulationError(
                    f"column {name!r} has {len(value)} rows for {n} agents",
                    where=f"ask {kind!r}",
                    mend="align it with the agents, or pass a tuple to show all of it to everybody",
                )
        fitted[name] = value
    return fitted


def writable(space: Space, values: Any, n: int) -> Any:
    """Return values that may be written: a policy may have answered a view or a broadcast."""
    room = space.empty(n)
    space.put(room, slice(None), values)
    return room


def missing_decision(
    part: Part,
    space: Space,
    outcome: NDArray[np.uint8],
    undecided: NDArray[np.bool_],
    where: str,
    groups: Sequence[Group],
    policies: Sequence[tuple[str, Policy]],
    replies: Sequence[tuple[Any, float]],
) -> MissingDecision:
    counts = np.bincount(outcome[undecided], minlength=len(OUTCOMES))
    told = ", ".join(f"{c} {name}" for name, c in zip(OUTCOMES, counts, strict=True) if c)
    first = int(np.flatnonzero(undecided)[0])
    who = answer = ""
    for (_, index), (name, _), (raw, _) in zip(groups, policies, replies, strict=True):
        place = first if index is None else int(np.searchsorted(index, first))
        if index is not None and (place == len(index) or index[place] != first):
            continue
        who = name
        if outcome[first] == Outcome.INVALID:
            answer = f" (answered {_example(raw, place)})"
    return MissingDecision(
        f"{int(undecided.sum())} of {len(part)} agents gave no valid decision ({told}), first "
        f"agent {part.ids[first]} cast as {who!r}{answer}; expected {space.describe()}",
        where=where,
        mend="pass missing= in the world's ask, or cast Fallback(policy, to=other)",
    )


def _example(raw: Any, place: int) -> str:
    raw = raw.values if isinstance(raw, Answers) else raw
    if isinstance(raw, Mapping):
        return "{" + ", ".join(f"{k}: {_example(v, place)}" for k, v in raw.items()) + "}"
    values = np.asarray(raw, dtype=None if isinstance(raw, np.ndarray) else object)
    value = values[place] if values.ndim else values[()]
    return repr(value.item() if isinstance(value, np.generic) else value)[:80]
