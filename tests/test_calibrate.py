"""Calibration: exact posteriors, recovery of what was hidden, and a search that can be stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from populace import Simulation
from populace.errors import ParameterError, StudyError
from populace.kernel.streams import Streams
from populace.studies.abc_smc import abc_smc
from populace.studies.calibrate import calibrate
from populace.studies.design import Range
from tests.studied import Gauge, broken

N = 20  # observations of the normal sample


def sampler(seed):
    """Simulate mean and log standard deviation of N normal draws, of many parameter sets."""
    streams = Streams(seed)

    def simulate(samples, generation):
        mu = np.array([sample["mu"] for sample in samples])
        sd = np.array([sample["sd"] for sample in samples])
        z = streams.stream("simulate", generation).normal(np.arange(len(samples)), size=N)
        y = mu[:, None] + sd[:, None] * z
        return np.stack([y.mean(axis=1), np.log(y.std(axis=1, ddof=1))], axis=1)

    return simulate


PRIORS = {"mu": (-4.0, 4.0), "sd": Range(0.2, 5.0, log=True)}


def test_intervals_hold_the_hidden_parameters_at_their_level():
    """Under a prior that hides parameters at random, a 95 % interval holds 95 % of them.

    40 trials of two parameters: inside in all but 4 of 40 with probability 0.95 each (binomial,
    P(X < 34) = 0.0034 for one parameter).
    """
    inside, widths = {"mu": 0, "sd": 0}, []
    for k in range(40):
        streams = Streams(1000 + k)
        mu = streams.stream("mu").uniform([0], -2.0, 2.0)[0]
        sd = math.exp(streams.stream("sd").uniform([0], math.log(0.5), math.log(2.0))[0])
        y = mu + sd * streams.stream("y").normal([0], size=N)[0]
        seen = [y.mean(), math.log(y.std(ddof=1))]
        found = abc_smc(sampler(k), seen, PRIORS, particles=300, generations=6, seed=k)
        for name, hidden in (("mu", mu), ("sd", sd)):
            low, high = found.interval(name)
            inside[name] += low <= hidden <= high
        exact = 2 * stats.t.ppf(0.975, N - 1) * y.std(ddof=1) / math.sqrt(N)
        low, high = found.interval("mu")
        widths.append((high - low) / exact)
    assert min(inside.values()) >= 34
    # the exact posterior of mu under these priors is Student's t: not wider, not narrower
    assert np.mean(widths) == pytest.approx(1.0, abs=0.1)


def test_regression_makes_up_for_tolerance():
    """With the statistics shifted by a constant slope, adjusted draws centre where they should."""
    seen = [1.0, 0.0]
    plain = abc_smc(sampler(1), seen, PRIORS, particles=300, generations=2, adjust=False)
    better = abc_smc(sampler(1), seen, PRIORS, particles=300, generations=2)
    exact = 2 * stats.t.ppf(0.975, N - 1) / math.sqrt(N)
    width = [np.subtract(*reversed(p.interval("mu"))) / exact for p in (plain, better)]
    assert width[0] > 1.5 * width[1]
    assert better.mean("mu") == pytest.approx(1.0, abs=0.12)


def test_draws_follow_the_weights():
    found = abc_smc(sampler(2), [0.0, 0.0], PRIORS, particles=100, generations=3)
    assert found.weights.sum() == pytest.approx(1.0)
    drawn = np.mean([sample["mu"] for sample in found.draw(4000)])
    # systematic resampling: each draw's count differs from 4000 w by less than 1
    assert drawn == pytest.approx(found.mean("mu"), abs=len(found.weights) * 4 / 4000)
    assert [g["tolerance"] for g in found.generations] == sorted(
        (g["tolerance"] for g in found.generations), reverse=True
    )


def series(level, seed=77, ticks=20):
    return Simulation(Gauge(level), seed=seed).run(ticks).metrics["shown"].to_numpy()


@pytest.mark.parametrize("method", ["optuna", "abc"])
def test_a_hidden_level_is_found(method):
    """The posterior of a normal mean of 20 draws has standard deviation 1 / sqrt(20)."""
    data = series(2.5)
    found = calibrate(
        Gauge,
        {"shown": data},
        {"level": (-10.0, 10.0)},
        method,
        runs=300,
        loss="squared",
        statistics=(lambda s: [np.mean(s["shown"])]) if method == "abc" else None,
        backend="serial",
        seed=3,
    )
    sd = 1 / math.sqrt(20)
    centre = float(data.mean())
    # Optuna shares one seed's draws in all trials: its optimum is data mean less their mean
    assert abs(found.best["level"] - centre) < (5 * sd if method == "optuna" else 2 * sd)
    if found.posterior is not None:
        low, high = found.posterior.interval("level")
        assert (high - low) / 2 == pytest.approx(1.96 * sd, rel=0.3)
        paths = found.predict(50, ticks=30)["shown"]
        assert paths.shape == (50, 30)


@pytest.mark.parametrize("method", ["optuna", "abc"])
def test_workers_and_stops_change_nothing(method, tmp_path):
    def run(**how):
        return calibrate(
            Gauge,
            {"count": np.round(series(4.0).clip(0))},
            {"level": (0.0, 9.0), "times": Range(1, 2, integer=True)},
            method,
            runs=60 if method == "abc" else 16,
            seed=5,
            **how,
        )

    once = run(backend="serial")
    kept = run(backend="serial", to=tmp_path / "kept")
    for part in sorted((tmp_path / "kept").iterdir())[1:]:  # as if stopped after the first part
        for file in sorted((part / "runs").iterdir())[::2]:
            file.unlink()
    again = run(workers=2, to=tmp_path / "kept")
    for other in (kept, again):
        assert other.best == once.best
        assert other.trials.equals(once.trials)
    assert isinstance(once.best["times"], int)


def test_missing_days_do_not_count():
    data = series(2.0)
    holes = data.copy()
    holes[5:9] = np.nan
    spoiled = data.copy()
    spoiled[5:9] = 1e6
    one = calibrate(Gauge, {"shown": holes}, {"level": (0.0, 4.0)}, runs=16, loss="squared",
                    backend="serial")  # fmt: skip
    other = calibrate(Gauge, {"shown": spoiled}, {"level": (0.0, 4.0)}, runs=16, loss="squared",
                      backend="serial")  # fmt: skip
    assert one.trials["loss"].max() < 100 < other.trials["loss"].min()


def test_failed_runs_are_rows():
    data = {"shown": series(0.5)}
    found = calibrate(
        broken, data, {"level": (0.0, 2.0)}, runs=24, loss="squared", backend="serial"
    )
    bad = found.trials.filter(found.trials["level"] > 1)
    assert len(bad)
    assert all("burst" in error for error in bad["error"])
    assert bad["loss"].null_count() == len(bad)
    with pytest.raises(StudyError, match="burst"):
        calibrate(broken, data, {"level": (1.5, 2.0)}, runs=8, loss="squared", backend="serial")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"method": "grid"}, "method optuna or abc"),
        ({"parameters": {}}, "parameters to calibrate"),
        ({"parameters": {"levle": (0.0, 1.0)}}, "levle"),
        ({"targets": {"shown": [np.nan]}}, "observed value"),
        ({"targets": {"shwon": [1.0]}}, "shwon"),
        ({"loss": "sqared"}, "squared"),
        ({"runs": 0}, "runs >= 1"),
        ({"particles": 9}, "no setting 'particles'"),
        ({"method": "abc", "particels": 9}, "particels"),
    ],
)
def test_bad_input(change, what):
    given = {"targets": {"shown": [1.0]}, "parameters": {"level": (0.0, 1.0)}, "runs": 8}
    with pytest.raises((ParameterError, StudyError), match=what):
        calibrate(Gauge, backend="serial", **{**given, **change})
