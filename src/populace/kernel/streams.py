"""Named random streams: every draw is a function of (seed, stream name, tick, agent, draw number).

Nothing else in populace draws. See ``docs/randomness.md`` for what follows from that: common
random numbers between runs, and results that depend on neither threads, batches nor order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from hashlib import blake2b
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel import philox
from populace.kernel.errors import StreamError
from populace.kernel.register import Register, seed_of_register

IDS = 2**32  # agents, and anything else that is numbered, stand in one 32-bit counter word
LAST_TICK = 2**32 - 2  # tick 2**32 - 1 is kept for the keys of hot kernels (`philox.key2`)
KERNELS_FROM = 4096  # draws at once from which loading the compiled kernels is worth it
KERNELS_AFTER = 2000  # small draws after which it is worth it as well

Array = NDArray[Any]


class _Backend:
    """Chooses numpy or compiled kernels. Both give the same bits, so no result can tell which."""

    def __init__(self) -> None:
        self._compiled: ModuleType | None = None
        self._calls = 0

    def __call__(self, n: int) -> ModuleType:
        if self._compiled is None:
            self._calls += 1
            if n < KERNELS_FROM and self._calls < KERNELS_AFTER:
                return philox
            from populace.kernel import philox_jit

            self._compiled = philox_jit
        return self._compiled


_backend = _Backend()


def stream_number(name: str) -> int:
    """Return the 32-bit number of a stream name: its BLAKE2b digest of four bytes."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "little")


def id_array(agents: Any, where: str = "stream") -> NDArray[np.uint32]:
    """Return the ids of `agents` as uint32.

    Parameters
    ----------
    agents : int, integer array, or anything with ``.ids``
        An int n stands for 0..n-1.

    Raises
    ------
    StreamError
        If they are not integers in 0..2**32-1 in one dimension.
    """
    if isinstance(agents, (bool, np.bool_)):
        raise StreamError("expected agents, got a bool", where=where, mend=_AGENTS)
    if isinstance(agents, (int, np.integer)):
        if not 0 <= agents <= IDS:
            raise StreamError(f"expected 0 to 2**32 agents, got {agents}", where=where)
        return np.arange(int(agents), dtype=np.uint32)
    if isinstance(agents, np.ndarray) and agents.dtype == np.uint32 and agents.ndim == 1:
        return agents
    if hasattr(agents, "ids"):
        agents = agents.ids
    ids = np.asarray(agents)
    if ids.size == 0 and ids.ndim == 1:
        return np.empty(0, np.uint32)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        came = f"{ids.dtype} of shape {ids.shape}"
        raise StreamError(f"expected agents, got {came}", where=where, mend=_AGENTS)
    if ids.dtype.itemsize > 2 and not (ids.min() >= 0 and ids.max() < IDS):
        came = f"{ids.min()} to {ids.max()}"
        raise StreamError(f"expected ids in 0..2**32-1, got {came}", where=where)
    if ids.dtype.kind == "i" and ids.min() < 0:
        raise StreamError(f"expected ids in 0..2**32-1, got {ids.min()}", where=where)
    return ids.astype(np.uint32)


_AGENTS = "pass a count, a one-dimensional array of integer ids, or a population"


class Streams:
    """The streams of one seed, by name.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1; the key of every draw.
    prefix : str
        Put before every name, as ``prefix/name``.

    Raises
    ------
    StreamError
        If the seed is out of range, or (by `stream`) if two names of one seed hash to one number.
    """

    __slots__ = ("_names", "prefix")
    seed = seed_of_register

    def __init__(self, seed: int, prefix: str = "") -> None:
        self._names = Register()
        try:
            self._names.seed = operator.index(seed)
        except TypeError:
            raise StreamError(f"expected an integer seed, got {seed!r}", where="seed") from None
        if isinstance(seed, bool) or not 0 <= self.seed < 2**64:
            raise StreamError(f"expected a seed in 0..2**64-1, got {seed!r}", where="seed")
        self.prefix = prefix

    def named(self, name: str) -> Streams:
        """Return the scope `name` inside this one; it shares the register of names."""
        scope = Streams(self.seed, self._full(name))
        scope._names = self._names
        return scope

    def stream(self, name: str, tick: int = 0) -> Stream:
        """Return the stream `name` at `tick`, at its first draw.

        Asking twice gives two streams that draw the same numbers.

        Raises
        ------
        StreamError
            If `tick` is outside 0..2**32-2, or another name of this seed has the same number.
        """
        return Stream(self._full(name), tick, self._names)

    def _full(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise StreamError(f"expected a name, got {name!r}", where=self.prefix or "streams")
        return f"{self.prefix}/{name}" if self.prefix else name

    def __repr__(self) -> str:
        return f"Streams(seed={self.seed}, prefix={self.prefix!r})"


class Stream:
    """Random draws for agents, at one tick, from one named stream.

    A value depends on the seed, the stream's name, the tick, the agent's id and the draw number
    alone. The stream counts draws: each method call takes the next number (``size`` numbers with
    ``size=``), the same one for all its agents. So ``uniform(ids)[i]`` does not change when the
    agents are split, reordered or joined by others, as long as each agent's calls come in order.

    `agents` is a count n (ids 0..n-1), an array of ids below 2**32, or anything with ``.ids``; a
    bound stream (`bound`, `part`) has its own and takes the parameters alone. Parameters are
    scalars or arrays aligned with the agents. With ``size=k`` a method returns shape (n, k).
    """

    __slots__ = ("_ids", "_names", "draw", "name", "number", "tick")
    seed = seed_of_register

    def __init__(self, name: str, tick: int, names: Register) -> None:
        self.name = name
        self.number = stream_number(name)
        self._names = names
        if (other := names.setdefault(self.number, name)) != name:
            what = f"streams {name!r} and {other!r} have the same number {self.number}"
            raise StreamError(what, where=name, mend="rename one of them")
        try:
            self.tick = operator.index(tick)
        except TypeError:
            raise StreamError(f"expected an integer tick, got {tick!r}", where=name) from None
        if not 0 <= self.tick <= LAST_TICK:
            raise StreamError(f"expected a tick in 0..2**32-2, got {tick}", where=name)
        self.draw = 0  # the number of the next draw
        self._ids: NDArray[np.uint32] | None = None

    # -- other streams ---------------------------------------------------------------------------

    def named(self, name: str) -> Stream:
        """Return the child stream ``parent/name`` at the same tick and agents, at draw 0."""
        child = Stream(f"{self.name}/{name}", self.tick, self._names)
        child._ids = self._ids
        return child

    def bound(self, agents: Any) -> Stream:
        """Return this stream bound to `agents`, going on from the present draw number.

        The two then count separately: draw from one of them, not from both.
        """
        return self._with(id_array(agents, self.name))

    def part(self, index: Any) -> Stream:
        """Return this bound stream for a subset of its agents, from the present draw number.

        Each part counts its draws from there by itself, as if it were alone: parts that cover the
        agents and make the same calls draw together exactly what the whole would have drawn.

        Parameters
        ----------
        index : bool mask, integer positions or slice
            Of the agents that the stream is bound to.
        """
        if self._ids is None:
            raise StreamError("part of an unbound stream", where=self.name, mend="bind it first")
        return self._with(np.atleast_1d(self._ids[index]))

    def _with(self, ids: NDArray[np.uint32]) -> Stream:
        other = Stream(self.name, self.tick, self._names)
        other.draw, other._ids = self.draw, ids
        return other

    @property
    def ids(self) -> NDArray[np.uint32]:
        """The agents that the stream is bound to, uint32."""
        if self._ids is None:
            raise StreamError("the stream is bound to no agents", where=self.name, mend=_AGENTS)
        return self._ids

    # -- draws -----------------------------------------------------------------------------------

    def uniform(
        self, agents: Any = None, low: Any = 0.0, high: Any = 1.0, *, size: int | None = None
    ) -> NDArray[np.float64]:
        """Return uniform float64 in [low, high): 53 random bits, scaled.

        Raises
        ------
        StreamError
            If a bound is not finite or `low` is not below `high`.
        """
        n, draws = self._draws("uniform", agents, size)
        if np.isscalar(low) and np.isscalar(high) and (low, high) == (0, 1):
            return np.asarray(draws())
        low, high = self._aligned(low, n, size, "low"), self._aligned(high, n, size, "high")
        if not np.all((low < high) & (high / 2 - low / 2 < 2.0**1022)):
            raise StreamError("expected low < high", where=f"{self.name}: uniform")
        values = low + draws() * (high - low)
        return np.asarray(np.minimum(values, np.nextafter(high, low)))  # rounding may reach high

    def integers(
        self, agents: Any = None, low: Any = 0, high: Any = None, *, size: int | None = None
    ) -> NDArray[np.int64]:
        """Return uniform int64 in low..high-1; with one bound given as `low`, in 0..low-1.

        The probability of each value differs from uniform by less than 2**-64 (the upper half of
        64 random bits times the span: D. Lemire, ACM TOMACS 29 (2019), without its rejection).

        Parameters
        ----------
        low, high : int
            Scalars within int64.

        Raises
        ------
        StreamError
            If the bounds are not integers or the range is empty.
        """
        if high is None:
            low, high = 0, low
        where = f"{self.name}: integers"
        try:
            low, high = operator.index(low), operator.index(high)
        except TypeError:
            what = f"expected integer bounds, got {low!r} and {high!r}"
            raise StreamError(what, where=where) from None
        if not -(2**63) <= low < high <= 2**63:
            raise StreamError(f"expected low < high within int64, got {low}, {high}", where=where)
        if high - low >= 2**64:
            raise StreamError("expected fewer than 2**64 values", where=where)
        _, draws = self._draws("below", agents, size, high - low)
        return np.asarray((draws() + np.uint64(low % 2**64)).view(np.int64))

    def normal(
        self, agents: Any = None, mean: Any = 0.0, sd: Any = 1.0, *, size: int | None = None
    ) -> NDArray[np.float64]:
        """Return normal float64 by inversion (Wichura's AS 241): one draw a value, monotone in it.

        Raises
        ------
        StreamError
            If `mean` or `sd` is not finite, or `sd` is negative.
        """
        n, draws = self._draws("normal", agents, size)
        mean, sd = self._aligned(mean, n, size, "mean"), self._aligned(sd, n, size, "sd")
        if not np.all(sd >= 0):
            raise StreamError("expected sd >= 0", where=f"{self.name}: normal")
        values = draws()
        values *= sd
        values += mean
        return np.asarray(values)

    def exponential(
        self, agents: Any = None, scale: Any = 1.0, *, size: int | None = None
    ) -> NDArray[np.float64]:
        """Return exponential float64 of mean `scale`, by inversion.

        Raises
        ------
        StreamError
            If `scale` is negative or not finite.
        """
        n, draws = self._draws("exponential", agents, size)
        scale = self._aligned(scale, n, size, "scale")
        if not np.all(scale >= 0):
            raise StreamError("expected scale >= 0", where=f"{self.name}: exponential")
        values = draws()
        values *= scale
        return np.asarray(values)

    def bernoulli(
        self, agents: Any = None, p: Any = 0.5, *, size: int | None = None
    ) -> NDArray[np.bool_]:
        """Return True with probability `p`, a scalar or aligned; 0 never happens, 1 always does.

        Raises
        ------
        StreamError
            If a probability is outside [0, 1] or NaN.
        """
        n, draws = self._draws("uniform", agents, size)
        p = self._aligned(p, n, size, "p")
        if not np.all((p >= 0) & (p <= 1)):
            raise StreamError("expected p in [0, 1]", where=f"{self.name}: bernoulli")
        return np.asarray(draws() < p)

    def choice(
        self, agents: Any = None, p: Any = None, *, size: int | None = None
    ) -> NDArray[np.integer[Any]]:
        """Return the index of an option drawn with weights `p`: uint8, or int64 past 256 options.

        Parameters
        ----------
        p : float array (k,) or (n, k)
            Weights of the k options, for all agents or one row an agent; need not sum to one.

        Raises
        ------
        StreamError
            If a weight is negative or not finite, or a row has no positive weight.
        """
        where = f"{self.name}: choice"
        table = np.asarray(p, np.float64) if p is not None else np.empty(0)
        ids = self._agents(agents)
        n = ids.size
        fits = table.ndim == 1 or (table.ndim == 2 and len(table) == n)
        if not fits or (n and not table.size):
            what = f"expected weights of shape (k,) or ({n}, k), got {table.shape}"
            raise StreamError(what, where=where, mend="pass p=")
        if table.size:
            sums = table.sum(axis=-1)
            if not (table.min() >= 0 and np.all(sums > 0) and np.all(sums < np.inf)):
                what = "expected finite weights >= 0 with a positive sum a row"
                raise StreamError(what, where=where)
        small = np.uint8 if table.shape[-1] <= 256 else np.int64
        if n == 0:
            return np.empty(0 if size is None else (0, size), small)
        _, draws = self._draws("choice", ids, size, table)
        return np.asarray(draws().astype(small))

    def permutation(self, agents: Any = None) -> NDArray[np.int64]:
        """Return a random order of the agents: positions 0..n-1, each once.

        Agents are sorted by 64 random bits each (and by id, should two be equal), so the order of
        any two of them does not depend on who else is there, nor on the order they came in.
        """
        ids = self._agents(agents)
        _, draws = self._draws("bits", ids, None)
        keys = draws()
        order = np.argsort(keys)
        ranked = keys[order]
        if np.any(ranked[1:] == ranked[:-1]):
            order = np.lexsort((ids, keys))
        return order.astype(np.int64, copy=False)

    def bits(self, agents: Any = None, *, size: int | None = None) -> NDArray[np.uint64]:
        """Return 64 random bits an agent."""
        return np.asarray(self._draws("bits", agents, size)[1]())

    def key2(self, draw: int | None = None) -> np.uint32:
        """Return the 32-bit key of a hot kernel, for draw number `draw` or the next one.

        It is a hash of seed, stream and draw number, for the 2x32 functions of
        `populace.kernel.philox_jit`, whose counter is (agent, tick): pass `tick` too.
        """
        return philox.key2(self.seed, self.number, self._next(1) if draw is None else draw)

    # -- inside ----------------------------------------------------------------------------------

    def _agents(self, agents: Any) -> NDArray[np.uint32]:
        return self.ids if agents is None else id_array(agents, self.name)

    def _next(self, count: int) -> int:
        first, self.draw = self.draw, self.draw + count
        if self.draw > IDS:
            raise StreamError("more than 2**32 draws of one stream at one tick", where=self.name)
        return first

    def _draws(
        self, law: str, agents: Any, size: int | None, *extra: Any
    ) -> tuple[int, Callable[[], Any]]:
        """Return the number of agents, and a function that takes the draws.

        So parameters can be checked before a draw number is used up.
        """
        ids = self._agents(agents)
        if size is not None and (not isinstance(size, (int, np.integer)) or size < 0):
            raise StreamError(f"expected size >= 0, got {size!r}", where=f"{self.name}: {law}")

        def draws() -> Any:
            first = self._next(1 if size is None else size)
            function = getattr(_backend(ids.size), law)
            at = self.number, self.seed
            if size is None:
                return function(ids, self.tick, first, *at, *extra)
            if size == 0:
                return function(ids, self.tick, 0, *at, *extra)[:, None][:, :0]
            rows = [function(ids, self.tick, first + j, *at, *extra) for j in range(size)]
            return np.stack(rows).T

        return ids.size, draws

    def _aligned(self, value: Any, n: int, size: int | None, what: str) -> Any:
        array = np.asarray(value, np.float64)
        if array.ndim > 1 or (array.ndim == 1 and array.size != n):
            came = f"got shape {array.shape}"
            raise StreamError(f"expected {what} as a scalar or ({n},), {came}", where=self.name)
        if not np.isfinite(array).all():
            raise StreamError(f"expected finite {what}", where=self.name)
        return array[:, None] if array.ndim == 1 and size is not None else array

    def __repr__(self) -> str:
        to = "" if self._ids is None else f", {self._ids.size} agents"
        return f"Stream({self.name!r}, seed={self.seed}, tick={self.tick}, draw={self.draw}{to})"
