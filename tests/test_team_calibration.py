"""Calibration maps: by hand, and within the error that sampling allows."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.teams.calibration import Isotonic, Platt, fit


def test_isotonic_by_hand():
    # .2: 0 of 2 right, smoothed 1/4; .9: 2 of 2, smoothed 3/4; halfway between them 1/2
    rising = fit([0.2, 0.2, 0.9, 0.9], [0, 0, 1, 1])
    assert rising(0.2) == rising(0.0) == 0.25
    assert rising(0.9) == rising(1.0) == 0.75
    assert rising(0.55) == pytest.approx(0.5)
    # .2: 3 of 4 right, 4/6; .8: 1 of 4, 2/6: out of order, so pooled: 1/2
    pooled = fit([0.2] * 4 + [0.8] * 4, [1, 1, 1, 0, 1, 0, 0, 0])
    assert pooled(0.2) == pooled(0.8) == pytest.approx(0.5)


def test_platt_by_hand():
    # 1 right of 4 at .2, 3 of 4 at .9. Platt's targets: 5/6 and 1/6, whose means at the two levels
    # are (5 + 3) / 24 = 1/3 and (15 + 1) / 24 = 2/3; two levels and two parameters fit exactly:
    # log-odds -ln 2 and ln 2, slope 2 ln 2 / .7
    curve = fit([0.2] * 4 + [0.9] * 4, [1, 0, 0, 0, 1, 1, 1, 0], "platt")
    assert curve(0.2) == pytest.approx(1 / 3, abs=1e-4)
    assert curve(0.9) == pytest.approx(2 / 3, abs=1e-4)
    assert curve.slope == pytest.approx(2 * math.log(2) / 0.7, abs=1e-3)
    assert Platt(1e6, 0.0)(-1.0) == 0.0  # no overflow


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_isotonic_never_falls_and_never_reaches_certainty(pairs):
    rising = fit([c / 10 for c, _ in pairs], [good for _, good in pairs])
    values = [rising(c) for c in np.linspace(0, 1, 31)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(values))
    assert values[0] > 0
    assert values[-1] < 1


def test_maps_find_the_true_probabilities():
    # stated 0 to 1 in tenths, truly right with logistic(3 c - 1), 2000 of each. Isotonic regression
    # of a rising truth errs nowhere more than the raw shares do (it contracts the maximum norm),
    # so 5.33 binomial deviations and the smoothing, 1 / (n + 2), bound it (two-sided 1e-7 a level)
    n, levels = 2000, np.arange(11) / 10
    truth = 1 / (1 + np.exp(1 - 3 * levels))
    stated = np.repeat(levels, n)
    right = Streams(3).stream("right", 0).bernoulli(stated.size, p=np.repeat(truth, n))
    bound = 5.33 * 0.5 / math.sqrt(n) + 1 / (n + 2)
    for method in ("isotonic", "platt"):
        found = [fit(stated, right, method)(c) for c in levels]
        assert np.abs(np.array(found) - truth).max() < bound
    assert isinstance(fit(stated, right), Isotonic)


@pytest.mark.parametrize(
    ("confidence", "right", "method"),
    [
        ([], [], "isotonic"),
        ([0.5], [1, 0], "isotonic"),
        ([5.0], [1], "platt"),
        ([0.5], [2], "isotonic"),
        ([0.5], [1], "spline"),
    ],
)
def test_bad_data_are_refused(confidence, right, method):
    with pytest.raises(ParameterError, match="expected"):
        fit(confidence, right, method)
