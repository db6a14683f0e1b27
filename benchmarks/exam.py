"""What an exam costs beside the answering: the world an item, reading, grading and programs.

    python benchmarks/exam.py [--items 20000] [--programs 40] [--repeats 5]

The world's own part is an exam of numbers answered by a rule at once, its items drawn, shown, read,
scored and counted; beside it, by turns, reading and comparing the same replies in a plain loop.
LaTeX and puzzles are scored in their worker processes, which are started before the clock is.
Programs are run in the sandbox one after another, beside starting an empty interpreter.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from _measure import by_turns, by_turns_fresh, report, spread
from populace import Rule, Simulation
from populace.language.forms import form
from populace.language.sandbox import run_tests
from populace.worlds.exam import Exam, Item, ReasoningGym


class Sums:
    """Sums of whole numbers, in words."""

    def __init__(self, n: int) -> None:
        self.n = n

    def items(self) -> list[Item]:
        return [
            Item(f"sum{i}", f"What is {i} + {i}?", "number", str(2 * i), f"family{i % 50}")
            for i in range(self.n)
        ]


def exam(n: int) -> Callable[[], Callable[[], Any]]:
    replies = np.array([f"Let me see.\nAnswer: {2 * i}" for i in range(n)], dtype=object)

    def prepare() -> Callable[[], Any]:
        simulation = Simulation(Exam(Sums(n)), Rule(answer=lambda o: replies))
        return lambda: simulation.run(1)

    return prepare


def loop(n: int) -> Callable[[], Callable[[], Any]]:
    replies = [f"Let me see.\nAnswer: {2 * i}" for i in range(n)]
    number = form("number")

    def work() -> int:
        return sum(number.same(2 * i, number.extract(text)) for i, text in enumerate(replies))

    return lambda: work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--programs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    n, k = args.items, args.programs
    exam(100)()()
    numbers = by_turns_fresh({"exam": exam(n), "loop": loop(n)}, args.repeats)
    over = [(a - b) / n for a, b in zip(numbers["exam"], numbers["loop"], strict=True)]

    latex = form("latex")
    written = [rf"Answer: $\frac{{{i}}}{{{i + 1}}} + x^2$" for i in range(200)]
    puzzles = ReasoningGym(["leg_counting", "gsm_symbolic"], 100).items()
    graded = by_turns(
        {
            "latex": lambda: [latex.extract(text) for text in written],
            "reasoning-gym": lambda: [item.verify(item.gold) for item in puzzles],
        },
        args.repeats,
    )
    double = "def f(x): return 2 * x"
    programs = by_turns(
        {
            "sandbox": lambda: [run_tests(double, ["assert f(2) == 4"]) for _ in range(k)],
            "interpreter": lambda: [
                subprocess.run([sys.executable, "-S", "-c", "pass"], check=True) for _ in range(k)
            ],
        },
        args.repeats,
    )
    figures = {
        "items": n,
        "items_per_second": spread([n / s for s in numbers["exam"]]),
        "us_per_item": spread(numbers["exam"], 1e6 / n),
        "us_per_item_of_reading_alone": spread(numbers["loop"], 1e6 / n),
        "us_per_item_of_the_world": spread(over, 1e6),
        "latex_per_second": spread([len(written) / s for s in graded["latex"]]),
        "puzzles_scored_per_second": spread([len(puzzles) / s for s in graded["reasoning-gym"]]),
        "programs_per_second": spread([k / s for s in programs["sandbox"]]),
        "ms_per_program": spread(programs["sandbox"], 1e3 / k),
        "ms_per_empty_interpreter": spread(programs["interpreter"], 1e3 / k),
    }
    report("exam", figures, "reasoning-gym", "math-verify", "sympy")


if __name__ == "__main__":
    main()
