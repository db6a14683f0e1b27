"""A language model with known probabilities: what it says is a given function of the prompt."""

import json
import math
import re

import numpy as np

from populace.language.model import Capabilities, Identity, Reply, Scores, normalised


def numbers(text):
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", text)]


class Analytic:
    """Answers by ``weights(messages, choices)``, unnormalised, one a choice.

    With ``score=False`` it samples: sample s of a prompt is the inverse distribution function at
    a uniform number that is a function of (seed, sample).
    """

    def __init__(self, weights=None, *, score=True, exact=True, schema=True, reply=None, **able):
        self.weights, self.reply = weights, reply
        self.capabilities = Capabilities(
            score=score, exact=exact, schema=schema, seed=True, text=True, tokens="exact", **able
        )
        self.identity = Identity("memory", "analytic", "1")
        self.scored, self.generated = [], []

    @property
    def calls(self):
        return len(self.scored) + len(self.generated)

    async def score(self, requests, choices):
        answers = []
        for request, options in zip(requests, choices, strict=True):
            self.scored.append(request)
            given = self.weights(request.messages, options)
            if isinstance(given, Exception):
                answers.append(Scores.failed(given, "analytic"))
                continue
            logs = normalised([math.log(w) if w > 0 else -math.inf for w in given])
            tokens = self.count_tokens(request.messages)
            answers.append(Scores(logprobs=logs, tokens_in=tokens, model="analytic"))
        return answers

    async def generate(self, requests):
        answers = []
        for request in requests:
            self.generated.append(request)
            said = self.said(request)
            if isinstance(said, Exception):
                answers.append(Reply.failed(said, "analytic"))
                continue
            tokens = self.count_tokens(request.messages)
            answers.append(
                Reply(text=said, tokens_in=tokens, tokens_out=len(said.split()), model="analytic")
            )
        return answers

    def said(self, request):
        if self.reply is not None:
            return self.reply(request)
        options = request.schema["properties"]["answer"]["enum"]
        weights = np.cumsum(self.weights(request.messages, options))
        place = np.searchsorted(weights, request.draw / 2**31 * weights[-1], side="right")
        return json.dumps({"answer": options[place]})

    def count_tokens(self, messages):
        return sum(len(m.content.split()) for m in messages)

    async def close(self):
        pass
