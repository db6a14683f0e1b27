"""Exams and structures that the tests of teams share."""

import numpy as np

from populace import Number, Population, World
from populace.teams.votes import plurality

WORDING = {
    "prompt": {
        "debate": {
            "text": "{peers}\n\nAnswer again. {instruction}",
            "peer": "{member} says: {text}",
        },
        "judge": {"text": "{question}\n{peers}\n{instruction}"},
    }
}


async def debate(members, question, rounds=3):
    """Everybody answers, then hears the others; the last round votes."""
    said = await members.ask()
    for _ in range(1, rounds):
        said = await members.ask("debate", sees=said)
    return plurality(said, members.random)


class Sums(World):
    """Agents are questions: what is the agent's number plus one?"""

    def __init__(self, n=4, space=None):
        self.items = Population(n)
        self.space = Number(0, 10_000, integer=True) if space is None else space

    async def step(self, minds):
        ids = self.items.ids
        texts = np.array([f"What is {i}+1?" for i in ids], object)
        self.answers = await minds.ask(
            "answer", self.items, self.space, missing=-1, question=texts, number=ids
        )

    def measure(self):
        return {"right": (self.answers.values == self.items.ids + 1).sum()}


def number(request):
    """Return the number that a request's question is about."""
    return int(request.messages[0].content.split("is ", 1)[1].split("+")[0])


def adds(by=1, name="model"):
    """Return a script that answers n + `by`."""
    return lambda request: f"I, {name}, add.\nAnswer: {number(request) + by}"
