"""What a decision costs where a thousand small societies talk, beside the bare model's calls.

`--games` fisheries of five agents each play `--months` months of harvest, discussion and
reflection, everybody a language model; a scripted model answers, so that all time is ours. What an
agent reads depends on its game, its name and its notes: nearly every prompt is another one. The
rivals, by turns in one run:

- ``society``: a simulation as users run it, answers kept in memory: wording, distinct prompts,
  requests, keys, the store, the model, reading, checks, budget and ledger.
- ``budget``: the same within a budget of tokens, calls and dollars, and answers in a file.
- ``waiting``: the model's calls wait for one another and end in a shuffled order.
- ``replay``: the answers of that file once more, in strict mode, nobody called.
- ``bare``: the same requests given to the same model in a loop of single calls, and nothing else.

    python benchmarks/society.py [--games 1000] [--months 2] [--repeats 3]

Microseconds of processor time a decision (others on the machine disturb it least), decisions a
second on the clock with the load of the machine beside them, and the ratio to the bare loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from _measure import peak_memory_mib, ratio, report, spread
from populace import AnswerStore, Budget, Language, Simulation
from populace.kernel.prices import Price, Prices
from populace.language.model import Reply, Request
from populace.language.scripted import Scripted
from populace.worlds.commons import PROMPTS, Commons

PER_AGENT = 3  # harvest, speak, reflect


def say(request: Request) -> str:
    """Answer each request differently, by its draw."""
    assert request.label is not None
    if request.label.kind == "harvest":
        return f'{{"answer": {request.draw % 11}}}'
    return f"In word {request.draw} I say: let us take {request.draw % 10} each and see."


class Waiting(Scripted):
    """Its calls take turns to wait, and end in an order shuffled by their draws."""

    capabilities = replace(Scripted.capabilities, at_once=False)

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        for _ in range(requests[0].draw % 4):
            await asyncio.sleep(0)
        return await super().generate(requests)


def played(
    games: int, months: int, model: Scripted, seen: list[Any] | None = None, **settings: Any
) -> Callable[[], None]:
    """Return a run of fresh societies, ready to go."""
    world = Commons(games=games, months=12, discussion="together", reflection=True)
    simulation = Simulation(world, Language(model, PROMPTS["fishery"]), seed=1, **settings)

    def run() -> None:
        for _ in range(months):
            run = simulation.run(1)
            if seen is not None:
                seen.extend(model.asked)
            model.asked.clear()  # which a scripted model keeps for tests
        assert run.asks["acted"].to_list() == run.asks["agents"].to_list()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("games", 1000), ("months", 2), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    decisions = given.games * 5 * PER_AGENT * given.months
    requests: list[Request] = []
    before = peak_memory_mib()
    played(given.games, given.months, Scripted(say), requests)()
    memory = peak_memory_mib()
    gc.collect()
    gc.freeze()  # the requests of the loop are no part of what is measured
    size = given.games, given.months
    prices = Prices({"script": Price(0.25, 2.0)})

    async def loop() -> None:
        model = Scripted(say)
        for request in requests:
            await model.generate([request])

    with tempfile.TemporaryDirectory() as folder:
        files = iter(Path(folder) / f"{i}.sqlite" for i in range(1000))
        last: list[Path] = []

        def budgeted() -> Callable[[], None]:
            last[:] = [next(files)]
            budget = Budget(tokens=10**9, calls=10**7, usd=1e6)
            return played(
                *size, Scripted(say), budget=budget, prices=prices, answers=AnswerStore(last[0])
            )

        rivals: dict[str, Callable[[], Callable[[], Any]]] = {
            "society": lambda: played(*size, Scripted(say)),
            "budget": budgeted,
            "replay": lambda: played(
                *size, Scripted(lambda r: 1 / 0), answers=AnswerStore(last[0], "strict")
            ),
            "waiting": lambda: played(*size, Waiting(say)),
            "bare": lambda: lambda: asyncio.run(loop()),
        }
        cpu: dict[str, list[float]] = {name: [] for name in rivals}
        wall: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(given.repeats):
            for name, prepare in rivals.items():
                call = prepare()
                begun = time.process_time(), time.perf_counter()
                call()
                cpu[name].append(time.process_time() - begun[0])
                wall[name].append(time.perf_counter() - begun[1])
                del call
    report(
        "society",
        {
            "load_1min": os.getloadavg()[0],
            **vars(given),
            "decisions": decisions,
            "calls": len(requests),
            "distinct_prompts": len({request.messages for request in requests}),
            "cpu_us_a_decision": {name: spread(s, 1e6 / decisions) for name, s in cpu.items()},
            "decisions_a_cpu_second": {
                name: spread([decisions / s for s in seconds]) for name, seconds in cpu.items()
            },
            "decisions_a_second": {
                name: spread([decisions / s for s in seconds]) for name, seconds in wall.items()
            },
            "times_the_bare_loop": {
                name: ratio(cpu["bare"], seconds) for name, seconds in cpu.items() if name != "bare"
            },
            "memory_mib": {"before": before, "after_the_first_run": memory},
        },
    )


if __name__ == "__main__":
    main()
