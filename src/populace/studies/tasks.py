"""Many independent tasks on several processes: failure is data, and a stopped study goes on.

`run_all` is what sweeps, comparisons, calibrations and exams stand on. A task is any value; the
work is a function of one task. What the function returns must be plain data (what JSON can hold),
so that a result is the same whether it was worked out in this process, in another, on a Ray
cluster, or read back from the directory of a study that was stopped.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from populace.kernel.errors import ParameterError

Backend = Literal["processes", "serial", "ray"]
Progress = Callable[[int, int], None]
Packed = tuple[int, bytes]  # number of a task, and the task or its result as bytes

_BACKENDS = ("processes", "serial", "ray")


@dataclass(frozen=True)
class Result:
    """What came of one task.

    Attributes
    ----------
    index : int
        The task's place in the list of tasks.
    status : "finished" or "failed"
    value : plain data
        What the work returned; None if it failed.
    error : str or None
        Why it failed, on one line.
    trace : str or None
        Traceback of the failure; None when the process died without one.
    seconds : float
        Time that the work took, on the wall's clock.
    """

    index: int
    status: Literal["finished", "failed"]
    value: Any = None
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "finished"


def run_all(
    tasks: Sequence[Any],
    work: Callable[[Any], Any],
    *,
    workers: int | None = None,
    backend: Backend = "processes",
    to: str | Path | None = None,
    identity: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    order: Sequence[int] | None = None,
) -> list[Result]:
    """Do every task, several at once, and return the results in the order of the tasks.

    A task whose work raises is a failed result. So is one whose process dies (killed, out of
    memory, ``os._exit``), after one more try. Neither costs another task anything.

    Parameters
    ----------
    tasks : sequence
        With ``to``, plain data: it is what the directory is known by.
    work : callable
        Function of one task that returns plain data: what JSON can hold, and numpy scalars, dates
        and paths, which become numbers and texts. Other processes must be able to import it; a
        function of a notebook, or a lambda, needs the package cloudpickle.
    workers : int, optional
        Tasks at a time; by default the cores of this process (on Ray: of the cluster). Every worker
        runs its kernels on one thread.
    backend : "processes", "serial" or "ray"
        Processes of this machine, started afresh ("spawn"); this process alone; or a Ray cluster
        (the one that is connected, else a local one for the time of the call).
    to : path, optional
        Directory in which each finished task is one file. If it holds a part of the same study,
        only what is missing or failed is done.
    identity : mapping, optional
        Plain data which, with the tasks, tells a study from another; by default what `work` is.
    progress : callable, optional
        Called in this process with (tasks done, tasks in all), first with what was done already.
    order : sequence of int, optional
        The order in which the tasks are begun, by their number; by default their own.

    Returns
    -------
    list of Result

    Raises
    ------
    ParameterError
        For an impossible number of workers, an unknown backend, or work that cannot be sent.
    RecordError
        If the directory holds another study, or something else.
    StudyError
        If a worker cannot begin.
    KeyboardInterrupt
        After Ctrl-C: no process is left, and what was finished is in the directory.

    Examples
    --------
    >>> [result.value for result in run_all([4, -7], abs, backend="serial")]
    [4, 7]
    >>> run_all([0], lambda x: 1 / x, backend="serial")[0].error
    'ZeroDivisionError: division by zero'
    """
    if backend not in _BACKENDS:
        raise ParameterError(
            f"expected backend {', '.join(_BACKENDS)}, got {backend!r}", where="run_all"
        )
    if workers is not None and (
        isinstance(workers, bool) or not isinstance(workers, int) or workers < 1
    ):
        raise ParameterError(f"expected 1 worker or more, got {workers!r}", where="run_all")
    results: dict[int, Result] = {}
    folder = None
    if to is not None:
        from populace.studies.folder import StudyFolder, described

        folder = StudyFolder.open(to, identity or {"work": described(work)}, tasks)
        results = {n: read(n, text) for n, text in folder.finished()}
    missing = [n for n in (order or range(len(tasks))) if n not in results]
    done = len(results)
    if progress is not None:
        progress(done, len(tasks))
    if missing:
        with closing(_begin(tasks, missing, work, workers, backend)) as answers:
            for n, text in answers:
                if folder is not None:
                    folder.put(n, text)
                results[n] = read(n, text)
                done += 1
                if progress is not None:
                    progress(done, len(tasks))
    return [results[n] for n in range(len(tasks))]


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin(
    tasks: Sequence[Any],
    missing: Sequence[int],
    work: Callable[[Any], Any],
    workers: int | None,
    backend: Backend,
) -> Generator[Packed, None, None]:
    """Return a generator over (number, result as bytes), in whatever order they are done."""
    if backend == "serial":
        return ((n, attempt(work, tasks[n])) for n in missing)
    payload = packed(work)
    queue = ((n, packed(tasks[n])) for n in missing)
    if backend == "ray":
        from populace.studies.ray_backend import on_ray

        return on_ray(payload, queue, workers)
    from populace.studies.workers import on_processes

    return on_processes(payload, queue, min(workers or cores(), len(missing)))


def attempt(work: Callable[[Any], Any], task: Any) -> bytes:
    """Do one task and return what came of it as JSON; only Ctrl-C passes."""
    begun = time.perf_counter()
    try:
        found = json.dumps(work(task), default=_plainer, ensure_ascii=False)
        head = {"status": "finished", "seconds": time.perf_counter() - begun}
        return f'{json.dumps(head)[:-1]}, "value": {found}}}'.encode("utf-8", "surrogatepass")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() in the work too: it costs this task only
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return failure(told, traceback.format_exc(), time.perf_counter() - begun)


def failure(error: str, trace: str | None = None, seconds: float = 0.0) -> bytes:
    """Return a failed result as `attempt` would."""
    found = {"status": "failed", "error": error, "trace": trace, "seconds": seconds}
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "backslashreplace")


def read(index: int, text: bytes) -> Result:
    """Return a result from the bytes that `attempt` made."""
    return Result(index=index, **json.loads(text.decode("utf-8", "surrogatepass")))


def _plainer(value: Any) -> Any:
    """Return a value that JSON does not know as one that it does, where nothing is lost."""
    import datetime as dt

    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (dt.date, Path)):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"expected plain data from the work, got {type(value).__qualname__}")


def packed(thing: Any) -> bytes:
    """Return work or a task as bytes for another process (never for a file).

    Raises
    ------
    ParameterError
        If it cannot be sent.
    """
    main = sys.modules.get("__main__")
    interactive = not hasattr(main, "__file__") and getattr(main, "__spec__", None) is None
    why: Exception | None = None
    if not interactive:
        try:
            return pickle.dumps(thing)
        except Exception as error:
            why = error
    try:
        import cloudpickle
    except ImportError:
        cloudpickle = None
    try:
        # what a notebook or a page defines is nowhere to import it from: cloudpickle sends it whole
        return bytes((cloudpickle or pickle).dumps(thing))
    except Exception as error:
        why = why if cloudpickle is None and why is not None else error
    raise ParameterError(
        f"{described_briefly(thing)} cannot be sent to another process: {why}",
        where="run_all",
        mend="define it at the top of a module"
        + (", install cloudpickle" if cloudpickle is None else "")
        + ", or use backend='serial'",
    ) from why


def described_briefly(thing: Any) -> str:
    return f"{getattr(thing, '__qualname__', type(thing).__qualname__)!s:.60}"
