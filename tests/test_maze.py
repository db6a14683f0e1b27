"""The collaborative maze: views that hide each cell from one, scores by hand, shortest ways."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Rule, Simulation
from populace.errors import ParameterError
from populace.kernel.streams import Streams
from populace.language import Scripted
from populace.language.policy import Language
from populace.testing import check_world
from populace.worlds.maze import PROMPTS, Mazes, agreed, share_maps
from populace.worlds.maze.mazes import (
    HIDDEN,
    OPEN,
    Maze,
    draw_maze,
    merged,
    progress,
    read_map,
    read_path,
    walked,
    way,
    written,
)

GRID = (
    "..#",
    "#..",
    "...",
)
MAZE = Maze(GRID, (0, 0), (2, 0), (GRID, GRID))  # four steps: right, down, down, left


def graph(grid: tuple[str, ...]) -> Any:
    n = len(grid)
    lattice = nx.grid_2d_graph(n, n)
    return lattice.subgraph([c for c in lattice if grid[c[0]][c[1]] == OPEN])


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.sampled_from([0.0, 0.3, 0.5]), st.integers(0, 999))
def test_drawn_mazes_have_a_way_and_every_cell_is_hidden_from_one(
    size: int, walls: float, seed: int
) -> None:
    maze = draw_maze(size, walls, Streams(seed).stream("maze"))
    assert sum(row.count("#") for row in maze.grid) == round(walls * size * size)
    assert maze.shortest == nx.shortest_path_length(graph(maze.grid), maze.start, maze.goal)
    one, other = maze.views
    for a, b in zip("".join(one), "".join(other), strict=True):
        assert (a == HIDDEN) != (b == HIDDEN)
    assert merged(one, other) == merged(other, one) == maze.grid


def test_a_maze_without_a_way_is_refused() -> None:
    with pytest.raises(ParameterError, match="no maze with a way"):
        draw_maze(3, 0.85, Streams(1).stream("maze"))


@pytest.mark.parametrize(
    ("path", "end", "made"),
    [
        ([(0, 0), (0, 1), (1, 1), (2, 1), (2, 0)], (2, 0), 1),
        ([(0, 1), (1, 1), (2, 1), (2, 0)], (2, 0), 1),  # the start may be left out
        ([(0, 0), (0, 1), (1, 1)], (1, 1), 2 / 4),
        ([(0, 0), (1, 0), (2, 0)], (0, 0), 0),  # through a wall
        ([(0, 0), (0, 1), (2, 1), (2, 0)], (0, 1), 1 / 4),  # a leap
        ([(0, 1), (1, 1), (1, 2), (1, 3)], (1, 2), 1 / 4),  # out of the maze
        ([], (0, 0), 0),
    ],
)
def test_a_path_counts_as_far_as_it_can_be_walked(path: Any, end: Any, made: float) -> None:
    assert way(GRID, (0, 0), (2, 0)) == [(0, 0), (0, 1), (1, 1), (2, 1), (2, 0)]
    assert MAZE.shortest == 4
    assert walked(GRID, (0, 0), path) == end
    assert progress(MAZE, path) == made


def test_further_away_is_no_progress() -> None:
    line = ("....", "####", "####", "####")
    assert progress(Maze(line, (0, 1), (0, 3), (line, line)), [(0, 1), (0, 0)]) == 0


def test_what_is_written_is_read() -> None:
    path = [(0, 10), (1, 10)]
    assert read_path(f"Well.\n{written(path)}\nGood?") == path
    assert read_path("PATH: none yet") is None
    assert read_map("hm\nMAP:\n..#\n#..\n?..\nso", 3) == ("..#", "#..", "?..")
    assert read_map("MAP:\n..#\n#x.\n...", 3) is None


def test_a_path_is_agreed_when_the_other_consents_to_the_last_one() -> None:
    a, b = written([(0, 0), (0, 1)]), written([(0, 0), (1, 0)])
    assert agreed([(0, a), (1, a)], alone=False) == [(0, 0), (0, 1)]
    assert agreed([(0, a), (1, b), (0, "AGREED.")], alone=False) == [(0, 0), (1, 0)]
    assert agreed([(0, a), (1, f"AGREE, but {b}")], alone=False) is None
    assert agreed([(0, a), (1, "I disagree")], alone=False) is None
    assert agreed([(0, "AGREE")], alone=False) is None
    assert agreed([(0, a), (1, "what?"), (0, "AGREE")], alone=False) is None  # with whom?


@pytest.mark.parametrize(
    ("condition", "turns"), [("pair", 3), ("solo-full", 1), ("solo-distributed", 1)]
)
def test_who_exchanges_maps_finds_a_shortest_way_in_every_maze(condition: Any, turns: int) -> None:
    world = Mazes(games=40, condition=condition)
    run = Simulation(world, world.policies()["mapmaker"], seed=7).run(world.ticks)
    assert run.metrics.height == turns
    for row in world.results():
        assert row["solved"]
        assert row["agreed"]
        assert (row["progress"], row["steps"], row["turns"]) == (1, row["shortest"], turns)
    fewer = Mazes(games=5)
    Simulation(fewer, Rule(talk=lambda o: "hm"), seed=7).run(1)
    assert fewer.mazes == world.mazes[:5]  # the same, whatever the condition and who plays


def test_who_says_nothing_never_agrees() -> None:
    world = Mazes(games=3, turns=4)
    run = Simulation(world, Rule(talk=lambda o: "hm"), seed=1).run(world.ticks)
    assert run.metrics["playing"].to_list() == [3, 3, 3, 0]
    assert run.metrics["progress"].to_list() == [None, None, None, 0]
    assert {row["turns"] for row in world.results()} == {4}


def test_players_may_differ_by_seat() -> None:
    world = Mazes(games=2, turns=6)
    seat = world.people.seat
    minds = {"mapmaker": Rule(talk=share_maps), "mute": Rule(talk=lambda o: "hm")}
    cast = Cast(minds, assign={"mapmaker": seat == 0, "mute": seat == 1})
    Simulation(world, cast, seed=1).run(world.ticks)
    assert world.agreed == [None, None]
    assert [seat for seat, _ in world.transcripts[0]] == [0, 1, 0, 1, 0, 1]


def test_a_language_model_plays_by_the_shipped_prompts() -> None:
    asked: list[str] = []

    def reply(request: Any) -> str:
        asked.append(request.messages[-1].content)
        return "AGREE" if "PATH: (0,0) (0,1)\n\nThis is turn" in asked[-1] else "PATH: (0,0) (0,1)"

    world = Mazes(games=1)
    Simulation(world, Language(Scripted(reply), PROMPTS), seed=2).run(world.ticks)
    assert world.agreed == [[(0, 0), (0, 1)]]
    assert "Each of you sees the cells that the other does not see." in asked[0]
    assert "Partner: PATH: (0,0) (0,1)" in asked[1]
    for text, view in zip(asked, world.mazes[0].views, strict=True):
        assert "MAP:\n" + "\n".join(view) in text
    assert "You work alone" in _solo_prompt()


def _solo_prompt() -> str:
    asked: list[str] = []

    def reply(request: Any) -> str:
        asked.append(request.messages[-1].content)
        return "PATH: (0,0)"

    world = Mazes(games=1, condition="solo-distributed")
    Simulation(world, Language(Scripted(reply), PROMPTS), seed=2).run(world.ticks)
    assert asked[0].count("MAP:") == 2
    return asked[0]


def test_the_rules_of_the_kernel_are_kept() -> None:
    check_world(lambda: Mazes(games=3), ticks=4).raise_if_failed()
