"""Mazes: drawing them, hiding them, reading and writing them, and the shortest way through."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream

OPEN, WALL, HIDDEN = ".", "#", "?"
TRIES = 1000
Cell = tuple[int, int]  # row and column, from 0 at the top left
Grid = tuple[str, ...]  # a row a text

_CELL = re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*\)?")


@dataclass(frozen=True)
class Maze:
    """A maze and what each of two agents sees of it.

    Attributes
    ----------
    grid : Grid
        Of `OPEN` and `WALL`.
    start, goal : Cell
        Open cells that are connected.
    views : pair of Grid
        Each cell is `HIDDEN` in exactly one of them.
    """

    grid: Grid
    start: Cell
    goal: Cell
    views: tuple[Grid, Grid]

    @property
    def shortest(self) -> int:
        """Steps of a shortest way from start to goal."""
        found = way(self.grid, self.start, self.goal)
        assert found is not None
        return len(found) - 1


def draw_maze(size: int, walls: float, stream: Stream) -> Maze:
    """Draw a maze with a share of walls, from any open cell to another one that it leads to.

    Each cell is hidden from either agent with probability 1/2; start and goal are told to both.

    Raises
    ------
    ParameterError
        If no draw has a way from start to goal.
    """
    cells = size * size
    for _ in range(TRIES):
        order = stream.permutation(cells).tolist()
        closed = set(order[: round(walls * cells)])
        rows = ["".join(WALL if r * size + c in closed else OPEN for c in range(size))
                for r in range(size)]  # fmt: skip
        free = order[len(closed) :]
        if len(free) < 2:
            break
        start, goal = (divmod(cell, size) for cell in free[:2])
        if way(rows, start, goal) is not None:
            first = (stream.uniform(cells) < 0.5).tolist()
            return Maze(tuple(rows), start, goal, (_seen(rows, first, True),
                                                   _seen(rows, first, False)))  # fmt: skip
    raise ParameterError(f"no maze with a way in {TRIES} draws", where="walls", mend="use fewer")


def _seen(rows: Sequence[str], first: Sequence[bool], mine: bool) -> Grid:
    size = len(rows)
    return tuple(
        "".join(cell if first[r * size + c] == mine else HIDDEN for c, cell in enumerate(rows[r]))
        for r in range(size)
    )


def way(grid: Sequence[str], start: Cell, goal: Cell, through: str = OPEN) -> list[Cell] | None:
    """Return a shortest way over cells of `through`, by breadth-first search; None without one.

    Steps go up, left, right or down; of several shortest ways it is always the same.
    """
    before: dict[Cell, Cell] = {start: start}
    todo = deque([start])
    while todo:
        here = todo.popleft()
        if here == goal:
            back = [here]
            while before[back[-1]] != back[-1]:
                back.append(before[back[-1]])
            return back[::-1]
        for there in around(here, len(grid)):
            if there not in before and grid[there[0]][there[1]] in through:
                before[there] = here
                todo.append(there)
    return None


def around(cell: Cell, size: int) -> list[Cell]:
    """Return the cells above, left, right and below."""
    r, c = cell
    near = [(r - 1, c), (r, c - 1), (r, c + 1), (r + 1, c)]
    return [(a, b) for a, b in near if 0 <= a < size and 0 <= b < size]


def merged(one: Sequence[str], other: Sequence[str]) -> Grid:
    """Return what two who see `one` and `other` see together."""
    return tuple(
        "".join(b if a == HIDDEN else a for a, b in zip(x, y, strict=True))
        for x, y in zip(one, other, strict=True)
    )


def walked(grid: Sequence[str], start: Cell, path: Sequence[Cell]) -> Cell:
    """Return where one who walks the path ends: before the first step that cannot be taken."""
    here = start
    for there in path[1:] if path and path[0] == start else path:
        if there not in around(here, len(grid)) or grid[there[0]][there[1]] != OPEN:
            break
        here = there
    return here


def progress(maze: Maze, path: Sequence[Cell]) -> float:
    """Return (a - b)/a, from 0 to 1: a steps lie between start and goal, b are left in the end.

    One who ends further away than where it began made no progress: 0.
    """
    rest = way(maze.grid, walked(maze.grid, maze.start, path), maze.goal)
    assert rest is not None  # it got there from the start
    return max(0.0, (maze.shortest - len(rest) + 1) / maze.shortest)


def written(cells: Sequence[Cell]) -> str:
    """Return a path in words, as `read_path` reads it.

    >>> written([(0, 1), (1, 1)])
    'PATH: (0,1) (1,1)'
    """
    return "PATH: " + " ".join(f"({r},{c})" for r, c in cells)


def read_path(text: str) -> list[Cell] | None:
    """Return the last path stated in a text, or None.

    >>> read_path("First PATH: (0,0), (0,1). No: PATH: (0,0) (1, 0)")
    [(0, 0), (1, 0)]
    """
    _, found, rest = text.rpartition("PATH:")
    line = rest.split("\n")[0]
    cells = [(int(r), int(c)) for r, c in _CELL.findall(line)]
    return cells if found and cells else None


def read_map(text: str, size: int) -> Grid | None:
    """Return the last map in a text, `size` lines after a line MAP:, or None."""
    _, found, rest = text.rpartition("MAP:\n")
    rows = [row.replace(" ", "") for row in rest.split("\n")[:size]]
    good = len(rows) == size and all(
        len(row) == size and set(row) <= {OPEN, WALL, HIDDEN} for row in rows
    )
    return tuple(rows) if found and good else None
