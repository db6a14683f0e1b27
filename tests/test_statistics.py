"""Statistics of comparisons against closed forms, hand-worked examples and scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from populace.errors import ParameterError
from populace.studies.resampling import Clusters, resampled_means
from populace.studies.statistics import (
    bands,
    clustered_bootstrap,
    detectable,
    half_width,
    holm,
    mcnemar,
    paired,
    seeds_needed,
    wilson,
)

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


def normal(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


# -- the paired difference -----------------------------------------------------------------------


def test_paired_against_scipy_and_closed_forms():
    a, b = normal(25), normal(25, seed=2) + 0.4
    found, d = paired(a, b), a - b
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    assert (found.t_low, found.t_high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(d.mean())
    assert found.effect == pytest.approx(test.statistic / math.sqrt(25))  # d_z = t / sqrt(n)
    assert found.correlation == pytest.approx(stats.pearsonr(a, b).statistic)
    assert found.skew == pytest.approx(stats.skew(d))
    # var(a - b) = var a + var b - 2 cov: the ratio follows from the correlation
    cov = np.cov(a, b)
    assert found.variance_ratio == pytest.approx(1 - 2 * cov[0, 1] / np.trace(cov))
    assert found.n == found.clusters == 25


def test_percentile_and_bca_against_scipy_where_nothing_is_expanded():
    """Same definition as scipy's, at the levels that the expansion (Hesterberg) asks for."""
    d = np.random.default_rng(5).exponential(size=200)
    t, z = stats.t.ppf(0.975, 199), math.sqrt(200 / 199)
    asked = 1 - 2 * stats.norm.cdf(-z * t)  # the plain level that is as wide
    for ours, theirs in (("percentile", "percentile"), ("bca", "BCa")):
        found = paired(d, np.zeros(200), method=ours, resamples=20_000)
        known = stats.bootstrap(
            (d,), np.mean, n_resamples=20_000, confidence_level=asked, method=theirs,
            rng=np.random.default_rng(1),
        ).confidence_interval  # fmt: skip
        # a quantile's standard error is sqrt(p(1-p)/B)/density: about 0.02 sd here; two of them
        tolerance = 4 * 0.02 * math.sqrt(2) * d.std() / math.sqrt(200)
        assert (found.low, found.high) == pytest.approx(tuple(known), abs=tolerance)


def test_sign_flips_are_enumerated():
    d = np.array([1.5, -0.3, 2.0, 0.7, 0.9, -1.1, 0.0, 3.0])
    flips = [abs(np.dot(s, d)) for s in itertools.product((-1, 1), repeat=len(d))]
    found = paired(d, np.zeros(8))
    assert found.exact
    assert found.p == np.mean(np.array(flips) >= abs(d.sum()) - 1e-9)
    assert paired(np.ones(10), np.zeros(10)).p == 2 / 2**10  # the least p of ten pairs


def test_drawn_sign_flips_agree_with_the_normal_limit():
    d = normal(400) + 0.08
    found = paired(d, np.zeros(400), resamples=20_000)
    # under flips the sum has variance sum d^2 exactly, and is normal up to O(1/n)
    limit = 2 * stats.norm.sf(abs(d.sum()) / math.sqrt((d**2).sum()))
    assert not found.exact
    assert found.p == pytest.approx(limit, abs=4 * math.sqrt(limit / 20_000) + 1 / 400)


def coverage(draw, repeats, truth, **options):
    """Return how often the interval holds the truth."""
    hits = 0
    for i in range(repeats):
        found = clustered_bootstrap(draw(i), seed=i, **options)
        hits += found.low <= truth <= found.high
    return hits


@pytest.mark.parametrize(("n", "method"), [(5, "t"), (10, "bca"), (25, "bca"), (25, "percentile")])
def test_intervals_cover_at_the_nominal_rate(n, method):
    """The count of hits lies within the central 99.9 % of the binomial law of the nominal rate.

    Ten values are where intervals that are not expanded fail: they cover 90 %.
    """
    random, repeats = np.random.default_rng(n), 1000
    hits = coverage(
        lambda _: random.standard_normal(n), repeats, 0.0, method=method, resamples=1999
    )
    law = stats.binom(repeats, 0.95)
    assert law.ppf(0.0005) <= hits <= law.ppf(0.9995)


def test_skew_is_where_bca_beats_t():
    random, repeats = np.random.default_rng(3), 1000
    draws = random.exponential(size=(repeats, 12))
    bca, t = (
        coverage(lambda i: draws[i], repeats, 1.0, method=method, resamples=999)
        for method in ("bca", "t")
    )
    assert bca > t
    holds = [paired(row, np.zeros(12), resamples=1).t_holds for row in draws[:200]]
    assert np.mean(holds) < 0.8  # and t says of itself that it does not hold, in part
    assert paired(normal(500), np.zeros(500), resamples=1).t_holds
    assert not paired(normal(7), np.zeros(7), resamples=1).t_holds  # too few to tell


def test_false_alarms_come_at_the_level():
    random, repeats = np.random.default_rng(8), 1000
    alarms = sum(
        paired(random.standard_normal(10), random.standard_normal(10), resamples=1).p <= 0.05
        for _ in range(repeats)
    )
    # exact p of 10 pairs is a multiple of 2/1024: the true level is floor(.05 * 512) / 512
    law = stats.binom(repeats, math.floor(0.05 * 512) / 512)
    assert law.ppf(0.0005) <= alarms <= law.ppf(0.9995)


pairs = st.integers(2, 12).flatmap(
    lambda n: st.tuples(arrays(float, n, elements=numbers), arrays(float, n, elements=numbers))
)


@settings(max_examples=60, deadline=None)
@given(pairs, st.randoms(use_true_random=False), st.floats(-100, 100))
def test_order_shift_and_sides(both, random, shift):
    a, b = both
    found = paired(a, b, resamples=200)
    scale = np.abs(a).max() + np.abs(b).max() + 1
    order = list(range(len(a)))
    random.shuffle(order)
    shuffled = paired(a[order], b[order], resamples=200)
    for name in ("mean", "t_low", "t_high", "sd"):
        assert getattr(shuffled, name) == pytest.approx(getattr(found, name), abs=1e-9 * scale)
    assert shuffled.p == found.p
    moved = paired(a + shift, b + shift, resamples=200)
    assert moved.mean == pytest.approx(found.mean, abs=1e-9 * (scale + abs(shift)))
    other = paired(b, a, resamples=200)
    assert other.mean == pytest.approx(-found.mean, abs=1e-9 * scale)
    assert other.p == found.p
    assert (other.t_low, other.t_high) == pytest.approx(
        (-found.t_high, -found.t_low), abs=1e-9 * scale
    )
    assert found.low <= found.mean + 1e-9 * scale
    assert found.mean <= found.high + 1e-9 * scale


def test_swapped_arms_mirror_the_bootstrap_too():
    a, b = normal(30), normal(30, seed=4)
    one, other = paired(a, b), paired(b, a)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-9)


def test_edges():
    same = paired([1.0, 2, 3] * 4, [1.0, 2, 3] * 4)
    assert (same.low, same.high, same.p, same.variance_ratio) == (0, 0, 1, 0)
    assert math.isnan(same.effect)
    one = paired([2.0], [1.0])
    assert one.method == "none"
    assert one.mean == 1
    assert math.isnan(one.low)
    for a, b in (([1.0], [1.0, 2.0]), ([], []), ([1.0, math.nan], [1.0, 2.0])):
        with pytest.raises(ParameterError):
            paired(a, b)
    with pytest.raises(ParameterError, match="level"):
        paired([1.0, 2], [1.0, 3], level=95)
    with pytest.raises(ParameterError, match="3 clusters"):
        paired([1.0, 2, 3], [1.0, 3, 4], [0, 1])


# -- clusters ------------------------------------------------------------------------------------


def test_equal_clusters_are_the_bootstrap_of_their_means():
    values, families = normal(60), np.repeat(np.arange(12), 5)
    means = values.reshape(12, 5).mean(axis=1)
    found, alone = clustered_bootstrap(values, families), clustered_bootstrap(means)
    assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert (found.n, found.clusters) == (60, 12)
    named = clustered_bootstrap(values, [f"family {k}" for k in families])
    assert (named.low, named.high) == (found.low, found.high)


def test_resampled_means_have_the_cluster_robust_variance():
    """Of unequal clusters: the ratio's linearised variance (Cochran 1977, eq. 2.39)."""
    random = np.random.default_rng(2)
    codes = np.repeat(np.arange(40), random.integers(1, 6, 40))
    values = random.standard_normal(len(codes)) + random.standard_normal(40)[codes]
    data = Clusters.of(values, codes)
    drawn = resampled_means(data, seed=0, resamples=20_000)[:, 0]
    told = float(data.errors[0]) * math.sqrt(39 / 40)  # a resample's variance has 1/g, not 1/(g-1)
    assert drawn.std() == pytest.approx(told, rel=0.06)  # linear up to O(1/g); sampling is 0.5 %
    assert drawn.mean() == pytest.approx(values.mean(), abs=5 * told / math.sqrt(40))


def test_clustered_intervals_cover_where_plain_ones_do_not():
    """Twenty families of ten items whose answers are correlated by 0.5."""
    random, repeats = np.random.default_rng(6), 600
    families = np.repeat(np.arange(20), 10)
    clustered = plain = 0
    for i in range(repeats):
        values = random.standard_normal(20)[families] + random.standard_normal(200)
        found = clustered_bootstrap(values, families, seed=i, resamples=999)
        clustered += found.low <= 0 <= found.high
        found = clustered_bootstrap(values, seed=i, resamples=999)
        plain += found.low <= 0 <= found.high
    law = stats.binom(repeats, 0.95)
    assert law.ppf(0.0005) <= clustered <= law.ppf(0.9995)
    # the plain interval is too narrow by sqrt(1 + 9 * 0.5): it covers P(|Z| < 1.96 / 2.345)
    narrow = stats.binom(repeats, 1 - 2 * stats.norm.sf(1.96 / math.sqrt(1 + 9 * 0.5)))
    assert narrow.ppf(0.0005) <= plain <= narrow.ppf(0.9995)


def test_bands_are_the_intervals_of_each_column():
    table = normal(15, 4)
    mean, low, high = bands(table, resamples=500)
    for k in range(4):
        alone = clustered_bootstrap(table[:, k], resamples=500)
        assert (mean[k], low[k], high[k]) == pytest.approx((alone.mean, alone.low, alone.high))


# -- families of tests, rates, power -------------------------------------------------------------


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04 -> running maximum .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, math.nan, 0.6]).tolist() == pytest.approx([1, math.nan, 1], nan_ok=True)
    assert holm([]).tolist() == []
    with pytest.raises(ParameterError):
        holm([1.2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p, alpha):
    rejected, m = set(), len(p)
    for k, i in enumerate(sorted(range(m), key=lambda i: p[i])):
        if p[i] * (m - k) > alpha:
            break
        rejected.add(i)
    assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= alpha} == rejected


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_binomial_test(b, c):
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(b, c, mid=True) <= mcnemar(b, c)
    assert mcnemar(b, c, mid=True) == mcnemar(c, b, mid=True)


def test_mid_p_by_hand():
    # 1 against 9: 2 (1 + 10) / 1024 - 10 / 1024
    assert mcnemar(9, 1, mid=True) == pytest.approx(12 / 1024)
    assert mcnemar(4, 4, mid=True) == pytest.approx(1)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_against_scipy(count):
    k, n = count
    known = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
    assert wilson(k, n, 0.9) == pytest.approx((known.low, known.high), abs=1e-12)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_seeds_needed_is_the_fewest(sd, wanted, level):
    n = seeds_needed(sd, wanted, level)
    assert n >= 2
    assert half_width(sd, n, level) <= wanted
    if n > 2:
        assert half_width(sd, n - 1, level) > wanted


def test_detectable_means_against_published_sample_sizes():
    """Cohen (1988) and G*Power: two-sided, alpha 0.05, power 0.8."""
    for d, n in ((0.2, 199), (0.5, 34), (0.8, 15)):
        assert detectable(n, sd=1.0) <= d < detectable(n - 1, sd=1.0)
    assert detectable(34, sd=3.0) == pytest.approx(3 * detectable(34, sd=1.0))


def test_detectable_means_by_simulation():
    d = detectable(12, sd=1.0)
    draws = np.random.default_rng(4).standard_normal((4000, 12)) + d
    found = int((stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).sum())
    law = stats.binom(4000, 0.8)
    assert law.ppf(0.0005) <= found <= law.ppf(0.9995)


def test_detectable_rates_solves_connors_formula():
    for n, rate in ((200, 0.3), (1000, 0.2), (12_032, 0.05)):
        d = detectable(n, discordant=rate)
        z, power = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
        needed = (z * math.sqrt(rate) + power * math.sqrt(rate - d * d)) ** 2 / d**2
        assert needed == pytest.approx(n, rel=1e-6)
    assert detectable(10, discordant=0.1) == math.inf  # one pair in dispute decides nothing
    with pytest.raises(ParameterError, match=r"sd= or discordant="):
        detectable(10)
