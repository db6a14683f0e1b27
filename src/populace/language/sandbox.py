"""Programs that a model wrote, run against tests in a process that can do little else.

What holds, and where:

- Everywhere: a process group of its own with a time limit on the clock, killed as a whole; limits
  on processor time, memory, file size and output; an empty environment; a temporary folder that is
  removed; audit hooks that end the program when Python sees it open a socket, start a process,
  call foreign functions, or open a file for writing elsewhere.
- Linux on x86-64 or ARM64: the kernel refuses sockets, connections, new processes, signals to
  others and ``exec`` (seccomp), and every write, removal or new file outside the temporary folder
  (Landlock, Linux >= 5.13). These hold against machine code too.

What does not hold: other files of the user can be *read* (nothing read can leave but by the
program's own output); where a guard of the kernel is missing (`Ran.guards` says which were in
force) audit hooks stop honest mistakes and plain attempts, but not an attacker within the
interpreter. Program and tests share an interpreter: leaving early, replacing builtins or ending the
process never counts as passing, but a program written against this very harness could search its
memory for the token. Whoever runs what an adversary wrote should do so in a virtual machine.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from populace.kernel.errors import ParameterError

Status = Literal["passed", "failed", "timeout", "crashed", "refused"]
_CAGE = Path(__file__).with_name("cage.py")
_LONGEST = 1 << 20  # characters of a program or a test


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes
    ----------
    seconds : int
        Of processor time; at least 1.
    patience : float
        Times `seconds` that it may take by the clock, on a busy machine.
    memory : int
        Bytes of address space.
    written : int
        Bytes of a file.
    output : int
        Bytes on standard output and error together.
    """

    seconds: int = 5
    patience: float = 4.0
    memory: int = 1 << 29
    written: int = 1 << 20
    output: int = 1 << 16

    def __post_init__(self) -> None:
        if self.seconds < 1 or self.patience <= 0 or min(self.written, self.output) < 0:
            raise ParameterError(f"expected limits above zero, got {self}", where="Limits")
        if self.memory < 1 << 26:
            raise ParameterError("expected at least 64 MiB of memory", where="Limits")


@dataclass(frozen=True)
class Ran:
    """What came of a program.

    Attributes
    ----------
    status : str
        ``passed`` (all tests, to the end), ``failed`` (some test did not hold, or the program
        raised or left before its tests), ``timeout``, ``crashed`` (ended by a signal, or by too
        much output), ``refused`` (tried what is forbidden, or is too long to be run).
    passed : tuple of bool
        By test.
    detail : str
        What went wrong first.
    output : str
        Beginning of what it printed.
    guards : tuple of str
        Which guards were in force: ``limits``, ``landlock``, ``seccomp``, ``audit``.
    """

    status: Status
    passed: tuple[bool, ...]
    detail: str = ""
    output: str = ""
    guards: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Share of the tests passed, 1 without tests; 0 unless the program ran to its end."""
        if self.status not in ("passed", "failed"):
            return 0.0
        return (
            sum(self.passed) / len(self.passed) if self.passed else float(self.status == "passed")
        )


def run_tests(program: str, tests: Sequence[str], limits: Limits | None = None) -> Ran:
    """Run a Python program, then each test in the program's namespace.

    Parameters
    ----------
    program : str
    tests : sequence of str
        Python source each; a test passes if it raises nothing.
    limits : Limits, optional

    Notes
    -----
    A test counts as passed when, after it, the harness sends a token drawn anew for each program:
    ``sys.exit(0)`` within the program or a test does not.

    Examples
    --------
    >>> run_tests("def double(x): return 2 * x", ["assert double(2) == 4"]).status
    'passed'
    """
    limits = limits or Limits()
    none = (False,) * len(tests)
    if any(len(text) > _LONGEST for text in (program, *tests)):
        return Ran("refused", none, f"longer than {_LONGEST:,} characters")
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="populace-") as folder:
        try:
            Path(folder, "solution.py").write_text(program, encoding="utf-8")
            for i, test in enumerate(tests):
                Path(folder, f"test_{i}.py").write_text(test, encoding="utf-8")
        except UnicodeEncodeError as error:
            return Ran("refused", none, f"no text: {error}")
        report, inward = os.pipe()
        setup = {
            "token": token,
            "report": inward,
            "tests": len(tests),
            "seconds": limits.seconds,
            "memory": limits.memory,
            "written": limits.written,
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-S", "-B", str(_CAGE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
            pass_fds=(inward,),
            start_new_session=True,
        )
        os.close(inward)
        try:
            output, said, ended = _watch(process, report, json.dumps(setup), limits)
        finally:
            _end(process)
            os.close(report)
    return _judge(said, ended, process.returncode, output, token, len(tests), limits)


def _watch(
    process: subprocess.Popen[bytes], report: int, setup: str, limits: Limits
) -> tuple[bytes, bytes, str]:
    """Return what the program printed, what the harness said, and why it was ended, if it was."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(setup.encode() + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        pass
    output, said = b"", b""
    until = time.monotonic() + limits.seconds * limits.patience
    with selectors.DefaultSelector() as selector:
        selector.register(report, selectors.EVENT_READ)
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                return output, said, "timeout"
            for key, _ in ready:
                more = os.read(key.fd, 1 << 16)
                if not more:
                    selector.unregister(key.fileobj)
                elif key.fd == report:
                    said += more
                else:
                    output += more
                if len(output) > limits.output or len(said) > limits.output:
                    return output[: limits.output], said[: limits.output], "output"
    return output, said, ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, whatever it still holds."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _judge(
    said: bytes, ended: str, code: int, output: bytes, token: str, tests: int, limits: Limits
) -> Ran:
    passed, detail, refused, done = [False] * tests, "", "", False
    guards: tuple[str, ...] = ()
    for line in said.decode("utf-8", "replace").splitlines():
        try:
            what, value = json.loads(line)
            if what == "guards" and not guards:
                guards = tuple(value)
            elif what == "passed" and value[1] == token:
                passed[value[0]] = True
            elif what == "done":
                done = value == token
            elif what == "refused":
                refused = refused or str(value)
            elif what in ("failed", "broken"):
                detail = detail or str(value[1] if what == "failed" else value)
        except (ValueError, TypeError, IndexError, KeyError):  # the program wrote here itself
            detail = detail or "a forged report"
    words = output.decode("utf-8", "replace")
    status: Status
    if refused:
        status, detail = "refused", refused
    elif ended == "output":
        status, detail = "crashed", f"more than {limits.output:,} bytes of output"
    elif ended == "timeout" or code == -signal.SIGXCPU or (code == -signal.SIGKILL and not done):
        status, detail = "timeout", f"more than {limits.seconds} s of processor time"
        if ended != "timeout" and code == -signal.SIGKILL:
            detail += ", or killed by the system"
    elif code < 0:
        status, detail = "crashed", f"ended by signal {signal.Signals(-code).name}"
    elif done and all(passed):
        status = "passed"
    else:
        status, detail = "failed", detail or "left before its tests were through"
    return Ran(status, tuple(passed), detail, words, guards)
