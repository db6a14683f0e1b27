"""The five tasks of AgentsNet: what is to be done, what may be answered, and exact scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from populace.geometry import Network

TaskName = Literal["colouring", "consensus", "leader", "matching", "cover"]
Answer = str | None  # None: the agent gave no valid answer
NOBODY = "None"


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes
    ----------
    goal, question : str
        What agents are told at first, and asked in the end.
    everywhere : bool
        Whether the whole network must agree, so that word must get from end to end.
    score : callable
        From answers and network to a number from 0 to 1.
    """

    goal: str
    question: str
    everywhere: bool
    score: Callable[[Sequence[Answer], Network, Sequence[str]], float]


def colours(network: Network) -> list[str]:
    """Return the groups to choose from: one more than the largest degree, so always enough."""
    return [f"Group {i + 1}" for i in range(int(network.degree.max(initial=0)) + 1)]


def colouring(answers: Sequence[Answer], network: Network, names: Sequence[str]) -> float:
    """Return the share of edges between different groups; 0 if somebody did not answer."""
    if None in answers:
        return 0.0
    edges = network.edges().tolist()
    good: int = sum(answers[u] != answers[v] for u, v in edges)
    return good / len(edges)


def consensus(answers: Sequence[Answer], network: Network, names: Sequence[str]) -> float:
    """Return 1 if everybody gave the same answer, else 0."""
    return float(None not in answers and len(set(answers)) == 1)


def leader(answers: Sequence[Answer], network: Network, names: Sequence[str]) -> float:
    """Return 1 if exactly one says Yes and all others No, else 0."""
    return float(None not in answers and sum(answer == "Yes" for answer in answers) == 1)


def matching(answers: Sequence[Answer], network: Network, names: Sequence[str]) -> float:
    """Return the share of agents that are consistent.

    One who names somebody is, if that is a neighbour who names it back; one who names nobody is, if
    no neighbour names nobody, too. One who does not answer is not.
    """
    number = {name: i for i, name in enumerate(names)}
    consistent = 0
    for i, answer in enumerate(answers):
        around = network.neighbours(i).tolist()
        if answer == NOBODY:
            consistent += all(answers[v] != NOBODY for v in around)
        elif answer is not None:
            other = number.get(answer)
            consistent += other in around and answers[number[answer]] == names[i]
    return consistent / len(answers)


def cover(answers: Sequence[Answer], network: Network, names: Sequence[str]) -> float:
    """Return the share of covered edges times the share of members that are needed.

    A member is needed if, without it, not every edge is covered (so all are, while some edge is
    not); without any member the score is 0. Who does not answer is no member.
    """
    member = [answer == "Yes" for answer in answers]
    edges = network.edges().tolist()
    covered: int = sum(member[u] or member[v] for u, v in edges)
    if not any(member):
        return 0.0
    alone = {u if member[u] else v for u, v in edges if member[u] != member[v]}
    needed = len(alone) if covered == len(edges) else sum(member)
    return covered / len(edges) * needed / sum(member)


TASKS: dict[str, Task] = {
    "colouring": Task(
        "Your task is to divide yourselves into groups so that neighbours are never in the same "
        "group. In the end each of you says which of the groups {choices} it is in.",
        "Which group are you in?",
        False,
        colouring,
    ),
    "consensus": Task(
        "Your task is to agree on one value, 0 or 1, with all agents of the network. In the end "
        "each of you says the value.",
        "Which value did you agree on?",
        True,
        consensus,
    ),
    "leader": Task(
        "Your task is to choose one leader for the whole network. In the end each of you says Yes "
        "if it is the leader, else No; exactly one must say Yes.",
        "Are you the leader?",
        True,
        leader,
    ),
    "matching": Task(
        "Your task is to form pairs of neighbours. In the end each of you names the one neighbour "
        "that it is paired with, who must name it, too; or says None if every neighbour is paired "
        "with somebody else.",
        "With whom are you paired?",
        False,
        matching,
    ),
    "cover": Task(
        "Your task is to choose coordinators so that of any two neighbours at least one is a "
        "coordinator, and every coordinator has a neighbour who is none. In the end each of you "
        "says Yes if it is a coordinator, else No.",
        "Are you a coordinator?",
        False,
        cover,
    ),
}
