"""What policies cost an agent, against the plain numpy form of the same decision.

``python benchmarks/policies.py`` times, by turns in one run, a choice with eight terms by a million
agents: `Utility`, and softmax over an (agents, options) table with one uniform an agent, as one
would write it by hand; and what `Habit` and `Learned` add or cost.
"""

from __future__ import annotations

import sys

import numpy as np

from _measure import by_turns, ratio, report, spread
from populace import Choice, Habit, Learned, Population, Utility, threads
from populace.testing import observe

AGENTS = 1_000_000
NAMES = "abcdefg"
COEFFICIENTS = {"1": -2.0, "a": 1.0, "b": 0.01, "c": 0.2, "d": 1.0, "e": -1.0, "f": 3.0, "g": 0.1}


def people() -> Population:
    random = np.random.default_rng(0)
    columns = {name: random.random(AGENTS, dtype=np.float32) for name in "ade"}
    columns |= {name: random.integers(0, 90, AGENTS).astype(np.uint8) for name in "bg"}
    columns |= {name: random.random(AGENTS) < 0.3 for name in "cf"}
    return Population(AGENTS, name="people", **columns)


def by_hand(o, options: int):
    """The straightforward form: a table of utilities, softmax, cumulated sums, one uniform."""
    worth = np.zeros((len(o), options))
    terms = [o[name] * value for name, value in COEFFICIENTS.items() if name != "1"]
    worth[:, 1] = COEFFICIENTS["1"] + sum(terms)
    if options == 3:
        worth[:, 2] = 0.3 * o["a"]
    weights = np.exp(worth - worth.max(axis=1, keepdims=True))
    chances = weights / weights.sum(axis=1, keepdims=True)
    return (chances.cumsum(axis=1) <= o.random.uniform()[:, None]).sum(axis=1)


def main() -> None:
    crowd = people()
    table = {"home": COEFFICIENTS, "shop": {"a": 0.3}}
    two, three = Choice(["out", "home"]), Choice(["out", "home", "shop"])
    binary, ternary = Utility({"home": COEFFICIENTS}), Utility(table)
    habit = Habit(binary, inertia=0.8)
    tick = iter(range(10**6))

    def asked(space):
        return observe("go", crowd, space, see=list(NAMES), tick=next(tick))

    rivals = {
        "Utility, 2 options": lambda: binary.act(asked(two)),
        "by hand, 2 options": lambda: by_hand(asked(two), 2),
        "Utility, 3 options": lambda: ternary.act(asked(three)),
        "by hand, 3 options": lambda: by_hand(asked(three), 3),
        "Habit of Utility": lambda: habit.act(asked(two)),
    }
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        print("Learned: skipped, scikit-learn is not installed", file=sys.stderr)
    else:
        some = crowd[np.arange(5000)]
        rows = np.column_stack([some[name] for name in NAMES]).astype(float)
        model = LogisticRegression(max_iter=1000).fit(rows, rows[:, 0] > 0.5)
        learned = Learned(model, list(NAMES))
        rivals["Learned, logistic regression"] = lambda: learned.act(asked(two))
    with threads(1):
        seconds = by_turns(rivals)
    report(
        "policies",
        {
            "agents": AGENTS,
            "threads": 1,
            "ns_per_agent": {name: spread(times, 1e9 / AGENTS) for name, times in seconds.items()},
            "times_by_hand": {
                f"{k} options": ratio(
                    seconds[f"Utility, {k} options"], seconds[f"by hand, {k} options"]
                )
                for k in (2, 3)
            },
        },
        "scikit-learn",
    )


if __name__ == "__main__":
    main()
