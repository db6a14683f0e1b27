"""Grids: neighbourhoods against a loop over cells, and against networkx."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.geometry import Grid, Network
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.kernel.threads import threads


@st.composite
def grids(draw):
    torus, radius = draw(st.booleans()), draw(st.integers(1, 3))
    low = 2 * radius + 1 if torus else 1
    sizes = st.integers(low, 10)
    kind = draw(st.sampled_from(["moore", "von_neumann"]))
    return Grid(draw(sizes), draw(sizes), torus=torus, neighbourhood=kind, radius=radius)


def near(grid, cell, other):
    """Whether two cells are neighbours, by the definition."""
    a, b = divmod(cell, grid.width), divmod(other, grid.width)
    gaps = [abs(x - y) for x, y in zip(a, b, strict=True)]
    if grid.torus:
        sizes = (grid.height, grid.width)
        gaps = [min(gap, size - gap) for gap, size in zip(gaps, sizes, strict=True)]
    distance = max(gaps) if grid.neighbourhood == "moore" else sum(gaps)
    return 0 < distance <= grid.radius


@given(grids(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_neighbours_are_those_of_the_definition(grid, seed):
    draws = Streams(seed).stream("x")
    shape = (grid.height, grid.width)
    mask, values = draws.bernoulli(len(grid), 0.4), draws.normal(len(grid))
    table = [[o for o in range(len(grid)) if near(grid, c, o)] for c in range(len(grid))]
    found = [sorted(row[row >= 0].tolist()) for row in grid.neighbours()]
    assert found == table
    assert grid.count(mask).tolist() == [mask[row].sum() for row in table]
    assert grid.count(mask.reshape(shape)).shape == shape
    np.testing.assert_allclose(grid.sum(values), [values[row].sum() for row in table], atol=1e-12)
    assert grid.sum(mask.astype(np.uint8)).dtype == np.int64
    assert grid.degree().ravel().tolist() == [len(row) for row in table]
    network = grid.network()
    assert [network.neighbours(c).tolist() for c in range(len(grid))] == table


@pytest.mark.parametrize("torus", [False, True])
def test_von_neumann_is_the_lattice_of_networkx(torus):
    grid = Grid(5, 7, torus=torus, neighbourhood="von_neumann")
    lattice = Network.from_networkx(nx.grid_2d_graph(5, 7, periodic=torus))
    np.testing.assert_array_equal(grid.network().targets, lattice.targets)


def test_large_counts_are_the_same_with_two_threads_and_by_shifting():
    grid = Grid(331, 257)
    mask = Streams(1).stream("m").bernoulli(len(grid), 0.3).reshape(331, 257)
    results = []
    for k in (1, 2):
        with threads(k):
            results.append(grid.count(mask))
    np.testing.assert_array_equal(results[0], results[1])
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    rolled = sum(np.roll(mask.astype(int), shift, axis=(0, 1)) for shift in shifts)
    np.testing.assert_array_equal(results[0], rolled)
    assert results[0].sum() == 8 * mask.sum()


@given(grids(), st.integers(0, 99), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_agents_and_empty_cells_make_up_the_grid(grid, seed, share):
    n = int(share * len(grid))
    cells = grid.scatter(n, Streams(seed).stream("places"))
    assert len(np.unique(cells)) == n
    occupants, empty = grid.occupants(cells), grid.empty(cells)
    assert sorted([*cells.tolist(), *empty.tolist()]) == list(range(len(grid)))
    assert occupants.ravel()[cells].tolist() == list(range(n))
    assert np.count_nonzero(occupants == -1) == len(empty)
    row, column = grid.place_of(cells)
    assert grid.cell(row, column).tolist() == cells.tolist()
    assert grid.crowd(np.concatenate([cells, cells])).sum() == 2 * n


def test_a_torus_wraps_and_a_bounded_grid_does_not():
    assert Grid(4, 5).cell(-1, 5).tolist() == 15
    assert Grid(4, 5, torus=False).degree()[0, 0] == 3
    with pytest.raises(ParameterError):
        Grid(4, 5, torus=False).cell(-1, 0)


BAD = {
    "empty": lambda: Grid(0, 5),
    "fraction": lambda: Grid(5, 2.5),
    "huge": lambda: Grid(2**16, 2**16),
    "radius": lambda: Grid(5, 5, radius=0),
    "wrap": lambda: Grid(5, 4, radius=2),
    "kind": lambda: Grid(5, 5, neighbourhood="hex"),
    "shape": lambda: Grid(5, 5).count(np.ones((4, 5), bool)),
    "mask": lambda: Grid(5, 5).count(np.ones((5, 5))),
    "values": lambda: Grid(5, 5).sum(np.array(["a"] * 25)),
    "cell": lambda: Grid(5, 5).empty([25]),
    "shared": lambda: Grid(5, 5).occupants([3, 3]),
    "crowd": lambda: Grid(5, 5).scatter(26, Streams(1).stream("x")),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    with pytest.raises(ParameterError):
        BAD[case]()
