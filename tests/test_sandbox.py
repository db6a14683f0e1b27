"""The sandbox: what passes, what does not, and what a hostile program cannot do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from populace.errors import ParameterError
from populace.language.sandbox import Limits, Ran, run_tests

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs process groups and rlimits")

DOUBLE = "def f(x):\n    return 2 * x\n"
TESTS = ["assert f(2) == 4", "assert f(0) == 0"]
QUICK = Limits(seconds=1, patience=2)


def ran(program: str, tests: list[str] | None = None, limits: Limits = QUICK) -> Ran:
    return run_tests(program, TESTS if tests is None else tests, limits)


def test_a_right_program_passes_every_test():
    found = ran(DOUBLE)
    assert (found.status, found.passed, found.score) == ("passed", (True, True), 1.0)
    assert {"limits", "audit"} <= set(found.guards)


def test_tests_count_one_by_one():
    assert ran("def f(x):\n    return x * x\n").passed == (True, True)
    found = ran("def f(x):\n    return x + 1\n", ["assert f(2) == 3", "assert f(0) == 0"])
    assert (found.status, found.passed, found.score) == ("failed", (True, False), 0.5)
    assert "AssertionError" in found.detail


def test_a_program_may_think_in_threads_and_write_in_its_own_folder():
    threads = "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\n"
    assert ran(threads + DOUBLE).status == "passed"
    assert ran("open('notes', 'w').write('x')\n" + DOUBLE).status == "passed"


LEAVES = {
    "exit before the tests": "import sys\nsys.exit(0)",
    "exit in the function": "import sys\ndef f(x): sys.exit(0)",
    "hard exit": "import os\nos._exit(0)",
    "hard exit in the function": "import os\ndef f(x): os._exit(0)",
    "exit at the end": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 3",
    "no assertion errors": "import builtins\nbuiltins.AssertionError = None\ndef f(x): return 3",
    "no exits": "import os, sys\nsys.exit = os._exit = print\ndef f(x): raise SystemExit(0)",
    "raises what is no Exception": "raise BaseException('no')",
    "does not parse": "def f(",
    "a forged report": (
        """import os\nPASSED, DONE = b'["passed", [0, "x"]]\\n', b'["done", "x"]\\n'\n"""
        "for fd in range(3, 20):\n    try:\n"
        "        os.write(fd, PASSED)\n        os.write(fd, DONE)\n"
        "    except OSError: pass\nos._exit(0)"
    ),
    "never returns from recursion": "def f(x): return f(x)",
}


@pytest.mark.parametrize("program", LEAVES.values(), ids=LEAVES)
def test_leaving_or_patching_never_counts_as_passing(program):
    found = ran(program)
    assert found.status == "failed"
    assert not any(found.passed)


def test_an_endless_loop_and_an_endless_wait_are_timeouts():
    assert ran("while True: pass").status == "timeout"
    assert ran("import time\ntime.sleep(1000)").status == "timeout"


@pytest.mark.parametrize(
    "program",
    ["x = [0] * 10**10", "x = []\nwhile True: x.append(bytearray(10**7))"],
)
def test_a_memory_bomb_ends_itself(program):
    found = ran(program, limits=Limits(memory=1 << 27))  # met long before the time is
    assert found.status == "failed"
    assert "MemoryError" in found.detail


def test_output_is_cut_off():
    found = ran("while True: print('x' * 1000)", limits=Limits(seconds=5, output=10_000))
    assert found.status == "crashed"
    assert "output" in found.detail
    assert len(found.output) == 10_000


def test_a_file_cannot_grow_without_end():
    assert "too large" in ran("f = open('a', 'wb')\nwhile True: f.write(b'x' * 10**6)").detail


def test_a_fork_bomb_forks_nobody(tmp_path):
    mark = tmp_path / "forked"
    found = ran(f"import os\nwhile True:\n    if os.fork() == 0: open({str(mark)!r}, 'w')")
    assert found.status == "refused"
    assert not mark.exists()


ACTS = {
    "socket": "import socket\nsocket.socket()",
    "raw socket": "import _socket\n_socket.socket(2, 1)",
    "look-up": "import socket\nsocket.getaddrinfo('localhost', 80)",
    "url": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')",
    "process": "import subprocess\nsubprocess.run(['true'])",
    "shell": "import os\nos.system('true')",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "signal": "import os\nos.kill(os.getppid(), 9)",
    "machine code": "import ctypes\nctypes.CDLL(None).getpid()",
}


@pytest.mark.parametrize("program", ACTS.values(), ids=ACTS)
def test_forbidden_acts_are_refused(program):
    found = ran(program + "\n" + DOUBLE)
    assert found.status == "refused"
    assert found.score == 0


@pytest.mark.parametrize(
    "act",
    ["open({!r}, 'w').write('x')", "open({!r}, 'a')", "__import__('os').open({!r}, 0o101)"],
)
def test_nothing_is_written_elsewhere(act, tmp_path):
    there = tmp_path / "there"
    assert ran(act.format(str(there))).status == "refused"
    assert not there.exists()


def test_the_kernel_holds_what_python_does_not_see(tmp_path):
    guards = ran(DOUBLE).guards
    if not {"seccomp", "landlock"} <= set(guards):
        pytest.skip(f"this system has only the guards {', '.join(guards)}")
    precious = tmp_path / "precious"
    precious.write_text("x")
    for act in ("os.remove({!r})", "os.rename({!r}, 'mine')", "os.chmod({!r}, 0)"):
        found = ran(f"import os\n{act.format(str(precious))}")
        assert "PermissionError" in found.detail
    assert precious.read_text() == "x"
    assert "PermissionError" in ran(f"import os\nos.mkdir({str(tmp_path / 'new')!r})").detail
    raised = ran("import signal, threading\nsignal.pthread_kill(threading.get_ident(), 9)")
    assert "PermissionError" in raised.detail
    lifted = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (1 << 40, 1 << 40))"
    assert ran(lifted).status == "failed"


def test_the_environment_is_empty(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    found = ran("import os\nprint(sorted(os.environ))\n" + DOUBLE)
    assert "OPENAI" not in found.output
    assert found.status == "passed"


def test_sets_are_walked_in_the_same_order_in_every_run():
    outputs = {ran("print({'a', 'b', 'c', 'd', 'e'})").output for _ in range(4)}
    assert len(outputs) == 1


def test_no_folder_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran("import time\ntime.sleep(1000)")
    ran(DOUBLE)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_program_is_not_run():
    assert ran("x = '\ud800'").status == "refused"
    assert ran("#" * (1 << 21)).status == "refused"
    with pytest.raises(ParameterError, match="limits"):
        Limits(seconds=0)
    with pytest.raises(ParameterError, match="memory"):
        Limits(memory=1)


def test_the_harness_needs_the_standard_library_alone():
    source = Path(run_tests.__code__.co_filename).with_name("cage.py").read_text()
    lines = [line.split() for line in source.splitlines() if line.startswith(("import", "from"))]
    imported = {words[1].split(".")[0] for words in lines}
    assert imported <= set(sys.stdlib_module_names)
