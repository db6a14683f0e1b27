"""Around the loop of ticks: event loops, what a tick measured, and whose fault an error is."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from populace.kernel.errors import PopulaceError, WorldError
from populace.kernel.measures import By
from populace.kernel.world import World

T = TypeVar("T")

_OBJECTS = 10_000


def finished(running: Coroutine[Any, Any, T]) -> T:
    """Run to the end, from a script or inside a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(running)
    return _run_in_thread(running)


def _run_in_thread(running: Coroutine[Any, Any, T]) -> T:
    """Run beside the event loop that is running in this thread; Ctrl-C reaches it all the same."""
    entered: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        entered.append((asyncio.get_running_loop(), task))
        return await running

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(context.run, asyncio.run, main())
        try:
            return future.result()
        except KeyboardInterrupt:
            for loop, task in entered:
                if not future.done():
                    loop.call_soon_threadsafe(task.cancel)
            raise  # once the thread is through: the run is saved by then


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have the garbage collector look after 10,000 new objects, if it would look more often.

    A tick of conversation makes many objects that stay, such as prompts and answers, which it
    would go through again and again. What is in no cycle is freed at once as ever.
    """
    usual = gc.get_threshold()
    if not 0 < usual[0] < _OBJECTS:  # it is off, or seldom enough
        yield
        return
    gc.set_threshold(_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def measured(world: World) -> tuple[dict[str, Any], list[tuple[str, str, list[str], list[float]]]]:
    """Split measures into plain ones and those broken down along an axis."""
    metrics: dict[str, Any] = {}
    broken = []
    for name, value in world.measure().items():
        if isinstance(value, By):
            broken.append((name, value.axis, *value.pairs(world.axes)))
        else:
            metrics[name] = value
    return metrics, broken


class world_fails:
    """Turn an exception of a world into a WorldError that says where it arose."""

    def __init__(self, world: World, doing: str) -> None:
        self.where = f"{type(world).__name__}.{doing}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, PopulaceError):
            line = ""
            while trace is not None:  # the innermost line of the world's own file
                if trace.tb_frame.f_globals.get("__name__", "").split(".")[0] != "asyncio":
                    line = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
                trace = trace.tb_next
            raise WorldError(
                f"{type(error).__name__}: {error} ({line})", where=self.where
            ) from error
