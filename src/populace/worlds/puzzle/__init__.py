"""Agents who each hold some of the clues solve Einstein's puzzle together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
from populace.worlds.puzzle.clues import (
    ATTRIBUTES,
    Clue,
    Placement,
    Puzzle,
    draw_puzzle,
    read_clues,
    solutions,
)

PROMPTS = Path(__file__).parent / "prompts" / "puzzle.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""

_MADE = "the puzzles are drawn at the start"
_PLACED = re.compile(r"(\w+)\s*=\s*(\d+)")


class EinsteinPuzzles(World):
    """Logic puzzles under information asymmetry, with a verifier.

    After the collaboration of language agents on Einstein's puzzle with clues that only one of them
    knows, and an environment that verifies what they do (Peng et al. 2025, arXiv:2510.25595); here
    in words alone, without that paper's table-top.

    Each of `games` puzzles has exactly one solution, and none of its clues can be spared. The clues
    are dealt among the agents, so none of them can solve it without word from all others that hold
    one. They talk in turn. Who thinks it is solved writes ``SOLUTION: value=house, ...`` with all
    values. The verifier checks it against all clues: if right, the game is over; if not, all read
    whose clue it breaks (`feedback`), or only that it is wrong. After `attempts` wrong ones, or
    `turns`, the game is over, too.

    A tick is a turn: of each game that is not over, the agent whose turn it is is asked ``talk``
    and sees its ``clues`` and the ``transcript``. Who does not speak says nothing.

    Attributes
    ----------
    people : Population
        Columns ``game`` and ``seat``; seat 0 begins.
    puzzles : list of Puzzle
    dealt : list, one a game, of lists of clues by seat
    transcripts : list, one a game, of lists of (seat, text); seat -1 is the verifier
    stated : list of mapping or None
        The last solution stated in each game.
    """

    ticks = 500  # it ends by itself
    charts = (
        Chart("Being played", ["playing"], unit="games"),
        Chart("Solved", ["solved"], unit="share", note="Of all games."),
        Chart(
            "Values in their house", ["placed"], unit="share", note="By the last solution stated."
        ),
    )

    def __init__(
        self,
        games: Annotated[int, Parameter("puzzles", low=1, fixed=_MADE)] = 20,
        agents: Annotated[int, Parameter("agents a puzzle", low=1, high=8, fixed=_MADE)] = 2,
        houses: Annotated[int, Parameter("houses", low=3, high=5, fixed=_MADE)] = 4,
        attributes: Annotated[
            int, Parameter("attributes", low=2, high=len(ATTRIBUTES), fixed=_MADE)
        ] = 3,
        turns: Annotated[int, Parameter("most turns of a game", low=1, high=500)] = 20,
        attempts: Annotated[int, Parameter("wrong solutions that end a game", low=1)] = 3,
        feedback: Annotated[bool, Parameter("say whose clue a wrong solution breaks")] = True,
        letters: Annotated[
            int, Parameter("longest reply", "characters", low=10, fixed=_MADE)
        ] = 4000,
    ) -> None:
        self.turns, self.attempts, self.feedback = turns, attempts, feedback
        self._games, self._houses, self._attributes = games, houses, attributes
        self.seats, self._letters = agents, letters
        game = np.repeat(np.arange(games, dtype=np.int64), agents)
        seat = np.tile(np.arange(agents, dtype=np.int64), games)
        self.people = Population(games * agents, game=game, seat=seat)
        self.puzzles: list[Puzzle] = []
        self.dealt: list[list[tuple[Clue, ...]]] = []
        self.transcripts: list[list[tuple[int, str]]] = [[] for _ in range(games)]
        self.stated: list[Placement | None] = [None] * games
        self.wrong = [0] * games
        self.solved = [False] * games
        self.turn = 0

    def start(self, streams: Streams) -> None:
        """Draw the puzzles, and deal their clues: as many to each agent, to within one."""
        for game in range(self._games):
            stream = streams.stream(f"puzzle/{game}")
            puzzle = draw_puzzle(self._houses, self._attributes, stream)
            self.puzzles.append(puzzle)
            self.dealt.append([puzzle.clues[seat :: self.seats] for seat in range(self.seats)])

    @property
    def playing(self) -> list[int]:
        """The games that are not over."""
        if self.turn >= self.turns:
            return []
        return [
            game
            for game in range(self._games)
            if not self.solved[game] and self.wrong[game] < self.attempts
        ]

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
            if (stated := read_solution(str(text))) is not None:
                self._verify(game, stated)

    def measure(self) -> Mapping[str, float | None]:
        rows = self.results()
        return {
            "playing": len(self.playing),
            "solved": sum(self.solved) / len(rows),
            "placed": sum(row["placed"] for row in rows) / len(rows),
            "wrong": sum(self.wrong) / len(rows),
            "turns": sum(row["turns"] for row in rows) / len(rows),
        }

    def results(self) -> list[dict[str, Any]]:
        """Return a row a game: solved, placed (share of values in their house), wrong, turns."""
        rows = []
        for game, puzzle in enumerate(self.puzzles):
            stated, right = self.stated[game] or {}, puzzle.solution
            placed = sum(stated.get(value) == house for value, house in right.items())
            turns = sum(seat >= 0 for seat, _ in self.transcripts[game])
            rows.append(
                {
                    "game": game,
                    "clues": len(puzzle.clues),
                    "solved": self.solved[game],
                    "placed": placed / len(right),
                    "wrong": self.wrong[game],
                    "turns": turns,
                }
            )
        return rows

    def policies(self) -> Mapping[str, Policy]:
        return {"sharer": Rule(talk=share_clues)}

    def _verify(self, game: int, stated: Placement) -> None:
        puzzle, self.stated[game] = self.puzzles[game], stated
        if stated == puzzle.solution:
            self.solved[game] = True
            return
        self.wrong[game] += 1
        told = "That is not the solution."
        if set(stated) != set(puzzle.solution) or not _filled(stated, puzzle):
            told += " It does not put each value of an attribute into a house of its own."
        elif self.feedback:
            broken = [
                seat
                for seat, clues in enumerate(self.dealt[game])
                if not all(clue.holds(stated) for clue in clues)
            ]
            told += f" It breaks a clue of {', '.join(_name(seat) for seat in broken)}."
        self.transcripts[game].append((-1, told))

    def _shown(self, games: Sequence[int], seat: int) -> dict[str, Any]:
        values = self.puzzles[0].values
        names = list(ATTRIBUTES)
        said = "; ".join(f"{names[i]}: {', '.join(group)}" for i, group in enumerate(values))
        held = [self.dealt[game][seat] for game in games]
        return {
            "name": _name(seat),
            "partners": ", ".join(_name(s) for s in range(self.seats) if s != seat) or "nobody",
            "houses": self._houses,
            "values": said,
            "clues": column(["\n".join(map(str, clues)) or "none" for clues in held]),
            "transcript": column([self._words(game, seat) for game in games]),
            "seats": self.seats,
            "turn": self.turn,
            "turns": self.turns,
        }

    def _words(self, game: int, seat: int) -> str:
        lines = []
        for who, text in self.transcripts[game]:
            speaker = "Verifier" if who < 0 else "You" if who == seat else _name(who)
            lines.append(f"{speaker}: {text}")
        return "\n".join(lines) or "Nothing was said yet."


def read_solution(text: str) -> Placement | None:
    """Return the last solution that a text states, or None.

    >>> read_solution("So SOLUTION: red=1, dog = 2")
    {'red': 1, 'dog': 2}
    """
    _, found, rest = text.rpartition("SOLUTION:")
    placed = {value: int(house) for value, house in _PLACED.findall(rest)}
    return placed if found and placed else None


def share_clues(observation: Observation) -> Any:
    """Say all clues; once they leave one solution, state it.

    The last of the agents to speak for the first time knows all clues, so a team of these solves
    every puzzle in as many turns as it has agents.
    """
    values = [group.split(": ")[1].split(", ") for group in str(observation["values"]).split("; ")]
    answers = []
    for clues, transcript in zip(observation["clues"], observation["transcript"], strict=True):
        known = read_clues(f"{clues}\n{transcript}", values)
        found = solutions(values, known)
        if len(found) == 1:
            placed = ", ".join(f"{value}={house}" for value, house in found[0].items())
            answers.append(f"SOLUTION: {placed}")
        else:
            answers.append("I know: " + "; ".join(str(clues).split("\n")))
    return column(answers)


def _filled(stated: Placement, puzzle: Puzzle) -> bool:
    houses = set(range(1, puzzle.houses + 1))
    return all({stated[value] for value in group} == houses for group in puzzle.values)


def _name(seat: int) -> str:
    return f"Agent {'ABCDEFGH'[seat]}"
