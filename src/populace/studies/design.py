"""Which parameters to try: grids, Latin hypercubes and Sobol sequences.

Each returns a list of samples, mappings of parameter to value, as `sweep` takes them. Cubes and
sequences are those of ``scipy.stats.qmc``, randomised by a populace stream of the design's seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, StudyError
from populace.kernel.streams import Streams

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True)
class Range:
    """Values that a parameter may take.

    Parameters
    ----------
    low, high : float
        Real values lie in [low, high); integers take both ends.
    log : bool
        Equal shares of the design in equal ratios; both ends above 0.
    integer : bool
        Whole values, each equally often (with `log`: as often as the reals that begin with it).

    Raises
    ------
    ParameterError
        Unless low < high (low <= high for integers), both finite, and above 0 with `log`.

    Examples
    --------
    >>> Range(0.001, 10, log=True).at([0.0, 0.5, 0.75])
    [0.001, 0.1, 1.0]
    >>> Range(1, 3, integer=True).at([0.0, 0.34, 0.99])
    [1, 2, 3]
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        for end in (low, high):
            if isinstance(end, bool) or not isinstance(end, (int, float, np.number)):
                raise ParameterError(f"expected numbers, got {end!r}", where="Range")
        if not (math.isfinite(low) and math.isfinite(high)) or not low <= high:
            raise ParameterError(f"expected low < high, got {low!r} and {high!r}", where="Range")
        if self.integer and not (float(low).is_integer() and float(high).is_integer()):
            raise ParameterError(f"expected whole ends, got {low!r} and {high!r}", where="Range")
        if not self.integer and low == high:
            raise ParameterError(f"expected low < high, got {low!r} twice", where="Range")
        if self.log and low <= 0:
            raise ParameterError(
                f"expected ends above 0 for a log range, got {low!r}", where="Range"
            )

    def at(self, u: Any) -> list[Any]:
        """Return the values at places `u` of [0, 1), as floats or ints."""
        places = np.asarray(u, float)
        low, high = float(self.low), float(self.high) + self.integer
        if self.log:
            values = np.exp(np.log(low) + places * (np.log(high) - np.log(low)))
        else:
            values = low + places * (high - low)
        if self.integer:
            values = np.floor(values)
        elif self.log:
            values = [float(f"{v:.15g}") for v in values]
        values = np.clip(values, low, self.high)  # which rounding may leave
        return [int(v) if self.integer else float(v) for v in values]


@dataclass(frozen=True)
class Options:
    """A parameter that takes one of some values, each equally often."""

    values: tuple[Any, ...]

    def at(self, u: Any) -> list[Any]:
        """Return the values at places `u` of [0, 1)."""
        return [self.values[min(int(p * len(self.values)), len(self.values) - 1)] for p in u]


def grid(**lists: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the listed values, the last name changing fastest.

    Raises
    ------
    ParameterError
        If a list is empty, or is no list (a text, a number).

    Examples
    --------
    >>> grid(rate=[0.1, 0.2], kind=["a", "b"])[:3]
    [{'rate': 0.1, 'kind': 'a'}, {'rate': 0.1, 'kind': 'b'}, {'rate': 0.2, 'kind': 'a'}]
    """
    axes = []
    for name, values in lists.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise ParameterError(f"expected a list of values, got {values!r}", where=name)
        axis = [v.item() if isinstance(v, np.generic) else v for v in values]
        if not axis:
            raise ParameterError("expected a list of values, got an empty one", where=name)
        axes.append(axis)
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*axes)]


def latin_hypercube(n: int, /, seed: int = 0, **ranges: Any) -> list[dict[str, Any]]:
    """Return `n` samples of which each parameter has one in each of `n` equal strata.

    McKay, Beckman and Conover 1979, *Technometrics* 21(2).

    Parameters
    ----------
    n : int
        Samples, at least 1.
    seed : int
        Of the design (the seeds of runs are those of `sweep`).
    **ranges : Range, (low, high), or list of options

    Raises
    ------
    ParameterError
        For impossible ranges, or n below 1.
    StudyError
        If scipy is not installed.
    """
    axes = _axes(ranges)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ParameterError(f"expected 1 sample or more, got {n!r}", where="latin_hypercube")
    cube = _qmc().LatinHypercube(d=len(axes), rng=generator(seed, "design/latin")).random(n)
    return _samples(axes, cube)


def sobol(n: int, /, seed: int = 0, **ranges: Any) -> list[dict[str, Any]]:
    """Return `n` samples of a scrambled Sobol sequence, `n` a power of two.

    Sobol 1967; scrambling by Matousek 1998 (linear matrix scramble and digital shift). Whatever
    the seed, each of the `n` equal strata of each parameter holds exactly one sample, and low
    dimensions are filled evenly together.

    Parameters
    ----------
    n : int
        Samples, a power of two: the balance of the sequence holds only then.
    seed, **ranges
        As for `latin_hypercube`.

    Raises
    ------
    ParameterError
        For impossible ranges, or n that is no power of two.
    StudyError
        If scipy is not installed.
    """
    axes = _axes(ranges)
    check_power_of_two(n, "sobol")
    sequence = _qmc().Sobol(d=len(axes), scramble=True, rng=generator(seed, "design/sobol"))
    return _samples(axes, sequence.random(n))


def check_power_of_two(n: Any, where: str) -> None:
    """Raise ParameterError unless `n` is a power of two."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1 or n & (n - 1):
        near = 2 ** max(0, math.floor(math.log2(n))) if isinstance(n, int) and n > 0 else 1
        raise ParameterError(
            f"expected a power of two of samples, got {n!r}",
            where=where,
            mend=f"take {near} or {2 * near}, or a Latin hypercube",
        )


def generator(seed: int, name: str) -> np.random.Generator:
    """Return a numpy generator for a library that needs one, seeded by a populace stream."""
    bits = Streams(seed).stream(name).bits([0], size=4)
    return np.random.default_rng(np.asarray(bits, np.uint64).ravel().tolist())


def as_axis(value: Any, name: str) -> Range | Options:
    """Return what a parameter may take, from a Range, a pair or a list of options."""
    if isinstance(value, (Range, Options)):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        try:
            return Range(*value)
        except ParameterError as error:
            raise ParameterError(error.what, where=name) from None
    if isinstance(value, list) and value:
        return Options(tuple(value))
    raise ParameterError(
        f"expected (low, high), Range(low, high) or a list of options, got {value!r:.60}",
        where=name,
    )


def _axes(ranges: Mapping[str, Any]) -> dict[str, Range | Options]:
    if not ranges:
        raise ParameterError("expected ranges by name, got none", where="design")
    return {name: as_axis(value, name) for name, value in ranges.items()}


def _samples(
    axes: Mapping[str, Range | Options], places: NDArray[np.float64]
) -> list[dict[str, Any]]:
    columns: Sequence[list[Any]] = [
        axis.at(u) for axis, u in zip(axes.values(), places.T, strict=True)
    ]
    return [dict(zip(axes, row, strict=True)) for row in zip(*columns, strict=True)]


def _qmc() -> ModuleType:
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise StudyError(
            "designs other than grids need scipy",
            where="design",
            mend="pip install 'populace[studies]'",
        ) from error
    module: ModuleType = qmc
    return module
