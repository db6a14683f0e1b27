"""Recorded answers: what serving one costs, and an exam of 10,000 items voted on by 16 members.

The recording is made up on the spot: 16 models, each right on 60 % of the items, one letter and
200 characters of text an answer. Serving is measured by turns with the least that would do the
same: a bare ``SELECT`` by primary key on the same file, unpacking included.

Run ``python benchmarks/recorded.py``: one JSON line. Times of serving are microseconds an answer,
and the ratio is how many times the bare form's time ours takes; the exam's is seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from _measure import by_turns, report, spread
from populace import Cast, Simulation
from populace.kernel.streams import Streams
from populace.language import Label, Message, Recorded, Recording, Request
from populace.language.recording import writing
from populace.teams.team import Team
from populace.teams.votes import plurality
from populace.worlds.exam import Exam
from populace.worlds.exam import Recorded as Items

ITEMS, MODELS, SERVED = 10_000, 16, 5_000
LETTERS = "ABCDEFGHIJ"


def made(path: Path) -> None:
    streams = Streams(0)
    with writing(path) as writer:
        for i in range(ITEMS):
            writer.item(str(i), question=f"Question {i}?", gold=LETTERS[i % 10], family=str(i % 14))
        for m in range(MODELS):
            right = streams.stream(f"right/{m}").bernoulli(ITEMS, p=0.6).tolist()
            other = streams.stream(f"other/{m}").integers(ITEMS, 1, 10).tolist()
            for i in range(ITEMS):
                letter = LETTERS[i % 10 if right[i] else (i + other[i]) % 10]
                said = f"{'Let me think. ' * 13}The answer is {letter}."
                score = float(right[i])
                writer.answer(f"m{m}", str(i), 0, answer=letter, text=said, score=score)


async def vote(members: Any, question: Any) -> Any:
    return plurality(await members.ask(), members.random)


def serving(path: Path) -> dict[str, list[float]]:
    model = Recorded(path, "m3")
    asked = [
        Request(messages=(Message("user", "?"),), label=Label(item=str(i))) for i in range(SERVED)
    ]
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    query = (
        "SELECT answer, texts.text FROM answers JOIN texts ON texts.id = answers.text "
        "WHERE model = 3 AND item = ? AND sample = 0"
    )

    def bare() -> None:
        for i in range(SERVED):
            zlib.decompress(base.execute(query, (i,)).fetchone()[1]).decode()

    times = by_turns({"ours": lambda: asyncio.run(model.generate(asked)), "bare": bare})
    base.close()
    return {name: [1e6 * t / SERVED for t in found] for name, found in times.items()}


def exam(path: Path) -> dict[str, float]:
    recording = Recording(path)
    members = [Recorded(recording, name) for name in recording.models]
    world = Exam(Items(recording))
    begun = time.perf_counter()
    Simulation(world, Cast({"team": Team(members, vote)}), seed=1).run(1)
    return {"seconds": time.perf_counter() - begun, "accuracy": world.measure()["accuracy"]}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.rec"
        made(path)
        times = serving(path)
        report(
            "recorded",
            {
                "microseconds": {name: spread(found) for name, found in times.items()},
                "ratio": spread([a / b for a, b in zip(times["ours"], times["bare"], strict=True)]),
                "exam": {"items": ITEMS, "members": MODELS, **exam(path)},
            },
        )


if __name__ == "__main__":
    main()
