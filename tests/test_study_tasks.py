"""Tasks on processes: order, failure as data, resuming, and what is left behind (nothing)."""

import datetime as dt
import json
import math
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from populace.errors import ParameterError, RecordError, StudyError
from populace.studies import run_all
from populace.studies.tasks import cores, packed

posix = pytest.mark.skipif(os.name != "posix", reason="signals and FIFOs of POSIX")


def told(results):
    return [(r.index, r.status, r.value, r.error) for r in results]


def note(path, line):
    """Append a line, whole, however many processes do so at once."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def noted(path):
    return Path(path).read_text().split() if Path(path).exists() else []


# -- work, importable by other processes ----------------------------------------------------------


def square(x):
    return x * x


def odd_values(name):
    return {
        "nan": math.nan,
        "inf": [-math.inf, (1, 2)],
        "numpy": [np.float32(0.1), np.int8(-3), np.bool_(True), np.arange(3)],
        "exact": [0.1 + 0.2, 1e-320, 2**70],
        "date": dt.date(2020, 3, 22),
        "text": name + "ü\ud800",
    }


def counted(task):
    """Note that it was done; then do as told."""
    note(task["log"], task["n"])
    do = task["do"]
    if do == "raise":
        raise ValueError("no\nsuch thing")
    if do == "exit":
        sys.exit("enough")
    if do == "_exit":
        os._exit(7)
    if do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "die once" and noted(task["log"]).count(str(task["n"])) == 1:
        os._exit(1)
    return task["n"] * 10


def meet(task):
    """The first task ends only after the last has begun."""
    if task["n"] == 0:
        with open(task["fifo"]) as pipe:
            pipe.read()
    if task["n"] == task["last"]:
        with open(task["fifo"], "w") as pipe:
            pipe.write("go")
    return task["n"]


def hang(task):
    """Say who I am, then wait for what never comes."""
    note(task["log"], os.getpid())
    if task["n"] < 2:
        return task["n"]
    threading.Event().wait()
    return None


def kernel_threads(_):
    from populace.kernel.threads import thread_count

    return [thread_count(), os.environ["POLARS_MAX_THREADS"]]


def object_back(_):
    return {"it": object()}


def jobs(log, *does):
    return [{"n": n, "do": do, "log": str(log)} for n, do in enumerate(does)]


# -- the same results however they are worked out -------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_the_same_on_processes_as_here(workers):
    tasks = [0.1, 3, -7, 2.5]
    here = run_all(tasks, square, backend="serial")
    there = run_all(tasks, square, workers=workers)
    assert [r.value for r in here] == [x * x for x in tasks]
    assert told(there) == told(here)


def test_values_are_plain_data_and_the_same_everywhere(tmp_path):
    here = run_all(["a", "b"], odd_values, backend="serial")
    there = run_all(["a", "b"], odd_values, workers=1, to=tmp_path / "study")
    again = run_all(["a", "b"], odd_values, to=tmp_path / "study", backend="serial")
    assert repr(told(here)) == repr(told(there)) == repr(told(again))
    value = here[0].value
    assert math.isnan(value["nan"])
    assert value["inf"] == [-math.inf, [1, 2]]
    assert value["numpy"] == [float(np.float32(0.1)), -3, True, [0, 1, 2]]
    assert value["exact"] == [0.1 + 0.2, 1e-320, 2**70]
    assert value["date"] == "2020-03-22"
    assert value["text"] == "aü\ud800"


@posix
def test_the_order_of_results_is_that_of_tasks_not_of_completion(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    tasks = [{"n": n, "last": 3, "fifo": str(fifo)} for n in range(4)]
    seen = []
    results = run_all(tasks, meet, workers=2, progress=lambda done, total: seen.append(done))
    assert [r.value for r in results] == [0, 1, 2, 3]
    assert seen == [0, 1, 2, 3, 4]


def test_a_worker_runs_kernels_on_one_thread():
    assert run_all([0], kernel_threads, workers=1)[0].value == [1, "1"]


# -- failure is data ------------------------------------------------------------------------------


@posix
def test_a_task_that_fails_or_kills_its_process_costs_no_other(tmp_path):
    log = tmp_path / "log"
    does = ["", "raise", "", "_exit", "kill", "", "exit", "die once", "", ""]
    results = run_all(jobs(log, *does), counted, workers=2, to=tmp_path / "study")
    by_do = {do: r for do, r in zip(does, results, strict=True) if do}
    assert [r.value for r, do in zip(results, does, strict=True) if not do] == [0, 20, 50, 80, 90]
    assert by_do["raise"].error == "ValueError: no such thing"
    assert "counted" in by_do["raise"].trace
    assert by_do["exit"].error == "SystemExit: enough"
    assert by_do["_exit"].error == "its process ended with exit code 7, 2 times"
    assert by_do["kill"].error == "its process was killed by SIGKILL, 2 times"
    assert by_do["die once"].value == 70
    tries = noted(log)
    assert {do: tries.count(str(r.index)) for do, r in by_do.items()} == {
        "raise": 1,
        "exit": 1,
        "_exit": 2,
        "kill": 2,
        "die once": 2,
    }
    assert len(list((tmp_path / "study" / "runs").iterdir())) == len(does)


def test_what_is_no_plain_data_is_a_failed_task():
    for options in ({"backend": "serial"}, {"workers": 1}):
        (result,) = run_all([0], object_back, **options)
        assert result.error == "TypeError: expected plain data from the work, got object"


# -- stopping and going on ------------------------------------------------------------------------


class Stop:
    """Progress that stops the study, as Ctrl-C does, after some tasks."""

    def __init__(self, after):
        self.after = after

    def __call__(self, done, total):
        if done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("options", [{"backend": "serial"}, {"workers": 2}], ids=str)
def test_a_stopped_study_does_only_what_is_missing(tmp_path, options):
    whole = run_all(jobs(tmp_path / "other", *[""] * 6), counted, backend="serial")
    log, to = tmp_path / "log", tmp_path / "study"
    tasks = jobs(log, *[""] * 6)
    with pytest.raises(KeyboardInterrupt):
        run_all(tasks, counted, to=to, progress=Stop(3), **options)
    kept = sorted(int(file.stem) for file in (to / "runs").iterdir())
    assert len(kept) == 3
    begun = noted(log)
    seen = []
    found = run_all(tasks, counted, to=to, progress=lambda d, t: seen.append(d), **options)
    assert told(found) == told(whole)
    assert seen == [3, 4, 5, 6]
    again = noted(log)[len(begun) :]
    assert sorted(map(int, again)) == sorted(set(range(6)) - set(kept))
    assert told(run_all(tasks, counted, to=to, backend="serial")) == told(whole)
    assert len(noted(log)) == len(begun) + 3  # nothing was done the third time


def test_failed_tasks_are_tried_again(tmp_path):
    log, to = tmp_path / "log", tmp_path / "study"
    for _ in range(2):
        results = run_all(jobs(log, "", "raise"), counted, backend="serial", to=to)
        assert [r.status for r in results] == ["finished", "failed"]
    assert noted(log) == ["0", "1", "1"]


@posix
def test_the_parent_is_killed_and_the_study_goes_on(tmp_path):
    """SIGKILL while two workers hang: they end by themselves; what was finished is kept."""
    log, to = tmp_path / "log", tmp_path / "study"
    script = tmp_path / "study.py"
    tasks = [{"n": n, "log": str(log)} for n in range(4)]
    script.write_text(
        textwrap.dedent(f"""
        from populace.studies import run_all
        from tests.test_study_tasks import hang
        if __name__ == "__main__":
            run_all({tasks!r}, hang, workers=2, to={str(to)!r},
                    progress=lambda done, total: print(done, flush=True))
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=env())
    assert parent.stdout.readline() == b"0\n"
    assert parent.stdout.readline() == b"1\n"
    assert parent.stdout.readline() == b"2\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for pid in set(map(int, noted(log))):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([handle], [], [], 20)[0], f"worker {pid} outlives its parent"
        os.close(handle)
    assert sorted(file.name for file in (to / "runs").iterdir()) == ["000000.json", "000001.json"]
    seen = []
    with pytest.raises(KeyboardInterrupt):  # the rest would hang here too
        run_all(tasks, hang, workers=1, to=to, progress=both(seen.append, Stop(2)))
    assert seen == [2]


def both(note_done, stop):
    def progress(done, total):
        note_done(done)
        stop(done, total)

    return progress


def test_another_study_in_the_directory_is_refused(tmp_path):
    to = tmp_path / "study"
    run_all([1, 2], square, backend="serial", to=to)
    with pytest.raises(RecordError, match="it had 2 tasks, now 3"):
        run_all([1, 2, 3], square, backend="serial", to=to)
    with pytest.raises(RecordError, match="it had 2 tasks, now 2, and they are not the same"):
        run_all([1, 3], square, backend="serial", to=to)
    with pytest.raises(RecordError, match=r"work was .*square.* now .*odd_values"):
        run_all([1, 2], odd_values, backend="serial", to=to)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(RecordError, match="is not empty"):
        run_all([1], square, backend="serial", to=tmp_path / "other")


def test_a_truncated_file_is_named(tmp_path):
    run_all([1, 2], square, backend="serial", to=tmp_path)
    file = tmp_path / "runs" / "000001.json"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(RecordError, match=r"000001.json: cannot be read.*remove that file"):
        run_all([1, 2], square, backend="serial", to=tmp_path)
    file.unlink()
    assert run_all([1, 2], square, backend="serial", to=tmp_path)[1].value == 4


def test_a_full_disk_is_an_error_and_leaves_no_process(tmp_path, monkeypatch):
    def full(path, write):
        if path.parent.name == "runs":
            raise RecordError("cannot write: No space left on device", where=str(path))
        write_before(path, write)

    from populace.studies import folder

    write_before = folder.write_atomically
    monkeypatch.setattr(folder, "write_atomically", full)
    import multiprocessing

    before = multiprocessing.active_children()
    with pytest.raises(RecordError, match="No space left"):
        run_all([1, 2], square, workers=2, to=tmp_path)
    assert multiprocessing.active_children() == before


# -- how it may be called -------------------------------------------------------------------------


def env():
    root = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}


def run_python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], env=env(), capture_output=True, text=True, **options
    )


def test_from_a_script_with_its_own_function(tmp_path):
    script = tmp_path / "own.py"
    script.write_text(
        "from populace.studies import run_all\n"
        "def cube(x): return x ** 3\n"
        "if __name__ == '__main__':\n"
        "    print([r.value for r in run_all([1, 2, 3], cube, workers=2)])\n"
    )
    assert run_python(str(script)).stdout == "[1, 8, 27]\n"


def test_a_script_without_the_guard_is_told_so(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("from populace.studies import run_all\nrun_all([1, 2], abs, workers=1)\n")
    done = run_python(str(script))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("populace.kernel.errors.StudyError")
    assert "if __name__ == '__main__':" in last


def test_a_function_typed_at_a_prompt_or_in_a_notebook():
    pytest.importorskip("cloudpickle")
    code = (
        "from populace.studies import run_all\n"
        "three = 3\n"
        "def power(x): return x ** three\n"
        "print([r.value for r in run_all([1, 2], power, workers=1)])\n"
        "print([r.value for r in run_all([1, 2], lambda x: -x, workers=1)])\n"
    )
    done = run_python("-c", code)
    assert done.stdout == "[1, 8]\n[-1, -2]\n", done.stderr


def test_what_cannot_be_sent_is_said_before_any_work(tmp_path):
    with pytest.raises(ParameterError, match="cannot be sent to another process"):
        packed(threading.Lock())
    with pytest.raises(ParameterError, match="backend='serial'"):
        run_all([threading.Lock()], square, workers=1)


class Unloadable:
    def __reduce__(self):
        return (_refuse, ())

    def __call__(self, task):
        return task


def _refuse():
    raise RuntimeError("not here")


def test_work_that_a_worker_cannot_load_is_an_error_of_the_study():
    with pytest.raises(StudyError, match="cannot load the work: RuntimeError: not here"):
        run_all([1, 2], Unloadable(), workers=2)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_impossible_workers(workers):
    with pytest.raises(ParameterError, match="expected 1 worker or more"):
        run_all([1], abs, workers=workers)


def test_unknown_backend():
    with pytest.raises(ParameterError, match="processes, serial, ray"):
        run_all([1], abs, backend="threads")


def test_no_tasks():
    assert run_all([], abs) == []
    assert cores() >= 1


def test_a_run_file_says_what_was_done(tmp_path):
    run_all([3], square, backend="serial", to=tmp_path)
    found = json.loads((tmp_path / "runs" / "000000.json").read_text())
    assert (found["status"], found["value"]) == ("finished", 9)
    head = json.loads((tmp_path / "study.json").read_text())
    assert head["tasks"] == 1
    assert head["study"]["work"].startswith("tests.test_study_tasks.square")
