"""The same seed gives the same bytes, in whatever order a model's calls complete."""

import asyncio
import json
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest

from populace import AnswerStore, Language, Simulation
from populace.kernel.budget import Budget
from populace.kernel.prices import Price, Prices
from populace.kernel.streams import Streams
from populace.language.embedding import Hashed
from populace.language.errors import ModelRefused, ModelTimeout
from populace.language.memory import Memory, Plan, Reflect
from populace.language.model import Reply
from populace.language.scripted import Scripted
from populace.testing import fingerprint
from populace.worlds.commons import PROMPTS, REMEMBERING, Commons


def script(request):
    """Answer by all that is read and by the draw, so that one changed answer changes the run."""
    kind, read = request.label.kind, request.messages[-1].content
    mark = int.from_bytes(blake2b(f"{request.draw}{read}".encode(), digest_size=4).digest(), "big")
    if mark % 23 == 0:
        return ModelTimeout("late", tokens_in=mark % 7)
    if mark % 29 == 0:
        error = ModelRefused("no", raw="I cannot", tokens_in=3, tokens_out=1)
        return replace(Reply.failed(error, "script"), seconds=mark / 2**40)
    text = f"Mark {mark}: é, <|and|>\n  more {'so ' * (mark % 5)}"
    if kind == "harvest":
        text = json.dumps({"answer": mark % 9}) if mark % 7 else "many"
    if kind == "importance":
        text = json.dumps({"answer": 1 + mark % 10})
    if kind == "insights":
        text = f"We fish {mark} (because of 1, 2)"
    return Reply(
        text=text, tokens_in=len(read.split()), tokens_out=len(text.split()), model="script",
        seconds=mark / 2**40,
    )  # fmt: skip


class Shuffled(Scripted):
    """Its calls complete in an order that a stream draws, another one for every `order`."""

    capabilities = replace(Scripted.capabilities, at_once=False)

    def __init__(self, order):
        super().__init__(script)
        self.streams, self.completed = Streams(order).named("completion"), []

    async def generate(self, requests):
        (request,) = requests
        label = request.label
        stream = self.streams.stream(label.kind, label.tick)
        key = np.array([request.sample % 2**32], np.uint32)
        for _ in range(int(stream.integers(key, 0, 40)[0])):
            await asyncio.sleep(0)
        replies = await super().generate(requests)
        self.completed.append((label.kind, label.tick, request.sample))
        return replies


def mind(model, memory):
    if not memory:
        return Language(model, PROMPTS["fishery"], draws=3)
    own = Memory(capacity=9, k=4, embed=Hashed(16))
    return Language(
        model, REMEMBERING["fishery"], memory=own, reflect=Reflect(threshold=40), plan=Plan(every=2)
    )


def played(model, memory, budget, path, mode="fill"):
    """Return all that a run leaves behind, in bytes."""
    store = AnswerStore(path, mode, now=lambda: "then")
    games = 6 if memory else 12
    world = Commons(games=games, discussion="together", reflection=True, months=3)
    simulation = Simulation(
        world, mind(model, memory), seed=11, answers=store, budget=Budget(**budget),
        prices=Prices({"script": Price(0.3, 2.0)}),
    )  # fmt: skip
    left = fingerprint.of_run(simulation.run(3))
    resources = simulation.resources
    left["store"] = rows(store)
    logical, billed = resources.ledger.totals()
    left["logical"] = logical
    if mode == "fill":
        spent = resources.budget.spent
        told = (spent.calls, spent.tokens_in, spent.tokens_out, spent.usd)  # failures took time
        left |= {"ledger": resources.ledger.state(), "billed": billed, "spent": told}
        left["refusals"] = resources.budget.refusals
    return left


def rows(store):
    store.stats()
    return store._base.execute("SELECT * FROM answers ORDER BY key").fetchall()


BUDGETS = {
    "unlimited": {},
    "enough": {"tokens": 10**7, "usd": 100.0},
    "tokens": {"tokens": 45_000, "at_end": "missing"},
    "dollars": {"usd": 0.02, "at_end": "stop"},
    "calls": {"calls": 211, "at_end": "missing"},
}


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("budget", BUDGETS)
def test_the_same_seed_gives_the_same_bytes_however_the_calls_complete(budget, memory, tmp_path):
    plain, first, second = Scripted(script), Shuffled(1), Shuffled(2)
    in_turn = played(plain, memory, BUDGETS[budget], None)
    assert in_turn["spent"][0] > 100
    assert bool(in_turn["refusals"]) == (budget not in ("unlimited", "enough"))
    path = tmp_path / "answers.sqlite"
    for model, file in ((first, None), (second, path)):
        assert fingerprint.differences(in_turn, played(model, memory, BUDGETS[budget], file)) == []
    orders = [
        [(r.label.kind, r.label.tick, r.sample) for r in plain.asked],
        first.completed,
        second.completed,
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_what_is_on_file_gives_the_same_bytes_and_nobody_is_called(tmp_path):
    path = tmp_path / "answers.sqlite"

    def steady(request):
        said = script(request)
        return said if isinstance(said, Reply) else "nothing"

    first = Shuffled(3)
    first._rule = steady
    filled = played(first, False, {}, path)
    for kind in (Scripted, Shuffled):
        model = kind(4) if kind is Shuffled else kind(script)
        replayed = played(model, False, {}, path, "strict")
        assert model.asked == []
        same = {name: value for name, value in filled.items() if name in replayed}
        assert fingerprint.differences(same, replayed) == []
