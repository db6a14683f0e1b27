"""Groups: what their members have is what the groups have, no more and no less."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.geometry import Groups, Network
from populace.kernel.errors import ParameterError, PopulationError
from populace.kernel.streams import Streams
from populace.kernel.threads import threads

memberships = st.lists(st.integers(-1, 8), max_size=60).map(lambda x: np.array(x, np.int64))


@given(memberships, st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_sums_are_those_of_a_loop(membership, seed):
    groups = Groups(membership, 10)
    draws = Streams(seed).stream("values")
    n = len(membership)
    values, mask = draws.normal(n), draws.bernoulli(n, 0.4)
    members = [np.flatnonzero(membership == g) for g in range(10)]
    assert [groups.members(g).tolist() for g in range(10)] == [m.tolist() for m in members]
    assert groups.sizes.tolist() == [len(m) for m in members]
    np.testing.assert_allclose(groups.sum(values), [values[m].sum() for m in members], atol=1e-12)
    assert groups.count(mask).tolist() == groups.sum(mask).tolist()
    assert groups.count(mask).tolist() == [mask[m].sum() for m in members]
    assert groups.any(mask).tolist() == [mask[m].any() for m in members]
    assert groups.all(mask).tolist() == [mask[m].all() for m in members]
    mean = groups.mean(values)
    some = groups.sizes > 0
    np.testing.assert_allclose(mean[some], [values[m].mean() for m in members if len(m)])
    assert np.isnan(mean[~some]).all()
    spread = groups.spread(np.arange(10) * 7, none=-5)
    assert spread.tolist() == np.where(membership >= 0, membership * 7, -5).tolist()
    # Conservation: what groups have together is what their members have, and spreading a sum back
    # to the members weighs it by size.
    assert groups.count(mask).sum() == mask[membership >= 0].sum()
    assert groups.spread(groups.sizes).sum() == (groups.sizes**2).sum()


@given(memberships)
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_who_share_a_group(membership):
    groups = Groups(membership)
    pairs = groups.pairs()
    together = membership[:, None] == membership[None, :]
    together &= membership[:, None] >= 0
    np.fill_diagonal(together, False)
    network = Network.from_edges(pairs, len(membership), simple=False)
    dense = np.zeros_like(together, dtype=int)
    np.add.at(dense, (network.sources(), network.targets), 1)
    assert dense.tolist() == together.astype(int).tolist()


@given(st.lists(st.integers(0, 6), max_size=20), st.integers(0, 5), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_from_sizes_fills_in_order(sizes, extra, seed):
    n = sum(sizes) + extra
    order = Streams(seed).stream("order").permutation(n)
    groups = Groups.from_sizes(sizes, n, order)
    assert groups.sizes.tolist() == sizes
    assert len(groups) == len(sizes)
    ends = np.cumsum([0, *sizes])
    for g in range(len(sizes)):
        assert sorted(order[ends[g] : ends[g + 1]]) == groups.members(g).tolist()
    assert np.all(groups.membership[order[sum(sizes) :]] == -1)
    straight = Groups.from_sizes(sizes)
    assert straight.order.tolist() == list(range(sum(sizes)))


def test_threads_do_not_change_a_sum():
    groups = Groups.from_sizes(np.full(60_000, 3))
    values = Streams(1).stream("v").normal(groups.n)
    results = []
    for k in (1, 2):
        with threads(k):
            results.append((groups.sum(values), groups.spread(groups.sum(values))))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert groups.nbytes == 4 * 180_000 * 2 + 8 * 60_001


BAD = {
    "below": lambda: Groups([0, -2]),
    "floats": lambda: Groups([0.0, 1.0]),
    "beyond": lambda: Groups([0, 3], 3),
    "short": lambda: Groups.from_sizes([2, 2], 3),
    "twice": lambda: Groups.from_sizes([2], 3, [1, 1]),
    "few": lambda: Groups.from_sizes([2], 3, [1]),
    "unknown": lambda: Groups.from_sizes([2], 3, [1, 3]),
    "negative size": lambda: Groups.from_sizes([-1]),
    "values": lambda: Groups([0, 0]).sum([1.0]),
    "mask": lambda: Groups([0, 0]).count(np.ones(2)),
    "spread": lambda: Groups([0, 0]).spread([1, 2]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    with pytest.raises(ParameterError):
        BAD[case]()


def test_unknown_groups_are_refused():
    with pytest.raises(PopulationError):
        Groups([0, 0]).members(1)
