"""`Recorded`: what a real model once answered, served by item and sample, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from populace.kernel.errors import ParameterError, nearest
from populace.language.errors import CapabilityError, ModelError
from populace.language.model import (
    Capabilities,
    Identity,
    Message,
    Reply,
    Request,
    Scores,
    check_requests,
)
from populace.language.recording import Recording, Row, estimated_tokens

if TYPE_CHECKING:
    import polars as pl

Serve = Literal["text", "answer"]
ENDPOINT = "recorded"


class MissingRecord(ModelError):
    """A request beyond what was recorded: another item, a further sample, or a conversation."""


class Recorded:
    """One model of a recording, as a language model.

    A request is answered by its ``label.item`` and its ``sample``, with what the model said then;
    messages, temperature, seed and limits play no part, since the answer is given already. Whatever
    was not recorded is a `MissingRecord` in its reply (outcome ``failed``): an answer is never used
    for another question, nor twice for two samples.

    Parameters
    ----------
    path : path or Recording
    model : str
    serve : "text" or "answer"
        What a reply says: the full text, or the answer as the source parsed it (empty where it
        found none). Where no text is recorded it is the answer. Tokens are those of the full text.

    Raises
    ------
    RecordError
        If the file is no recording, or has no such model.

    Notes
    -----
    Tokens that the source did not count are estimated from characters (`estimated_tokens`): those
    of the reply from its length, those of the prompt from the messages that are asked. The reply's
    ``detail["estimated"]`` names them. `bound` tells the cost of each request exactly.
    """

    capabilities = Capabilities(seed=True, recorded=True, at_once=True)

    def __init__(self, path: str | Path | Recording, model: str, *, serve: Serve = "text") -> None:
        if serve not in get_args(Serve):
            raise ParameterError(f"expected text or answer, got {serve!r}", where="serve")
        self.recording = path if isinstance(path, Recording) else Recording(path)
        self.model, self.serve = self.recording.known(model), serve
        self.identity = Identity(ENDPOINT, model, self.recording.fingerprint)

    async def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.generate`."""
        check_requests(self, requests, "generate")
        return [self._reply(request) for request in requests]

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        """Refuse: a recording holds no probabilities.

        Raises
        ------
        CapabilityError
        """
        raise CapabilityError("recorded answers carry no scores", where=self.model)

    def bound(self, request: Request) -> tuple[int, int]:
        """Return the tokens, in and out, that the reply will report; (0, 0) for a miss."""
        item = _item(request)
        row = item and self.recording.find(self.model, item, request.sample, text=False)
        return self._tokens(row, request) if row else (0, 0)

    def samples(self, item: str) -> int:
        """Return how many samples of an item are recorded."""
        return self.recording.samples(self.model, item)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return an upper bound: a token is a byte of UTF-8 at least."""
        return sum(len(message.content.encode("utf-8", "replace")) for message in messages)

    async def close(self) -> None:
        """Close the file; a later call opens it again."""
        self.recording.close()

    def table(self) -> pl.DataFrame:
        """Return all its answers (see `Recording.table`)."""
        return self.recording.table(self.model)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.recording, self.model, self.serve)

    def __repr__(self) -> str:
        return f"Recorded({str(self.recording.path)!r}, {self.model!r})"

    def _reply(self, request: Request) -> Reply:
        item = _item(request)
        if item is None:
            what = "recorded answers are answers to an item's question alone"
            mend = "ask about an item, showing nothing of what was said"
            return Reply.failed(MissingRecord(what, where=self.model, mend=mend), self.model)
        row = self.recording.find(self.model, item, request.sample, self.serve == "text")
        if row is None:
            return Reply.failed(self._miss(item, request.sample), self.model)
        tokens_in, tokens_out = self._tokens(row, request)
        given = {"tokens_in": row.tokens_in, "tokens_out": row.tokens_out}
        detail = {"item": item, "sample": request.sample, "answer": row.answer}
        estimated = [name for name, count in given.items() if count is None]
        return Reply(
            text=(row.answer or "") if row.text is None else row.text,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            model=self.model,
            detail={**detail, "estimated": estimated} if estimated else detail,
            seconds=0.0,
        )

    def _tokens(self, row: Row, request: Request) -> tuple[int, int]:
        tokens_in, tokens_out = row.tokens_in, row.tokens_out
        if tokens_in is None:
            tokens_in = estimated_tokens(sum(len(m.content) for m in request.messages))
        if tokens_out is None:
            tokens_out = estimated_tokens(row.characters or 0)
        return tokens_in, tokens_out

    def _miss(self, item: str, sample: int) -> MissingRecord:
        if item not in self.recording.items:
            mend = nearest(item, list(self.recording.items)[:10_000])
            return MissingRecord(f"no item {item!r} is recorded", where=self.model, mend=mend)
        count = self.recording.samples(self.model, item)
        if count == 0:
            return MissingRecord(f"no answer to item {item!r} is recorded", where=self.model)
        what = f"sample {sample} of item {item!r} is not recorded; {count} are"
        return MissingRecord(what, where=self.model, mend="ask for fewer samples")


def _item(request: Request) -> str | None:
    """Return the item whose question a request puts; None if it is a conversation."""
    if request.label is None or any(m.role == "assistant" for m in request.messages):
        return None
    return request.label.item


def _reopened(recording: Recording, model: str, serve: Serve) -> Recorded:
    return Recorded(recording, model, serve=serve)
