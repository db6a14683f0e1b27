"""Agents on a network solve a problem of distributed computing by talking to their neighbours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from populace.geometry import Network
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.measures import Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice, Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.worlds.agentsnet.graphs import NAMES, GraphName, distances, draw_network
from populace.worlds.agentsnet.rules import Distributed, Guessing
from populace.worlds.agentsnet.tasks import NOBODY, TASKS, Answer, TaskName, colours

PROMPTS = Path(__file__).parent / "prompts" / "agentsnet.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""

_MADE = "the game is set up at the start"
_OBJECT = re.compile(r"\{.*\}", re.S)


class AgentsNet(World):
    """Five tasks on a network, with exact scores (Grötschla et al. 2025, arXiv:2507.08616).

    Every agent knows its name, its neighbours, the task and the number of rounds. In each round all
    agents write to their neighbours at once (``message``), who read it in the next one; after the
    last round each answers from a closed list (``answer``), and the answers are scored together
    (`populace.worlds.agentsnet.tasks`). A tick is a round; the last tick is the answer.

    A message is a JSON object of neighbour to text, anywhere in the reply, or plain words, which go
    to all neighbours; an object that cannot be read, and what is addressed to others, is lost and
    counted. Who does not write sends nothing; who does not answer has no answer, whatever the task.

    Minds: ``greedy``, the classical distributed algorithm of each task, and ``random``, which says
    nothing and guesses. Language models play by the prompts in `PROMPTS`.

    Attributes
    ----------
    agents : Population
    network : Network
    names : list of str
    diameter : int
        Steps between the two agents furthest apart.
    heard, said : list, one a round, of lists, one an agent
        What it got, text by neighbour; what it wrote.
    answers : list of str or None
        Empty until the end.
    """

    ticks = 500  # it ends by itself
    charts = (Chart("Messages", ["messages", "lost"], unit="messages"), Chart("Score", ["score"]))

    def __init__(
        self,
        task: Annotated[TaskName, Parameter("what is to be solved", fixed=_MADE)] = "colouring",
        agents: Annotated[int, Parameter("agents", low=4, high=100, fixed=_MADE)] = 16,
        graph: Annotated[
            GraphName | Network, Parameter("who talks to whom", fixed=_MADE)
        ] = "watts-strogatz",
        rounds: Annotated[
            int,
            Parameter(
                "rounds of messages; 0: 2 diameter + 1 where all must agree or there are more than "
                "16 agents, else 4, 6 or 8 for up to 4, 8 or 16 agents",
                low=0,
                high=499,
                fixed=_MADE,
            ),
        ] = 0,
        letters: Annotated[
            int, Parameter("longest reply", "characters", low=10, fixed=_MADE)
        ] = 4000,
    ) -> None:
        given = graph if isinstance(graph, Network) else None
        n = agents if given is None else given.n
        if not 2 <= n <= len(NAMES):
            raise ParameterError(f"expected 2 to {len(NAMES)} agents, got {n}", where="AgentsNet")
        self.agents = Population(n)
        self.task, self._graph, self._rounds, self._letters = task, graph, rounds, letters
        self.network = given if given is not None else Network.from_edges([], n)
        self.names: list[str] = []
        self.rounds = rounds
        self.diameter = self._round = self._sent = self._lost = 0
        self.heard: list[list[dict[str, str]]] = []
        self.said: list[list[str]] = []
        self.answers: list[Answer] = []

    def start(self, streams: Streams) -> None:
        """Draw the network and who has which name."""
        n = len(self.agents)
        if not isinstance(self._graph, Network):
            self.network = draw_network(self._graph, n, streams.stream("network"))
        steps = distances(self.network)
        if (steps < 0).any():
            raise ParameterError("expected a connected network", where="AgentsNet")
        self.diameter = int(steps.max())
        order = streams.stream("names").permutation(len(NAMES))[:n]
        self.names = [NAMES[i] for i in order.tolist()]
        if not self._rounds:
            far = TASKS[self.task].everywhere or n > 16
            self.rounds = 2 * self.diameter + 1 if far else 4 if n <= 4 else 6 if n <= 8 else 8

    @property
    def done(self) -> bool:
        """Whether the answers are in."""
        return bool(self.answers)

    async def step(self, minds: Minds) -> None:
        if self._round < self.rounds:
            self._round += 1
            letter = Text(self._letters)
            found = await minds.ask("message", self.agents, letter, missing="", **self._shown())
            self._deliver([str(text) for text in found.values])
            return
        closed = Choice(self._everything())
        found = await minds.ask("answer", self.agents, closed, missing=0, **self._shown())
        said = found.labels().tolist()
        self.answers = [word if acted else None for word, acted in zip(said, found.acted)]  # noqa: B905
        self._sent = self._lost = 0

    def measure(self) -> Mapping[str, float | None]:
        score = None
        if self.answers:
            score = TASKS[self.task].score(self.answers, self.network, self.names)
        return {
            "messages": self._sent,
            "lost": self._lost,
            "score": score,
            "solved": None if score is None else float(score == 1),
            "unanswered": self.answers.count(None) if self.answers else None,
        }

    def policies(self) -> Mapping[str, Policy]:
        return {"greedy": Distributed(), "random": Guessing()}

    # -- what agents see -------------------------------------------------------------------------

    def _neighbours(self, i: int) -> tuple[str, ...]:
        return tuple(self.names[v] for v in self.network.neighbours(i).tolist())

    def _options(self, i: int) -> tuple[str, ...]:
        """Return what agent `i` may answer."""
        if self.task == "matching":
            return (*self._neighbours(i), NOBODY)
        return tuple(self._everything())

    def _everything(self) -> list[str]:
        if self.task == "matching":
            return [*self.names, NOBODY]
        if self.task == "colouring":
            return colours(self.network)
        return ["0", "1"] if self.task == "consensus" else ["Yes", "No"]

    def _shown(self) -> dict[str, Any]:
        task, everyone = TASKS[self.task], range(len(self.agents))
        options = [self._options(i) for i in everyone]
        goals = [task.goal.format(choices=", ".join(own)) for own in options]
        return {
            "task": self.task,
            "size": len(self.agents),
            "round": self._round,
            "rounds": self.rounds,
            "name": column(self.names),
            "neighbours": column([", ".join(self._neighbours(i)) for i in everyone]),
            "goal": column(goals),
            "question": task.question,
            "choices": column([", ".join(own) for own in options]),
            "transcript": column([self._transcript(i) for i in everyone]),
            "links": column([self._neighbours(i) for i in everyone]),
            "heard": column([tuple(got[i] for got in self.heard) for i in everyone]),
            "said": column([tuple(said[i] for said in self.said) for i in everyone]),
            "options": column(options),
        }

    def _transcript(self, i: int) -> str:
        """Return what agent `i` wrote and read, round by round, in words."""
        lines = []
        for number, (said, got) in enumerate(zip(self.said, self.heard, strict=True), 1):
            lines.append(f"Round {number}")
            lines.append(f"You wrote: {said[i] or '(nothing)'}")
            lines += [f"{name} wrote to you: {text}" for name, text in got[i].items()]
        return "\n".join(lines) or "Nothing was said yet."

    def _deliver(self, texts: list[str]) -> None:
        self._sent = self._lost = 0
        got: list[dict[str, str]] = [{} for _ in texts]
        number = {name: i for i, name in enumerate(self.names)}
        for i, text in enumerate(texts):
            letters, lost = addressed(text, self._neighbours(i))
            self._lost += lost
            self._sent += len(letters)
            for name, words in letters.items():
                got[number[name]][self.names[i]] = words
        self.said.append(texts)
        self.heard.append(got)


def addressed(text: str, neighbours: tuple[str, ...]) -> tuple[dict[str, str], int]:
    """Return a reply's messages by neighbour, and how many are lost.

    Examples
    --------
    >>> addressed('I tell Bea: {"Bea": "hello", "Zoe": "hm"}', ("Bea", "Ed"))
    ({'Bea': 'hello'}, 1)
    >>> addressed("hello", ("Bea", "Ed"))
    ({'Bea': 'hello', 'Ed': 'hello'}, 0)
    >>> addressed('{"Bea": "hel', ("Bea", "Ed"))
    ({}, 1)
    """
    if not text.strip():
        return {}, 0
    if "{" not in text:
        return dict.fromkeys(neighbours, text.strip()), 0
    held = _OBJECT.search(text)
    try:
        found = json.loads(held[0]) if held else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return {}, 1
    good = {k: v for k, v in found.items() if k in neighbours and isinstance(v, str)}
    return {k: v for k, v in good.items() if v.strip()}, len(found) - len(good)
