"""Teams of recorded models: what a record can serve, and what it must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from populace import AnswerStore, Budget, Cast, Outcome, Population, Simulation, Text, World
from populace.language import Recorded
from populace.language.recording import writing
from populace.teams.interface import Members, Question, Verdict
from populace.teams.team import Team
from populace.teams.votes import plurality

SAID = {  # item -> model -> samples; both items put the same words
    "x": {"m": ["1", "1", "2"], "n": ["2"]},
    "y": {"m": ["3", "4", "4"], "n": ["3"]},
}


class Quiz(World):
    """Two items that only their names tell apart."""

    def __init__(self) -> None:
        self.items = Population(2)
        self.answers: list[Any] = []

    async def step(self, minds: Any) -> None:
        found = await minds.ask(
            "answer", self.items, Text(20), item=list(SAID), question="Which?", missing=""
        )
        self.answers = list(found.values)
        self.outcomes = list(found.outcome)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with writing(tmp_path / "quiz.rec") as writer:
        for item, models in SAID.items():
            for model, samples in models.items():
                for number, answer in enumerate(samples):
                    said = {"text": f"{answer}", "tokens_in": 10, "tokens_out": 1}
                    writer.answer(model, item, number, answer=answer, **said)
    return tmp_path / "quiz.rec"


async def vote(members: Members, question: Question) -> Verdict:
    return plurality(await members.ask())


async def samples(members: Members, question: Question, n: int = 3) -> Verdict:
    return plurality(await members.ask(to=[0] * n, sample=range(n)))


async def debate(members: Members, question: Question) -> Verdict:
    first = await members.ask()
    return plurality(await members.ask(sees=first))


def play(members: list[Recorded], structure: Any, **options: Any) -> tuple[Quiz, Any]:
    team = Team(members, structure, form="verbatim", wording=WORDS)
    world = Quiz()
    simulation = Simulation(world, Cast({"team": team}), seed=1, **options)
    simulation.run(ticks=1)
    return world, simulation


WORDS = {"prompt": {"answer": {"text": "{question}{peers}"}}}


def test_members_answer_each_item_from_its_own_record(path: Path) -> None:
    m, n = Recorded(path, "m"), Recorded(path, "n")
    world, _ = play([m, m, n], vote)  # two members of one model: its samples 0 and 1
    assert world.answers == ["1", "3"]  # of 1, 1, 2 and of 3, 4, 3
    world, _ = play([m], samples)
    assert world.answers == ["1", "4"]


def test_a_second_round_is_not_what_was_recorded(path: Path) -> None:
    world, _ = play([Recorded(path, "m"), Recorded(path, "n")], debate)
    assert world.answers == ["", ""]
    assert [Outcome(code).label for code in world.outcomes] == ["failed", "failed"]


def test_what_it_costs_is_counted_and_nothing_is_billed_or_stored(path: Path) -> None:
    with AnswerStore(None) as store:
        budget = Budget(tokens=66)  # six calls of 10 + 1: exactly what is needed
        m, n = Recorded(path, "m"), Recorded(path, "n")
        world, simulation = play([m, m, n], vote, budget=budget, answers=store)
        assert world.answers == ["1", "3"]
        assert store.stats().answers == 0
    logical, billed = simulation.resources.ledger.totals()
    assert (logical.calls, logical.tokens) == (6, 66)
    assert (billed.calls, billed.tokens) == (0, 0)
