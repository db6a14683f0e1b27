"""Forecast baselines against closed forms, a general solver, and recovery of known parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

from populace.errors import ParameterError
from populace.kernel.streams import Streams
from populace.studies.baselines import SEIR, fit_seir, persistence

PEOPLE = 500_000


def truth(changes=(), r=(2.6,), times=60, size=8.0):
    k = len(r) + 3
    return SEIR(
        r, changes, 40.0, 0.2, size, 3.0, 5.0, PEOPLE, np.zeros(times), covariance=np.zeros((k, k))
    )


def counts(model, name="data"):
    u = Streams(5).stream(name).uniform(np.arange(model.times))
    mean = np.maximum(model.fitted(), 1e-6)
    return stats.nbinom.ppf(u, model.size, model.size / (model.size + mean))


def test_persistence_holds_the_last_value_and_spreads_as_the_past_did():
    steps = np.where(Streams(1).stream("s").bernoulli(np.arange(400)), 3.0, -3.0)
    paths = persistence(1000 + np.cumsum(steps), 9, draws=4000)
    last = 1000 + steps.sum()
    assert np.median(paths, axis=0) == pytest.approx(np.full(9, last), abs=3)
    # h steps of +-3: variance 9 h; relative standard error of a variance from n draws sqrt(2/n)
    assert paths.var(axis=0) == pytest.approx(9 * np.arange(1, 10), rel=6 * math.sqrt(2 / 4000))


def test_persistence_by_weekday_repeats_the_week():
    week = np.array([1.0, 2, 3, 4, 5, 6, 7])
    paths = persistence(np.tile(week, 4), 10, draws=5, season=7)
    assert (paths == np.tile(week, 2)[:10]).all()


def test_persistence_is_never_negative():
    assert persistence([5.0, 0.0, 9.0, 1.0], 20, draws=200).min() >= 0


def test_the_compartments_are_those_of_a_general_solver():
    model = truth(changes=(20,), r=(2.6, 0.7))

    def flow(t, y):
        b = model.r[0 if t < 20 else 1] / model.infectious / PEOPLE
        s, e, i, _ = y
        return [-b * s * i, b * s * i - e / 3.0, e / 3.0 - i / 5.0, e / 3.0]

    days = np.arange(61)
    start = [PEOPLE - 40.0, 40.0, 0.0, 0.0]
    first = solve_ivp(flow, (0, 20), start, t_eval=days[:21], rtol=1e-10, atol=1e-8).y
    rest = solve_ivp(flow, (20, 60), first[:, -1], t_eval=days[20:], rtol=1e-10, atol=1e-8).y
    left = np.concatenate([first[3], rest[3][1:]])
    assert model.fitted() == pytest.approx(0.2 * np.diff(left), rel=1e-4)


def test_final_size():
    """The share ever infected solves z = 1 - exp(-R z) (Kermack and McKendrick, 1927)."""
    model = truth(r=(2.0,), times=600)
    z = 0.7968121300200202
    assert model.fitted().sum() / 0.2 / PEOPLE == pytest.approx(z, rel=1e-3)


def test_known_parameters_are_recovered():
    model = truth(changes=(30,), r=(2.6, 0.6), times=60)
    found = fit_seir(counts(model), PEOPLE, changes=(30,), reported=0.2)
    sd = np.sqrt(np.diag(found.covariance))
    for name, i in (("r0", 0), ("r1", 1), ("start", 2)):
        hidden = np.log([*model.r, model.start])[i]
        fitted = np.log([*found.r, found.start])[i]
        assert abs(hidden - fitted) < 4 * sd[i], name
    assert found.reported == pytest.approx(0.2)
    assert sd[3] == 0


def test_forecast_covers_what_comes_and_is_reproducible():
    whole = truth(changes=(30,), r=(2.6, 0.8), times=90)
    y = counts(whole)
    found = fit_seir(y[:60], PEOPLE, changes=(30,), reported=0.2)
    paths = found.forecast(30, draws=400, seed=2)
    assert paths.shape == (400, 30)
    low, high = np.quantile(paths, [0.025, 0.975], axis=0)
    # 30 days inside at 95 %: at least 24 but with probability below 1e-3 if days were independent
    assert ((low <= y[60:]) & (y[60:] <= high)).sum() >= 24
    assert (paths == found.forecast(30, draws=400, seed=2)).all()


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: persistence([1.0], 3), "2 times or more"),
        (lambda: persistence([1.0, -2.0], 3), ">= 0"),
        (lambda: persistence([1.0, 2.0], 0), "horizon >= 1"),
        (lambda: fit_seir([0] * 12, 100), "some cases"),
        (lambda: fit_seir([1] * 12, 100, changes=[12]), "between 1 and 11"),
        (lambda: fit_seir([1] * 12, 0), "people above 0"),
        (lambda: fit_seir([1] * 12, 100, reported=2), "reported from 0 to 1"),
    ],
)
def test_bad_input(call, what):
    with pytest.raises(ParameterError, match=what):
        call()
