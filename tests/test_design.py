"""Designs: what grids, Latin hypercubes and Sobol sequences are known to do."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from populace.errors import ParameterError
from populace.studies import Range, grid, latin_hypercube, sobol

pytest.importorskip("scipy.stats.qmc", reason="the extra 'studies' is not installed")


def column(samples, name):
    return np.array([sample[name] for sample in samples])


def test_a_grid_is_every_combination_in_order():
    found = grid(a=[1, 2], b="xy".__iter__(), c=np.array([0.5]))
    assert found == [{"a": a, "b": b, "c": 0.5} for a in (1, 2) for b in "xy"]
    assert type(found[0]["c"]) is float
    assert grid() == [{}]


@settings(deadline=None)  # the first call imports scipy
@given(n=st.integers(1, 200), seed=st.integers(0, 2**64 - 1))
def test_each_stratum_of_a_latin_hypercube_is_hit_once(n, seed):
    found = latin_hypercube(n, seed=seed, a=(0.0, 1.0), b=(-3.0, 5.0))
    for name, low, width in (("a", 0, 1), ("b", -3, 8)):
        strata = np.floor((column(found, name) - low) / width * n)
        assert sorted(strata) == list(range(n))


@settings(deadline=None)
@given(power=st.integers(0, 9), seed=st.integers(0, 2**64 - 1))
def test_each_stratum_of_a_sobol_sequence_is_hit_once(power, seed):
    n = 2**power
    found = sobol(n, seed=seed, a=(0.0, 1.0), b=(0.0, 1.0), c=(0.0, 1.0))
    for name in "abc":
        assert sorted(np.floor(column(found, name) * n)) == list(range(n))


@settings(deadline=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_sobol_fills_boxes_of_two_dimensions_evenly(seed):
    """The first two dimensions are a (0, m, 2)-net in base 2: one point in each elementary box."""
    m = 6
    found = sobol(2**m, seed=seed, a=(0.0, 1.0), b=(0.0, 1.0))
    a, b = column(found, "a"), column(found, "b")
    for k in range(m + 1):
        boxes = Counter(zip(np.floor(a * 2**k), np.floor(b * 2 ** (m - k)), strict=True))
        assert set(boxes.values()) == {1}
        assert len(boxes) == 2**m


def test_whole_values_are_equally_often_and_take_both_ends():
    found = sobol(64, a=Range(1, 4, integer=True), b=Range(-1, 0, integer=True))
    assert Counter(column(found, "a").tolist()) == {1: 16, 2: 16, 3: 16, 4: 16}
    assert Counter(column(found, "b").tolist()) == {-1: 32, 0: 32}
    assert all(type(sample["a"]) is int for sample in found)
    assert {s["a"] for s in latin_hypercube(5, a=Range(7, 7, integer=True))} == {7}


def test_equal_ratios_of_a_log_range_hold_equally_many():
    found = column(latin_hypercube(300, a=Range(1e-3, 1.0, log=True)), "a")
    assert Counter(np.floor(np.log10(found))) == {-3: 100, -2: 100, -1: 100}
    whole = column(sobol(128, a=Range(1, 7, log=True, integer=True)), "a")
    # log2(8) = 3 octaves: 1; 2 and 3; 4 to 7 take a third each, within one stratum
    octaves = Counter(np.floor(np.log2(whole)))
    assert all(abs(octaves[k] - 128 / 3) < 1 for k in range(3))
    assert set(whole) == set(range(1, 8))


def test_options_are_equally_often():
    found = sobol(32, kind=["a", "b"], a=(0.0, 1.0))
    assert Counter(sample["kind"] for sample in found) == {"a": 16, "b": 16}


@example(low=-1e6, width=999999.9999, u=1 - 2**-53)
@given(
    low=st.floats(-1e6, 1e6),
    width=st.floats(1e-3, 1e6),
    u=st.floats(0, 1, exclude_max=True),
)
def test_values_lie_in_their_range(low, width, u):
    (value,) = Range(low, low + width).at([u])
    assert low <= value <= low + width
    (whole,) = Range(math.floor(low), math.floor(low) + 3, integer=True).at([u])
    assert math.floor(low) <= whole <= math.floor(low) + 3
    (ratio,) = Range(width, 7 * width, log=True).at([u])
    assert width <= ratio <= 7 * width


@pytest.mark.parametrize("design", [latin_hypercube, sobol])
def test_a_design_is_a_function_of_its_seed(design):
    ask = {"a": (0.0, 1.0), "b": Range(1, 100, log=True)}
    assert design(16, seed=5, **ask) == design(16, seed=5, **ask)
    assert design(16, seed=5, **ask) != design(16, seed=6, **ask)
    np.random.seed(1)
    first = design(16, **ask)
    np.random.seed(2)
    assert design(16, **ask) == first  # whatever the global generator


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Range(1, 1), "expected low < high"),
        (lambda: Range(2, 1, integer=True), "expected low < high"),
        (lambda: Range(0, math.inf), "expected low < high"),
        (lambda: Range(math.nan, 1), "expected low < high"),
        (lambda: Range("0", 1), "expected numbers"),
        (lambda: Range(0, 1, log=True), "above 0"),
        (lambda: Range(0.5, 3, integer=True), "whole ends"),
        (lambda: sobol(100, a=(0, 1)), "take 64 or 128"),
        (lambda: sobol(0, a=(0, 1)), "power of two"),
        (lambda: sobol(8), "got none"),
        (lambda: sobol(8, a=(1, 0)), "a: expected low < high"),
        (lambda: sobol(8, a=3), "expected \\(low, high\\)"),
        (lambda: latin_hypercube(0, a=(0, 1)), "1 sample or more"),
        (lambda: grid(a="abc"), "a: expected a list"),
        (lambda: grid(a=[]), "an empty one"),
    ],
)
def test_impossible_designs(make, told):
    with pytest.raises(ParameterError, match=told):
        make()
