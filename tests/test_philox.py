"""The generator against its published answers, and the compiled kernels against numpy."""

import math
from statistics import NormalDist

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.kernel import philox, philox_jit
from populace.kernel.threads import threads

# Random123 1.14, tests/kat_vectors: counter, key, answer (Salmon et al., SC11).
ZERO, ONES = 0, 0xFFFFFFFF
PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)
KNOWN_4X32 = [
    (10, (ZERO,) * 6, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (10, (ONES,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (10, PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    (7, (ZERO,) * 6, (0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48)),
    (7, (ONES,) * 6, (0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662)),
    (7, PI, (0x4DFCCABA, 0x190A87F0, 0xC47362BA, 0xB6B5242A)),
]
KNOWN_2X32 = [
    (10, (ZERO,) * 3, (0xFF1DAE59, 0x6CD10DF2)),
    (10, (ONES,) * 3, (0x2C3F628B, 0xAB4FD7AD)),
    (10, PI[:3], (0xDD7CE038, 0xF62A4C12)),
    (7, (ZERO,) * 3, (0x257A3673, 0xCD26BE2A)),
    (7, (ONES,) * 3, (0xAB302C4D, 0x3DC9D239)),
    (7, PI[:3], (0xBEDBBE6B, 0xE4C770B3)),
]

words = st.integers(0, 2**32 - 1)
seeds = st.integers(0, 2**64 - 1)
id_lists = st.lists(words, min_size=1, max_size=50).map(lambda x: np.array(x, np.uint32))


@pytest.mark.parametrize(("rounds", "inputs", "answer"), KNOWN_4X32)
def test_4x32_gives_the_published_answers(rounds, inputs, answer):
    assert tuple(int(w) for w in philox.philox4x32(*inputs, rounds=rounds)) == answer


@pytest.mark.parametrize(("rounds", "inputs", "answer"), KNOWN_2X32)
def test_2x32_gives_the_published_answers(rounds, inputs, answer):
    assert tuple(int(w) for w in philox.philox2x32(*inputs, rounds=rounds)) == answer


@pytest.mark.parametrize(("rounds", "inputs", "answer"), KNOWN_4X32[:3])
def test_the_4x32_kernel_gives_the_published_answers(rounds, inputs, answer):
    c0, c1, c2, c3, k0, k1 = inputs
    got = philox_jit.bits(np.array([c0], np.uint32), c1, c2, c3, k0 | k1 << 32)
    assert int(got[0]) == answer[0] | answer[1] << 32


@pytest.mark.parametrize(("rounds", "inputs", "answer"), KNOWN_2X32[:3])
def test_the_2x32_kernel_gives_the_published_answers(rounds, inputs, answer):
    got = philox_jit.philox2x32(*(np.uint32(word) for word in inputs))
    assert tuple(int(w) for w in got) == answer


@given(id_lists, words, words, words, seeds)
@settings(max_examples=60, deadline=None)
def test_kernels_equal_numpy_bit_for_bit(ids, tick, draw, stream, seed):
    at = (tick, draw, stream, seed)
    for law in ("bits", "uniform", "normal", "exponential"):
        slow, fast = getattr(philox, law)(ids, *at), getattr(philox_jit, law)(ids, *at)
        np.testing.assert_array_equal(slow.view(np.uint64), fast.view(np.uint64), err_msg=law)


@given(id_lists, words, seeds, st.integers(1, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_integers_are_the_upper_word_of_the_product(ids, tick, seed, span):
    at = (tick, 0, 7, seed)
    exact = [int(word) * span >> 64 for word in philox.bits(ids, *at)]
    assert philox.below(ids, *at, span).tolist() == exact
    assert philox_jit.below(ids, *at, span).tolist() == exact


@given(id_lists, seeds, st.integers(1, 12), st.booleans(), st.data())
@settings(max_examples=80, deadline=None)
def test_choices_agree_and_never_take_what_has_no_weight(ids, seed, k, rows, data):
    weight = st.one_of(st.just(0.0), st.floats(1e-12, 1e12))
    count = k * (ids.size if rows else 1)
    table = np.array(data.draw(st.lists(weight, min_size=count, max_size=count)))
    table = table.reshape(-1, k)
    table[table.sum(axis=1) == 0, data.draw(st.integers(0, k - 1))] = 1.0
    table = table if rows else table[0]
    slow, fast = (m.choice(ids, 1, 2, 3, seed, table) for m in (philox, philox_jit))
    np.testing.assert_array_equal(slow, fast)
    taken = table[np.arange(ids.size), slow] if rows else table[slow]
    assert np.all(taken > 0)


def test_2x32_helpers_agree_inside_a_kernel():
    @numba.njit  # not cached: a test module is imported under more than one name
    def fill(n, tick, key, threshold, first, second, third):
        for i in range(n):
            first[i] = philox_jit.uniform2x32(i, tick, key)
            second[i] = philox_jit.uniform2x32_32(i, tick, key)
            third[i] = philox_jit.bernoulli2x32(i, tick, key, threshold)

    n, tick = 5000, 2**31 + 5
    key, threshold = philox.key2(99, 5, 0), philox.threshold32(0.3)
    first, second, third = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    fill(n, np.uint32(tick), key, threshold, first, second, third)
    ids = np.arange(n)
    np.testing.assert_array_equal(first, philox.uniform2x32(ids, tick, key))
    np.testing.assert_array_equal(second, philox.uniform2x32_32(ids, tick, key))
    np.testing.assert_array_equal(third, philox.bernoulli2x32(ids, tick, key, threshold))
    assert third.tolist() == (second < 0.3).tolist()


def test_thresholds_hold_at_both_ends():
    assert philox.threshold32(0.0) == 0
    assert philox.threshold32(1.0) == 2**32


def test_threads_do_not_change_a_bit():
    ids = np.arange(200_001, dtype=np.uint32)
    with threads(1):
        one = philox_jit.normal(ids, 1, 2, 3, 4)
    with threads(2):
        np.testing.assert_array_equal(one, philox_jit.normal(ids, 1, 2, 3, 4))
    np.testing.assert_array_equal(one, philox.normal(ids, 1, 2, 3, 4))


@given(st.floats(2.0**-1022, 1.7e308))
@settings(max_examples=500, deadline=None)
def test_log_is_within_one_ulp_of_libm(x):
    exact = math.log(x)
    got = float(philox.log(np.array([x]))[0])
    assert abs(got - exact) <= np.spacing(abs(exact))
    assert philox_jit.log(x) == got


@given(st.floats(2.0**-53, 1 - 2.0**-53))
@settings(max_examples=500, deadline=None)
def test_normal_quantile_is_accurate(p):
    # The standard library has its own transcription of AS 241 (1e-16 by the algorithm's author;
    # a few units in the last place are lost to rounding of q and r).
    got = float(philox.normal_quantile(np.array([p]))[0])
    assert got == pytest.approx(NormalDist().inv_cdf(p), rel=4e-15, abs=1e-300)
    assert philox_jit.normal_quantile(p) == got


def test_normal_quantile_inverts_the_error_function():
    p = np.concatenate([10.0 ** -np.arange(1, 16), np.linspace(0.01, 0.5, 50)])
    z = philox.normal_quantile(p)
    back = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    # A relative error e of z shifts log p by about z**2 e in the tail; 8**2 * 2**-52 < 2e-14.
    np.testing.assert_allclose(back, p, rtol=2e-14)
    np.testing.assert_array_equal(philox.normal_quantile(1 - 2.0 ** -np.arange(2, 40)),
                                  -philox.normal_quantile(2.0 ** -np.arange(2, 40)))  # fmt: skip


def test_hot_keys_differ_by_seed_stream_and_draw():
    keys = {int(philox.key2(s, n, d)) for s in (0, 1, 2**40) for n in range(10) for d in range(10)}
    assert len(keys) == 300
