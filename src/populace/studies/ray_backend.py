"""The same tasks on a Ray cluster, or on a local Ray for the time of the call."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterator
from typing import Any

from populace.kernel.errors import StudyError

_RETRIES = 1  # a task whose process dies is tried once more
_AHEAD = 2  # tasks in line for each worker


def on_ray(
    payload: bytes, tasks: Iterator[tuple[int, bytes]], workers: int | None
) -> Generator[tuple[int, bytes], None, None]:
    """Do tasks on Ray, one core each; yield (number, result) as they are done.

    Parameters
    ----------
    payload : bytes
        The work, pickled.
    tasks : iterator of (int, bytes)
        Number and pickled task.
    workers : int or None
        Tasks at a time; by default as many as the cluster has cores.

    Raises
    ------
    StudyError
        If Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise StudyError(
            "backend='ray' needs Ray", where="run_all", mend="pip install 'populace[ray]'"
        ) from error
    from populace.studies.tasks import failure

    ours = not ray.is_initialized()
    if ours:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_attempt)
        work = ray.put(payload)
        cluster: Any = ray
        at_once = workers or _AHEAD * max(1, int(cluster.cluster_resources().get("CPU", 1)))
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < at_once and (task := next(tasks, None)) is not None:
                    running[remote.remote(work, task[1])] = task[0]
                if not running:
                    return
                done, _ = ray.wait(list(running), num_returns=1)
                n = running.pop(done[0])
                try:
                    yield n, ray.get(done[0])
                except ray.exceptions.RayError as error:
                    told = " ".join(str(error).split())[:200]
                    yield n, failure(f"its process died, {_RETRIES + 1} times: {told}")
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
    finally:
        if ours:
            ray.shutdown()


def _attempt(payload: bytes, task: bytes) -> bytes:
    from populace.kernel.threads import threads
    from populace.studies.tasks import attempt

    work = pickle.loads(payload)  # noqa: S301 - from our own driver
    with threads(1):
        return attempt(lambda raw: work(pickle.loads(raw)), task)  # noqa: S301 - as above
