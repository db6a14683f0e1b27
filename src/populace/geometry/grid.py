"""A rectangle of cells, with or without edges."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import _check
from populace.geometry.network import Network
from populace.kernel.errors import ParameterError
from populace.kernel.jit import jit
from populace.kernel.streams import Stream
from populace.kernel.threads import chunked

Neighbourhood = Literal["moore", "von_neumann"]


@jit
def _convolve(start: int, stop: int, padded: Any, near: Any, out: Any) -> None:
    """Add up the neighbours of the cells start..stop-1, a row at a time."""
    width = out.shape[1]
    radius = (padded.shape[1] - width) // 2
    cell = start
    while cell < stop:
        y, low = cell // width, cell % width
        high = min(width, low + stop - cell)
        row = out[y, low:high]
        row[:] = 0
        for k in range(near.shape[0]):
            left = radius + near[k, 1] + low
            other = padded[y + radius + near[k, 0], left : left + high - low]
            for x in range(row.size):
                row[x] += other[x]
        cell += high - low


class Grid:
    """Cells in `height` rows of `width`, numbered row by row: cell = row * width + column.

    Parameters
    ----------
    height, width : int
        At least 1.
    torus : bool
        Join the edges, so that every cell has as many neighbours; otherwise cells at an edge have
        fewer.
    neighbourhood : "moore" or "von_neumann"
        Cells whose distance is at most `radius`: the greater of the differences in rows and in
        columns (Moore: 8 at radius 1), or their sum (von Neumann: 4).
    radius : int
        On a torus, 2 radius < height and width, lest a cell be a neighbour twice.

    Raises
    ------
    ParameterError
        If a size or the neighbourhood is impossible.
    """

    __slots__ = ("_near", "height", "neighbourhood", "radius", "torus", "width")

    def __init__(
        self,
        height: int,
        width: int,
        *,
        torus: bool = True,
        neighbourhood: Neighbourhood = "moore",
        radius: int = 1,
    ) -> None:
        self.height = _check.count(height, "height", "Grid", low=1)
        self.width = _check.count(width, "width", "Grid", low=1)
        if self.height * self.width >= _check.IDS:
            raise ParameterError(
                f"expected below 2**32 cells, got {height} x {width}", where="Grid"
            )
        self.radius = _check.count(radius, "radius", "Grid", low=1, high=2**15)
        self.torus = bool(torus)
        if neighbourhood not in ("moore", "von_neumann"):
            what = f"expected 'moore' or 'von_neumann', got {neighbourhood!r}"
            raise ParameterError(what, where="Grid")
        if torus and 2 * self.radius >= min(self.height, self.width):
            what = f"radius {radius} is too large for a torus of {height} x {width}"
            raise ParameterError(what, where="Grid", mend="make it larger, or torus=False")
        self.neighbourhood = neighbourhood
        reach = np.arange(-self.radius, self.radius + 1)
        rows, columns = (part.ravel() for part in np.meshgrid(reach, reach, indexing="ij"))
        distance = np.abs(rows) + np.abs(columns)
        keep = distance > 0
        if neighbourhood == "von_neumann":
            keep &= distance <= self.radius
        self._near = np.stack([rows[keep], columns[keep]], axis=1).astype(np.int64)

    def __len__(self) -> int:
        return self.height * self.width

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self)

    # -- places ----------------------------------------------------------------------------------

    def cell(self, row: Any, column: Any) -> NDArray[np.int64]:
        """Return the number of the cell at `row` and `column`, wrapped on a torus."""
        row, column = np.asarray(row, np.int64), np.asarray(column, np.int64)
        if self.torus:
            row, column = row % self.height, column % self.width
        elif np.any((row < 0) | (row >= self.height) | (column < 0) | (column >= self.width)):
            what = f"expected a cell within {self.height} x {self.width}"
            raise ParameterError(what, where="Grid.cell")
        return np.asarray(row * self.width + column)

    def place_of(self, cells: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns of `cells`."""
        cells = _check.integers(np.atleast_1d(cells), "cells", "Grid.place_of", high=len(self) - 1)
        row, column = np.divmod(cells, self.width)
        return row, column

    def scatter(self, n: int, stream: Stream) -> NDArray[np.int64]:
        """Return different random cells for `n` agents, all ways equally likely."""
        n = _check.count(n, "the number of agents", "Grid.scatter", high=len(self))
        return stream.permutation(len(self))[:n]

    def occupants(self, cells: Any) -> NDArray[np.int64]:
        """Return the agent in each cell, -1 if empty: int64 (height, width).

        Parameters
        ----------
        cells : integer array of shape (n,)
            The cell of each agent, all different.
        """
        cells = _check.integers(cells, "cells", "Grid.occupants", high=len(self) - 1)
        out = np.full(len(self), -1, np.int64)
        out[cells] = np.arange(cells.size)
        if np.count_nonzero(out >= 0) < cells.size:
            raise ParameterError("two agents share a cell", where="Grid.occupants")
        return out.reshape(self.height, self.width)

    def crowd(self, cells: Any) -> NDArray[np.int64]:
        """Return how many agents stand in each cell: int64 (height, width)."""
        cells = _check.integers(cells, "cells", "Grid.crowd", high=len(self) - 1)
        return np.bincount(cells, minlength=len(self)).reshape(self.height, self.width)

    def empty(self, cells: Any) -> NDArray[np.int64]:
        """Return the cells in which no agent stands, ascending."""
        return np.flatnonzero(self.crowd(cells).ravel() == 0)

    # -- neighbourhoods ----------------------------------------------------------------------------

    def count(self, mask: Any) -> NDArray[np.int32]:
        """Return how many neighbours of each cell are set in the bool `mask`: int32, same shape.

        Parameters
        ----------
        mask : bool array of shape (height, width) or (cells,)
        """
        mask = np.asarray(mask)
        if mask.dtype != np.bool_:
            raise ParameterError(f"expected a bool mask, got {mask.dtype}", where="Grid.count")
        return np.asarray(self._convolve(mask, np.int32))

    def sum(self, values: Any) -> NDArray[Any]:
        """Return the sum of `values` over the neighbours of each cell: int64 or float64."""
        values = np.asarray(values)
        if values.dtype.kind not in "biuf":
            raise ParameterError(f"expected numbers, got {values.dtype}", where="Grid.sum")
        return self._convolve(values, np.float64 if values.dtype.kind == "f" else np.int64)

    def _convolve(self, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
        if values.shape not in ((self.height, self.width), (len(self),)):
            what = f"expected shape ({self.height}, {self.width}), got {values.shape}"
            raise ParameterError(what, where="Grid")
        field = values.reshape(self.height, self.width).astype(dtype)
        mode: Any = "wrap" if self.torus else "constant"
        padded = np.pad(field, self.radius, mode=mode)
        out = np.empty(field.shape, dtype)
        chunked(_convolve, len(self), padded, self._near, out)
        return out.reshape(values.shape)

    def degree(self) -> NDArray[np.int32]:
        """Return how many neighbours each cell has, int32 (height, width)."""
        return self.count(np.ones((self.height, self.width), np.bool_))

    def neighbours(self) -> NDArray[np.int64]:
        """Return the neighbours of every cell, int64 (cells, k), -1 where an edge cuts them off."""
        row, column = np.divmod(np.arange(len(self))[:, None], self.width)
        row, column = row + self._near[:, 0], column + self._near[:, 1]
        if self.torus:
            return np.asarray((row % self.height) * self.width + column % self.width)
        inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        return np.where(inside, row * self.width + column, -1)

    def network(self) -> Network:
        """Return the grid as a `Network` of its cells."""
        table = self.neighbours()
        cells = np.repeat(np.arange(len(self)), table.shape[1])
        edges = np.stack([cells, table.ravel()], axis=1)
        return Network.from_edges(edges[edges[:, 1] > edges[:, 0]], len(self))

    def __repr__(self) -> str:
        kind = "torus" if self.torus else "bounded"
        shape = f"{self.height} x {self.width}"
        return f"Grid({shape}, {kind}, {self.neighbourhood}, radius={self.radius})"
