"""Synthetic agents that realise the models, at work as teams in the runtime.

Rules that draw from named streams. What they share they draw from one place of one stream, so that
errors are shared without a word between them; messages are what a member sees of others' answers,
and are lost where they are read. All cells of a study draw the same numbers (common random
numbers): a curve over cells is smooth, and each of its points has the exact law of the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import IDS, Streams
from populace.kernel.world import World
from populace.simulation import Simulation
from populace.studies.synergy.trees import tree_bias
from populace.studies.synergy.voters import MODELS, Model, majority_accuracy
from populace.teams.interface import Members, Question, Said
from populace.teams.structures.voting import vote
from populace.teams.team import Team

if TYPE_CHECKING:
    import polars as pl

WORDING = {"prompt": {"report": {"text": "{peers}", "peer": "{answer}"}}}
_ANSWERS = Choice(["wrong", "right"])
Array = NDArray[Any]


class Trials(World):
    """Questions with one right and one wrong answer, several of each cell of a study."""

    def __init__(self, cells: Mapping[str, Sequence[float]], trials: int) -> None:
        n = len(next(iter(cells.values())))
        columns: dict[str, Any] = {
            name: np.repeat(np.asarray(held, float), trials) for name, held in cells.items()
        }
        columns["trial"] = np.tile(np.arange(trials, dtype=np.int64), n)
        self.questions = Population(n * trials, **columns)
        self.shown = ("trial", *cells)
        self.right: Array = np.zeros(n * trials, np.bool_)

    async def step(self, minds: Minds) -> None:
        answers = await minds.ask("answer", self.questions, _ANSWERS, see=self.shown)
        self.right = answers.chose("right")

    def measure(self) -> Mapping[str, float]:
        return {"right": float(self.right.mean())}


@dataclass(frozen=True)
class Cell:
    """One point of a study: bias of the leaves, correlation, fidelity."""

    bias: float
    rho: float = 0.0
    fidelity: float = 1.0


class Node:
    """An agent of the tree, at a place in it: a leaf that judges, or a manager that counts.

    At every node the whole of what its children say is, with probability rho, what the first of
    them says: then all of them draw what the first one draws, and so on down to the leaves. So an
    agent's draws are numbered by where it draws, not where it stands.

    Parameters
    ----------
    path : tuple of int
        Which child, from the root down; empty for the root.
    fan_in, depth : int
        Of the tree.
    """

    def __init__(self, path: tuple[int, ...], fan_in: int, depth: int) -> None:
        self.path, self.fan_in, self.depth = path, fan_in, depth
        self.streams: Streams | None = None

    def start(self, population: Population, streams: Streams) -> None:
        """Take the streams that all members share."""
        self.streams = streams.named("synergy")

    def act(self, o: Observation) -> Array:
        """Judge, or count what was heard."""
        if len(self.path) == self.depth:
            right = self._drawn(o, "evidence", self._place(o, self.path), self.depth)
            return np.where(right < (1 + o["bias"]) / 2, "right", "wrong")
        told = np.array([words.split() for words in o["peers"]]) == "right"
        level = len(self.path) + 1
        for child in range(self.fan_in):
            place = self._place(o, (*self.path, child))
            lost = self._drawn(o, f"channel/{level}", place, level) < (1 - o["fidelity"]) / 2
            told[:, child] ^= lost
        return np.where(2 * told.sum(axis=1) > self.fan_in, "right", "wrong")

    def _place(self, o: Observation, path: tuple[int, ...]) -> Array:
        """Return, for every question, the number of the node of its level that draws for this."""
        place = np.zeros(len(o), np.int64)
        for level, child in enumerate(path):
            shared = self._drawn(o, f"shared/{level}", place, level) < o["rho"]
            place = place * self.fan_in + np.where(shared, 0, child)
        return place

    def _drawn(self, o: Observation, name: str, place: Array, level: int) -> Array:
        assert self.streams is not None
        ids = o["trial"].astype(np.int64) * self.fan_in**level + place
        return self.streams.stream(name, o.tick).uniform(ids)


async def report_up(members: Members, question: Question, *, fan_in: int, depth: int) -> Said:
    """Ask the leaves, then level by level the managers, each of whom sees its own children."""
    said = await members.ask(to=range(fan_in**depth))
    for level in reversed(range(depth)):
        first = fan_in**depth + sum(fan_in**lower for lower in range(level + 1, depth))
        own = {first + i: said[fan_in * i : fan_in * (i + 1)] for i in range(fan_in**level)}
        said = await members.ask("report", to=list(own), sees=own)
    return said[0]


def tree(fan_in: int, depth: int, **settings: Any) -> Team:
    """Return the team: leaves first, then managers by level, the root last."""
    nodes = {}
    for level in reversed(range(depth + 1)):
        for number in range(fan_in**level):
            path = tuple(number // fan_in**k % fan_in for k in reversed(range(level)))
            name = "leaf" if level == depth else "manager"
            nodes[f"{name} {'.'.join(map(str, path)) or 'root'}"] = Node(path, fan_in, depth)
    structure = {"fan_in": fan_in, "depth": depth, "wording": WORDING}
    return Team(nodes, report_up, **{"transcripts": 0, **structure, **settings})


def simulate(
    cells: Sequence[Cell], *, fan_in: int, depth: int, trials: int, seed: int
) -> pl.DataFrame:
    """Let trees work on questions, in the runtime, and hold them against the recursion.

    Parameters
    ----------
    cells : sequence of Cell
    fan_in, depth : int
        Of the trees; depth 0 is one agent.
    trials : int
        Questions a cell.
    seed : int

    Returns
    -------
    polars.DataFrame
        A row a cell: bias, rho, fidelity, trials, simulated (bias of the root), se (its standard
        error under the prediction, sqrt((1 - predicted^2) / trials)), predicted.

    Raises
    ------
    ParameterError
        If there is no cell, or more leaves of trials than streams can number.
    """
    import polars as pl

    if not cells or trials < 1 or trials * fan_in**depth >= IDS:
        raise ParameterError(
            f"expected a cell, a trial, and fewer than {IDS} leaves, got {len(cells)} cells, "
            f"{trials} trials of {fan_in**depth} leaves",
            where="simulate",
        )
    columns = {
        name: [float(getattr(cell, name)) for cell in cells] for name in ("bias", "rho", "fidelity")
    }
    predicted = tree_bias(
        np.array(columns["bias"]), fan_in, depth, columns["rho"], columns["fidelity"]
    )
    world = Trials(columns, trials)
    Simulation(world, tree(fan_in, depth, in_flight=len(cells) * trials), seed=seed).run(1)
    share = world.right.reshape(len(cells), trials).mean(axis=1)
    return pl.DataFrame(
        {
            **columns,
            "trials": [trials] * len(cells),
            "simulated": 2 * share - 1,
            "se": np.sqrt((1 - predicted**2) / trials),
            "predicted": predicted,
        }
    )


class Voter:
    """A voter with shared errors, by a model of `majority_accuracy`."""

    def __init__(self, number: int, model: Model) -> None:
        self.number, self.model = number, model
        self.streams: Streams | None = None

    def start(self, population: Population, streams: Streams) -> None:
        """Take the streams that all voters share."""
        self.streams = streams.named("voters")

    def act(self, o: Observation) -> Array:
        """Vote."""
        assert self.streams is not None
        ids = o["trial"].astype(np.int64)
        own = self.streams.stream(f"own/{self.number}", o.tick).uniform(ids)
        common = self.streams.stream("common", o.tick).uniform(ids)
        p, rho = o["p"], o["rho"]
        if self.model == "shock":
            first = self.streams.stream("own/0", o.tick).uniform(ids)
            right = np.where(common < rho, first, own) < p
        else:
            from scipy import special

            if self.model == "beta":
                scale = 1 / rho - 1
                right = own < special.betaincinv(p * scale, (1 - p) * scale, common)
            else:
                latent = np.sqrt(rho) * special.ndtri(common)
                latent += np.sqrt(1 - rho) * special.ndtri(own)
                right = latent < special.ndtri(p)
        return np.where(right, "right", "wrong")


def simulate_votes(
    p: Sequence[float],
    rho: Sequence[float],
    *,
    n: int,
    model: Model,
    trials: int,
    seed: int,
    **settings: Any,
) -> tuple[pl.DataFrame, Any]:
    """Let n voters vote in the runtime, and hold them against `majority_accuracy`.

    Parameters
    ----------
    p, rho : sequences, aligned
        Of each cell; rho above 0 for ``beta``.
    n, model, trials, seed
    **settings
        Of the `Team`; ``transcripts=`` keeps the record.

    Returns
    -------
    polars.DataFrame
        A row a cell: p, rho, n, trials, simulated, se (under the prediction), predicted.
    Run
        The run, with its transcript if that was kept.
    """
    import polars as pl

    if model not in MODELS or not len(p) == len(rho) > 0 or trials < 1 or n < 1:
        raise ParameterError(
            f"expected aligned p and rho, n, trials and a model of {', '.join(MODELS)}, got "
            f"{len(p)}, {len(rho)}, {n}, {trials}, {model!r}",
            where="simulate_votes",
        )
    world = Trials({"p": p, "rho": rho}, trials)
    voters = {f"voter {i}": Voter(i, model) for i in range(n)}
    kept = {"transcripts": 0, "in_flight": len(p) * trials, **settings}
    run = Simulation(world, Team(voters, vote, **kept), seed=seed).run(1)
    predicted = [majority_accuracy(a, n, r, model) for a, r in zip(p, rho, strict=True)]
    frame = pl.DataFrame(
        {
            "p": [float(value) for value in p],
            "rho": [float(value) for value in rho],
            "n": [n] * len(p),
            "trials": [trials] * len(p),
            "simulated": world.right.reshape(len(p), trials).mean(axis=1),
            "se": [math.sqrt(a * (1 - a) / trials) for a in predicted],
            "predicted": predicted,
        }
    )
    return frame, run
