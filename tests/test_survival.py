"""Killed at any moment, a run goes on to the end that it would have had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from populace import Streams
from populace.records import read
from populace.simulation.keeping import snapshot
from tests.killing import TICKS, WORLDS, made, print_of

TABLES = ("metrics", "by", "asks", "panel", "minds", "spend", "failures", "events", "transcript")
CLOCKS = {"seconds", "logical_seconds", "billed_seconds"}  # told by a clock, in no two runs equal

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")


def assert_same(one: Any, other: Any) -> None:
    """Every table to the bit, clocks left out."""
    for name in TABLES:
        left, right = getattr(one, name), getattr(other, name)
        kept = [column for column in left.columns if column not in CLOCKS]
        assert left.schema == right.schema, name
        assert left.select(kept).equals(right.select(kept)), name
    assert one.manifest["outcomes"] == other.manifest["outcomes"]
    assert one.ticks == other.ticks


@pytest.fixture(scope="module")
def server() -> Any:
    command = [sys.executable, "-W", "ignore", "-m", "tests.killing"]
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here / "src"), str(here), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here,
        env={**os.environ, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    """Return a folder in memory, where there is one: forcing files to disk takes its time."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as name:
        yield Path(name)


@needs_fork
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_killed_at_many_moments_it_ends_as_if_never(world, server, folder):
    simulation = made(world)
    whole = simulation.run(TICKS, to=folder / "whole", checkpoint=False)
    state = print_of(snapshot(simulation))
    draws = Streams(5).stream(f"kills/{world}")
    kills = 0
    for attempt in range(2 if world == "brooklyn" else 4):
        run, status, rounds = folder / f"run-{attempt}", -9, 0
        while status == -9:
            rounds += 1
            assert rounds < 60
            kill = int(draws.integers(1, 1, 30 + 15 * rounds)[0])
            task = {
                "world": world,
                "folder": str(run),
                "kill": kill,
                "threads": 1 + rounds % 2,
            }
            server.stdin.write(json.dumps(task) + "\n")
            server.stdin.flush()
            status = int(server.stdout.readline())
            kills += status == -9
        assert status == 0
        assert_same(read(run), whole)
        assert run.with_suffix(".state").read_text() == state
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest["status"] == "finished"
    assert kills >= 4
