"""Philox counter-based random numbers and the laws drawn from them: the numpy reference.

A draw is a pure function of its counter and key; nothing is kept between draws. The generator is
that of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011),
with ten rounds, in the two sizes of Random123: 4x32 (a block of four words, key of two words) and
2x32 (block of two words, key of one).

`populace.kernel.philox_jit` holds the same functions as compiled kernels. Both use only + - * /,
square roots and operations on bits, in the same order and no mathematical library, so that they
agree bit for bit on every machine with IEEE arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]

ROUNDS = 10
MULTIPLIER_2X32 = 0xD256D193
MULTIPLIERS_4X32 = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85  # golden ratio and sqrt(3) - 1, added to the key each round
WORD = 0xFFFFFFFF

# log(x), after fdlibm's e_log.c (Sun Microsystems, 1993): x = 2^k (1 + f), s = f / (2 + f), and
# log(1 + f) = f - f^2/2 + s (f^2/2 + s^2 P(s^2)), P the Remez polynomial of these coefficients.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
LOG_ODD = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01,
           1.479819860511658591e-01)  # fmt: skip
LOG_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)

# Inverse of the normal distribution function: M. J. Wichura, algorithm AS 241 (PPND16),
# Applied Statistics 37 (1988) 477-484; numerators and denominators, lowest power first.
AS241_A = (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
           1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
           3.3430575583588128105e4, 2.5090809287301226727e3)  # fmt: skip
AS241_B = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
           2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
           5.2264952788528545610e3)  # fmt: skip
AS241_C = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
           3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
           2.27238449892691845833e-2, 7.74545014278341407640e-4)  # fmt: skip
AS241_D = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
           1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
           1.05075007164441684324e-9)  # fmt: skip
AS241_E = (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
           2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
           2.71155556874348757815e-5, 2.01033439929228813265e-7)  # fmt: skip
AS241_F = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
           7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
           2.04426310338993978564e-15)  # fmt: skip


def philox4x32(
    c0: Any, c1: Any, c2: Any, c3: Any, k0: int, k1: int, rounds: int = ROUNDS
) -> tuple[U32, U32, U32, U32]:
    """Return the Philox 4x32 block of four uint32 words.

    Parameters
    ----------
    c0, c1, c2, c3 : int or array of uint32
        The counter, words that broadcast against each other.
    k0, k1 : int
        The key, two words of 32 bits.
    rounds : int
        Ten unless a published answer for seven is to be checked.
    """
    a, b, c, d = (np.asarray(word, np.uint64) for word in (c0, c1, c2, c3))
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS_4X32)
    low, shift = np.uint64(WORD), np.uint64(32)
    for _ in range(rounds):
        first, second = m0 * a, m1 * c
        a, b = (second >> shift) ^ b ^ np.uint64(k0), second & low
        c, d = (first >> shift) ^ d ^ np.uint64(k1), first & low
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    words = np.broadcast_arrays(a, b, c, d)
    return tuple(word.astype(np.uint32) for word in words)  # type: ignore[return-value]


def philox2x32(c0: Any, c1: Any, key: int, rounds: int = ROUNDS) -> tuple[U32, U32]:
    """Return the Philox 2x32 block of two uint32 words of counter (`c0`, `c1`) under `key`."""
    a, b = np.asarray(c0, np.uint64), np.asarray(c1, np.uint64)
    m, low, shift = np.uint64(MULTIPLIER_2X32), np.uint64(WORD), np.uint64(32)
    key = int(key)
    for _ in range(rounds):
        product = m * a
        a, b = (product >> shift) ^ b ^ np.uint64(key), product & low
        key = (key + WEYL[0]) & WORD
    first, second = np.broadcast_arrays(a, b)
    return first.astype(np.uint32), second.astype(np.uint32)


# -- keys of 2x32 kernels ------------------------------------------------------------------------


def key2(seed: int, stream: int, draw: int) -> np.uint32:
    """Return the 32-bit key of a hot kernel, hashed from seed, stream and draw number.

    It is a word of the 4x32 block at agent and tick 2**32 - 1, a tick that no stream may have, so
    that keys share no counter with any draw.
    """
    return np.uint32(philox4x32(WORD, WORD, draw, stream, seed & WORD, seed >> 32)[0])


def uniform2x32(agent: Any, tick: Any, key: int) -> F64:
    """Return uniform float64 in [0, 1), of 53 bits, from the 2x32 block (agent, tick)."""
    first, second = philox2x32(agent, tick, key)
    return unit(_join(first, second))


def uniform2x32_32(agent: Any, tick: Any, key: int) -> F64:
    """Return uniform float64 in [0, 1), of 32 bits: half of the block, a little faster."""
    return philox2x32(agent, tick, key)[0].astype(np.float64) * 2.0**-32


def threshold32(p: float) -> np.uint64:
    """Return the uint64 bound such that a 32-bit word lies below it with probability `p`.

    `p` is rounded down to a multiple of 2**-32; 1 always passes and 0 never does.
    """
    return np.uint64(min(max(p, 0.0), 1.0) * 2.0**32)


def bernoulli2x32(agent: Any, tick: Any, key: int, threshold: np.uint64) -> NDArray[np.bool_]:
    """Return whether the first word of the 2x32 block is below `threshold` (`threshold32`)."""
    return philox2x32(agent, tick, key)[0].astype(np.uint64) < threshold


# -- bits to numbers -----------------------------------------------------------------------------


def _join(first: U32, second: U32) -> U64:
    return first.astype(np.uint64) | (second.astype(np.uint64) << np.uint64(32))


def unit(bits: U64) -> F64:
    """Return 64 random bits as float64 in [0, 1): the upper 53 times 2**-53."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _horner(coefficients: tuple[float, ...], x: Any) -> Any:
    total: Any = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def log(x: F64) -> F64:
    """Return the natural logarithm of normal positive float64, to less than 1 ulp (fdlibm)."""
    bits = np.atleast_1d(np.asarray(x, np.float64)).view(np.uint64)
    # Adding the distance from sqrt(2)/2 to 1 carries into the exponent when 1 + f > sqrt(2).
    shifted = bits + np.uint64(0x0009_5F62_0000_0000)
    k = ((shifted >> np.uint64(52)).astype(np.int64) - 1023).astype(np.float64)
    exponent = (shifted & np.uint64(0x7FF0_0000_0000_0000)) - np.uint64(0x3FF0_0000_0000_0000)
    f = (bits - exponent).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    rest = z * _horner(LOG_ODD, w) + w * _horner(LOG_EVEN, w)
    half = 0.5 * f * f
    result = k * LN2_HIGH - ((half - (s * (half + rest) + k * LN2_LOW)) - f)
    return np.asarray(result.reshape(np.shape(x)))


def normal_quantile(p: F64) -> F64:
    """Return the standard normal quantile of `p` in (0, 1), to about 1 part in 10**16 (AS 241)."""
    p = np.asarray(p, np.float64)
    q = p - 0.5
    r = 0.180625 - q * q
    z = np.asarray(q * _horner(AS241_A, r) / _horner(AS241_B, r))
    tail = np.abs(q) > 0.425
    if tail.any():
        p, q = p[tail], q[tail]
        r = np.sqrt(-log(np.minimum(p, 1.0 - p)))
        near, far = r - 1.6, r - 5.0
        size = np.where(
            r <= 5.0,
            _horner(AS241_C, near) / _horner(AS241_D, near),
            _horner(AS241_E, far) / _horner(AS241_F, far),
        )
        z[tail] = np.where(q < 0.0, -size, size)
    return z


# -- draws: counter (agent, tick, draw, stream), key the seed ------------------------------------


def bits(ids: U32, tick: int, draw: int, stream: int, seed: int) -> U64:
    """Return 64 random bits an agent: the first two words of its 4x32 block."""
    first, second, _, _ = philox4x32(ids, tick, draw, stream, seed & WORD, seed >> 32)
    return _join(first, second)


def uniform(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return uniform draws in [0, 1), multiples of 2**-53."""
    return unit(bits(ids, tick, draw, stream, seed))


def normal(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return standard normal draws, by inversion of a 52-bit point of the open (0, 1)."""
    top = (bits(ids, tick, draw, stream, seed) >> np.uint64(12)).astype(np.float64)
    return normal_quantile((top + 0.5) * 2.0**-52)


def exponential(ids: U32, tick: int, draw: int, stream: int, seed: int) -> F64:
    """Return exponential draws of mean 1: minus the log of a 53-bit point of (0, 1]."""
    top = (bits(ids, tick, draw, stream, seed) >> np.uint64(11)).astype(np.float64)
    return np.abs(log((top + 1.0) * 2.0**-53))  # abs: log(1) is +0, and its negative would be -0


def below(ids: U32, tick: int, draw: int, stream: int, seed: int, span: int) -> U64:
    """Return uniform integers in 0..span-1: the upper word of 64 bits times `span` (Lemire 2019).

    The probability of each value differs from 1 / span by less than 2**-64.
    """
    random = bits(ids, tick, draw, stream, seed)
    low, shift = np.uint64(WORD), np.uint64(32)
    a, b = random >> shift, random & low
    c, d = np.uint64(span >> 32), np.uint64(span & WORD)
    middle = a * d + ((b * d) >> shift)
    return np.asarray(a * c + (middle >> shift) + ((b * c + (middle & low)) >> shift))


def choice(ids: U32, tick: int, draw: int, stream: int, seed: int, table: F64) -> NDArray[np.int64]:
    """Return an option an agent, drawn from the weights of its row of `table`.

    Parameters
    ----------
    table : float64 array (k,) or (n, k)
        Non-negative weights with a positive sum a row; one row for all, or one an agent.
    """
    running = np.cumsum(table, axis=-1)
    total = running[..., -1]
    point = uniform(ids, tick, draw, stream, seed) * total
    if table.ndim == 1:
        found = np.searchsorted(running, point, side="right")
    else:
        found = (running <= point[:, None]).sum(axis=1)
    # Rounding never leads past the option at which the running sum reaches the total.
    return np.asarray(np.minimum(found, np.argmax(running == total[..., None], axis=-1)))
