"""Two groups on a grid, who move when too few neighbours are like them: Schelling's segregation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Grid
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule

MOVE = Choice(("stay", "move"))
LAID = "agents are made and placed at the start"
BLOCKS = 10  # a side of the map


class Segregation(World):
    """Two groups live on a grid; agents move when too few of their neighbours are like them.

    Schelling (1971), in two dimensions on a torus of ``side`` x ``side`` cells, each vacant or home
    to one agent. Each tick every agent is asked ``move`` (stay or move); it sees ``like``, the
    share of its own group among the agents in the eight cells around it (1 where there are none),
    its ``group`` (1 or 2) and the ``tolerance``, the share that the model takes as wanted. All who
    move leave at once for vacant cells at random; if there are fewer of those than movers, a random
    part of the movers finds one. Who does not decide stays. (Schelling moved one agent at a time,
    to the nearest cell that satisfied it.)

    The default mind moves when ``like < tolerance``. Then a state in which all are content is
    absorbing, and the mean of `like` ends far above what anybody wanted.

    Attributes
    ----------
    people : Population
        Columns ``group``, ``cell`` (row-major) and ``like``.
    grid : Grid
        The torus, cells numbered row by row.
    cells : uint8 array of shape (side * side,)
        The group of each cell's agent, 0 where it is vacant.
    """

    ticks = 40
    axes = {"block": [f"{row},{column}" for row in range(BLOCKS) for column in range(BLOCKS)]}
    charts = (
        Chart(
            "Likeness",
            ["similarity", "content"],
            unit="share",
            note="Mean share of like neighbours, and share of agents for whom it is enough.",
        ),
        Chart("Moves", ["moves"], unit="agents a tick"),
        Chart(
            "Where the first group lives",
            ["first_group"],
            unit="share of the block's agents",
            kind="map",
            by="block",
            tiles={f"{row},{column}": (column, row) for row in range(10) for column in range(10)},
        ),
    )

    def __init__(
        self,
        side: Annotated[int, Parameter("cells a side", low=BLOCKS, high=20_000, fixed=LAID)] = 100,
        vacant: Annotated[
            float, Parameter("cells without an agent", "share", 0, 1, fixed=LAID)
        ] = 0.1,
        first: Annotated[
            float, Parameter("agents of the first group", "share", 0, 1, fixed=LAID)
        ] = 0.5,
        tolerance: Annotated[float, Parameter("like neighbours wanted", "share", 0, 1)] = 0.3,
    ) -> None:
        n = round(side * side * (1.0 - vacant))
        if n < 1:
            raise ParameterError(f"vacant={vacant} leaves no agent", where="Segregation")
        group = np.where(np.arange(n) < round(first * n), 1, 2).astype(np.uint8)
        self.people = Population(n, group=group, cell=np.uint32, like=np.float32)
        self.grid = Grid(side, side)
        self.cells = np.zeros(len(self.grid), np.uint8)
        self.tolerance, self.moves = tolerance, 0

    def start(self, streams: Streams) -> None:
        """Give every agent a cell of its own, at random."""
        people = self.people
        people.cell[:] = self.grid.scatter(len(people), streams.stream("cells"))
        self.cells[people.cell] = people.group
        people.like[:] = likeness(self.grid, self.cells)[people.cell]

    async def step(self, minds: Minds) -> None:
        people = self.people
        answers = await minds.ask(
            "move", people, MOVE, see=["like", "group"], missing="stay", tolerance=self.tolerance
        )
        movers = np.flatnonzero(answers.chose("move"))
        vacant = np.flatnonzero(self.cells == 0)
        if len(movers) > len(vacant):
            order = minds.stream("movers").permutation(people[movers])
            movers = movers[order[: len(vacant)]]
        order = minds.stream("cells").permutation(vacant)
        self.cells[people.cell[movers]] = 0
        people.cell[movers] = vacant[order[: len(movers)]]
        self.cells[people.cell[movers]] = people.group[movers]
        people.like[:] = likeness(self.grid, self.cells)[people.cell]
        self.moves = len(movers)

    def measure(self) -> Mapping[str, float | By]:
        like = self.people.like
        return {
            "similarity": like.mean(dtype=np.float64),
            "content": np.count_nonzero(like >= np.float32(self.tolerance)) / len(like),
            "moves": self.moves,
            "first_group": By("block", self._blocks()),
        }

    def _blocks(self) -> NDArray[np.float64]:
        """Return the first group's share of each block's agents, NaN where there are none."""
        side = self.grid.width
        edges = np.arange(BLOCKS) * side // BLOCKS
        cells = self.cells.reshape(side, side)
        first, all_ = (
            np.add.reduceat(np.add.reduceat(which, edges, 0, np.int64), edges, 1)
            for which in (cells == 1, cells > 0)
        )
        with np.errstate(invalid="ignore"):
            return np.asarray((first / all_).ravel())

    def policies(self) -> Mapping[str, Policy]:
        return {"schelling": Rule(move=_too_few_like), "mixing": Rule(move=_none_unlike)}


def likeness(grid: Grid, cells: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return each cell's share of like agents among those in the eight cells around it.

    Shape (cells,), float32; 1 where nobody is around. Of vacant cells it means nothing.
    """
    first, second = (grid.count(cells == group).astype(np.float32) for group in (1, 2))
    own = np.where(cells == 1, first, second)
    around = first + second
    return np.asarray(np.divide(own, around, out=np.ones_like(own), where=around > 0))


def _too_few_like(o: Observation) -> object:
    """Move when fewer than the wanted share of neighbours are like oneself."""
    return o["like"] < np.float32(o["tolerance"])


def _none_unlike(o: Observation) -> object:
    """Move when too few neighbours are like oneself, and when all are."""
    return (o["like"] < np.float32(o["tolerance"])) | (o["like"] == 1)
