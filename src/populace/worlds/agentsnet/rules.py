"""Distributed algorithms as policies: what agents without a language model can do on each task.

A rule sees what a language model sees: its name, its neighbours, what they wrote, round by round.
It says the same to all neighbours; what it decided, it reads off its own earlier words.

- leader, consensus: flooding of the greatest name (Lynch 1996, *Distributed Algorithms*, section
  4.1, FloodMax): right after as many rounds as the diameter.
- colouring: greedy in the order of random priorities (Jones and Plassmann 1993, SIAM Journal on
  Scientific Computing 14).
- cover: all but a maximal independent set, which is found in the same order (Luby 1986, SIAM
  Journal on Computing 15, in the form of Blelloch, Fineman and Shun 2012).
- matching: the locally heaviest edge is matched (Hoepman 2004, arXiv:cs/0410047); an edge weighs
  the sum of its ends' priorities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from populace.kernel.observation import Observation
from populace.kernel.spaces import Choice
from populace.worlds.agentsnet.tasks import NOBODY


class Node(NamedTuple):
    """What one agent knows.

    Attributes
    ----------
    name : str
    neighbours : tuple of str
    heard : tuple of (mapping of neighbour to text), one a past round
    said : tuple of str, one a past round
    choices : tuple of str
        What may be answered in the end.
    draw : float
        Random, uniform in [0, 1).
    """

    name: str
    neighbours: tuple[str, ...]
    heard: tuple[dict[str, str], ...]
    said: tuple[str, ...]
    choices: tuple[str, ...]
    draw: float

    def last(self, neighbour: str) -> str:
        """Return the last that a neighbour wrote, or nothing."""
        return next((got[neighbour] for got in reversed(self.heard) if neighbour in got), "")

    def priorities(self) -> dict[str, tuple[float, str]]:
        """Return what all wrote in the first round, numbers, with names against ties."""
        first = {**(self.heard[0] if self.heard else {}), self.name: self.said[0]}
        return {name: (_number(text), name) for name, text in first.items()}

    def above(self) -> list[str]:
        """Return the neighbours of higher priority."""
        order = self.priorities()
        return [v for v in self.neighbours if v in order and order[v] > order[self.name]]


Talk = Callable[[Node], str]


def flood(node: Node) -> str:
    """Say the greatest name that was heard of, and its bit."""
    own = f"{node.name} {int(node.draw < 0.5)}" if not node.said else node.said[-1]
    return max([own, *(text for got in node.heard for text in got.values() if text)])


def lead(node: Node) -> str:
    return "Yes" if flood(node).split()[0] == node.name else "No"


def agree(node: Node) -> str:
    return flood(node).split()[-1]


def priority(node: Node) -> str:
    return f"{node.draw:.12f}"


def colour(node: Node) -> str:
    """Take the first free group once all above have theirs; until then say nothing new."""
    if not node.said:
        return priority(node)
    if node.said[-1].startswith("Group"):
        return node.said[-1]
    taken = {node.last(v) for v in node.neighbours}
    if all(node.last(v).startswith("Group") for v in node.above()):
        return next((group for group in node.choices if group not in taken), node.choices[0])
    return "waiting"


def group(node: Node) -> str:
    """Answer the group taken; who had no turn takes the first that looks free."""
    said = colour(node) if node.said else ""
    taken = {node.last(v) for v in node.neighbours}
    free = (group for group in node.choices if group not in taken)
    return said if said.startswith("Group") else next(free, node.choices[0])


def stand_aside(node: Node) -> str:
    """Stay out of the cover once all above are in it; be in it once a neighbour is out."""
    if not node.said:
        return priority(node)
    if node.said[-1] in ("in", "out"):
        return node.said[-1]
    heard = [node.last(v) for v in node.neighbours]
    if "out" in heard:
        return "in"
    return "out" if all(node.last(v) == "in" for v in node.above()) else "waiting"


def coordinate(node: Node) -> str:
    """Answer No only if out of the cover: who had no turn had better be in it."""
    return "No" if node.said and stand_aside(node) == "out" else "Yes"


def propose(node: Node) -> str:
    """Propose to the free neighbour of heaviest edge; two who propose to each other are a pair."""
    if not node.said:
        return priority(node)
    if node.said[-1].startswith("paired"):
        return node.said[-1]
    if partner := _partner(node):
        return f"paired {partner}"
    order = node.priorities()
    free = [v for v in node.neighbours if v in order and not node.last(v).startswith("paired")]

    def weight(v: str) -> tuple[float, list[str]]:
        return order[v][0] + order[node.name][0], sorted([v, node.name])

    return f"to {max(free, key=weight)}" if free else "nobody is free"


def pair(node: Node) -> str:
    said = node.said[-1] if node.said else ""
    partner = said.removeprefix("paired ") if said.startswith("paired") else _partner(node)
    return partner or NOBODY


def _partner(node: Node) -> str:
    if not node.said or not node.said[-1].startswith("to "):
        return ""
    to = node.said[-1].removeprefix("to ")
    said = node.heard[-1].get(to, "") if node.heard else ""
    return to if said in (f"to {node.name}", f"paired {node.name}") else ""


RULES: dict[str, tuple[Talk, Talk]] = {
    "colouring": (colour, group),
    "consensus": (flood, agree),
    "leader": (flood, lead),
    "matching": (propose, pair),
    "cover": (stand_aside, coordinate),
}


class Distributed:
    """The rule of each task, an agent at a time."""

    def act(self, observation: Observation) -> Any:
        talk, decide = RULES[str(observation["task"])]
        rule = talk if observation.kind == "message" else decide
        draws = observation.random.uniform().tolist()
        told = zip(
            *(observation[name] for name in ("name", "links", "heard", "said", "options")),
            draws,
            strict=True,
        )
        return np.array([rule(Node(*one)) for one in told], object)

    def describe(self) -> dict[str, str]:
        """Say what decides, for the manifest."""
        return {name: f"{talk.__name__}, {end.__name__}" for name, (talk, end) in RULES.items()}


class Guessing:
    """Says nothing, and answers at random: the baseline without coordination."""

    def act(self, observation: Observation) -> Any:
        if observation.kind == "message":
            return ""
        space = observation.space
        assert isinstance(space, Choice)
        options = observation["options"]
        draws = observation.random.uniform().tolist()
        picked = [own[int(draw * len(own))] for own, draw in zip(options, draws, strict=True)]
        return np.array(picked, object)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
