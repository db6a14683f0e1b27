"""`Embedded`: a language model inside the process, on llama.cpp through xllamacpp."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from populace.kernel.threads import thread_count
from populace.language import trie, weights
from populace.language.engine import Engine
from populace.language.errors import BadRequest, ModelError
from populace.language.model import (
    Capabilities,
    Identity,
    Message,
    Reply,
    Request,
    Scores,
    check_choices,
    check_requests,
)

Answer = TypeVar("Answer", Reply, Scores)


class Embedded:
    """A GGUF model in this process: no server, no key, no network, equal bits at every call.

    Requests run one at a time on a thread of its own, in the order of their tokens, so that what
    prompts have in common at their beginning is evaluated once: put what agents share first and
    the agent last. Scores and replies do not depend on what was asked before, nor on `threads`;
    another processor or runtime version may give other last bits.

    Parameters
    ----------
    path : path, optional
        A GGUF file; by default SmolLM2-135M-Instruct, fetched once (`weights.get`).
    context : int
        Tokens of prompt and reply together; memory grows with it.
    threads : int, optional
        Processor threads; by default `populace.threads`.
    memory : int
        Distinct (prompt, choices) whose probabilities are kept.
    progress : callable, optional
        Told how far the fetching of the weights is (`weights.get`).

    Notes
    -----
    `score` gives the distribution of sampling constrained to the choices (see `trie.walk`): each
    choice's tokens, and where one choice begins another, the end of turn (or the first stop
    string) after it. The weights are loaded at the first call, in under a second.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        context: int = 2048,
        threads: int | None = None,
        memory: int = 65536,
        progress: weights.Progress | None = None,
    ) -> None:
        self.path = weights.get(progress=progress) if path is None else Path(path)
        self.context, self.threads = context, threads
        self._identity: Identity | None = None
        self._engine: Engine | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._opening = threading.Lock()
        self._memory = memory
        self._branches: OrderedDict[tuple[tuple[int, ...], tuple[int, ...]], list[float]]
        self._branches = OrderedDict()
        self._texts: OrderedDict[tuple[str, bool], list[int]] = OrderedDict()

    capabilities = Capabilities(
        score=True, schema=True, seed=True, exact=True, prefill=True, text=True, tokens="exact"
    )

    @property
    def identity(self) -> Identity:
        """The runtime and its version, the file's name, and the SHA-256 of its bytes."""
        if self._identity is None:
            digest = weights.digest(self.path)
            runtime = f"xllamacpp/{self.engine.version}"
            self._identity = Identity(runtime, self.path.stem, f"sha256:{digest}")
        return self._identity

    @property
    def engine(self) -> Engine:
        """The engine, loaded when first used."""
        with self._opening:
            if self._engine is None:
                self._engine = Engine(self.path, self.context, self.threads or thread_count())
            return self._engine

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`. Sampling is from the whole vocabulary, untruncated."""
        self._check(requests, "generate")
        return await self._each(requests, self._reply, Reply.failed)

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """See `LanguageModel.score`."""
        check_choices(requests, choices)
        self._check(requests, "score")

        def one(request: Request, prompt: list[int], i: int) -> Scores:
            return self._scores(request, prompt, choices[i])

        return await self._each(requests, one, Scores.failed)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the messages in the model's chat template, exactly."""
        return len(self._prompt(Request(messages=tuple(messages))))

    async def close(self) -> None:
        """Free the weights, once what is running has ended."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.to_thread(worker.shutdown, cancel_futures=True)
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)

    # -- one request -----------------------------------------------------------------------------

    def _check(self, requests: Sequence[Request], op: str) -> None:
        check_requests(self, requests, op)

    async def _each(
        self,
        requests: Sequence[Request],
        one: Callable[[Request, list[int], int], Answer],
        failed: Callable[[ModelError, str], Answer],
    ) -> list[Answer]:
        """Run `one` for every request on the worker, those with alike beginnings side by side."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "populace-embedded")
        worker, loop = self._worker, asyncio.get_running_loop()
        answers: list[Answer | None] = [None] * len(requests)

        def prepare() -> list[tuple[list[int], int]]:
            prompts = []
            for i, request in enumerate(requests):
                try:
                    prompts.append((self._prompt(request), i))
                except ModelError as error:
                    answers[i] = failed(error, self.path.stem)
            return sorted(prompts)

        def run(prompt: list[int], i: int) -> Answer:
            begun = time.perf_counter()
            try:
                answer = one(requests[i], prompt, i)
                return replace(answer, seconds=time.perf_counter() - begun)
            except ModelError as error:
                return failed(error, self.path.stem)

        prompts = await loop.run_in_executor(worker, prepare)
        jobs = [(i, loop.run_in_executor(worker, run, prompt, i)) for prompt, i in prompts]
        try:
            for i, job in jobs:
                answers[i] = await job
        finally:
            for _, job in jobs:
                job.cancel()  # those not begun, when this call was cancelled
        return [answer for answer in answers if answer is not None]

    def _prompt(self, request: Request) -> list[int]:
        messages = request.messages
        if messages[0].role == "text":
            return self._tokens(messages[0].content, True)
        begun = messages[-1].content if messages[-1].role == "assistant" else ""
        turns = messages[:-1] if begun or messages[-1].role == "assistant" else messages
        if not turns:
            raise BadRequest("expected a message before the beginning of the reply")
        tokens: list[int] = []
        for part in self.engine.template(tuple(m.role for m in turns)):
            tokens += self._tokens(turns[part].content) if isinstance(part, int) else part
        return tokens + (self._tokens(begun) if begun else [])

    def _tokens(self, text: str, first: bool = False) -> list[int]:
        key = (text, first)
        if (known := self._texts.get(key)) is None:
            known = self.engine.tokens(text, first=first)
            _keep(self._texts, key, known, 1024)
        return known

    def _scores(self, request: Request, prompt: list[int], options: Sequence[str]) -> Scores:
        end = self._end(request)
        sequences = [self._tokens(option) + end for option in options]
        total = len(prompt) + max(map(len, sequences))
        if total > self.context:
            what = f"prompt and choice of {total} tokens exceed {self.context}"
            raise BadRequest(what, where=self.path.stem, mend="shorten them or raise context=")
        logs = trie.walk(sequences, lambda path, allowed: self._branch([*prompt, *path], allowed))
        return Scores(logprobs=tuple(logs), tokens_in=len(prompt), model=self.path.stem)

    def _end(self, request: Request) -> list[int]:
        """Tokens that end a choice."""
        if request.stop:
            return self._tokens(request.stop[0])
        return self.engine.end

    def _branch(self, prompt: list[int], allowed: tuple[int, ...]) -> list[float]:
        key = (tuple(prompt), allowed)
        if (known := self._branches.get(key)) is None:
            known = self.engine.branch(prompt, allowed)
            _keep(self._branches, key, known, self._memory)
        return known

    def _reply(self, request: Request, prompt: list[int], i: int) -> Reply:
        options: dict[str, Any] = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "samplers": ["temperature"],  # no top-k, top-p or min-p: they would change the law
            "seed": request.draw,
            "stop": list(request.stop),
        }
        if len(prompt) + request.max_tokens > self.context:
            what = f"{len(prompt)} tokens and a reply of {request.max_tokens} exceed {self.context}"
            raise BadRequest(what, where=self.path.stem, mend="shorten them or raise context=")
        if request.schema is not None:
            options |= self.engine.schema(request.schema)
        reply = self.engine.generate(prompt, options)
        choice, usage = reply["choices"][0], reply["usage"]
        return Reply(
            text=choice["text"],
            finish="length" if choice["finish_reason"] == "length" else "stop",
            tokens_in=usage["prompt_tokens"],
            tokens_out=usage["completion_tokens"],
            model=self.path.stem,
        )


def _keep(store: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    """Keep `value`; forget the oldest entries above `limit`."""
    store[key] = value
    while len(store) > limit:
        store.popitem(last=False)
