"""A child process that works on untrusted texts, one request at a time, and may be killed.

Libraries that parse mathematics or score puzzles can hang, or fill the memory, on what a model
wrote, and some evaluate it as Python. They run in a process of their own, with the guards of the
sandbox (`populace.language.sandbox`) closed once they are imported: no sockets, no new processes,
no file written. A request that takes too long ends that process, never the run. Requests and
replies are lines of JSON.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from populace.kernel.errors import PopulaceError

_MEMORY = 4 << 30  # bytes of address space


class WorkerFailed(PopulaceError):
    """A request to a worker process was not answered: it took too long, or ended the process."""


class Worker:
    """A child process that answers requests, started when first asked and again after its end.

    Safe to share between threads; requests queue. Within the child a request may take `seconds` of
    processor time, so that what is cut off does not depend on how busy the machine is; `patience`
    times that of the clock ends the process.

    Parameters
    ----------
    module : str
        Module whose ``main()`` calls `serve`.
    seconds : float
    patience : float
    """

    def __init__(self, module: str, seconds: float = 10.0, patience: float = 6.0) -> None:
        self.module, self.seconds, self.patience = module, seconds, patience
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._left = b""

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Return the reply to a request.

        Raises
        ------
        WorkerFailed
            If it took too long, or the process ended.
        PopulaceError
            If the worker says that the request is wrong.
        """
        with self._lock:
            process = self._running()
            line = json.dumps([self.seconds, request]).encode() + b"\n"
            try:
                assert process.stdin is not None
                process.stdin.write(line)
                process.stdin.flush()
                reply = json.loads(self._line(process, self.seconds * self.patience))
            except (OSError, ValueError) as error:
                self._end()
                raise WorkerFailed(f"the process ended: {error}", where=self.module) from error
            except WorkerFailed:
                self._end()
                raise
        if "timeout" in reply:
            raise WorkerFailed(f"more than {self.seconds:g} s of work", where=self.module)
        if "error" in reply:
            raise PopulaceError(reply["error"], where=self.module)
        return reply["value"]

    def close(self) -> None:
        """End the process, if it runs."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and self._owner == os.getpid() and process.poll() is None:
            return process
        if process is not None and self._owner == os.getpid():
            self._end()
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
        path = os.pathsep.join(p for p in sys.path if p)
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # sets of strings are walked in the same order in every run
            env={**kept, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._owner, self._left = os.getpid(), b""
        weakref.finalize(self, _kill, process, self._owner)
        self._line(process, 120.0)  # ready: libraries are imported by then
        return process

    def _line(self, process: subprocess.Popen[bytes], patience: float) -> bytes:
        assert process.stdout is not None
        fd, until = process.stdout.fileno(), time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while b"\n" not in self._left:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise WorkerFailed("no reply in time", where=self.module)
                more = os.read(fd, 1 << 16)
                if not more:
                    raise WorkerFailed("the process ended", where=self.module)
                self._left += more
        line, self._left = self._left.split(b"\n", 1)
        return line

    def _end(self) -> None:
        if self._process is not None:
            _kill(self._process, self._owner)
            self._process = None


def _kill(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():  # a forked child must not end its parent's worker
        return
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    if process.poll() is None:
        process.kill()
    process.wait()


class _TooLong(BaseException):
    """Raised in a worker by the timer; no ``except Exception`` of a library catches it."""


def serve(handle: Callable[[Mapping[str, Any]], Any]) -> None:
    """Answer requests from standard input until it ends: the child's side of `Worker`."""
    import ctypes
    import resource

    from populace.language import cage

    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def ring(*_: Any) -> None:
        raise _TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    libc = ctypes.CDLL(None, use_errno=True)
    if not (cage.forbid_writes(libc, None) and cage.forbid_calls(libc)):
        cage.watch(os.devnull, lambda *_: None)  # the kernel has no such guard: Python's own
    out.write('"ready"\n')
    out.flush()
    for line in sys.stdin:
        seconds, request = json.loads(line)
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                reply = {"value": handle(request)}
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        except _TooLong:
            reply = {"timeout": True}
        except PopulaceError as error:
            reply = {"error": str(error)}
        except (Exception, RecursionError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        out.write(json.dumps(reply) + "\n")
        out.flush()
