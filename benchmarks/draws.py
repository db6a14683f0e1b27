"""What a random draw costs: populace's streams beside numpy's own generators.

    python benchmarks/draws.py [--draws 1000000] [--repeats 9]

Nanoseconds a draw on one thread, measured by turns; ``ratio`` is numpy's PCG64 (the generator of
``numpy.random.default_rng``) over ours, above 1 where ours is quicker. The last figure is a small
draw, of ten agents, in microseconds a call.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from _measure import by_turns, ratio, report, spread
from populace.kernel.jit import jit
from populace.kernel.philox import threshold32
from populace.kernel.philox_jit import bernoulli2x32, uniform2x32
from populace.kernel.streams import Streams
from populace.kernel.threads import threads


@jit
def fill_2x32(tick: Any, key: Any, out: Any) -> None:
    """Draw uniform numbers in bulk inside a kernel."""
    for i in range(np.uint64(out.size)):
        out[i] = uniform2x32(i, tick, key)


@jit
def fill_bernoulli(tick: Any, key: Any, threshold: Any, out: Any) -> None:
    """Compare a word with a bound, in bulk inside a kernel."""
    for i in range(np.uint64(out.size)):
        out[i] = bernoulli2x32(i, tick, key, threshold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    n = options.draws
    stream, rng = Streams(1).stream("benchmark"), np.random.default_rng(1)
    ids, few = np.arange(n, dtype=np.uint32), np.arange(10)
    out, hits = np.empty(n), np.empty(n, np.bool_)
    table = np.array([0.2, 0.3, 0.1, 0.4])
    key, tick, threshold = stream.key2(), np.uint32(3), threshold32(0.3)
    rivals = {
        "uniform": lambda: stream.uniform(ids),
        "integers": lambda: stream.integers(ids, 0, 1000),
        "normal": lambda: stream.normal(ids),
        "exponential": lambda: stream.exponential(ids),
        "bernoulli": lambda: stream.bernoulli(ids, 0.3),
        "choice": lambda: stream.choice(ids, table),
        "permutation": lambda: stream.permutation(ids),
        "uniform2x32 in a kernel": lambda: fill_2x32(tick, key, out),
        "bernoulli2x32 in a kernel": lambda: fill_bernoulli(tick, key, threshold, hits),
        "numpy uniform": lambda: rng.random(n),
        "numpy integers": lambda: rng.integers(0, 1000, n),
        "numpy normal": lambda: rng.standard_normal(n),
        "numpy exponential": lambda: rng.standard_exponential(n),
        "numpy bernoulli": lambda: rng.random(n) < 0.3,
        "numpy choice": lambda: rng.choice(4, n, p=table),
        "numpy permutation": lambda: rng.permutation(n),
    }
    with threads(1):
        seconds = by_turns(rivals, options.repeats)
        small = by_turns({"uniform": lambda: [stream.uniform(few) for _ in range(100)]}, 5)
    peers = {"uniform2x32 in a kernel": "uniform", "bernoulli2x32 in a kernel": "bernoulli"}
    report(
        "draws",
        {
            "draws": n,
            "threads": 1,
            "ns_a_draw": {name: spread(values, 1e9 / n) for name, values in seconds.items()},
            "ratio": {
                name: ratio(values, seconds[f"numpy {peers.get(name, name)}"])
                for name, values in seconds.items()
                if not name.startswith("numpy ")
            },
            "us_a_call_of_ten": spread(small["uniform"], 1e6 / 100),
        },
    )


if __name__ == "__main__":
    main()
