"""llama.cpp in process: one slot whose every answer is a function of the prompt alone.

llama.cpp keeps the keys and values of the last prompt and evaluates what is new only. Two things
make that reuse change the numbers: flash attention, which is off here, and batches of one token,
which run through other kernels than longer ones, differ in the last bits, and leave those in the
cache. So the engine plans each request (`plan`): no evaluated batch ever holds exactly one token of
a prompt, and no kept token was generated one by one. Where the cache holds too much, it is cut
back first by a throw-away request of one other token, some 15 ms instead of the whole prompt.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from populace.kernel.errors import nearest
from populace.language.errors import BadReply, BadRequest, ModelUnavailable

BATCH = 512  # tokens that llama.cpp evaluates at once (n_ubatch); longer prompts are split
BIAS = 100.0  # added to the logits of the allowed tokens: e**100 puts all others below 1e-40
RUNTIME = "2026.10.11549"  # the version whose behaviour the tests hold


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send so that `keep` kept tokens, and batches of two tokens or more, are used.

    Parameters
    ----------
    keep : int
        Tokens of the prompt taken from the cache.
    cut : bool
        The cache holds more of the prompt than that and is to be cut back first.
    feed : int
        Tokens of the prompt to evaluate in a request of their own beforehand; 0 for none.
    """

    keep: int
    cut: bool = False
    feed: int = 0


def plan(prompt: Sequence[int], held: Sequence[int], tail: bool, batch: int = BATCH) -> Plan:
    """Plan the evaluation of `prompt`.

    Parameters
    ----------
    prompt : sequence of int
        Tokens, one or more.
    held : sequence of int
        Tokens of the prompt whose keys and values are in the cache, from batches of two or more.
    tail : bool
        The cache goes on after `held` with tokens that are unknown here (a generated reply).
    batch : int
        Most tokens evaluated at once, 4 or more.

    Notes
    -----
    With n new tokens, batches are of `batch` tokens and a last one of n mod `batch`. A batch of
    one is avoided by evaluating one token again; with nothing kept, by evaluating two tokens
    of the prompt beforehand. A prompt of one token is always evaluated alone, which is consistent.
    """
    n = len(prompt)
    common = 0
    for ours, theirs in zip(prompt, held, strict=False):
        if ours != theirs:
            break
        common += 1
    keep = min(common, n - 2)
    while keep > 0 and (n - keep) % batch == 1:
        keep -= 1
    if keep > 0:
        return Plan(keep, cut=keep < common or (tail and common == len(held)))
    if n > 1 and n % batch == 1:
        return Plan(2, feed=2)
    return Plan(0)


def _load() -> Any:
    """Import xllamacpp with its OpenMP told to give up waiting early.

    libgomp reads its settings once, when loaded. Its default is to spin for milliseconds, which
    makes two threads on a machine with other work four times slower than one.
    """
    quiet = not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
    if quiet:
        os.environ["GOMP_SPINCOUNT"] = "10000"
    try:
        import xllamacpp
    finally:
        if quiet:
            del os.environ["GOMP_SPINCOUNT"]
    return xllamacpp


class Engine:
    """One model in llama.cpp's own server, one slot, used by one caller at a time.

    The server also listens on a loopback port of its own choosing, as it always does; a secret
    made at start guards it. Tokenizing and chat templates go through that port.

    Parameters
    ----------
    path : path
        A GGUF file.
    context : int
        Tokens of prompt and reply together.
    threads : int
        Does not change any result.

    Raises
    ------
    ModelUnavailable
        If xllamacpp is missing or cannot load the file.
    """

    def __init__(self, path: str | Path, context: int = 2048, threads: int = 2) -> None:
        self.path, self.context, self.name = Path(path), context, Path(path).stem
        try:
            xllamacpp = _load()
        except ImportError as why:
            missing = why.name == "xllamacpp"
            raise ModelUnavailable(
                "needs the package xllamacpp" if missing else f"xllamacpp does not load: {why}",
                where="embedded model",
                mend="pip install 'populace[embedded]'"
                if missing
                else "it needs libgomp.so.1 (Debian: apt-get install libgomp1)",
            ) from None
        if not self.path.is_file():
            near = nearest(self.path.name, [p.name for p in self.path.parent.glob("*.gguf")])
            raise ModelUnavailable("no such file", where=str(path), mend=near)
        self.version = str(xllamacpp.__version__)
        self.key = secrets.token_hex(16)
        settings = xllamacpp.CommonParams()
        settings.model.path, settings.model_alias = str(self.path), {self.name}
        settings.n_ctx, settings.n_parallel, settings.n_gpu_layers = context, 1, 0
        settings.n_batch = settings.n_ubatch = BATCH
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        off = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.flash_attn_type = off
        settings.cache_ram_mib, settings.fit_params, settings.warmup = 0, False, False
        settings.verbosity, settings.ui = 0, False
        settings.swa_full = True  # sliding-window models refuse to reuse a prompt's beginning
        settings.api_keys, settings.cors_origins = [self.key], "http://127.0.0.1"
        try:
            self._server: Any = xllamacpp.Server(settings)
        except Exception as why:  # the binding raises RuntimeError, of any message
            mend = "check that it is a GGUF model that this llama.cpp knows"
            raise ModelUnavailable(f"does not load: {why}", where=str(path), mend=mend) from None
        self.url = str(self._server.listening_address)
        self._lock = threading.Lock()
        self._held: list[int] = []
        self._tail = False
        self._templates: dict[tuple[str, ...], list[list[int] | int]] = {}
        self._schemas: set[str] = set()
        self.evaluated = 0  # prompt tokens evaluated so far, throw-away ones included

    # -- text and tokens -------------------------------------------------------------------------

    def tokens(self, text: str, special: bool = False, first: bool = False) -> list[int]:
        """Return the tokens of `text`.

        Parameters
        ----------
        special : bool
            Names of control tokens, as ``<|im_end|>``, stand for those tokens. Not for text that
            comes from data: it could close its own message and open another.
        first : bool
            Put what the model wants before every prompt, as a beginning-of-text token.
        """
        body = {"content": text, "add_special": first, "parse_special": special}
        return list(self._post("/tokenize", body)["tokens"])

    def template(self, roles: tuple[str, ...]) -> list[list[int] | int]:
        """Return the chat template around messages of these roles.

        Returns
        -------
        list
            Token lists, and between them the index of the message whose own tokens go there.

        Raises
        ------
        BadRequest
            If the model has no template or one that does not take these roles.
        """
        if (known := self._templates.get(roles)) is not None:
            return known
        marks = [f"\ue000{i}\ue001" for i in range(len(roles))]
        messages = [{"role": r, "content": m} for r, m in zip(roles, marks, strict=True)]
        rest = str(self._post("/apply-template", {"messages": messages})["prompt"])
        parts: list[list[int] | int] = []
        for i, mark in enumerate(marks):
            before, found, rest = rest.partition(mark)
            if not found or mark in rest:
                what = f"its chat template does not take roles {', '.join(roles)} in turn"
                raise BadRequest(what, where=self.name, mend="use one message of role 'text'")
            parts += [self.tokens(before, special=True, first=i == 0), i]
        if rest:
            parts.append(self.tokens(rest, special=True))
        return self._templates.setdefault(roles, parts)

    @property
    def end(self) -> list[int]:
        """The control token that closes a reply, read off the chat template."""
        after = self.template(("user", "assistant", "user"))[4]
        return after[:1] if isinstance(after, list) and after else self.tokens("\n")

    # -- evaluation ------------------------------------------------------------------------------

    def branch(self, prompt: Sequence[int], allowed: Sequence[int]) -> list[float]:
        """Return the next token's probabilities restricted to `allowed`, normalised over them.

        An equal bias on the allowed logits leaves exactly the softmax restricted to them.
        """
        reply = self._complete(
            prompt,
            max_tokens=1,
            temperature=1.0,
            samplers=["top_k", "temperature"],
            top_k=len(allowed),
            n_probs=len(allowed),
            post_sampling_probs=True,
            logit_bias=[[token, BIAS] for token in allowed],
            seed=0,
        )
        entries = reply["choices"][0]["logprobs"]["content"][0]["top_probs"]
        found = {entry["id"]: float(entry["prob"]) for entry in entries}
        if stray := set(found) - set(allowed):
            raise BadReply(f"tokens {stray} came that were not allowed", where=self.name)
        return [found.get(token, 0.0) for token in allowed]

    def generate(self, prompt: Sequence[int], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return llama.cpp's completion of `prompt` (its ``/v1/completions``)."""
        return self._complete(prompt, **options)

    def schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the option of `generate` that holds a reply to a JSON schema.

        llama.cpp says nothing and ignores a schema that it cannot compile, so each one is tried
        once: where it holds, a reply pushed towards a word that begins no JSON cannot begin with
        it. White space is fixed, or a small model fills its limit with it.

        Raises
        ------
        BadRequest
            If it does not hold.
        """
        tight = {"x-guidance": {"whitespace_flexible": False}, **schema}
        key = json.dumps(tight, sort_keys=True)
        if key not in self._schemas:
            (word, *_) = self.tokens("Word")
            push = {"max_tokens": 1, "temperature": 0.0, "logit_bias": [[word, BIAS]]}
            reply = self._complete(self.tokens("A reply in JSON:"), json_schema=tight, **push)
            if reply["choices"][0]["text"].strip()[:1] == "W":
                mend = "see the JSON Schema features of llguidance"
                raise BadRequest(f"cannot hold to {key}", where=self.name, mend=mend)
            self._schemas.add(key)
        return {"json_schema": tight}

    def close(self) -> None:
        """Stop the server and free the weights."""
        with self._lock:
            self._server = None

    def _complete(self, prompt: Sequence[int], **options: Any) -> dict[str, Any]:
        with self._lock:
            todo = plan(prompt, self._held, self._tail)
            if todo.cut:
                other = 0 if prompt[todo.keep] != 0 else 1
                self._send([*prompt[: todo.keep], other], {"max_tokens": 1, "seed": 0}, True)
            if todo.feed:
                self._send(prompt[: todo.feed], {"max_tokens": 1, "seed": 0}, False)
            reply = self._send(prompt, options, todo.keep > 0)
            kept = reply["timings"]["cache_n"]  # less, where a model's memory cannot be cut back
            if kept > todo.keep or (kept < todo.keep and (len(prompt) - kept) % BATCH == 1):
                what = f"expected {todo.keep} tokens from the cache, got {kept}"
                mend = f"use xllamacpp=={RUNTIME}, whose caching is known"
                raise BadReply(what, where=f"xllamacpp {self.version}", mend=mend)
            # a prompt of one token was a batch of one: it is not to be kept
            self._held = list(prompt) if len(prompt) > 1 else []
            self._tail = options["max_tokens"] > 1
            return reply

    def _send(
        self, prompt: Sequence[int], options: Mapping[str, Any], reuse: bool
    ) -> dict[str, Any]:
        if self._server is None:
            raise ModelUnavailable("the model is closed", where=self.name)
        self._held = []  # until it is known what the cache holds
        body = {"prompt": list(prompt), **options, "cache_prompt": reuse}
        reply: dict[str, Any] = self._server.handle_completions(body)
        if "choices" not in reply:
            error = reply.get("error", {})
            too_long = error.get("type") == "exceed_context_size_error"
            raise BadRequest(
                str(error.get("message", reply)),
                where=self.name,
                mend=f"shorten the prompt or raise context={self.context}" if too_long else "",
                raw=json.dumps(reply),
            )
        self.evaluated += reply["timings"]["prompt_n"]
        return reply

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.url.split("//")[1], timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            raw = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise BadRequest(f"llama.cpp refused {path}: {raw}", where=self.name, raw=raw)
        return dict(json.loads(raw))
