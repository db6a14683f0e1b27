"""Processes that do tasks one at a time, and may die without harm to the others.

A pool of the standard library is broken by the death of one process, and does not say which task
it had. Here each worker has a pipe of its own and holds one task, so that its death is the death of
that task only.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from populace.kernel.errors import StudyError

_TRIES = 2  # a task whose process dies is tried once more
_ENVIRONMENT = {
    # as many workers as cores: a second thread in each would only get in the way
    **dict.fromkeys(
        ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"], "1"
    ),
    # glibc: keep freed memory, which the next tick and the next run need again; without these the
    # kernel clears the same pages anew for every large array (a tenth of a run of Brooklyn)
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Let processes that begin in the block inherit these variables, unless they are set."""
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


class _Worker:
    """One process, the pipe to it, and the task that it holds."""

    def __init__(self, payload: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, payload), name="populace")
        with _environment(_ENVIRONMENT):
            self.process.start()
        theirs.close()
        self.ready = False
        self.task: tuple[int, bytes] | None = None

    def give(self, task: tuple[int, bytes]) -> None:
        self.task = task
        with suppress(OSError):  # it has just died, which `wait` will tell
            self.pipe.send_bytes(task[1])

    def end(self) -> str:
        """Stop the process for good; say how it ended."""
        self.pipe.close()
        if self.process.exitcode is None:
            self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"


def on_processes(
    payload: bytes, tasks: Iterator[tuple[int, bytes]], workers: int
) -> Generator[tuple[int, bytes], None, None]:
    """Do tasks on spawned processes; yield (number, result) as they are done.

    Parameters
    ----------
    payload : bytes
        The work, pickled.
    tasks : iterator of (int, bytes)
        Number and pickled task.
    workers : int

    Raises
    ------
    StudyError
        If a process cannot begin: it ends before it has taken a task, twice in a row.
    """
    from populace.studies.tasks import failure

    again: list[tuple[int, bytes]] = []
    deaths: dict[int, int] = {}
    unborn = 0
    crew: list[_Worker] = []

    def following() -> tuple[int, bytes] | None:
        return again.pop() if again else next(tasks, None)

    try:
        crew.extend(_Worker(payload) for _ in range(workers))
        while crew:
            for pipe in wait([worker.pipe for worker in crew]):
                worker = next(each for each in crew if each.pipe is pipe)
                try:
                    told = worker.pipe.recv_bytes()
                except (EOFError, OSError):  # the process is gone
                    crew.remove(worker)
                    how = worker.end()
                    if worker.task is not None:
                        n = worker.task[0]
                        deaths[n] = deaths.get(n, 0) + 1
                        if deaths[n] < _TRIES:
                            again.append(worker.task)
                        else:
                            yield n, failure(f"its process {how}, {_TRIES} times")
                    elif not worker.ready:
                        unborn += 1
                        if unborn > 1:
                            raise _cannot_begin(how) from None
                    crew.append(_Worker(payload))
                    continue
                if not worker.ready:
                    worker.ready, unborn = True, 0
                    if told:  # why it cannot do the work at all
                        raise _cannot_load(told.decode())
                else:
                    assert worker.task is not None
                    finished, worker.task = worker.task, None
                    yield finished[0], told
                task = following()
                if task is None:
                    crew.remove(worker)
                    worker.end()
                else:
                    worker.give(task)
    finally:
        for worker in crew:
            worker.end()


def _cannot_begin(how: str) -> StudyError:
    return StudyError(
        f"a worker {how} before its first task",
        where="run_all",
        mend="in a script, call it under: if __name__ == '__main__':",
    )


def _cannot_load(why: str) -> StudyError:
    return StudyError(
        f"a worker cannot load the work: {why}",
        where="run_all",
        mend="define it in a module that other processes can import",
    )


# -- in the worker -------------------------------------------------------------------------------


def _serve(pipe: Connection, payload: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from populace.kernel.threads import threads
    from populace.studies.tasks import attempt

    try:
        work = pickle.loads(payload)  # noqa: S301 - from our own parent, through a pipe
    except BaseException as error:
        pipe.send_bytes(" ".join(f"{type(error).__name__}: {error}".split()).encode())
        return
    pipe.send_bytes(b"")
    with threads(1):
        while True:
            try:
                text = pipe.recv_bytes()
                pipe.send_bytes(attempt(lambda task: work(_task(task)), text))
            except (EOFError, OSError):  # the parent has gone, or needs us no more
                return


def _task(text: bytes) -> Any:
    return pickle.loads(text)  # noqa: S301 - from our own parent, through a pipe


def _end_with_parent() -> None:
    """Wait for the parent's end, however it comes, and end at once: nobody wants the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
