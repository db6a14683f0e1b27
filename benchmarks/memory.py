"""How fast memories are retrieved for a whole population, beside numpy agent by agent.

Every agent holds 50 memories, texts drawn from `--texts` distinct ones, embedded in 256
dimensions; the ten best by recency, importance and relevance are found for all agents in one call.
The loop does the same by the same formula, one agent after the other, on the first `--loop` agents.

    python benchmarks/memory.py [--agents 100000] [--memories 50] [--dimensions 256]
        [--texts 20000] [--loop 2000] [--repeats 5]

Wall seconds, by turns in one run; the load of the machine stands beside them. The rate of a core is
that of one thread in seconds of the processor, which others on the machine disturb less.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np

from _measure import by_turns, peak_memory_mib, report, spread
from populace import Population
from populace.kernel.threads import threads
from populace.language.memory.retrieval import retrieve
from populace.language.memory.store import Store
from populace.language.memory.vectors import Vectors, lengths, quantised
from populace.language.texts import Texts

NOW, K, DECAY = 1000, 10, 0.995


def prepared(agents: int, memories: int, dimensions: int, texts: int) -> Any:
    """Return full memories, their vectors, and a query for each agent out of 1,000."""
    draws = np.random.default_rng(1)
    people, store, known = Population(agents, name="people"), Store(memories), Texts()
    store.meet(people)
    known.add(map(str, range(texts)))
    vectors = Vectors(known, lambda told: [])
    vectors.table = np.empty((texts, dimensions), np.int8)
    for a in range(0, texts, 20_000):  # by parts: as floats they take eight times the room
        part = vectors.table[a : a + 20_000]
        part[:] = quantised(draws.standard_normal(part.shape))
    vectors.length, vectors.used = lengths(vectors.table), texts
    vectors.at = np.arange(texts, dtype=np.int32)
    for _ in range(memories):
        rated = draws.integers(1, 11, agents)
        store.add(people.everyone, "observation", draws.integers(0, texts, agents), 0, rated)
    store.last[:] = draws.integers(0, NOW, store.last.shape)
    queries = quantised(draws.standard_normal((1000, dimensions)))
    return store, vectors, people.everyone.rows, queries, draws.integers(0, 1000, agents)


def loop(store: Any, vectors: Any, rows: Any, queries: Any, query: Any) -> Any:
    """The same in numpy, one agent after the other."""
    found = np.empty((len(rows), K), np.int32)
    table, size = vectors.table.astype(np.float32), vectors.length
    asked, norm = queries.astype(np.float32), lengths(queries)
    for i, row in enumerate(rows):
        n = store.count[row]
        at = vectors.at[store.text[row, :n]]
        recency = DECAY ** (NOW - store.last[row, :n]).astype(np.float64)
        relevance = table[at] @ asked[query[i]] / (size[at] * norm[query[i]])
        total = np.zeros(n)
        for part in (recency, store.importance[row, :n].astype(np.float64), relevance):
            low, high = part.min(), part.max()
            if high > low:
                total += (part - low) / (high - low)
        found[i] = np.lexsort((-np.arange(n), -total))[:K]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("agents", 100_000), ("memories", 50), ("dimensions", 256), ("texts", 20_000),
        ("loop", 2_000), ("repeats", 5),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    few = min(given.loop, given.agents)
    store, vectors, rows, queries, query = prepared(
        given.agents, given.memories, given.dimensions, given.texts
    )

    def ours(n: int, cores: int) -> Any:
        with threads(cores):
            return retrieve(store, vectors, rows[:n], queries, query[:n], NOW, K, DECAY)

    one, two = ours(given.agents, 1), ours(given.agents, 2)
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    naive = loop(store, vectors, rows[:few], queries, query)
    same = float((naive == one[0][:few]).all(axis=1).mean())
    processor: list[float] = []

    def counted() -> None:
        begun = time.process_time()
        ours(given.agents, 1)
        processor.append(time.process_time() - begun)

    seconds = by_turns(
        {
            "two": lambda: ours(given.agents, 2),
            "one": counted,
            "loop": lambda: loop(store, vectors, rows[:few], queries, query),
        },
        given.repeats,
    )
    rates = {name: [given.agents / s for s in seconds[name]] for name in ("two", "one")}
    rates["loop"] = [few / s for s in seconds["loop"]]
    report(
        "memory",
        {
            "load_1min": os.getloadavg()[0],
            **vars(given),
            "agents_per_second_2_threads": spread(rates["two"]),
            "agents_per_second_1_thread": spread(rates["one"]),
            "agents_per_second_of_a_core": spread([given.agents / s for s in processor[1:]]),
            "agents_per_second_loop": spread(rates["loop"]),
            "times_the_loop": spread(
                [a / b for a, b in zip(rates["two"], rates["loop"], strict=True)], digits=3
            ),
            "same_as_the_loop": same,
            "bytes_an_agent": sum(a.nbytes for _, a in store._slots()) / given.agents,
            "peak_memory_mib": peak_memory_mib(),
        },
    )


if __name__ == "__main__":
    main()
