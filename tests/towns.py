"""A town whose people vote, and a model whose probabilities are known, for the command line."""

import math
import re
from typing import Annotated

import numpy as np

from populace import Choice, Parameter, Population, World
from populace.language.errors import ModelRefused
from populace.language.model import Capabilities, Identity, Reply, Scores


class Town(World):
    """People vote by their age and by what is at stake.

    Where `mood` is on, they are shown what the last vote of the tick came to."""

    ticks = 6

    def __init__(
        self,
        people: Annotated[int, Parameter("who vote", "people", low=1)] = 200,
        mood: bool = False,
    ):
        self.people = Population(people, age=np.arange(people) % 60 + 20)
        self.mood, self.yes = mood, 0

    async def step(self, minds):
        choice, stakes = Choice(["no", "yes"]), minds.tick % 3
        for _ in range(2 if self.mood else 1):
            got = await minds.ask(
                "vote", self.people, choice, ["age"], missing="no", stakes=stakes, ayes=self.yes
            )
            self.yes = int((got.values == 1).sum())

    def measure(self):
        return {"yes": self.yes}

    def policies(self):
        return {"rule": lambda o: o["age"] > 40}


class Toy:
    """Says yes with probability logistic(slope (age - 45)); refuses from an age on."""

    def __init__(self, slope: float = 0.05, refuse_from: float = math.inf, score: bool = True):
        self.slope, self.refuse_from = slope, refuse_from
        self.identity = Identity("memory", "toy", str(slope))
        self.capabilities = Capabilities(
            score=score, schema=True, seed=True, exact=True, text=True, tokens="exact"
        )

    def p(self, request):
        age = float(re.findall(r"(\d+) years", request.messages[-1].content)[-1])
        if age >= self.refuse_from:
            return ModelRefused("declined", raw="I cannot. Your key sk-1234567890abcdef is known")
        return 1 / (1 + math.exp(-self.slope * (age - 45)))

    async def score(self, requests, choices):
        answers = []
        for request in requests:
            p = self.p(request)
            if isinstance(p, Exception):
                answers.append(Scores.failed(p, "toy"))
                continue
            tokens = self.count_tokens(request.messages)
            logs = (math.log(1 - p), math.log(p))
            answers.append(Scores(logprobs=logs, tokens_in=tokens, model="toy"))
        return answers

    async def generate(self, requests):
        answers = []
        for request in requests:
            said = "Yes" if request.draw / 2**31 < self.p(request) else "No"
            tokens = self.count_tokens(request.messages)
            text = f'{{"answer": "{said}"}}'
            answers.append(Reply(text=text, tokens_in=tokens, tokens_out=1, model="toy"))
        return answers

    def count_tokens(self, messages):
        return sum(len(m.content.split()) for m in messages)

    async def close(self):
        pass
