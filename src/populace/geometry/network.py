"""Contact networks in compressed sparse rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.geometry import _check, csr, generate
from populace.kernel.errors import ParameterError, PopulationError, RecordError
from populace.kernel.streams import Stream
from populace.kernel.threads import chunked

ARCS = 2**32 - 1  # the most that a network may hold


class Network:
    """Who meets whom: arcs by compressed sparse rows, each row sorted.

    Make one with a constructor by name (`erdos_renyi`, `from_edges`, ...). An undirected network
    stores every edge as an arc from either end, and a loop as two arcs of its row; in a directed
    one row i holds the nodes that i points to (hears, contacts). Memory is 4 bytes an arc, 4 more
    with weights, and 8 a node.

    Attributes
    ----------
    offsets : uint64 array of shape (n + 1,)
        Row i is ``targets[offsets[i]:offsets[i + 1]]``.
    targets : uint32 array of shape (arcs,)
    weights : float32 array of shape (arcs,), or None
    directed : bool
    """

    __slots__ = ("directed", "offsets", "targets", "weights")

    def __init__(
        self,
        offsets: NDArray[np.uint64],
        targets: NDArray[np.uint32],
        weights: NDArray[np.float32] | None = None,
        directed: bool = False,
    ) -> None:
        self.offsets, self.targets, self.weights = offsets, targets, weights
        self.directed = directed

    # -- constructors ----------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls,
        edges: Any,
        n: int,
        *,
        weights: Any = None,
        directed: bool = False,
        simple: bool = True,
    ) -> Network:
        """Make a network of an edge list.

        Parameters
        ----------
        edges : integer array of shape (m, 2)
            Nodes in 0..n-1; row order and, unless directed, the order of the ends do not matter.
        n : int
            Number of nodes.
        weights : float array of shape (m,), optional
        directed : bool
            Whether an edge is one arc, from its first to its second end.
        simple : bool
            Drop loops and repeats, also an undirected edge listed from both ends. If False all
            are kept, and count as often as they are listed.

        Raises
        ------
        ParameterError
            If the ends are not integers below n, weights do not fit, or repeats differ in weight.
        """
        where = "Network.from_edges"
        n = _check.count(n, "n", where)
        array = np.asarray(edges)
        if array.size == 0:
            array = np.empty((0, 2), np.uint32)
        if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
            came = f"{array.dtype} of shape {array.shape}"
            raise ParameterError(f"expected integers of shape (m, 2), got {came}", where=where)
        if array.size and not (array.min() >= 0 and array.max() < n):
            came = f"{array.min()} to {array.max()}"
            mend = "number the nodes from 0, or raise n"
            raise ParameterError(
                f"expected nodes in 0..{n - 1}, got {came}", where=where, mend=mend
            )
        if weights is not None:
            weights = _check.aligned(weights, len(array), "weights", where).astype(np.float32)
            if not np.isfinite(weights).all():
                raise ParameterError("expected finite weights", where=where)
        return cls._of(np.ascontiguousarray(array, np.uint32), n, weights, directed, simple)

    @classmethod
    def _of(
        cls,
        edges: NDArray[np.uint32],
        n: int,
        weights: NDArray[np.float32] | None = None,
        directed: bool = False,
        simple: bool = False,
    ) -> Network:
        if len(edges) * (1 if directed else 2) > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got {len(edges)} edges")
        offsets, targets, held, unequal = csr.build(n, edges, weights, not directed, simple)
        if unequal:
            what = "an edge is listed twice, with different weights"
            raise ParameterError(what, mend="merge them, or keep both with simple=False")
        return cls(offsets, targets, held, directed)

    @classmethod
    def erdos_renyi(
        cls,
        n: int,
        degree: float | None,
        stream: Stream,
        *,
        p: float | None = None,
        directed: bool = False,
    ) -> Network:
        """Join each pair of nodes independently with probability `p`: G(n, p) (Gilbert 1959).

        Parameters
        ----------
        n : int
        degree : float or None
            Mean degree, for p = degree / (n - 1). Give either this or `p`.
        p : float in [0, 1], optional
        directed : bool
            Draw each ordered pair instead; `degree` is then that of outgoing arcs.
        """
        where = "Network.erdos_renyi"
        n = _check.count(n, "n", where)
        if (degree is None) == (p is None):
            raise ParameterError("expected either degree or p", where=where, mend="give one")
        if degree is not None:
            degree = _check.real(degree, "degree", where)
            if not 0 <= degree <= max(n - 1, 0):
                what = f"expected degree in 0..{max(n - 1, 0)}, got {degree}"
                raise ParameterError(what, where=where)
            p = degree / (n - 1) if n > 1 else 0.0
        p = _check.probability(p, "p", where)
        if p * n * (n - 1) > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got n={n}, p={p}", where=where)
        if directed:
            return cls._of(generate.arcs(n, p, stream), n, directed=True)
        return cls._of(generate.within(n, 0, p, stream), n)

    @classmethod
    def configuration(cls, degrees: Any, stream: Stream, *, simple: bool = True) -> Network:
        """Pair the ends of nodes of given degrees at random (Molloy and Reed 1995).

        All pairings are equally likely, which may make loops and repeated edges: about
        (m + m^2 / 4) with m = <k (k - 1)> / <k>, however large n is while the second moment of the
        degrees stays finite. `simple` drops them, so that a few degrees fall short (the erased
        configuration model); otherwise they stay and every degree is exactly as given.

        Parameters
        ----------
        degrees : integer array of shape (n,)
            With an even sum.
        """
        where = "Network.configuration"
        degrees = _check.integers(degrees, "degrees", where)
        if (total := int(degrees.sum())) % 2:
            what = f"expected degrees with an even sum, got {total}"
            raise ParameterError(what, where=where, mend="add 1 to one of them")
        if total > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got {total}", where=where)
        return cls._of(generate.pair_stubs(degrees, stream), degrees.size, simple=simple)

    @classmethod
    def barabasi_albert(cls, n: int, m: int, stream: Stream) -> Network:
        """Grow a network by preferential attachment (Barabási and Albert, Science 286, 1999).

        From a star of m + 1 nodes on, each new node is joined to `m` different nodes, chosen with
        chances by their degree. There are m (n - m) edges, and of large networks a share
        2 m (m + 1) / (k (k + 1) (k + 2)) of the nodes has degree k.
        """
        where = "Network.barabasi_albert"
        n = _check.count(n, "n", where, low=2)
        m = _check.count(m, "m", where, low=1, high=n - 1)
        if 2 * m * (n - m) > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got n={n}, m={m}", where=where)
        return cls._of(generate.attach(n, m, stream), n)

    @classmethod
    def watts_strogatz(cls, n: int, k: int, p: float, stream: Stream) -> Network:
        """Rewire a ring of `k` nearest neighbours (Watts and Strogatz, Nature 393, 1998).

        Each edge keeps its first end and, with probability `p`, gets another second end, drawn from
        the nodes that are not yet neighbours of the first. Clustering falls as about (1 - p)^3.

        Parameters
        ----------
        n : int
        k : int
            Even, below n.
        p : float in [0, 1]
        """
        where = "Network.watts_strogatz"
        n = _check.count(n, "n", where)
        k = _check.count(k, "k", where, high=max(n - 1, 0))
        if k % 2:
            raise ParameterError(f"expected an even k, got {k}", where=where)
        if n * k > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got n={n}, k={k}", where=where)
        p = _check.probability(p, "p", where)
        return cls._of(generate.rewire(n, k, p, stream), n)

    @classmethod
    def stochastic_block(cls, sizes: Any, probabilities: Any, stream: Stream) -> Network:
        """Join nodes with probabilities of their blocks (Holland, Laskey and Leinhardt 1983).

        Parameters
        ----------
        sizes : integer array of shape (b,)
            Nodes 0..sizes[0]-1 are block 0, and so on.
        probabilities : float array of shape (b, b)
            In [0, 1], symmetric.
        """
        where = "Network.stochastic_block"
        sizes = _check.integers(sizes, "sizes", where)
        table = np.asarray(probabilities, np.float64)
        if table.shape != (sizes.size, sizes.size):
            what = (
                f"expected probabilities of shape ({sizes.size}, {sizes.size}), got {table.shape}"
            )
            raise ParameterError(what, where=where)
        if not np.all((table >= 0) & (table <= 1)) or np.any(table != table.T):
            raise ParameterError("expected symmetric probabilities in [0, 1]", where=where)
        ends = [0, *np.cumsum(sizes).tolist()]
        n = _check.count(ends[-1], "the number of nodes", where)
        expected = float(sizes @ table @ sizes)
        if expected > ARCS:
            raise ParameterError(f"expected at most {ARCS} arcs, got {expected:.3g}", where=where)
        blocks = [range(a, b) for a, b in pairwise(ends)]
        parts = []
        for i, rows in enumerate(blocks):
            parts.append(generate.within(len(rows), rows.start, float(table[i, i]), stream))
            parts += [
                generate.between(rows, blocks[j], float(table[i, j]), stream)
                for j in range(i + 1, len(blocks))
            ]
        return cls._of(np.concatenate(parts or [np.empty((0, 2), np.uint32)]), n)

    @classmethod
    def complete(cls, n: int) -> Network:
        """Join every node to every other."""
        n = _check.count(n, "n", "Network.complete")
        if n * (n - 1) > ARCS:
            raise ParameterError(
                f"expected at most {ARCS} arcs, got n={n}", where="Network.complete"
            )
        row = np.arange(max(n - 1, 0), dtype=np.uint32)
        targets = row[None, :] + (row[None, :] >= np.arange(n, dtype=np.uint32)[:, None])
        offsets = np.arange(n + 1, dtype=np.uint64) * np.uint64(max(n - 1, 0))
        return cls(offsets, targets.reshape(-1).astype(np.uint32))

    @classmethod
    def ring(cls, n: int, k: int = 2) -> Network:
        """Join each node to its `k` nearest (even, below n) on a circle."""
        n = _check.count(n, "n", "Network.ring")
        k = _check.count(k, "k", "Network.ring", high=max(n - 1, 0))
        if k % 2:
            raise ParameterError(f"expected an even k, got {k}", where="Network.ring")
        near = np.concatenate([np.arange(-(k // 2), 0), np.arange(1, k // 2 + 1)])
        targets = np.sort((np.arange(n)[:, None] + near) % max(n, 1), axis=1).astype(np.uint32)
        return cls(np.arange(n + 1, dtype=np.uint64) * np.uint64(k), targets.reshape(-1))

    @classmethod
    def from_networkx(cls, graph: Any, weight: str | None = None) -> Network:
        """Convert a networkx graph; node i is the i-th of ``list(graph)``.

        Parameters
        ----------
        graph : networkx graph
            Loops and parallel edges are kept.
        weight : str, optional
            The edge attribute to take as weight; every edge must have it.
        """
        place = {node: i for i, node in enumerate(graph)}
        ends = [(place[a], place[b]) for a, b in graph.edges()]
        weights = None
        if weight is not None:
            found = [data.get(weight) for _, _, data in graph.edges(data=True)]
            if any(value is None for value in found):
                what = f"an edge has no attribute {weight!r}"
                raise ParameterError(what, where="Network.from_networkx")
            weights = np.array(found, np.float64)
        edges = np.array(ends, np.int64).reshape(-1, 2)
        directed = bool(graph.is_directed())
        return cls.from_edges(edges, len(place), weights=weights, directed=directed, simple=False)

    @classmethod
    def load(
        cls, path: str | Path, n: int | None = None, *, directed: bool = False, simple: bool = True
    ) -> Network:
        """Read an edge list from a .csv, .tsv or .parquet file with a header.

        Parameters
        ----------
        path : path
            The first two columns are the ends of the edges, integers from 0; a column named
            ``weight`` holds weights.
        n : int, optional
            Number of nodes; by default one more than the highest.

        Raises
        ------
        RecordError
            If the file cannot be read.
        ParameterError
            If its columns are not as expected.
        """
        import polars as pl

        path = Path(path)
        where = str(path)
        readers: dict[str, Any] = {
            ".csv": pl.read_csv,
            ".tsv": lambda file: pl.read_csv(file, separator="\t"),
            ".parquet": pl.read_parquet,
        }
        if path.suffix not in readers:
            raise ParameterError(f"expected .csv, .tsv or .parquet, got {path.suffix}", where=where)
        try:
            table = readers[path.suffix](path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise RecordError(f"cannot read: {error}".splitlines()[0], where=where) from error
        ends = [name for name in table.columns if name != "weight"][:2]
        if len(ends) < 2 or not all(table[name].dtype.is_integer() for name in ends):
            came = ", ".join(f"{name} {kind}" for name, kind in table.schema.items())
            mend = "number the nodes 0, 1, 2, ..."
            raise ParameterError(
                f"expected two integer columns, got {came}", where=where, mend=mend
            )
        if table.select(ends).null_count().sum_horizontal().item():
            raise ParameterError("an edge lacks an end", where=where)
        edges = table.select(pl.col(ends).cast(pl.Int64)).to_numpy()
        if n is None:
            n = int(edges.max()) + 1 if edges.size else 0
        weights = table["weight"].to_numpy() if "weight" in table.columns else None
        return cls.from_edges(edges, n, weights=weights, directed=directed, simple=simple)

    # -- what it holds ---------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of nodes."""
        return int(self.offsets.size - 1)

    def __len__(self) -> int:
        return self.n

    @property
    def arcs(self) -> int:
        """Number of arcs: twice the edges unless directed."""
        return int(self.targets.size)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        weights = 0 if self.weights is None else self.weights.nbytes
        return int(self.offsets.nbytes + self.targets.nbytes + weights)

    @property
    def degree(self) -> NDArray[np.int64]:
        """Arcs of each row, int64 (n,): the degree, or out-degree if directed."""
        return np.diff(self.offsets).astype(np.int64)

    def neighbours(self, node: int) -> NDArray[np.uint32]:
        """Return the targets of `node`, ascending: a view."""
        if not 0 <= node < self.n:
            raise PopulationError(f"expected a node in 0..{self.n - 1}, got {node}")
        return self.targets[int(self.offsets[node]) : int(self.offsets[node + 1])]

    def sources(self) -> NDArray[np.uint32]:
        """Return the row of each arc, uint32 (arcs,)."""
        out = np.empty(self.arcs, np.uint32)
        chunked(csr.sources, self.n, self.offsets, out)
        return out

    def edges(self) -> NDArray[np.uint32]:
        """Return the edges, uint32 (m, 2), by row; an undirected one once, lower end first."""
        pairs = np.stack([self.sources(), self.targets], axis=1)
        if self.directed:
            return pairs
        loops = pairs[pairs[:, 0] == self.targets][::2]  # two arcs each
        once = pairs[pairs[:, 0] < self.targets]
        if not len(loops):
            return once
        every = np.concatenate([once, loops])
        return every[np.lexsort((every[:, 1], every[:, 0]))]

    def transpose(self) -> Network:
        """Return the network with every arc turned round; itself if undirected."""
        if not self.directed:
            return self
        turned = np.stack([self.targets, self.sources()], axis=1)
        return Network._of(turned, self.n, self.weights, directed=True)

    # -- along the arcs --------------------------------------------------------------------------

    def sum(self, values: Any) -> NDArray[Any]:
        """Return the sum of `values` over each node's neighbours, by weight if there are weights.

        Added in the order of the row, so the result depends on no number of threads.

        Parameters
        ----------
        values : array of shape (n,)

        Returns
        -------
        array of shape (n,)
            int64 of integers and bools, float32 of float32, else float64; with weights float64.
        """
        values = _check.aligned(values, self.n, "values", "Network.sum")
        if self.weights is not None:
            out = np.empty(self.n, np.float64)
            chunked(csr.weigh_rows, self.n, self.offsets, self.targets, self.weights, values, out)
            return out
        out = np.zeros(self.n, np.int64 if values.dtype == np.bool_ else values.dtype)
        chunked(csr.sum_rows, self.n, self.offsets, self.targets, values, out)
        return out

    def mean(self, values: Any) -> NDArray[Any]:
        """Return the mean of `values` over each node's neighbours, NaN where there are none.

        With weights, the weighted mean. Parameters as of `sum`; float32 of float32, else float64.
        """
        total = self.sum(values)
        if self.weights is None:
            share: NDArray[Any] = self.degree
        else:
            share = np.empty(self.n, np.float64)
            chunked(csr.add_rows, self.n, self.offsets, self.weights, share)
        with np.errstate(invalid="ignore", divide="ignore"):
            kind = total.dtype if total.dtype.kind == "f" else np.dtype(np.float64)
            return np.asarray(total.astype(kind, copy=False) / share.astype(kind))

    def count(self, mask: Any) -> NDArray[np.uint32]:
        """Return how many neighbours of each node are set in the bool `mask`, by pull: uint32."""
        table = _check.mask(mask, self.n, "Network.count")
        out = np.empty(self.n, np.uint32)
        chunked(csr.count_rows, self.n, self.offsets, self.targets, table, out)
        return out

    def push_count(self, rows: Any) -> NDArray[np.uint32]:
        """Return how many of the nodes `rows` point to each node, by push: uint32 (n,).

        For an undirected network ``push_count(np.flatnonzero(mask))`` equals ``count(mask)``, and
        is quicker while few are set.
        """
        rows = _check.integers(rows, "rows", "Network.push_count", high=self.n - 1)
        out = np.zeros(self.n, np.uint32)
        csr.push_rows(rows, self.offsets, self.targets, out)
        return out

    def __repr__(self) -> str:
        kind = "directed" if self.directed else "undirected"
        return f"Network({self.n} nodes, {self.arcs} arcs, {kind})"
