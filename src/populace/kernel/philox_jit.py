"""Philox and its laws as compiled kernels: bit for bit the numbers of `populace.kernel.philox`.

The scalar functions (`philox2x32`, `uniform2x32`, `uniform2x32_32`, `bernoulli2x32`, `log`,
`normal_quantile`) are inlined by kernels of other modules that import them. The array
functions have the arguments of their namesakes in `populace.kernel.philox`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel import philox
from populace.kernel.jit import jit
from populace.kernel.philox import F64, U32, U64, key2, threshold32
from populace.kernel.threads import chunked

__all__ = [
    "below",
    "bernoulli2x32",
    "bits",
    "choice",
    "exponential",
    "key2",
    "log",
    "normal",
    "normal_quantile",
    "philox2x32",
    "threshold32",
    "uniform",
    "uniform2x32",
    "uniform2x32_32",
]

_BLOCK = 1024
_M = np.uint64(philox.MULTIPLIER_2X32)
_M0, _M1 = (np.uint64(m) for m in philox.MULTIPLIERS_4X32)
_W0, _W1 = (np.uint64(w) for w in philox.WEYL)
_LOW = np.uint64(philox.WORD)
_32, _11, _12, _52 = np.uint64(32), np.uint64(11), np.uint64(12), np.uint64(52)
_CARRY = np.uint64(0x0009_5F62_0000_0000)
_EXPONENT = np.uint64(0x7FF0_0000_0000_0000)
_ONE = np.uint64(0x3FF0_0000_0000_0000)
_LN2_HIGH, _LN2_LOW = philox.LN2_HIGH, philox.LN2_LOW
_L1, _L3, _L5, _L7 = philox.LOG_ODD
_L2, _L4, _L6 = philox.LOG_EVEN
_A, _B, _C = philox.AS241_A, philox.AS241_B, philox.AS241_C
_D, _E, _F = philox.AS241_D, philox.AS241_E, philox.AS241_F


@jit
def philox2x32(agent: Any, tick: Any, key: Any) -> Any:
    """Return the two words (uint32) of the ten-round 2x32 block at (`agent`, `tick`)."""
    a, b, k = np.uint64(agent), np.uint64(tick), np.uint64(key)
    for _ in range(10):
        product = _M * a
        a, b = (product >> _32) ^ b ^ k, product & _LOW
        k = (k + _W0) & _LOW
    return np.uint32(a), np.uint32(b)


@jit
def uniform2x32(agent: Any, tick: Any, key: Any) -> Any:
    """Return a uniform float64 in [0, 1), of 53 bits."""
    first, second = philox2x32(agent, tick, key)
    return np.float64((np.uint64(first) | (np.uint64(second) << _32)) >> _11) * 2.0**-53


@jit
def uniform2x32_32(agent: Any, tick: Any, key: Any) -> Any:
    """Return a uniform float64 in [0, 1), of 32 bits."""
    return np.float64(philox2x32(agent, tick, key)[0]) * 2.0**-32


@jit
def bernoulli2x32(agent: Any, tick: Any, key: Any, threshold: Any) -> Any:
    """Return True with the probability for which `threshold` was made by `threshold32`."""
    return np.uint64(philox2x32(agent, tick, key)[0]) < threshold


@jit
def log(x: Any) -> Any:
    """Return the natural logarithm of a normal positive float64 (see `philox.log`)."""
    bits = np.float64(x).view(np.uint64)
    shifted = bits + _CARRY
    k = np.float64(np.int64(shifted >> _52) - 1023)
    f = np.uint64(bits - ((shifted & _EXPONENT) - _ONE)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = ((_L7 * w + _L5) * w + _L3) * w + _L1
    even = (_L6 * w + _L4) * w + _L2
    rest = z * odd + w * even
    half = 0.5 * f * f
    return k * _LN2_HIGH - ((half - (s * (half + rest) + k * _LN2_LOW)) - f)


@jit
def _ratio(p: Any, q: Any, x: Any) -> Any:
    above, under = p[7], q[7]
    for i in range(6, -1, -1):
        above, under = above * x + p[i], under * x + q[i]
    return above / under


@jit
def _central(q: Any) -> Any:
    r = 0.180625 - q * q
    above, under = _A[7], _B[7]
    for i in range(6, -1, -1):
        above, under = above * r + _A[i], under * r + _B[i]
    return q * above / under


@jit
def normal_quantile(p: Any) -> Any:
    """Return the standard normal quantile of `p` in (0, 1) (see `philox.normal_quantile`)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return _central(q)
    r = np.sqrt(-log(min(p, 1.0 - p)))
    size = _ratio(_C, _D, r - 1.6) if r <= 5.0 else _ratio(_E, _F, r - 5.0)
    return -size if q < 0.0 else size


@jit
def _fill(ids: Any, at: Any, out: Any) -> None:
    """Write words 0 and 1 of each agent's ten-round 4x32 block to `out`, as one uint64.

    The rounds stand in the loop itself, so that the compiler makes SIMD code of it.
    """
    tick, draw, stream, k0, k1 = at
    for i in range(ids.size):
        a, b, c, d, key0, key1 = np.uint64(ids[i]), tick, draw, stream, k0, k1
        for _ in range(10):
            first, second = _M0 * a, _M1 * c
            a, b = (second >> _32) ^ b ^ key0, second & _LOW
            c, d = (first >> _32) ^ d ^ key1, first & _LOW
            key0, key1 = (key0 + _W0) & _LOW, (key1 + _W1) & _LOW
        out[i] = a | (b << _32)


@jit
def _bits(start: int, stop: int, ids: Any, at: Any, out: Any) -> None:
    _fill(ids[start:stop], at, out[start:stop])


# The other laws draw a block of bits that stays in the first-level cache, then transform it.


@jit
def _uniform(start: int, stop: int, ids: Any, at: Any, out: Any) -> None:
    bits = np.empty(_BLOCK, np.uint64)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        _fill(ids[low:high], at, bits)
        for i in range(high - low):
            out[low + i] = np.float64(bits[i] >> _11) * 2.0**-53


@jit
def _normal(start: int, stop: int, ids: Any, at: Any, out: Any) -> None:
    bits = np.empty(_BLOCK, np.uint64)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        _fill(ids[low:high], at, bits)
        for i in range(high - low):
            out[low + i] = normal_quantile((np.float64(bits[i] >> _12) + 0.5) * 2.0**-52)


@jit
def _exponential(start: int, stop: int, ids: Any, at: Any, out: Any) -> None:
    bits = np.empty(_BLOCK, np.uint64)
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        _fill(ids[low:high], at, bits)
        for i in range(high - low):
            out[low + i] = abs(log((np.float64(bits[i] >> _11) + 1.0) * 2.0**-53))


@jit
def _below(start: int, stop: int, ids: Any, at: Any, span: Any, out: Any) -> None:
    bits = np.empty(_BLOCK, np.uint64)
    c, d = span >> _32, span & _LOW
    for low in range(start, stop, _BLOCK):
        high = min(low + _BLOCK, stop)
        _fill(ids[low:high], at, bits)
        for i in range(high - low):
            a, b = bits[i] >> _32, bits[i] & _LOW
            middle = a * d + ((b * d) >> _32)
            out[low + i] = a * c + (middle >> _32) + ((b * c + (middle & _LOW)) >> _32)


@jit
def _choice(start: int, stop: int, point: Any, table: Any, out: Any) -> None:
    """Find each agent's option in its own row of weights; `point` is uniform in [0, 1)."""
    for i in range(start, stop):
        total = 0.0
        for j in range(table.shape[1]):
            total += table[i, j]
        at, running = point[i] * total, 0.0
        for j in range(table.shape[1]):
            running += table[i, j]
            if running > at or running == total:
                out[i] = j
                break


@jit
def _search(start: int, stop: int, point: Any, running: Any, out: Any) -> None:
    """Find each agent's option in one row of running sums, by bisection."""
    total = running[-1]
    for i in range(start, stop):
        at = point[i] * total
        low, high = 0, running.size - 1
        while low < high:
            middle = (low + high) // 2
            if running[middle] > at or running[middle] == total:
                high = middle
            else:
                low = middle + 1
        out[i] = low


def _draw(
    kernel: Any, dtype: Any, ids: U32, at: tuple[int, int, int, int], *extra: Any
) -> NDArray[Any]:
    tick, draw, stream, seed = at
    words = (tick, draw, stream, seed & philox.WORD, seed >> 32)
    out = np.empty(ids.size, dtype)
    chunked(kernel, ids.size, ids, tuple(np.uint64(word) for word in words), *extra, out)
    return out


def bits(ids: U32, tick: int, draw: int, stream: int, seed: int) -> U64:
    """Return 64 random bits an agent."""
    return _draw(_bits, np.uint64, ids, (tick, draw, stream, seed))


def uniform(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return uniform draws in [0, 1)."""
    return _draw(_uniform, np.float64, ids, (tick, draw, stream, seed))


def normal(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return standard normal draws."""
    return _draw(_normal, np.float64, ids, (tick, draw, stream, seed))


def exponential(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return exponential draws of mean 1."""
    return _draw(_exponential, np.float64, ids, (tick, draw, stream, seed))


def below(ids: U32, tick: int, draw: int, stream: int, seed: int, span: int) -> U64:
    """Return uniform integers in 0..span-1."""
    at = (tick, draw, stream, seed)
    return _draw(_below, np.uint64, ids, at, np.uint64(span))


def choice(ids: U32, tick: int, draw: int, stream: int, seed: int, table: F64) -> NDArray[np.int64]:
    """Return an option an agent, drawn from the weights of its row of `table`."""
    point = uniform(ids, tick, draw, stream, seed)
    out = np.empty(ids.size, np.int64)
    if table.ndim == 1:
        chunked(_search, ids.size, point, np.cumsum(table), out)
    else:
        chunked(_choice, ids.size, point, np.ascontiguousarray(table), out)
    return out
