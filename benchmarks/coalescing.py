"""What a language tick of millions costs beside its model calls.

    python benchmarks/coalescing.py [--agents 2700000] [--repeats 3] [--model embedded] [--store]

Everyone is asked a choice through 500 distinct prompts. ``tick`` is a whole tick of a simulation:
wording, finding the distinct prompts, 500 scores, everyone's own draw, checks and records;
``calls`` are the same 500 requests given to the model alone. The model is a stand-in that answers
at once, so ``overhead_s``, their difference, is all ours. Beside calls of 150 ms each (the embedded
model's on one core) the tick takes ``ratio_at_150_ms`` times as long as they, and at most 1.2 times
if a call takes ``within_1.2_from_ms`` or more. With ``--model`` a real model is asked: ``ratio`` is
then measured, and ``ratio_processor`` in seconds of the processor, which others on the machine
disturb less. ``columns`` is the part of finding distinct prompts, ``sampling`` that of the draws.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from _measure import by_turns, peak_memory_mib, report, spread
from populace import Choice, Language, Population, Prompts, Simulation, World
from populace.kernel.streams import Streams
from populace.language.coalesce import sampled
from populace.language.model import (
    Capabilities,
    Identity,
    LanguageModel,
    Message,
    Reply,
    Request,
    Scores,
)
from populace.testing import observe

PROMPTS = Prompts.load(
    {
        "kind": {
            "stay": {
                "system": "You say whether people in a town stay at home today.",
                "shared": "New cases today: {cases}. Advice: {advice}.",
                "agent": "{age} years old, {job}, {risk} risk. Home or out?",
            }
        },
        "wording": {
            "age": {
                "below": [[10 * i, f"{10 * i - 10} to {10 * i}"] for i in range(1, 10)],
                "above": "over 90",
            },
            "job": {"words": [f"job {i}" for i in range(10)]},
            "risk": {"words": ["no", "little", "some", "high", "very high"]},
            "cases": {"round": 10},
            "advice": {"words": ["none", "stay at home"]},
        },
    }
)  # fmt: skip
HOME = Choice(["out", "home"])


class Instant:
    """A model that knows at once."""

    identity = Identity("memory", "instant", "1")
    capabilities = Capabilities(score=True, exact=True, tokens="exact")

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        half = (math.log(0.5), math.log(0.5))
        return [Scores(logprobs=half, tokens_in=60, model="instant") for _ in requests]

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        raise NotImplementedError

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return 60

    async def close(self) -> None:
        pass


class Town(World):
    """People of 10 age groups, 10 jobs and 5 risks, asked once a tick."""

    def __init__(self, agents: int) -> None:
        streams = Streams(1).named("town")
        ids = np.arange(agents, dtype=np.uint32)

        def column(name: str, k: int) -> Any:
            return streams.stream(name).integers(ids, 0, k).astype(np.uint8)

        self.people = Population(
            agents, age=column("age", 100), job=column("job", 10), risk=column("risk", 5)
        )

    async def step(self, minds: Any) -> None:
        see = ["age", "job", "risk"]
        await minds.ask("stay", self.people, HOME, see=see, cases=120, advice=1)

    def measure(self) -> dict[str, Any]:
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=2_700_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", help="ask this model, for instance embedded")
    parser.add_argument("--store", action="store_true", help="keep answers in a store in memory")
    options = parser.parse_args()
    model: LanguageModel = Instant()
    if options.model:
        from populace.language.opening import open_model

        model = open_model(options.model, memory=0, threads=1)  # nothing remembered between rounds
    people = Town(options.agents).people
    look = {name: people[name] for name in ("age", "job", "risk")}
    seen = observe("stay", people, HOME, see=list(look), cases=120, advice=1)
    found = PROMPTS.distinct(seen)
    rendered = PROMPTS.render(seen, found)
    requests = [Request(messages=rendered.messages(i)) for i in range(len(found))]
    table = np.full((len(found), 2), 0.5)
    choices = [["out", "home"]] * len(requests)

    def simulation() -> Simulation:
        policy = Language(model, PROMPTS)
        if options.store:
            from populace.kernel.resources import Resources
            from populace.records.answers import AnswerStore

            policy.equip(Resources(answers=AnswerStore(None)))
        return Simulation(Town(options.agents), policy, panel=0)

    waiting = [simulation() for _ in range(options.repeats + 1)]  # each asks everything anew
    processor: dict[str, list[float]] = {"tick": [], "calls": []}

    def counted(name: str, work: Callable[[], Any]) -> None:
        begun = time.process_time()
        work()
        processor[name].append(time.process_time() - begun)

    times = by_turns(
        {
            "tick": lambda: counted("tick", lambda: waiting.pop().run(ticks=1)),
            "calls": lambda: counted("calls", lambda: asyncio.run(model.score(requests, choices))),
            "columns": lambda: PROMPTS.distinct(seen),
            "sampling": lambda: sampled(seen.random, table, found.index),
        },
        repeats=options.repeats,
    )
    overhead = [a - b for a, b in zip(times["tick"], times["calls"], strict=True)]
    typical = sorted(overhead)[len(overhead) // 2]
    figures: dict[str, Any] = {
        "agents": options.agents,
        "distinct": len(found),
        "store": options.store,
        "model": model.identity.model,
        "seconds": {name: spread(values) for name, values in times.items()},
        "overhead_s": spread(overhead),
        "peak_memory_mib": peak_memory_mib(),
    }
    if options.model:
        for name, seconds in (("ratio", times), ("ratio_processor", processor)):
            pairs = list(zip(seconds["tick"], seconds["calls"], strict=True))
            figures[name] = spread([a / b for a, b in pairs[-options.repeats :]], digits=4)
    else:
        figures["ratio_at_150_ms"] = round(1 + typical / (len(found) * 0.15), 4)
        figures["within_1.2_from_ms"] = round(typical / 0.2 / len(found) * 1000, 2)
    report("coalescing", figures)


if __name__ == "__main__":
    main()
