"""Clocks of thought: how many ticks of the world a decision takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PolicyError
from populace.records import read

NEVER = 2**62
Ints = NDArray[np.int64]
Key = tuple[int, str, str]  # tick, population, kind


class Clock(Protocol):
    """Says how long thoughts take that were begun together."""

    def ticks(self, n: int, tokens: Any, seconds: float, key: Key, number: int) -> Ints:
        """Return the ticks that each of `n` thoughts takes, int64, `NEVER` for none that ends.

        Parameters
        ----------
        tokens : int array of shape (n,) or None
            What each decision took, if its policy says so.
        seconds : float
            What all of them took.
        key : tick, population and kind
        number : int
            How many groups began to think under this key before.
        """


@dataclass(frozen=True)
class Ticks:
    """Every thought takes `n` ticks: 0 lands at once, infinity never."""

    n: float = 1

    def __post_init__(self) -> None:
        _check(
            "Ticks",
            self.n,
            "a whole number of ticks from 0 on, or infinity",
            lambda n: n >= 0 and (n == math.inf or float(n).is_integer()),
        )

    def ticks(self, n: int, tokens: Any, seconds: float, key: Key, number: int) -> Ints:
        return np.full(n, NEVER if self.n == math.inf else int(self.n), np.int64)


@dataclass(frozen=True)
class Tokens:
    """A tick passes every `per_tick` tokens that a decision takes; rounded up.

    Tokens as a measure of time that depends on no machine: AgileThinker (Wen et al. 2025,
    *Real-Time Reasoning Agents in Evolving Environments*, arXiv:2511.04898, section 2).
    """

    per_tick: float

    def __post_init__(self) -> None:
        _check("Tokens", self.per_tick, "a number above 0", lambda n: 0 < n < math.inf)

    def ticks(self, n: int, tokens: Any, seconds: float, key: Key, number: int) -> Ints:
        if tokens is None:
            raise PolicyError(
                "the slow policy does not say how many tokens its decisions take",
                where=f"FastSlow, {key[2]!r}",
                mend="return Answers(..., tokens=...), or take the clock Ticks(n)",
            )
        return np.ceil(np.asarray(tokens, np.float64) / self.per_tick).astype(np.int64)


@dataclass(frozen=True)
class Seconds:
    """A tick passes every `per_tick` seconds that a group's decisions take; rounded up.

    This is real time, so that two runs with one seed differ. How many ticks each group took is the
    measure ``took`` in the run's table ``minds``; from it a run is repeated.

    Parameters
    ----------
    per_tick : float
    of : str or Path, optional
        Directory of a run that is repeated: its times are taken instead of the clock's.
    policy : str
        Name of the policy in that run, if it holds several of this sort.
    """

    per_tick: float
    of: str | Path | None = None
    policy: str = ""
    _took: dict[Key, list[int]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check("Seconds", self.per_tick, "a number above 0", lambda n: 0 < n < math.inf)
        if self.of is not None:
            self._took.update(_taken(self.of, self.policy))

    def ticks(self, n: int, tokens: Any, seconds: float, key: Key, number: int) -> Ints:
        if self.of is None:
            return np.full(n, math.ceil(seconds / self.per_tick), np.int64)
        known = self._took.get(key, [])
        if number >= len(known):
            raise PolicyError(
                f"the run {self.of} has no thought number {number} of {key[2]!r} at tick {key[0]}",
                where="Seconds",
                mend="repeat it with the world, cast and seed that it had",
            )
        return np.full(n, known[number], np.int64)


def _taken(of: str | Path, policy: str) -> dict[Key, list[int]]:
    """Read how many ticks each group took from a run's table."""
    table = read(of).minds
    table = table.filter(table["measure"] == "took")
    names = table["policy"].unique().sort().to_list()
    if not policy and len(names) > 1:
        raise ParameterError(
            f"{of} has thoughts of {', '.join(names)}", where="Seconds", mend="name one: policy="
        )
    found: dict[Key, list[int]] = {}
    rows = table.select("tick", "population", "kind", "policy", "value").rows()
    for tick, population, kind, name, value in rows:
        if name == (policy or name):
            found.setdefault((tick, population, kind), []).append(int(value))
    if not found:
        raise ParameterError(
            f"{of} has no thoughts of {policy or 'any policy'}", where="Seconds",
            mend=f"it has those of {', '.join(names)}" if names else "",
        )  # fmt: skip
    return found


def read_clock(given: Clock | str | Mapping[str, Any]) -> Clock:
    """Return a clock from text such as ``tokens=500``, or a table such as ``{tokens: 500}``.

    Raises
    ------
    ParameterError
    """
    if isinstance(given, str):
        name, _, number = (part.strip() for part in given.partition("="))
        given = {name: _number(number)}
    if not isinstance(given, Mapping):
        if callable(getattr(given, "ticks", None)):
            return given
        raise ParameterError(
            f"expected a clock, got {given!r:.60}", where="FastSlow", mend="clock=Ticks(3)"
        )
    kinds: dict[str, Any] = {"ticks": Ticks, "tokens": Tokens, "seconds": Seconds}
    named = [name for name in given if name in kinds]
    rest = {name: value for name, value in given.items() if name not in kinds}
    if len(named) != 1 or not set(rest) <= ({"of", "policy"} if named == ["seconds"] else set()):
        raise ParameterError(
            f"expected ticks=3, tokens=500 or seconds=0.5, got {dict(given)!r:.60}",
            where="FastSlow",
        )
    clock: Clock = kinds[named[0]](given[named[0]], **rest)
    return clock


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _check(name: str, value: Any, allowed: str, good: Callable[[float], bool]) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and good(value)):
        raise ParameterError(f"expected {allowed}, got {value!r:.60}", where=name)
