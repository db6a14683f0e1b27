"""What holds of every structure, whatever its members say and whatever they may spend."""

import importlib
import json
import random
import tomllib
from pathlib import Path

import numpy as np
import pytest

from populace.kernel.answers import Outcome
from populace.kernel.spaces import Call, Choice, Number, Pick, Record, Text
from populace.teams.interface import Verdict
from tests.speakers import play

ROOT = Path(__file__).parents[1]
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "entry-points"
]["populace.structures"]
SETTINGS = {
    "best_of_n": {"judge": 0},
    "diverse_debate": {"pool": 12},
    "router": {"by": 0},
    "selforg": {"embed": lambda texts: np.array([[len(t), t.count("A"), 1.0] for t in texts])},
    "groupchat": {"speaker": "moderator", "moderator": 0},
    "orchestrate": {"depth": 3, "steps": 12},
    "codecor": {"checker": lambda program, tests: [len(t) % 2 == 0 for t in tests]},
    "workspace": {"attention": 3},
}
MEMBERS = {"dialogue": 2, "relay": 3}
SPACES = {"codecor": Text(100)}
DEALT = {"diverse_debate"}  # its candidates are dealt to members that did not say them


def structure(name):
    module, _, function = POINTS[name].partition(":")
    return getattr(importlib.import_module(module), function)


def valid(space, draw):
    """Return some value of a space, as JSON has it."""
    if isinstance(space, Choice):
        return draw.choice(space.options)
    if isinstance(space, Number):
        low, high = float(space.low), min(float(space.high), 10.0)
        return draw.randint(int(low), int(high))
    if isinstance(space, Text):
        return draw.choice(["A", "assert f(1) == 2", "f = abs"])
    if isinstance(space, Pick):
        found = draw.sample(space.candidates.tolist(), space.count)
        return found if space.count > 1 else found[0]
    if isinstance(space, Record):
        return {name: valid(field, draw) for name, field in space.fields.items()}
    assert isinstance(space, Call)
    name = draw.choice(list(space.tools))
    return {"name": name, "arguments": valid(space.tools[name], draw)}


def played(name, seed, calls):
    """Play on replies drawn at random: apt, unreadable, failed; apt ones fit what was asked."""
    draw = random.Random(seed)
    noise = draw.choice([0.0, 0.3, 0.9])
    asked = []

    def script(member, r, sample, text):
        one = draw.random()
        if one < noise / 3:
            return draw.choice([Outcome.FAILED, Outcome.REFUSED, Outcome.TIMEOUT])
        if one < noise:
            return draw.choice(["I cannot say.", "{}", '{"answer": 3}', "Answer: D", "[1, 2"])
        space = asked[-1](member, r)
        said = valid(space, draw)
        if isinstance(space, Choice):
            return f"Salience: 4\nScores: 1, 5\nConfidence: 7\nAnswer: {said}"
        return said if isinstance(space, Text) else json.dumps(said)

    found = structure(name)

    async def watched(members, question, **settings):
        plain = members.ask

        async def ask(prompt="answer", *, space=None, **more):
            wanted = question.space if space is None else space
            asked.append(lambda member, r: wanted)
            return await plain(prompt, space=space, **more)

        class Members:
            def __getattr__(self, what):
                return getattr(members, what)

            def __len__(self):
                return len(members)

        proxy = Members()
        proxy.ask = ask
        return await found(proxy, question, **settings)

    watched.func = found  # the prompts are the structure's
    n = MEMBERS.get(name, 10)
    return play(
        watched, script, n, space=SPACES.get(name), calls=calls, seed=seed, **SETTINGS.get(name, {})
    )


@pytest.mark.parametrize("name", POINTS)
def test_every_structure_comes_to_a_typed_end_within_its_budget(name):
    ends = set()
    for seed in range(30):
        calls = [None, 1, 5, 12, 25][seed % 5]
        if name == "self_consistency" and calls is None:
            calls = 60
        came = played(name, seed, calls)
        verdict = came.verdict
        assert isinstance(verdict, Verdict)
        assert calls is None or came.calls <= calls
        said = [ask.said for asks in came.rounds for ask in asks]
        if verdict.answer is None:
            assert verdict.outcome != Outcome.ACTED
        else:
            # nothing is invented: somebody gave this answer, in words that could be read
            assert verdict.answer in "ABC" or name in SPACES
            given = [one for one in said if one.votes]
            assert any(
                one.answer == verdict.answer or one.fields.get("answer") == verdict.answer
                for one in given
            )
        assert all(one.answer is None for one in said if one.outcome != Outcome.ACTED)
        # whom a member saw had spoken before, in words
        for r, asks in enumerate(came.rounds):
            spoken = {a.member for before in came.rounds[:r] for a in before if a.said.text}
            for ask in asks:
                assert set(ask.sees) <= spoken or name in DEALT, (came.prompts[r], ask.sees)
                assert ask.member not in ask.sees
        ends.add(verdict.answer is None)
    assert False in ends  # the replies were apt enough for some answer


@pytest.mark.parametrize("name", POINTS)
def test_the_same_replies_come_to_the_same_end(name):
    one, two = (played(name, 7, 25) for _ in range(2))
    assert one.verdict == two.verdict
    assert one.transcript == two.transcript
