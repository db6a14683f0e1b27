"""Laws of the streams, and what a draw depends on."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.kernel import streams as module
from populace.kernel.errors import StreamError
from populace.kernel.philox import normal_quantile
from populace.kernel.streams import Stream, Streams, stream_number

N = 200_000
LAWS = {
    "uniform": lambda s, a: s.uniform(a, 2, 5),
    "integers": lambda s, a: s.integers(a, -3, 11),
    "normal": lambda s, a: s.normal(a, 1, 2),
    "exponential": lambda s, a: s.exponential(a, 3),
    "bernoulli": lambda s, a: s.bernoulli(a, 0.3),
    "choice": lambda s, a: s.choice(a, [0.2, 0.0, 0.8]),
    "size": lambda s, a: s.normal(a, size=3),
    "bits": lambda s, a: s.bits(a),
}


def chi_square_bound(degrees: int, error: float = 1e-7) -> float:
    """Upper quantile of chi-square (Wilson and Hilferty 1931), for an error rate of 1e-7."""
    z = -float(normal_quantile(np.array([error]))[0])
    third = 2 / (9 * degrees)
    return degrees * (1 - third + z * math.sqrt(third)) ** 3


def chi_square(counts, expected) -> float:
    return float((((counts - expected) ** 2) / expected).sum())


# -- what a value depends on -----------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 2),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_value_depends_on_its_own_agent_only(ids, seed, tick, data):
    ids = np.array(ids)
    order = np.array(data.draw(st.permutations(range(len(ids)))))
    cut = data.draw(st.integers(0, len(ids)))
    for name, law in LAWS.items():
        whole = law(Streams(seed).stream(name, tick), ids)
        shuffled = law(Streams(seed).stream(name, tick), ids[order])
        first = law(Streams(seed).stream(name, tick), ids[:cut])
        rest = law(Streams(seed).stream(name, tick), ids[cut:])
        np.testing.assert_array_equal(shuffled, whole[order])
        np.testing.assert_array_equal(np.concatenate([first, rest]), whole)


@pytest.mark.parametrize("law", LAWS)
def test_small_batches_by_numpy_equal_one_large_by_kernels(law, monkeypatch):
    whole = LAWS[law](Streams(3).stream("x", 9), 6000)
    monkeypatch.setattr(module, "_backend", lambda n: module.philox)
    parts = [
        LAWS[law](Streams(3).stream("x", 9), np.arange(i, i + 1000)) for i in range(0, 6000, 1000)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.concatenate(parts).dtype == whole.dtype


def test_seed_name_tick_and_draw_each_change_the_value():
    base = Streams(1).stream("a", 5)
    values = [
        base.bits(100),
        base.bits(100),
        Streams(2).stream("a", 5).bits(100),
        Streams(1).stream("b", 5).bits(100),
        Streams(1).stream("a", 6).bits(100),
        Streams(1).stream("a", 5).named("child").bits(100),
        Streams(1 + 2**32).stream("a", 5).bits(100),
    ]
    assert len(np.unique(np.concatenate(values))) == 700


def test_size_takes_successive_draws():
    many = Streams(1).stream("a").uniform(50, size=4)
    one = Streams(1).stream("a")
    np.testing.assert_array_equal(many, np.stack([one.uniform(50) for _ in range(4)], axis=1))
    assert one.draw == 4
    assert Streams(1).stream("a").choice(50, [1, 2], size=4).shape == (50, 4)
    assert Streams(1).stream("a").normal(50, np.zeros(50), size=0).shape == (50, 0)


def test_names_are_paths():
    streams = Streams(4)
    a = streams.named("world").named("city").stream("x", 3)
    assert a.name == "world/city/x"
    np.testing.assert_array_equal(a.bits(9), streams.stream("world/city/x", 3).bits(9))
    child = streams.stream("world").named("city").named("x")
    np.testing.assert_array_equal(child.bits(9), streams.stream("world/city/x").bits(9))


def test_two_names_with_one_number_are_refused(monkeypatch):
    monkeypatch.setattr(module, "stream_number", lambda name: len(name))
    streams = Streams(1)
    streams.stream("ab")
    with pytest.raises(StreamError, match="same number"):
        streams.named("a").stream("x").named("y") and streams.stream("xy")
    Streams(1).stream("cd")  # another register


def test_numbers_are_those_of_blake2b():
    # printf 'infection' | b2sum -l 32
    assert stream_number("infection") == int.from_bytes(bytes.fromhex("874c49cb"), "little")


# -- bound streams and their parts -----------------------------------------------------------------


def test_parts_draw_what_the_whole_would_have_drawn():
    ids = np.array([5, 900, 17, 4_000_000_000, 3])
    whole = Streams(8).stream("ask", 2).bound(ids)
    split = Streams(8).stream("ask", 2).bound(ids)
    np.testing.assert_array_equal(whole.uniform(), split.uniform())
    mask = np.array([True, False, True, True, False])
    left, right = split.part(mask), split.part(~mask)
    expected = [whole.normal(), whole.uniform()]
    for part, rows in ((right, ~mask), (left, mask)):
        np.testing.assert_array_equal(part.normal(), expected[0][rows])
        np.testing.assert_array_equal(part.uniform(), expected[1][rows])
    assert split.draw == 1
    assert split.part([1, 2]).part(0).ids.tolist() == [900]
    assert (
        split.named("child").bits().tolist() == Streams(8).stream("ask/child", 2).bits(ids).tolist()
    )


def test_anything_with_ids_is_agents():
    class People:
        ids = np.array([4, 5])

    np.testing.assert_array_equal(
        Streams(1).stream("a").bits(People()), Streams(1).stream("a").bits(6)[4:]
    )


# -- laws ------------------------------------------------------------------------------------------


@pytest.fixture
def stream() -> Stream:
    return Streams(20200301).stream("law", 7)


def test_uniform_is_uniform_in_value_and_in_pairs(stream):
    u, v = stream.uniform(N), stream.uniform(N)
    other = Streams(20200301).stream("law", 8).uniform(N)
    assert u.min() >= 0
    assert u.max() < 1
    cells = 16
    for second in (v, other, np.roll(u, 1)):  # the next draw, the next tick, the next agent
        pair = (u * cells).astype(int) * cells + (second * cells).astype(int)
        counts = np.bincount(pair, minlength=cells**2)
        assert chi_square(counts, N / cells**2) < chi_square_bound(cells**2 - 1)


def test_every_bit_is_fair(stream):
    ones = np.unpackbits(stream.bits(N).view(np.uint8)).reshape(N, 64).sum(axis=0)
    assert np.abs(ones - N / 2).max() < 6.5 * math.sqrt(N) / 2  # 64 tests, error 5e-9 in all


def test_uniform_stays_below_high(stream):
    low = 1.0
    high = np.nextafter(1.0, 2.0)
    assert np.all(stream.uniform(1000, low, high) == 1.0)


def test_normal_moments(stream):
    z = (stream.normal(N, 3, 2) - 3) / 2
    # Standard errors of the first four moments of N(0, 1): 1, 2, 15, 96 over N.
    for power, (mean, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
        assert abs((z**power).mean() - mean) < 5.5 * math.sqrt(variance / N)


def test_exponential_law(stream):
    x = stream.exponential(N, 2.5)
    assert x.min() >= 0
    counts = np.histogram(1 - np.exp(-x / 2.5), bins=50, range=(0, 1))[0]
    assert chi_square(counts, N / 50) < chi_square_bound(49)


def test_integers_law(stream):
    x = stream.integers(N, -3, 8)
    assert chi_square(np.bincount(x + 3, minlength=11), N / 11) < chi_square_bound(10)
    assert stream.integers(5, 1).tolist() == [0] * 5
    wide = stream.integers(1000, -(2**63), 2**63 - 1)
    assert wide.min() < -(2**62)
    assert wide.max() > 2**62


def test_bernoulli_law(stream):
    p = np.repeat([0.0, 0.01, 0.5, 0.999, 1.0], N // 5)
    hits = stream.bernoulli(N, p).reshape(5, -1).sum(axis=1)
    assert hits[0] == 0
    assert hits[4] == N // 5
    spread = np.sqrt(N / 5 * np.array([0.01, 0.5, 0.999]) * [0.99, 0.5, 0.001])
    assert np.all(np.abs(hits[1:4] - N / 5 * np.array([0.01, 0.5, 0.999])) < 5.5 * spread)


def test_choice_law(stream):
    weights = np.array([3.0, 0.0, 1.0, 0.5, 4.0])
    for table in (weights, np.tile(weights, (N, 1))):
        counts = np.bincount(stream.choice(N, table), minlength=5)
        expected = N * weights / weights.sum()
        assert counts[1] == 0
        assert chi_square(np.delete(counts, 1), np.delete(expected, 1)) < chi_square_bound(3)
    assert stream.choice(3, np.ones(256)).dtype == np.uint8
    assert stream.choice(3, np.ones(257)).dtype == np.int64


def test_permutations_are_permutations_and_uniform():
    seen = np.zeros((4, 4))
    runs = 4000
    streams = Streams(11)
    for tick in range(runs):
        order = streams.stream("order", tick).permutation(4)
        assert sorted(order) == [0, 1, 2, 3]
        seen[np.arange(4), order] += 1
    # Each row and column of the 4 x 4 table is fixed: 9 degrees of freedom.
    assert chi_square(seen, runs / 4) * 3 / 4 < chi_square_bound(9)


@given(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=40), st.data())
@settings(max_examples=60, deadline=None)
def test_a_permutation_orders_agents_not_positions(ids, data):
    ids = np.array(ids, np.int64)
    other = np.array(data.draw(st.permutations(list(ids))), np.int64)
    first = ids[Streams(1).stream("p").permutation(ids)]
    second = other[Streams(1).stream("p").permutation(other)]
    np.testing.assert_array_equal(first, second)
    keep = np.isin(first, other[: len(other) // 2])
    some = other[: len(other) // 2]
    np.testing.assert_array_equal(some[Streams(1).stream("p").permutation(some)], first[keep])


def test_equal_keys_are_ordered_by_id(monkeypatch):
    class Same:
        @staticmethod
        def bits(ids, *at):
            return np.zeros(ids.size, np.uint64)

    monkeypatch.setattr(module, "_backend", lambda n: Same)
    assert Streams(1).stream("p").permutation([30, 10, 20]).tolist() == [1, 2, 0]


# -- errors ----------------------------------------------------------------------------------------

BAD = {
    "agents": lambda s: s.uniform(np.array([0.5])),
    "mask": lambda s: s.uniform(np.array([True])),
    "bool": lambda s: s.uniform(True),
    "negative": lambda s: s.uniform([-1]),
    "narrow negative": lambda s: s.uniform(np.array([-1], np.int8)),
    "large": lambda s: s.uniform([2**32]),
    "count": lambda s: s.uniform(-1),
    "matrix": lambda s: s.uniform(np.zeros((2, 2), int)),
    "unbound": lambda s: s.uniform(),
    "part": lambda s: s.part([0]),
    "order": lambda s: s.uniform(3, 1, 0),
    "equal": lambda s: s.uniform(3, 0.0, 0.0),
    "infinite": lambda s: s.uniform(3, 0, math.inf),
    "too wide": lambda s: s.uniform(3, -1.7e308, 1.7e308),
    "aligned": lambda s: s.uniform(3, 0, [1.0, 2.0]),
    "size": lambda s: s.uniform(3, size=-1),
    "empty": lambda s: s.integers(3, 5, 5),
    "fraction": lambda s: s.integers(3, 0.5),
    "past int64": lambda s: s.integers(3, 0, 2**63 + 1),
    "all of int64": lambda s: s.integers(3, -(2**63), 2**63),
    "sd": lambda s: s.normal(3, 0, -1),
    "nan": lambda s: s.normal(3, math.nan),
    "scale": lambda s: s.exponential(3, -1),
    "p": lambda s: s.bernoulli(3, 1.01),
    "nan p": lambda s: s.bernoulli(3, [0.1, math.nan, 0.2]),
    "no table": lambda s: s.choice(3),
    "rows": lambda s: s.choice(3, np.ones((2, 2))),
    "negative weight": lambda s: s.choice(3, [1, -1]),
    "nan weight": lambda s: s.choice(3, [1, math.nan]),
    "no weight": lambda s: s.choice(2, [[1, 0], [0, 0]]),
    "infinite weight": lambda s: s.choice(3, [1, math.inf]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_a_draw_is_used(case):
    stream = Streams(1).stream("x")
    with pytest.raises(StreamError):
        BAD[case](stream)
    assert stream.draw == 0


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "7", None, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(StreamError, match="seed"):
        Streams(seed)


@pytest.mark.parametrize("tick", [-1, 2**32 - 1, 0.5])
def test_bad_ticks_are_refused(tick):
    with pytest.raises(StreamError, match="tick"):
        Streams(1).stream("x", tick)


def test_bad_names_are_refused():
    with pytest.raises(StreamError, match="name"):
        Streams(1).stream("")


def test_nobody_draws_nothing():
    stream = Streams(1).stream("x")
    for law in LAWS.values():
        assert len(law(stream, 0)) == 0
        assert len(law(stream, [])) == 0
    assert stream.choice(0, np.empty((0, 3))).shape == (0,)
    assert stream.permutation(0).shape == (0,)


def test_small_draws_do_not_load_the_compiler():
    code = (
        "import sys; from populace.kernel.streams import Streams;"
        "s = Streams(1).stream('x'); s.normal(100); s.choice(9, [1, 2]); s.permutation(5);s.key2();"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
