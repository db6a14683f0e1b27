"""Checkpoints on disk: whole or absent, checked when read; when they are written, and how many."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.errors import CheckpointError, ParameterError
from populace.kernel.overlay import overlay
from populace.kernel.state import capture
from populace.records.cadence import Checkpoints
from populace.records.checkpoints import Vault, tick_name

ROOT = Path(__file__).parents[1]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def thing(tick: int) -> dict[str, Any]:
    """Half a megabyte that never changes, as much that does, and small things."""
    return {
        "fixed": np.arange(60_000, dtype=np.uint64),
        "moving": np.full(60_000, tick, np.float64),
        "small": [np.arange(3) + tick, np.zeros((0, 2)), np.array(2.5), np.array(["a", ""])],
        "tick": tick,
    }


def written(folder: Path, *ticks: int, keep: int = 2, **settings: Any) -> Vault:
    vault = Vault(folder, Checkpoints(keep=keep, **settings))
    for tick in ticks:
        put(vault, tick, thing(tick), records=tick)
    vault.close()
    return vault


def put(vault: Vault, tick: int, held: Any, **about: Any) -> None:
    vault.write(tick_name(tick), tick, capture(held), about)
    vault.finish()


def assert_is(found: Any, tick: int) -> None:
    assert found.tick == tick
    assert found.about == {"records": tick}
    held = overlay(None, found.state)
    for name, value in thing(tick).items():
        if name == "small":
            for one, other in zip(held[name], value, strict=True):
                assert one.dtype == other.dtype
                assert one.shape == other.shape
                assert (one == other).all()
        else:
            assert np.array_equal(held[name], value)


def test_what_was_written_is_read(tmp_path):
    written(tmp_path, 0, 7)
    vault = Vault(tmp_path)
    assert [tick for tick, _ in vault.names()] == [0, 7]
    assert_is(vault.latest(), 7)
    assert_is(vault.latest(at=6), 0)
    assert Vault(tmp_path / "elsewhere").latest() is None


def test_what_does_not_change_is_written_once(tmp_path):
    vault = written(tmp_path, 1)
    assert vault.written == pytest.approx(960_000, abs=500)
    put(vault, 2, thing(2))
    assert vault.written == pytest.approx(480_000, abs=500)
    again = Vault(tmp_path)  # of another process, once it has checked what is there
    again.latest()
    put(again, 3, thing(3))
    assert again.written == pytest.approx(480_000, abs=500)


def test_the_last_ones_are_kept_and_those_that_were_asked_for(tmp_path):
    vault = written(tmp_path, 1, 2, 3, 4, keep=2)
    assert [tick for tick, _ in vault.names()] == [3, 4]
    assert len(list((tmp_path / "checkpoints" / "arrays").iterdir())) == 3  # one fixed, two moving
    asked = written(tmp_path / "b", 1, 2, 3, 4, 5, 6, 7, keep=1, every_ticks=3)
    assert [tick for tick, _ in asked.names()] == [3, 6, 7]
    for tick in (3, 6, 7):
        assert_is(asked.latest(at=tick), tick)


def files_of(folder: Path, tick: int) -> list[Path]:
    """The files that only this checkpoint needs."""
    own = folder / "checkpoints" / tick_name(tick)
    header = json.loads((own / "state.json").read_bytes().split(b"\n")[0])
    arrays = folder / "checkpoints" / "arrays"
    moving = header["arrays"]["moving"]["file"]
    return [own / "state.json", own / "arrays.bin", arrays / moving]


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "gone"])
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(which, harm, tmp_path):
    written(tmp_path, 4, 8)
    path = files_of(tmp_path, 8)[which]
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        content[middle] ^= 1
        path.write_bytes({"cut": content[:middle], "changed": content, "empty": b""}[harm])
    vault = Vault(tmp_path)
    with pytest.raises(CheckpointError, match=path.name):
        vault.read(tick_name(8))
    with pytest.warns(RuntimeWarning, match=f"{path.name}.*going back to the one before"):
        assert_is(vault.latest(), 4)
    vault.drop_after(4)
    assert [tick for tick, _ in vault.names()] == [4]
    put(vault, 8, thing(8), records=8)  # the damaged array anew
    assert_is(Vault(tmp_path).latest(), 8)


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), which=st.integers(0, 2))
def test_any_flipped_bit_is_noticed(place, bit, which, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flip")
    written(folder, 3)
    path = files_of(folder, 3)[which]
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        Vault(folder).read(tick_name(3))
    shutil.rmtree(folder)


def test_another_format_is_said(tmp_path):
    written(tmp_path, 3)
    path = tmp_path / "checkpoints" / tick_name(3) / "state.json"
    import hashlib

    lines = path.read_bytes().rsplit(b"\n", 2)[0].replace(b'"format":1', b'"format":2') + b"\n"
    path.write_bytes(lines + hashlib.sha256(lines).hexdigest().encode() + b"\n")
    with pytest.raises(CheckpointError, match="expected format 1, got 2"):
        Vault(tmp_path).read(tick_name(3))


def test_left_overs_of_a_killed_writer_are_no_checkpoints_and_go(tmp_path):
    written(tmp_path, 1)
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / tick_name(1), folder / f"{tick_name(2)}.tmp")
    (folder / "arrays" / ("0" * 64 + ".tmp")).write_bytes(b"half")
    vault = Vault(tmp_path)
    assert_is(vault.latest(), 1)
    put(vault, 3, thing(3), records=3)
    names = {path.name for path in folder.iterdir()}
    assert names == {"arrays", tick_name(1), tick_name(3)}
    assert all(len(path.name) == 64 for path in (folder / "arrays").iterdir())


FULL = """
import sys
from pathlib import Path
from tests.test_checkpoints import written, assert_is, put
from populace.records.checkpoints import Vault
import numpy as np
from populace.errors import CheckpointError
{before}
folder = Path(sys.argv[1])
vault = written(folder, 5)
try:
    put(vault, 9, {{"big": np.arange(400_000)}})
except CheckpointError as error:
    print(error)
else:
    print("written")
assert_is(Vault(folder).latest(), 5)
print(sorted(p.name[:6] for p in (folder / "checkpoints").rglob("*") if p.suffix == ".tmp"))
"""


def told(before: str, folder: Path, wrap: tuple[str, ...] = ()) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [*wrap, sys.executable, "-c", FULL.format(before=before), str(folder)],
        capture_output=True, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_file_that_may_not_grow_leaves_the_last_good_checkpoint(tmp_path):
    pytest.importorskip("resource")
    before = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    )
    error, left = told(before, tmp_path)
    assert "File too large" in error
    assert "make room and resume: an earlier checkpoint" in error
    assert left == "[]"


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=2m tmpfs {disk} && exec "$0" "$@"'
    wrap = ("unshare", "-rm", "sh", "-c", mount)
    if (
        shutil.which("unshare") is None
        or subprocess.run([*wrap, "true"], capture_output=True).returncode
    ):
        pytest.skip("no small disk can be mounted here")
    error, left = told("", disk / "run", wrap)
    assert "No space left on device" in error
    assert left == "[]"


# -- when ------------------------------------------------------------------------------------------


def test_by_ticks_and_by_seconds(tmp_path):
    clock = Clock()
    vault = Vault(tmp_path, Checkpoints(every_ticks=5, every_seconds=30), clock)
    assert [tick for tick in range(1, 12) if vault.due(tick)] == [5, 10]
    clock.now = 30.0
    assert vault.due(11)
    put(vault, 11, {})
    assert not vault.due(12)


@pytest.mark.parametrize("cost", [0.01, 0.5, 3.0])
def test_by_itself_it_takes_two_percent_of_the_time(cost, tmp_path, monkeypatch):
    clock = Clock()
    vault = Vault(tmp_path, Checkpoints(), clock)

    quick = Vault._arrays

    def slow(*args: Any) -> Any:
        clock.now += cost
        return quick(*args)

    monkeypatch.setattr(Vault, "_arrays", slow)
    state = capture({"a": np.empty(int(cost * 3e8 // 8))})  # as guessed before the first one
    small = capture({})
    vault.cadence.expect(state.nbytes)
    spent = count = 0
    while clock.now < 3000 * cost + 100:
        clock.now += 1.0
        if vault.due(1):
            vault.write(tick_name(1), 1, small, {})
            count += 1
            spent += cost
    assert count >= 5
    assert spent / clock.now <= 1 / 50
    assert count <= clock.now / 10


def test_settings_are_read_and_checked():
    assert Checkpoints.parse("auto") == Checkpoints()
    assert Checkpoints.parse(" 20 ") == Checkpoints(every_ticks=20, every_seconds=None)
    assert Checkpoints.parse("2.5s").every_seconds == 2.5
    for wrong in ("x", "0", "-3", "1.5", "nan s s", "-1s", ""):
        with pytest.raises(ParameterError):
            Checkpoints.parse(wrong)
    for bad in ({"keep": 0}, {"every_ticks": True}, {"every_seconds": "often"}):
        with pytest.raises(ParameterError):
            Checkpoints(**bad)  # type: ignore[arg-type]
