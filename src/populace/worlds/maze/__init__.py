"""Two agents who each see half of a maze talk until they agree on a way through it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from populace.kernel.columns import column
from populace.kernel.measures import Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.maze.mazes import (
    HIDDEN,
    Cell,
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

PROMPTS = Path(__file__).parent / "prompts" / "maze.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""

Condition = Literal["pair", "solo-full", "solo-distributed"]
_MADE = "the mazes are drawn at the start"
_AGREE = re.compile(r"\bAGREED?\b")


class Mazes(World):
    """The collaborative maze of "The Collaboration Gap" (Davidson et al. 2025, arXiv:2511.02687).

    In each of `games` mazes two agents each see the cells that are hidden from the other. They talk
    turn by turn until they agree on a path, or `turns` are over. What they agreed on is then walked
    up to its first impossible step, and scored by the progress (a - b)/a: a steps lie between start
    and goal, b are left. Conditions: ``pair``; ``solo-full``, one agent that sees everything;
    ``solo-distributed``, one agent that sees both halves. The gap is solo less pair.

    A tick is a turn: of each game that is not over, the agent whose turn it is is asked ``talk``
    and sees its ``view``, the ``transcript``, start and goal. A path is stated as
    ``PATH: (row,column) ...``. It is agreed once the other says AGREE, or states the same; one
    agent alone agrees with itself at once. (The paper has a model extract the path; here what is
    said decides, to the letter.) Who does not speak says nothing, and the turn is over.

    A run that changes who plays an agent in mid-run is the paper's *relay*.

    Attributes
    ----------
    people : Population
        Column ``game`` and ``seat``: 0 begins. Two of them a game, one in the solo conditions.
    mazes : list of Maze
    transcripts : list, one a game, of lists of (seat, text)
    agreed : list of path or None
    """

    ticks = 500  # it ends by itself
    charts = (
        Chart("Being played", ["playing"], unit="games"),
        Chart("Of all games", ["agreed", "solved"], unit="share"),
        Chart("Progress", ["progress"], note="(a - b)/a of the games that are over, on average."),
    )

    def __init__(
        self,
        games: Annotated[int, Parameter("mazes", low=1, fixed=_MADE)] = 100,
        condition: Annotated[Condition, Parameter("who sees what", fixed=_MADE)] = "pair",
        size: Annotated[int, Parameter("rows and columns", low=2, high=20, fixed=_MADE)] = 6,
        walls: Annotated[float, Parameter("walls", "share", 0, 0.9, fixed=_MADE)] = 0.3,
        turns: Annotated[int, Parameter("most turns of a game", low=1, high=500)] = 50,
        letters: Annotated[
            int, Parameter("longest reply", "characters", low=10, fixed=_MADE)
        ] = 4000,
    ) -> None:
        self.condition, self.turns = condition, turns
        self._games, self._size, self._walls, self._letters = games, size, walls, letters
        self.seats = 2 if condition == "pair" else 1
        game = np.repeat(np.arange(games), self.seats)
        seat = np.tile(np.arange(self.seats), games)
        self.people = Population(
            games * self.seats, game=game.astype(np.int64), seat=seat.astype(np.int64)
        )
        self.mazes: list[Maze] = []
        self.transcripts: list[list[tuple[int, str]]] = [[] for _ in range(games)]
        self.agreed: list[list[Cell] | None] = [None] * games
        self.turn = 0

    def start(self, streams: Streams) -> None:
        """Draw the mazes; game g is the same whatever the number of games and the condition."""
        self.mazes = [
            draw_maze(self._size, self._walls, streams.stream(f"maze/{game}"))
            for game in range(self._games)
        ]

    @property
    def playing(self) -> list[int]:
        """The games that are not over."""
        if self.turn >= self.turns:
            return []
        return [game for game, path in enumerate(self.agreed) if path is None]

    @property
    def done(self) -> bool:
        return not self.playing

    async def step(self, minds: Minds) -> None:
        games, seat = self.playing, self.turn % self.seats
        speakers = self.people[np.array(games) * self.seats + seat]
        self.turn += 1
        found = await minds.ask(
            "talk", speakers, Text(self._letters), missing="", **self._shown(games, seat)
        )
        for game, text in zip(games, found.values, strict=True):
            self.transcripts[game].append((seat, str(text)))
            self.agreed[game] = agreed(self.transcripts[game], alone=self.seats == 1)

    def measure(self) -> Mapping[str, float | None]:
        table = self.results()
        over = [row for row in table if row["agreed"] or self.turn >= self.turns]
        n = len(over)
        return {
            "playing": len(table) - n,
            "agreed": sum(row["agreed"] for row in table) / len(table),
            "solved": sum(row["solved"] for row in table) / len(table),
            "progress": sum(row["progress"] for row in over) / n if n else None,
            "turns": sum(row["turns"] for row in over) / n if n else None,
        }

    def results(self) -> list[dict[str, Any]]:
        """Return a row a game: shortest (a), agreed, progress, solved, steps (of it), turns."""
        rows = []
        for game, (maze, path) in enumerate(zip(self.mazes, self.agreed, strict=True)):
            rows.append(
                {
                    "game": game,
                    "shortest": maze.shortest,
                    "agreed": path is not None,
                    "progress": 0.0 if path is None else progress(maze, path),
                    "solved": path is not None and walked(maze.grid, maze.start, path) == maze.goal,
                    "steps": None if path is None else len(path) - (path[0] == maze.start),
                    "turns": len(self.transcripts[game]),
                }
            )
        return rows

    def policies(self) -> Mapping[str, Policy]:
        return {"mapmaker": Rule(talk=share_maps)}

    def _shown(self, games: list[int], seat: int) -> dict[str, Any]:
        mazes = [self.mazes[game] for game in games]
        return {
            "view": column([self._view(maze, seat) for maze in mazes]),
            "transcript": column([self._words(game, seat) for game in games]),
            "begin": column([f"({m.start[0]},{m.start[1]})" for m in mazes]),
            "goal": column([f"({m.goal[0]},{m.goal[1]})" for m in mazes]),
            "side": self._size,
            "partners": "pair" if self.seats == 2 else "solo",
            "turn": self.turn,
            "turns": self.turns,
        }

    def _view(self, maze: Maze, seat: int) -> str:
        """Return a map, or both halves one after the other."""
        if self.condition == "solo-full":
            return _map(maze.grid)
        if self.condition == "solo-distributed":
            return "\n\n".join(map(_map, maze.views))
        return _map(maze.views[seat])

    def _words(self, game: int, seat: int) -> str:
        said = [f"{'You' if s == seat else 'Partner'}: {t}" for s, t in self.transcripts[game]]
        return "\n".join(said) or "Nothing was said yet."


def agreed(transcript: list[tuple[int, str]], alone: bool) -> list[Cell] | None:
    """Return the path that a talk ended with, if it just did.

    Examples
    --------
    >>> agreed([(0, "PATH: (0,0) (0,1)"), (1, "AGREE")], alone=False)
    [(0, 0), (0, 1)]
    >>> agreed([(0, "PATH: (0,0) (0,1)"), (1, "Hm. PATH: (0,0) (1,0)")], alone=False) is None
    True
    """
    seat, text = transcript[-1]
    path = read_path(text)
    if alone:
        return path
    theirs = next((t for s, t in reversed(transcript[:-1]) if s != seat), "")
    offer = read_path(theirs)
    same = path == offer or (path is None and _AGREE.search(text) is not None)
    return offer if offer is not None and same else None


def share_maps(observation: Observation) -> Any:
    """Say what is seen, put it together with what the other said, and propose the shortest way.

    With the whole map known the path is a shortest one, so two of these solve every maze in three
    turns: a map, a map and a path, consent.
    """
    rows = zip(
        *(observation[name] for name in ("view", "transcript", "begin", "goal")), strict=True
    )
    size = int(observation["side"])
    return column([_shared(str(v), str(t), _cell(b), _cell(g), size) for v, t, b, g in rows])


def _shared(view: str, transcript: str, start: Cell, goal: Cell, size: int) -> str:
    known = None
    for part in view.split("\n\n"):
        seen = read_map(part, size)
        assert seen is not None
        known = seen if known is None else merged(known, seen)
    assert known is not None
    theirs = read_map(transcript, size)
    whole = merged(known, theirs) if theirs is not None else known
    if any(HIDDEN in row for row in whole):
        return _map(known)
    path = way(whole, start, goal)
    if path is None:
        return _map(known)
    offer = read_path(transcript)
    if offer is not None and len(offer) == len(path) and walked(whole, start, offer) == goal:
        return f"AGREE {written(offer)}"
    return f"{_map(known)}\n{written(path)}"


def _map(grid: tuple[str, ...]) -> str:
    return "MAP:\n" + "\n".join(grid)


def _cell(text: Any) -> Cell:
    r, c = str(text).strip("()").split(",")
    return int(r), int(c)
