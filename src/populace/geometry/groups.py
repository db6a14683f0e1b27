"""Disjoint groups of agents: households, classes, workplaces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import _check, csr
from populace.geometry.generate import Edges
from populace.kernel.errors import ParameterError, PopulationError
from populace.kernel.jit import jit
from populace.kernel.threads import chunked


@jit
def _spread(start: int, stop: int, membership: Any, values: Any, out: Any) -> None:
    for i in range(start, stop):
        if membership[i] >= 0:
            out[i] = values[membership[i]]


@jit
def _members(membership: Any, cursor: Any, out: Any) -> None:
    for i in range(membership.size):
        group = membership[i]
        if group >= 0:
            out[cursor[group]] = i
            cursor[group] += np.uint64(1)


class Groups:
    """Each agent is in one group or in none.

    Parameters
    ----------
    membership : integer array of shape (n,)
        The group of each agent, -1 for none.
    count : int, optional
        Number of groups; by default one more than the highest. Groups may be empty.

    Attributes
    ----------
    membership : int32 array of shape (n,)
    offsets : uint64 array of shape (groups + 1,)
        Group g is ``order[offsets[g]:offsets[g + 1]]``.
    order : uint32 array
        The agents that are in a group, by group and then by position.

    Raises
    ------
    ParameterError
        If a group is below -1, not below `count`, or not an integer.
    """

    __slots__ = ("membership", "offsets", "order")

    def __init__(self, membership: Any, count: int | None = None) -> None:
        where = "Groups"
        limit = 2**31 - 1
        groups = _check.integers(membership, "membership", where, low=-1, high=limit - 1)
        highest = int(groups.max(initial=-1)) + 1
        if count is None:
            count = highest
        count = _check.count(count, "the number of groups", where, low=highest, high=limit)
        self.membership = groups.astype(np.int32)
        sizes = np.bincount(groups[groups >= 0] if (groups < 0).any() else groups, minlength=count)
        self.offsets = np.zeros(count + 1, np.uint64)
        np.cumsum(sizes, out=self.offsets[1:], dtype=np.uint64)
        self.order: NDArray[np.uint32] = np.empty(int(self.offsets[-1]), np.uint32)
        _members(self.membership, self.offsets[:-1].copy(), self.order)

    @classmethod
    def from_sizes(cls, sizes: Any, n: int | None = None, agents: Any = None) -> Groups:
        """Fill groups of given sizes one after the other.

        Parameters
        ----------
        sizes : integer array of shape (groups,)
        n : int, optional
            Number of agents; by default the sum of sizes. Those left over are in no group.
        agents : integer array, optional
            Positions to take, in this order (say, a random permutation); by default 0, 1, 2, ...

        Raises
        ------
        ParameterError
            If there are fewer agents than places, or one is listed twice.
        """
        where = "Groups.from_sizes"
        sizes = _check.integers(sizes, "sizes", where)
        total = int(sizes.sum())
        n = _check.count(total if n is None else n, "n", where)
        if agents is None:
            agents = np.arange(n)
        agents = _check.integers(agents, "agents", where, high=n - 1)
        if agents.size < total:
            what = f"expected at least {total} agents for the sizes, got {agents.size}"
            raise ParameterError(what, where=where)
        taken = agents[:total]
        membership = np.full(n, -1, np.int32)
        membership[taken] = np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)
        if np.count_nonzero(membership >= 0) < total:
            raise ParameterError("an agent is listed twice", where=where)
        return cls(membership, sizes.size)

    # -- what they hold --------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    @property
    def n(self) -> int:
        """Number of agents, in a group or not."""
        return int(self.membership.size)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Members of each group, int64 (groups,)."""
        return np.diff(self.offsets).astype(np.int64)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return int(self.membership.nbytes + self.offsets.nbytes + self.order.nbytes)

    def members(self, group: int) -> NDArray[np.uint32]:
        """Return the positions of the members of `group`, ascending: a view."""
        if not 0 <= group < len(self):
            raise PopulationError(f"expected a group in 0..{len(self) - 1}, got {group}")
        return self.order[int(self.offsets[group]) : int(self.offsets[group + 1])]

    # -- from agents to groups, and back -----------------------------------------------------------

    def sum(self, values: Any) -> NDArray[Any]:
        """Return the sum of `values` (n,) over each group's members, in order of position.

        int64 of integers and bools, float32 of float32, else float64; an empty group has 0.
        """
        values = _check.aligned(values, self.n, "values", "Groups.sum")
        out = np.zeros(len(self), np.int64 if values.dtype == np.bool_ else values.dtype)
        chunked(csr.sum_rows, len(self), self.offsets, self.order, values, out)
        return out

    def mean(self, values: Any) -> NDArray[np.float64]:
        """Return the mean of `values` (n,) over each group's members; NaN if empty."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.sum(values) / self.sizes, np.float64)

    def count(self, mask: Any) -> NDArray[np.uint32]:
        """Return how many members of each group are set in the bool `mask` (n,): uint32."""
        table = _check.mask(mask, self.n, "Groups.count")
        out = np.empty(len(self), np.uint32)
        chunked(csr.count_rows, len(self), self.offsets, self.order, table, out)
        return out

    def any(self, mask: Any) -> NDArray[np.bool_]:
        """Return whether any member of each group is set in `mask` (n,)."""
        return np.asarray(self.count(mask) > 0)

    def all(self, mask: Any) -> NDArray[np.bool_]:
        """Return whether every member of each group is set in `mask` (n,); true if empty."""
        return np.asarray(self.count(mask) == self.sizes)

    def spread(self, values: Any, none: Any = 0) -> NDArray[Any]:
        """Return to each agent the value of its group.

        Parameters
        ----------
        values : array of shape (groups,)
        none : scalar
            For agents in no group.

        Returns
        -------
        array of shape (n,), of the dtype of `values`
        """
        array = np.asarray(values)
        if array.shape != (len(self),) or array.dtype.kind not in "biuf":
            came = f"{array.dtype} of shape {array.shape}"
            what = f"expected numbers of shape ({len(self)},), got {came}"
            raise ParameterError(what, where="Groups.spread")
        out = np.full(self.n, none, array.dtype)
        chunked(_spread, self.n, self.membership, np.ascontiguousarray(array), out)
        return out

    def pairs(self) -> Edges:
        """Return every pair of members of one group, uint32 (m, 2): edges for a `Network`."""
        sizes = self.sizes
        parts = [np.empty((0, 2), np.uint32)]
        for size in np.unique(sizes[sizes > 1]):
            starts = self.offsets[:-1][sizes == size].astype(np.int64)
            block = self.order[starts[:, None] + np.arange(size)]
            left, right = np.triu_indices(int(size), 1)
            parts.append(np.stack([block[:, left], block[:, right]], axis=2).reshape(-1, 2))
        return np.concatenate(parts)

    def __repr__(self) -> str:
        return f"Groups({len(self)} groups, {self.order.size} of {self.n} agents)"
