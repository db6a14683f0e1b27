"""Threads for kernels that release the GIL: contiguous ranges, so results stay the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from populace.kernel.errors import ParameterError

SERIAL_BELOW = 50_000  # rows under which a second thread costs more than it brings

_limit: ContextVar[int | None] = ContextVar("populace_threads", default=None)


def thread_count() -> int:
    """Return how many threads kernels may use: set by `threads`, else the cores of this process."""
    limit = _limit.get()
    if limit is not None:
        return limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Limit kernels to `n` threads inside the ``with`` block; results do not depend on `n`.

    Raises
    ------
    ParameterError
        If `n` is below 1.
    """
    if n < 1:
        raise ParameterError(f"expected at least 1 thread, got {n}", where="threads")
    token = _limit.set(n)
    try:
        yield
    finally:
        _limit.reset(token)


@cache
def _pool(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="populace")


def chunked(kernel: Callable[..., Any], n: int, *args: Any) -> list[Any]:
    """Call ``kernel(start, stop, *args)`` over contiguous ranges that cover ``0..n-1``.

    The kernel must write only rows of its own range, so that the number of ranges cannot change
    the result. Returned values come in the order of the ranges.
    """
    workers = thread_count()
    if workers == 1 or n < SERIAL_BELOW:
        return [kernel(0, n, *args)]
    edges = [n * i // workers for i in range(workers + 1)]
    futures = [_pool(workers).submit(kernel, edges[i], edges[i + 1], *args) for i in range(workers)]
    return [future.result() for future in futures]
