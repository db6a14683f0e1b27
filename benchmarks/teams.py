"""What a team costs besides its models, beside LangGraph and AutoGen doing the same.

Five members, three rounds; in each round every member reads what the four others said last, and a
fake model answers at once. Ours keeps budgets an item, transcripts and ledgers (``populace_bare``
without the first two); the peers keep none of them. AutoGen's group chat is its own form of it:
five assistants in turn, three times round, each message broadcast to all.

    python benchmarks/teams.py [--items 1000] [--repeats 3] [--peer-items 30]

CPU seconds of the process, by turns in one run. Peers (``pip install --group peers``) are left out,
and named, where they are not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import operator
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Budget, Number, Population, Simulation, Team, World
from populace.language.model import Reply
from populace.language.scripted import Scripted
from populace.teams.structures.debate import debate

MEMBERS, ROUNDS = 5, 3
TEXT = "I have gone through the problem step by step, and these are my reasons.\nAnswer: 7"
CALLS = MEMBERS * ROUNDS


class AtOnce(Scripted):
    """Answers everybody the same at once; its tokens are a fixed number."""

    async def generate(self, requests: Any) -> list[Reply]:
        return [Reply(text=TEXT, tokens_in=50, tokens_out=20) for _ in requests]

    def count_tokens(self, messages: Any) -> int:
        return 50


class Exam(World):
    """One question an agent."""

    def __init__(self, items: int) -> None:
        self.items = Population(items)

    async def step(self, minds: Any) -> None:
        texts = np.array([f"What is 3 + 4, {i} times over?" for i in self.items.ids], object)
        found = await minds.ask("answer", self.items, Number(0, 99), missing=-1, question=texts)
        self.right = int((found.values == 7).sum())

    def measure(self) -> dict[str, int]:
        return {"right": self.right}


def ours(items: int, same: bool = False, **given: Any) -> Callable[[], Any]:
    """Prepare a run of ours; `same`: all members are one model, else five."""
    names = [f"m{i}" for i in range(MEMBERS)]
    one = AtOnce({}, "one")
    members = {name: one if same else AtOnce({}, name) for name in names}
    settings = {name: given.pop(name) for name in ("budget", "transcripts") if name in given}
    team = Team(members, debate, rounds=ROUNDS, in_flight=items, **settings)
    simulation = Simulation(Exam(items), team, **given)

    def run() -> None:
        done = simulation.run(1)
        assert done.metrics["right"][0] == items
        assert done.spend["logical_calls"].sum() == items * CALLS

    return run


class State(TypedDict):
    """What the nodes of LangGraph's graph share."""

    question: str
    said: Annotated[list[Any], operator.add]
    histories: Annotated[dict[int, list[Any]], operator.or_]
    round: int


def budgeted(items: int) -> Callable[[], Any]:
    """Prepare a run of ours within the run's budget: rounds go in waves."""
    members = {f"m{i}": AtOnce({}, f"m{i}") for i in range(MEMBERS)}
    team = Team(members, debate, rounds=ROUNDS, in_flight=items)
    simulation = Simulation(Exam(items), team, budget=Budget(tokens=10**10))
    return lambda: simulation.run(1)


def langgraph(items: int) -> Callable[[], Any]:
    """Prepare as many graphs' runs: five nodes a superstep, three supersteps."""
    from langchain_core.messages import AIMessage, HumanMessage
    from langgraph.graph import END, START, StateGraph

    def node(member: int) -> Any:
        async def speak(state: State) -> dict[str, Any]:
            number, history = state["round"], state["histories"].get(member, [])
            last = [m for who, r, m in state["said"] if r == number - 1 and who != member]
            peers = "\n\n".join(f"One says: {message.content}" for message in last)
            asked = HumanMessage(f"{peers}\n\n{state['question']}" if last else state["question"])
            reply = AIMessage(TEXT)
            told = {member: [*history, asked, reply]}
            return {"said": [(member, number, reply)], "histories": told}

        return speak

    graph: Any = StateGraph(State)
    graph.add_node("next", lambda state: {"round": state["round"] + 1})
    graph.add_edge(START, "next")
    for member in range(MEMBERS):
        graph.add_node(f"m{member}", node(member))
        graph.add_edge("next", f"m{member}")
    graph.add_node("join", lambda state: {})
    graph.add_edge([f"m{member}" for member in range(MEMBERS)], "join")
    graph.add_conditional_edges(
        "join", lambda state: END if state["round"] == ROUNDS else "next", ["next", END]
    )
    compiled = graph.compile()

    async def all_items() -> list[Any]:
        begin = {"said": [], "histories": {}, "round": 0}
        return await asyncio.gather(
            *(compiled.ainvoke({"question": f"What is 3 + 4, {i}?", **begin}) for i in range(items))
        )

    def run() -> None:
        done = asyncio.run(all_items())
        assert all(len(one["said"]) == CALLS for one in done)

    return run


def autogen(items: int) -> Callable[[], Any]:
    """Prepare as many group chats: five assistants in turn, three times round."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage

    usage = RequestUsage(prompt_tokens=50, completion_tokens=20)

    class Client(ChatCompletionClient):
        component_config_schema = None

        async def create(self, messages: Any, **_: Any) -> CreateResult:
            return CreateResult(finish_reason="stop", content=TEXT, usage=usage, cached=False)

        async def create_stream(self, messages: Any, **_: Any) -> Any:
            yield await self.create(messages)

        async def close(self) -> None: ...

        def actual_usage(self) -> RequestUsage:
            return usage

        def total_usage(self) -> RequestUsage:
            return usage

        def count_tokens(self, messages: Any, **_: Any) -> int:
            return 50

        def remaining_tokens(self, messages: Any, **_: Any) -> int:
            return 10_000

        @property
        def capabilities(self) -> Any:
            return self.model_info

        @property
        def model_info(self) -> Any:
            return {
                "vision": False,
                "function_calling": False,
                "json_output": False,
                "family": "unknown",
                "structured_output": False,
            }

    client = Client()

    async def one(i: int) -> int:
        members: list[Any] = [AssistantAgent(f"m{k}", client) for k in range(MEMBERS)]
        chat = RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(1 + CALLS))
        done = await chat.run(task=f"What is 3 + 4, {i}?")
        return len(done.messages)

    async def all_items() -> list[int]:
        return await asyncio.gather(*(one(i) for i in range(items)))

    def run() -> None:
        assert set(asyncio.run(all_items())) == {1 + CALLS}

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--peer-items", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    n, few = asked.items, asked.peer_items
    limits = {"budget": {"tokens": 10**6}}
    folder = Path(tempfile.mkdtemp())
    files = iter(range(10**6))
    rivals: dict[str, tuple[int, Callable[[], Callable[[], Any]]]] = {
        "populace": (n, lambda: ours(n, **limits)),
        "populace_run_budget": (n, lambda: budgeted(n)),
        "populace_one_model": (n, lambda: ours(n, same=True, **limits)),
        "populace_bare": (n, lambda: ours(n, transcripts=0)),
        "populace_answers_on_file": (
            n,
            lambda: ours(n, **limits, answers=folder / f"{next(files)}.sqlite"),
        ),
    }
    missing = []
    for name, package, peer in (
        ("langgraph", "langgraph", langgraph),
        ("autogen", "autogen_agentchat", autogen),
    ):
        if find_spec(package) is None:
            missing.append(name)
        else:
            rivals[name] = (few, lambda peer=peer: peer(few))  # type: ignore[misc]
    for _, prepare in rivals.values():
        prepare()()
    seconds = by_turns_fresh(
        {name: prepare for name, (_, prepare) in rivals.items()}, asked.repeats, clock="cpu"
    )
    per_call = {
        name: [second / (rivals[name][0] * CALLS) for second in took]
        for name, took in seconds.items()
    }
    report(
        "teams",
        {
            "items_in_flight": {name: items for name, (items, _) in rivals.items()},
            "calls_an_item": CALLS,
            "cpu_us_a_call": {name: spread(took, 1e6, 3) for name, took in per_call.items()},
            "populace_to": {
                name: ratio(per_call["populace"], per_call[name])
                for name in ("langgraph", "autogen")
                if name in per_call
            },
            "not_installed": missing,
            "peak_memory_mib": peak_memory_mib(),
        },
        "langgraph",
        "autogen-agentchat",
    )


if __name__ == "__main__":
    main()
