"""Sweeps: one row a run, the same however it is done."""

import json
import os
from typing import Annotated

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from populace import Cast, Choice, Parameter, Population, Rule, Simulation, World
from populace.errors import ParameterError, RecordError, RegistryError
from populace.studies import grid, read_sweep, sweep
from populace.studies.folder import described
from populace.worlds.contagion import Contagion


class Coins(World):
    """Everybody tosses a coin each tick; a world of the test's own."""

    ticks = 3

    def __init__(
        self,
        people: Annotated[int, Parameter("agents", low=1)] = 20,
        bias: Annotated[float, Parameter("chance of heads", "share", 0, 1)] = 0.5,
        fail_at: Annotated[int | None, Parameter("tick to fail at")] = None,
        error: Annotated[float, Parameter("a name that the table has already")] = 0.0,
    ) -> None:
        self.people = Population(people)
        self.bias, self.fail_at = bias, fail_at
        self.up = np.zeros(people, bool)

    async def step(self, minds):
        if minds.tick == self.fail_at:
            raise ValueError("the coin is lost")
        toss = await minds.ask("toss", self.people, Choice(["no", "yes"]), bias=self.bias)
        self.up = toss.chose("yes")

    def measure(self):
        return {"up": int(self.up.sum()), "share": self.up.mean(), "bias": self.bias}

    def policies(self):
        return {"fair": Rule(toss=lambda o: o.random.bernoulli(p=o["bias"]))}


def always(o):
    return True


def never(o):
    return False


def with_cast(bias):
    world = Coins(bias=bias)
    return world, Cast({"one": Rule(toss=always)})


def with_everything(people):
    return {"world": Coins(people=people), "cast": Rule(toss=never), "panel": 3}


def panel_rows(run):
    return {"rows": run.panel.height, "world": type(run.world).__name__}


def same(a, b):
    """Equal to the bit, but for the time that runs took."""
    assert_frame_equal(a.table.drop("seconds"), b.table.drop("seconds"), check_exact=True)
    assert_frame_equal(a.series, b.series, check_exact=True)


SAMPLES = grid(people=[300], transmission=[0.03, 0.1], network=["erdos-renyi", "watts-strogatz"])


@pytest.fixture(scope="module")
def here():
    return sweep(Contagion, SAMPLES, seeds=[3, 2**63], ticks=30, backend="serial")


def test_a_sweep_is_the_simulations_it_stands_for(here):
    row = 0
    for i, sample in enumerate(SAMPLES):
        for seed in (3, 2**63):
            metrics = Simulation(Contagion(**sample), seed=seed).run(30).metrics
            found = here.table.row(row, named=True)
            assert (found["sample"], found["seed"], found["status"]) == (i, seed, "finished")
            assert {name: found[name] for name in sample} == sample
            assert {n: found[n] for n in metrics.columns[1:]} == metrics[-1].drop(
                "tick"
            ).to_dicts()[0]
            series = here.series.filter(sample=i, seed=seed).pivot(
                "measure", index="tick", values="value"
            )
            assert_frame_equal(series, metrics.cast(dict.fromkeys(metrics.columns[1:], float)))
            row += 1
    assert here.table.height == row


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_sweep_to_the_bit(here, workers):
    same(here, sweep(Contagion, SAMPLES, seeds=[3, 2**63], ticks=30, workers=workers))


def test_ray_gives_the_same_sweep_to_the_bit(here, monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        same(here, sweep(Contagion, SAMPLES, seeds=[3, 2**63], ticks=30, backend="ray"))
        lost = sweep(dying, grid(people=[5, 6, 7]), ticks=1, backend="ray")
        assert lost.table["status"].to_list() == ["finished", "failed", "finished"]
        assert lost.table["error"][1].startswith("its process died, 2 times")
        broken = sweep(Coins, grid(fail_at=[1, 9]), ticks=3, backend="ray")
        assert broken.table["status"].to_list() == ["failed", "finished"]
        assert ray.is_initialized()  # it is not ours to end
    finally:
        ray.shutdown()


def dying(people):
    if people == 6:
        os._exit(1)
    return Coins(people=people)


class Stop:
    def __init__(self, after):
        self.after = after

    def __call__(self, done, total):
        if done == self.after:
            raise KeyboardInterrupt


def test_a_stopped_sweep_goes_on_to_the_same_table(here, tmp_path):
    def ask(**options):
        return sweep(Contagion, SAMPLES, seeds=[3, 2**63], ticks=30, to=tmp_path, **options)

    with pytest.raises(KeyboardInterrupt):
        ask(workers=2, progress=Stop(3))
    half = read_sweep(tmp_path)
    assert half.table["status"].value_counts().sort("status").rows() == [
        ("finished", 3),
        ("missing", 5),
    ]
    kept = {f.name: f.read_bytes() for f in (tmp_path / "runs").iterdir()}
    whole = ask(workers=2)
    same(whole, here)
    same(read_sweep(tmp_path), here)
    assert_frame_equal(read_sweep(tmp_path).table, whole.table)
    for name, content in kept.items():  # what was there was not done again
        assert (tmp_path / "runs" / name).read_bytes() == content


def test_a_run_that_fails_is_a_row():
    found = sweep(Coins, grid(fail_at=[None, 1], bias=[0.2]), seeds=2, backend="serial")
    assert found.table["status"].to_list() == ["finished", "finished", "failed", "failed"]
    assert "the coin is lost" in found.table["error"][2]
    assert found.table["up"].to_list()[2:] == [None, None]
    assert found.series["sample"].unique().to_list() == [0]
    assert repr(found) == "Sweep(2 samples x 2 seeds: 2 failed, 2 finished)"
    means = found.over_seeds()
    assert means["failed"].to_list() == [0, 2]
    ups = found.table["up"][:2]
    assert means["up"][0] == ups.mean()
    assert means["up_sd"][0] == pytest.approx(abs(ups[0] - ups[1]) / 2**0.5)
    assert means["up"][1] is None


def test_names_that_are_taken():
    found = sweep(Coins, grid(bias=[0.2]), backend="serial")
    assert found.measures == ["up", "share", "summary_bias"]
    with pytest.raises(ParameterError, match="cannot be called 'error'"):
        sweep(Coins, grid(error=[1.0]))
    with pytest.raises(ParameterError, match="seeds are given by seeds="):
        sweep(Coins, grid(seed=[1]))


def test_what_a_factory_may_return():
    found = sweep(with_cast, grid(bias=[0.0]), backend="serial")
    assert found.table["share"].to_list() == [1.0]
    found = sweep(with_everything, grid(people=[10]), backend="serial", summary=panel_rows)
    assert found.table.select("rows", "world").rows() == [(9, "Coins")]
    found = sweep("wealth", grid(people=[50]), ticks=2, backend="serial")
    assert found.table["status"].to_list() == ["finished"]


def test_every_run_has_a_cast_of_its_own():
    cast = Cast(
        {"always": Rule(toss=always), "never": Rule(toss=never)}, shares={"always": 1, "never": 3}
    )
    for options in ({"backend": "serial"}, {"workers": 2}):
        found = sweep(Coins, grid(people=[8, 40]), seeds=2, cast=cast, **options)
        assert found.table["share"].to_list() == [0.25] * 4
    both = sweep(with_cast, grid(bias=[0.1]), cast=cast, backend="serial")
    assert "expected one cast" in both.table["error"][0]


def test_what_is_kept_of_every_tick():
    def columns(series):
        found = sweep(Coins, [{}], backend="serial", series=series)
        return found.series["measure"].unique(maintain_order=True).to_list()

    assert columns(True) == ["up", "share", "bias"]
    assert columns(["bias", "up"]) == ["up", "bias"]
    assert columns(False) == []
    found = sweep(Coins, [{}], backend="serial", series=["upp"])
    assert "no measure 'upp'; did you mean 'up'?" in found.table["error"][0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((Coins, [{"peple": 3}]), "did you mean 'people'"),
        ((Coins, [{"people": 0}]), "expected people >= 1"),
        ((Coins, [{"bias": 0.5}, {"bias": 1.5}]), "expected bias 0 to 1 share, got 1.5"),
        ((with_cast, [{}]), "missing a required argument: 'bias'"),
        ((Coins, []), "expected samples, got none"),
        ((Coins, [{}], 0), "expected a number of seeds"),
        ((Coins, [{}], [1, 1]), "distinct"),
        ((Coins, [{}], [-1]), "from 0"),
        ((Coins, [{}], [0.5]), "distinct"),
        ((Coins, [{}], "12"), "distinct"),
        ((3, [{}]), "expected a world's name"),
    ],
)
def test_what_cannot_be_is_said_before_any_run(arguments, told):
    with pytest.raises(ParameterError, match=told):
        sweep(*arguments)
    with pytest.raises(RegistryError, match="did you mean 'wealth'"):
        sweep("welth", [{}])


def test_another_sweep_in_the_directory_is_refused(tmp_path):
    def ask(factory=Coins, samples=({},), seeds=2, **more):
        return sweep(factory, samples, seeds, to=tmp_path, backend="serial", **more)

    ask()
    for change, named in [
        ({"factory": Contagion}, "factory"),
        ({"samples": grid(bias=[0.1])}, "samples"),
        ({"seeds": 3}, "seeds"),
        ({"ticks": 2}, "ticks"),
        ({"cast": Cast({"a": Rule(toss=always)})}, "cast"),
        ({"summary": panel_rows}, "summary"),
        ({"series": False}, "series"),
    ]:
        with pytest.raises(RecordError, match=f"holds another study: {named} was"):
            ask(**change)
    assert ask().table.height == 2


def test_a_function_is_known_by_its_source_and_what_it_holds():
    def rule(level):
        return lambda o: level

    assert described(rule(1)) != described(rule(2))
    assert described(rule(1)) == described(rule(1))
    assert described(Rule(toss=rule(1))) != described(Rule(toss=rule(2)))
    assert described(Cast({"a": always})) != described(Cast({"a": never}))
    assert json.dumps(described({"a": [len, Coins, Cast({"a": always})]}))


def test_a_directory_without_a_sweep(tmp_path):
    with pytest.raises(RecordError, match="no study is here"):
        read_sweep(tmp_path)
    from populace.studies import run_all

    run_all([1], abs, backend="serial", to=tmp_path / "tasks")
    with pytest.raises(RecordError, match="no sweep"):
        read_sweep(tmp_path / "tasks")


def test_columns_have_one_type():
    found = sweep(Coins, [{"bias": 1}, {"bias": 0.5}, {}], ticks=0, backend="serial")
    assert found.table["bias"].to_list() == [1.0, 0.5, None]
    assert found.table["seed"].dtype == pl.UInt64
    assert found.measures == []
