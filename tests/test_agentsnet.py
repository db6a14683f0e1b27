"""AgentsNet: scores on graphs worked by hand, classical algorithms that must solve their task."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Simulation
from populace.errors import ModelRefused, ParameterError
from populace.geometry import Network
from populace.language import Scripted
from populace.language.policy import Language
from populace.testing import check_world
from populace.worlds.agentsnet import PROMPTS, AgentsNet, addressed
from populace.worlds.agentsnet.graphs import distances
from populace.worlds.agentsnet.tasks import TASKS, colours

PATH = Network.from_edges([[0, 1], [1, 2], [2, 3]], 4)  # a - b - c - d
TRIANGLE = Network.from_edges([[0, 1], [1, 2], [0, 2]], 3)
STAR = Network.from_edges([[0, 1], [0, 2], [0, 3]], 4)
GRAPHS = ("watts-strogatz", "barabasi-albert", "delaunay")


def score(task: str, network: Network, *answers: str | None) -> float:
    return TASKS[task].score(answers, network, "abcd"[: network.n])


@pytest.mark.parametrize(
    ("task", "network", "answers", "expected"),
    [
        ("colouring", PATH, ["Group 1", "Group 2", "Group 1", "Group 2"], 1),
        ("colouring", PATH, ["Group 1", "Group 1", "Group 2", "Group 2"], 1 / 3),
        ("colouring", PATH, ["Group 1", "Group 2", "Group 1", None], 0),
        ("colouring", TRIANGLE, ["Group 1", "Group 2", "Group 1"], 2 / 3),
        ("consensus", PATH, ["1", "1", "1", "1"], 1),
        ("consensus", PATH, ["1", "1", "1", "0"], 0),
        ("consensus", PATH, ["1", "1", "1", None], 0),
        ("leader", PATH, ["No", "No", "Yes", "No"], 1),
        ("leader", PATH, ["No", "Yes", "Yes", "No"], 0),
        ("leader", PATH, ["No", "No", "No", "No"], 0),
        ("leader", PATH, ["No", "No", "Yes", None], 0),
        ("matching", PATH, ["b", "a", "d", "c"], 1),
        ("matching", PATH, ["None", "c", "b", "None"], 1),  # maximal, though not the largest
        ("matching", PATH, ["None", "None", "d", "c"], 2 / 4),  # a and b could be a pair
        ("matching", PATH, ["b", "c", "b", "None"], 3 / 4),  # b does not name a back
        ("matching", PATH, ["d", "c", "b", "a"], 2 / 4),  # a and d are no neighbours
        ("matching", PATH, [None, "c", "b", "None"], 3 / 4),
        ("cover", PATH, ["No", "Yes", "Yes", "No"], 1),
        ("cover", PATH, ["No", "Yes", "No", "Yes"], 1),
        ("cover", PATH, ["Yes", "Yes", "Yes", "No"], 1 / 3),  # neither a nor b is needed
        ("cover", PATH, ["No", "Yes", "No", "No"], 2 / 3),  # c - d is not covered
        ("cover", PATH, ["No", "No", "No", "No"], 0),
        ("cover", STAR, ["Yes", "No", "No", None], 1),
        ("cover", STAR, ["No", "Yes", "Yes", "Yes"], 1),  # minimal, though not the smallest
        ("cover", STAR, ["Yes", "Yes", "No", "No"], 1 / 2),
    ],
)
def test_scores_worked_by_hand(
    task: str, network: Network, answers: list[str | None], expected: float
) -> None:
    assert score(task, network, *answers) == pytest.approx(expected)


@st.composite
def connected(draw: Any) -> Network:
    """A random tree and some more edges."""
    n = draw(st.integers(2, 12))
    edges = [(draw(st.integers(0, i - 1)), i) for i in range(1, n)]
    extra = st.sampled_from(list(combinations(range(n), 2)))
    return Network.from_edges(edges + draw(st.lists(extra, max_size=2 * n)), n)


def play(policy: str = "greedy", seed: int = 0, **given: Any) -> AgentsNet:
    world = AgentsNet(**given)
    Simulation(world, world.policies()[policy], seed=seed).run(world.ticks)
    assert world.done
    return world


def final(world: AgentsNet) -> float:
    found = world.measure()["score"]
    assert found is not None
    return found


@settings(max_examples=25, deadline=None)
@given(connected(), st.sampled_from(["colouring", "matching", "cover"]), st.integers(0, 99))
def test_given_time_the_greedy_algorithms_solve_their_task(
    network: Network, task: str, seed: int
) -> None:
    # each decision needs at most two rounds once all above have decided, after one of priorities
    world = play(task=task, graph=network, rounds=2 * network.n + 1, seed=seed)
    assert final(world) == 1
    graph = nx.Graph(network.edges().tolist())
    answers = dict(enumerate(world.answers))
    if task == "colouring":
        assert all(answers[u] != answers[v] for u, v in graph.edges)
        assert set(answers.values()) <= set(colours(network))
    elif task == "cover":
        out = {i for i, answer in answers.items() if answer == "No"}
        assert not any(u in out and v in out for u, v in graph.edges)
        assert all(set(graph[i]) & out for i in graph if i not in out)  # each member is needed
    else:
        number = {name: i for i, name in enumerate(world.names)}
        pairs = {frozenset((i, number[a])) for i, a in answers.items() if a in number}
        assert nx.is_maximal_matching(graph, {tuple(pair) for pair in pairs})


@settings(max_examples=25, deadline=None)
@given(connected(), st.integers(0, 99))
def test_word_of_the_greatest_name_takes_as_many_rounds_as_steps(
    network: Network, seed: int
) -> None:
    steps = distances(network)
    world = play(task="leader", graph=network, rounds=int(steps.max()), seed=seed)
    assert final(world) == 1
    greatest = max(world.names)
    start = world.names.index(greatest)
    assert world.answers[start] == "Yes"
    for i, when in enumerate(steps[start].tolist()):
        first = [
            number
            for number, got in enumerate(world.heard, 1)
            if any(text.startswith(f"{greatest} ") for text in got[i].values())
        ]
        assert i == start or first[0] == when
    assert final(play(task="consensus", graph=network, rounds=int(steps.max()), seed=seed)) == 1


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_hundred_agents_solve_all_tasks_in_the_rounds_of_the_paper(graph: str) -> None:
    for task in TASKS:
        world = play(task=task, agents=100, graph=graph, seed=3)
        assert world.rounds == 2 * world.diameter + 1
        assert final(world) == 1, task
        assert nx.is_connected(nx.Graph(world.network.edges().tolist()))


def test_guessed_groups_agree_with_chance() -> None:
    # With k groups, ends of an edge differ with probability 1 - 1/k, and edges are pairwise
    # independent even where they share an end: the share has variance (1 - 1/k)/(k m). 5 sd.
    ring, seeds = Network.ring(20), 60
    shares = [final(play("random", task="colouring", graph=ring, seed=s)) for s in range(seeds)]
    k = len(colours(ring))
    sd = math.sqrt((1 - 1 / k) / k / (20 * seeds))
    assert abs(np.mean(shares) - (1 - 1 / k)) < 5 * sd
    # one leader among four that say Yes by the toss of a coin: 4/16
    wins = [final(play("random", task="leader", agents=4, seed=s)) for s in range(seeds)]
    assert abs(np.mean(wins) - 1 / 4) < 5 * math.sqrt(3 / 16 / seeds)


def test_a_message_goes_to_whom_it_is_addressed_and_nobody_else() -> None:
    assert addressed('{"b": "x", "c": ""}', ("b", "c")) == ({"b": "x"}, 0)
    assert addressed('{"b": {"not": "text"}}', ("b",)) == ({}, 1)
    assert addressed("[1] {2}", ("b",)) == ({}, 1)
    assert addressed("  ", ("b",)) == ({}, 0)


def test_a_language_model_plays_by_the_shipped_prompts() -> None:
    asked: list[str] = []

    def reply(request: Any) -> Any:
        text = "\n".join(message.content for message in request.messages)
        asked.append(text)
        own = text.split("Your name is ")[1].split(".")[0]
        if "Answer with one of these" in text:
            return {"Group 2" if own == world.names[0] else "Group 1": 1.0}
        other = text.split("Your neighbours are ")[1].split(".")[0].split(", ")[0]
        return f'I think.\n{{"{other}": "I am {own}", "Nobody": "hm"}}'

    world = AgentsNet(task="colouring", graph=STAR, rounds=2)
    simulation = Simulation(world, Language(Scripted(reply), PROMPTS), seed=5)
    run = simulation.run(10)
    assert final(world) == 1
    assert run.metrics["messages"].to_list() == [4, 4, 0]
    assert run.metrics["lost"].to_list() == [4, 4, 0]
    assert run.metrics["solved"].to_list() == [None, None, 1.0]
    last = next(
        text for text in asked if "Answer with" in text and f"name is {world.names[0]}." in text
    )
    assert "Round 1\nYou wrote: I think." in last
    assert f"{world.names[1]} wrote to you: I am {world.names[1]}" in last
    assert "Group 1, Group 2, Group 3, Group 4" in last


def test_no_answer_is_no_answer() -> None:
    world = AgentsNet(task="consensus", graph=TRIANGLE, rounds=1)
    mute = Scripted(lambda request: ModelRefused("no"))
    run = Simulation(world, Language(mute, PROMPTS), seed=1).run(10)
    assert run.metrics["unanswered"].to_list() == [None, 3]
    assert final(world) == 0


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(ParameterError, match="connected network"):
        play(graph=Network.from_edges([[0, 1], [2, 3]], 4))
    with pytest.raises(ParameterError, match="expected 2 to 100 agents, got 101"):
        AgentsNet(graph=Network.ring(101))


def test_a_seed_is_a_game() -> None:
    one, two, other = (play(task="cover", seed=seed) for seed in (1, 1, 2))
    assert one.said == two.said
    assert one.answers == two.answers
    assert one.said != other.said


@pytest.mark.parametrize("task", TASKS)
def test_the_rules_of_the_kernel_are_kept(task: Any) -> None:
    def mixed() -> Cast:
        minds = AgentsNet().policies()
        return Cast(minds, dict.fromkeys(minds, 1))

    check_world(lambda: AgentsNet(task=task, agents=8), mixed, ticks=8).raise_if_failed()
