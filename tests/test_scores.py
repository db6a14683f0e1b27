"""Scores of forecasts against closed forms, known identities and independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from populace.errors import ParameterError
from populace.kernel.streams import Streams
from populace.studies import losses
from populace.studies.scores import (
    LEVELS,
    coverage,
    crps,
    interval_score,
    score,
    weighted_interval_score,
)

numbers = st.floats(-1e6, 1e6)


def normals(draws, times, name="test"):
    return Streams(3).stream(name).normal(np.arange(draws), size=times)


def test_interval_score_by_hand():
    # width 4; 2 below at alpha 0.5: 4 + 2/0.5 * 2 = 12
    found = interval_score([1.0, 5.0, 9.0], 3.0, 7.0, 0.5)
    assert found.tolist() == [12.0, 4.0, 12.0]


def test_weighted_interval_score_is_the_mean_of_doubled_pinball_losses():
    """Bracher et al. (2021), section 2: both are one score over the 2K + 1 quantiles."""
    draws, y = normals(400, 5), np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
    quantiles = sorted([a / 2 for a in LEVELS] + [0.5] + [1 - a / 2 for a in LEVELS])
    total = np.zeros(5)
    for tau in quantiles:
        q = np.quantile(draws, tau, axis=0)
        total += 2 * np.where(y >= q, tau * (y - q), (1 - tau) * (q - y))
    assert weighted_interval_score(y, draws) == pytest.approx(total / len(quantiles))


def test_crps_of_a_normal_forecast():
    """Gneiting and Raftery (2007), eq. 21 integrated for N(0, 1): closed form."""
    y = np.array([-1.5, 0.0, 0.3, 2.0])
    n = 40_000
    middle = (np.arange(n) + 0.5) / n  # quantiles in place of draws: no sampling error
    draws = np.repeat(stats.norm.ppf(middle)[:, None], len(y), axis=1)
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / math.sqrt(math.pi)
    assert crps(y, draws) == pytest.approx(exact, abs=1e-3)


@given(arrays(float, (7, 3), elements=numbers), arrays(float, 3, elements=numbers))
def test_crps_equals_the_sum_over_all_pairs(draws, y):
    pairs = np.abs(draws[:, None] - draws[None]).sum(axis=(0, 1))
    near = np.abs(draws - y).mean(axis=0)
    assert crps(y, draws) == pytest.approx(near - pairs / 7**2 / 2, rel=1e-9, abs=1e-6)
    assert crps(y, draws, fair=True) == pytest.approx(near - pairs / 42 / 2, rel=1e-9, abs=1e-6)


@given(arrays(float, (9, 4), elements=numbers), arrays(float, 4, elements=numbers), numbers)
def test_scores_move_with_the_units(draws, y, shift):
    for rule in (weighted_interval_score, crps):
        assert rule(2 * y + shift, 2 * draws + shift) == pytest.approx(
            2 * rule(y, draws), rel=1e-6, abs=1e-2
        )


def test_a_proper_score_prefers_the_truth():
    """The expected CRPS of N(m, 1) about N(0, 1) is smallest at m = 0."""
    y = normals(1, 4000, "truth")[0]
    middle = stats.norm.ppf((np.arange(500) + 0.5) / 500)
    means = [
        float(crps(y, np.repeat(middle[:, None] + m, len(y), axis=1)).mean())
        for m in (-0.5, 0.0, 0.5)
    ]
    assert means[1] < min(means[0], means[2])


def test_coverage_of_the_true_law_is_nominal():
    y, draws = normals(1, 4000, "truth")[0], normals(999, 4000, "forecast")
    for level in (0.5, 0.95):
        sd = math.sqrt(level * (1 - level) / 4000)
        assert abs(coverage(y, draws, level).mean() - level) < 4 * sd + 2 / 999


def test_a_table_against_a_baseline():
    y = np.array([1.0, 2.0, 3.0])
    frame = score(y, {"held": np.ones((2, 3)), "right": np.stack([y, y])}, baseline="held")
    assert frame["wis"].to_list() == [1.0, 0.0]
    assert frame["relative"].to_list() == [1.0, 0.0]
    assert frame["bias"].to_list() == [-1.0, 0.0]


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: crps([1.0], np.ones((2, 3))), "expected samples of shape"),
        (lambda: crps([np.nan], [[1.0]]), "finite"),
        (lambda: crps([1.0], [[1.0]], fair=True), "two draws"),
        (lambda: coverage([1.0], [[1.0]], 95), "between 0 and 1"),
        (lambda: interval_score(1.0, 3.0, 2.0, 0.1), "low <= high"),
        (lambda: score([1.0], {"a": [[1.0]]}, baseline="b"), "expected a baseline of a"),
        (lambda: losses.poisson([0.5], [1.0]), "whole numbers"),
        (lambda: losses.negative_binomial([1], [1], 0), "above 0"),
        (lambda: losses.squared([1], [1, 2]), "one shape"),
    ],
)
def test_bad_input(call, what):
    with pytest.raises(ParameterError, match=what):
        call()


def test_likelihoods_are_those_of_scipy():
    y, mu = np.array([0, 3, 12]), np.array([0.5, 4.0, 9.0])
    exact = -stats.nbinom.logpmf(y, 3.5, 3.5 / (3.5 + mu)).sum()
    assert losses.negative_binomial(y, mu, 3.5) == pytest.approx(exact)
    assert losses.poisson(y, mu) == pytest.approx(-stats.poisson.logpmf(y, mu).sum())
    assert losses.negative_binomial(y, mu, 1e9) == pytest.approx(losses.poisson(y, mu), rel=1e-6)


def test_dispersion_is_found():
    mu = np.full(4000, 20.0)
    u = Streams(1).stream("u").uniform(np.arange(4000))
    y = stats.nbinom.ppf(u, 4.0, 4.0 / 24.0)
    # asymptotic standard error of log(size) at mean 20, size 4 is about 0.025
    assert losses.dispersion(y, mu) == pytest.approx(4.0, rel=0.1)
