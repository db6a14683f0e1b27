"""A run is a function of world, cast and seed; its records say what happened."""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from populace import By, Cast, Habit, Minds, Number, Rule, Run, Simulation, Utility, World, threads
from populace.errors import (
    CastError,
    ParameterError,
    PopulaceError,
    RecordError,
    StreamError,
    WorldError,
)
from tests.worlds import Coins, Scripted


def toss(o: Any) -> Any:
    return o.random.bernoulli(p=0.5)


def never(o: Any) -> Any:
    return 0


def tables(run: Run) -> dict[str, pl.DataFrame]:
    return {
        "metrics": run.metrics,
        "by": run.by,
        "asks": run.asks.drop("seconds"),
        "panel": run.panel,
    }


def cast() -> Cast:
    return Cast({"toss": toss, "never": never}, shares={"toss": 2, "never": 1})


def test_the_same_seed_gives_the_same_run_and_another_another(tmp_path: Path) -> None:
    first = tables(Simulation(Coins(), cast(), seed=5).run(20))
    with threads(1):
        again = tables(Simulation(Coins(), cast(), seed=5).run(20, to=tmp_path / "again"))
    other = tables(Simulation(Coins(), cast(), seed=6).run(20))
    for name, table in first.items():
        assert_frame_equal(table, again[name])
    assert not first["metrics"].equals(other["metrics"])


def test_two_runs_in_pieces_are_one_run() -> None:
    whole = Simulation(Coins(), cast(), seed=5).run(20)
    pieces = Simulation(Coins(), cast(), seed=5)
    both = pl.concat([pieces.run(7).metrics, pieces.run(13).metrics])
    assert_frame_equal(whole.metrics, both)


def test_common_random_numbers_across_casts() -> None:
    """Whoever decides, the world's own draws and every other agent's draws stay the same."""
    one = Simulation(Coins(), Cast({"toss": toss}), seed=5).run(20)
    two = Simulation(Coins(), Cast({"never": never}), seed=5).run(20)
    assert one.metrics["luck"].to_list() == two.metrics["luck"].to_list()
    assert two.metrics["heads"].sum() == 0


def test_heads_obey_the_binomial_law() -> None:
    n, ticks = 2000, 25
    run = Simulation(Coins(n), toss, seed=1).run(ticks)
    trials = n * ticks
    # 5 standard deviations: a true law fails once in 1.7 million seeds, and the seed is fixed
    assert abs(run.metrics["heads"][-1] - trials / 2) < 5 * np.sqrt(trials / 4)


def test_the_panel_keeps_every_decision_of_its_agents() -> None:
    world = Coins(50)
    run = Simulation(world, cast(), seed=3, panel=10).run(8)
    panel = run.panel
    assert panel.height == 80
    assert panel["id"].n_unique() == 10
    heads = panel.group_by("id").agg(pl.col("value").sum()).sort("id")
    np.testing.assert_array_equal(
        heads["value"].to_numpy(), world.people[heads["id"].to_numpy()]["heads"]
    )
    assert set(panel["label"]) <= {"heads", "tails"}
    assert Simulation(Coins(5), toss, panel=0).run(2).panel.height == 0


def test_a_world_that_is_done_ends_its_run() -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        world.done = minds.tick == 3

    run = Simulation(Scripted(2, body), never).run(100)
    assert run.metrics["tick"].to_list() == [0, 1, 2, 3]
    assert run.manifest["ticks"]["done"] == 4
    assert run.manifest["status"] == "finished"


def test_measures_by_axis_and_undefined_ones() -> None:
    class Two(Scripted):
        axes = {"age": ["young", "old"]}

        def measure(self) -> Any:
            return {
                "rate": None if self.people.x[0] == 0 else np.float32(0.5),
                "count": np.int64(3),
                "nan": float("nan"),
                "by_age": By("age", [1, np.nan]),
                "by_kind": By("kind", {"a": 2}),
            }

    run = Simulation(Two(2), never).run(2)
    assert run.metrics.row(1, named=True) == {"tick": 1, "rate": None, "count": 3, "nan": None}
    assert run.by.filter(tick=0).drop("tick").rows() == [
        ("by_age", "age", "young", 1.0),
        ("by_kind", "kind", "a", 2.0),
    ]

    class Wrong(Scripted):
        def measure(self) -> Any:
            return {"by": By("age", [1])}

    with pytest.raises(WorldError, match="no axis 'age'"):
        Simulation(Wrong(2), never).run(1)
    for bad in (float("inf"), "three", np.zeros(2)):

        class Bad(Scripted):
            def measure(self) -> Any:
                return {"x": bad}  # noqa: B023

        with pytest.raises(WorldError, match="measure 'x': expected a finite number"):
            Simulation(Bad(2), never).run(1)


def test_the_garbage_collector_looks_seldom_in_a_run_and_is_as_it_was_after_it() -> None:
    seen: list[tuple[int, ...]] = []

    def look(observation: Any) -> Any:
        seen.append(gc.get_threshold())
        return 1

    before = gc.get_threshold()
    try:
        for own in ((700, 10, 10), (50_000, 5, 5), (0, 10, 10)):
            gc.set_threshold(*own)
            Simulation(Coins(4), Rule(look)).run(1)
            assert gc.get_threshold() == own
    finally:
        gc.set_threshold(*before)
    assert seen == [(10_000, 10, 10), (50_000, 5, 5), (0, 10, 10)]


def test_a_failing_world_leaves_what_it_had_marked_failed(tmp_path: Path) -> None:
    async def body(world: Scripted, minds: Minds) -> None:
        if minds.tick == 3:
            raise ZeroDivisionError("oh")

    with pytest.raises(
        WorldError, match=r"Scripted.step at tick 3: ZeroDivisionError: oh \(test_sim"
    ):
        Simulation(Scripted(2, body), never).run(10, to=tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert manifest["error"]["type"] == "WorldError"
    assert manifest["ticks"]["done"] == 3
    assert pl.read_parquet(tmp_path / "run" / "metrics" / "*.parquet").height == 3


@pytest.mark.parametrize("loop", ["no loop", "a running loop"])
def test_ctrl_c_leaves_a_readable_run_marked_interrupted(tmp_path: Path, loop: str) -> None:
    script = f"""
        import asyncio, sys
        from populace import Simulation
        from tests.worlds import Coins
        def progress(done, of):
            if done == 5:
                print("five", flush=True)
                sys.stdin.readline()  # the signal is sent while we wait here
        def play():
            to = {str(tmp_path / "run")!r}
            Simulation(Coins(), lambda o: 1).run(10**9, to=to, progress=progress)
        async def notebook():
            play()
        if {loop!r} == "no loop":
            play()
        else:  # as Jupyter does: Ctrl-C raises in the thread that waits
            asyncio.new_event_loop().run_until_complete(notebook())
    """
    root = Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "five\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate("\n")
    assert "KeyboardInterrupt" in errors
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    done = manifest["ticks"]["done"]
    assert done >= 5
    assert pl.read_parquet(tmp_path / "run" / "metrics" / "*.parquet").height == done


def test_without_a_cast_the_minds_that_the_world_offers_decide() -> None:
    class Offering(Coins):
        def policies(self) -> Any:
            return {"toss": toss, "never": never}

        def shares(self) -> dict[str, float]:
            return {"toss": 1, "never": 1}

    run = Simulation(Offering(), seed=2).run(1)
    assert dict(run.asks.select("policy", "agents").iter_rows()) == {"toss": 25, "never": 25}
    with pytest.raises(CastError, match="offers no minds"):
        Simulation(Coins())


def test_a_run_directory_is_never_overwritten(tmp_path: Path) -> None:
    Simulation(Coins(), toss).run(1, to=tmp_path / "run")
    with pytest.raises(RecordError):
        Simulation(Coins(), toss).run(1, to=tmp_path / "run")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Simulation("world", never), WorldError),  # type: ignore[arg-type]
        (lambda: Simulation(Coins(), never, seed=-1), StreamError),
        (lambda: Simulation(Coins(), never, seed=2**64), StreamError),
        (lambda: Simulation(Coins(), never, panel=-1), ParameterError),
        (lambda: Simulation(Coins(), never).run(-1), ParameterError),
        (lambda: Simulation(Coins(), never).run(1.5), ParameterError),  # type: ignore[arg-type]
        (lambda: Simulation(Empty(), never), WorldError),
    ],
)
def test_bad_arguments_are_typed_errors(make: Any, error: type[PopulaceError]) -> None:
    with pytest.raises(error):
        make()


class Empty(World):
    async def step(self, minds: Minds) -> None: ...


def test_start_builds_with_draws_and_the_manifest_tells_the_parameters() -> None:
    class Built(World):
        """A world built at the start.

        More text.
        """

        def __init__(self, n: int = 5, rate: float = 0.5) -> None:
            self.n = n

        def start(self, streams: Any) -> None:
            from populace import Population

            self.people = Population(self.n, luck=streams.stream("luck").uniform(self.n))

        async def step(self, minds: Minds) -> None:
            await minds.ask("wish", self.people, Number())

    first, again = Built(n=7), Built(n=7)
    run = Simulation(first, never, seed=9).run(1)
    Simulation(again, never, seed=9)
    np.testing.assert_array_equal(first.people.luck, again.people.luck)
    assert run.manifest["world"]["parameters"] == {"n": 7, "rate": 0.5}
    assert run.manifest["world"]["doc"] == "A world built at the start."
    assert run.manifest["populations"] == {"people": 7}


def test_the_manifest_tells_the_minds_in_words() -> None:
    def careful(o: Any) -> Any:
        """Take little.

        More.
        """
        return 0

    offered = {
        "rule": Rule(wish=careful, go=lambda o: 1),
        "habit": Habit(functools.partial(careful, 3), inertia=0.5),
        "utility": Utility({"no": {"1": 2, "x": (0.5, careful)}}),
    }
    cast = Cast(offered, shares=dict.fromkeys(offered, 1))
    told = Simulation(Scripted(3), cast).run(0).manifest["cast"]["people"]["policies"]
    assert told["rule"]["parameters"] == {"wish": "careful: Take little.", "go": "function"}
    assert told["habit"]["parameters"]["inertia"] == 0.5
    assert told["habit"]["parameters"]["policy"]["class"] == "careful(3)"
    assert told["utility"]["parameters"] == {
        "temperature": 1.0,
        "every kind": {"no": {"1": 2.0, "x": 0.5}},
    }
    assert [p["agents"] for p in told.values()] == [1, 1, 1]
