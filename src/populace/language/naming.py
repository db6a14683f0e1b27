"""What the answer to a request depends on, for the store of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from populace.language.model import Identity, Message, Request
from populace.records.requests import Canonical, Form, spoken

_quoted = json.JSONEncoder().encode


def named(identity: Identity, request: Request, choices: Sequence[str] | None) -> dict[str, Any]:
    """Return all that the answer to a request depends on."""
    who = {
        "endpoint": identity.endpoint,
        "model": identity.model,
        "fingerprint": identity.fingerprint,
    }
    said = request.canonical()
    if choices is None:
        return {**who, "op": "generate", "options": None, **said}
    scored = {"messages": said["messages"], "stop": said["stop"]}
    options = list(choices)
    return {**who, "op": "score", "options": options, "schema": None, "sample": None, **scored}


class Names:
    """The canonical forms of requests to one model; what one has as the last is not redone.

    Parameters
    ----------
    identity : Identity
    choices : sequence of str, or None
        What is scored; None to generate.
    """

    def __init__(self, identity: Identity, choices: Sequence[str] | None) -> None:
        self.identity, self.choices = identity, choices
        self._own = ("messages", "sample", "schema") if choices is None else ("messages",)
        self._settings: Any = None
        self._form: Form | None = None
        self._head: tuple[Message, ...] = ()
        self._said = "["
        self._schemas: dict[int, tuple[Mapping[str, Any] | None, str]] = {}

    def __call__(self, request: Request) -> Canonical:
        """Return what `named` says of a request, in canonical form."""
        settings = request.stop, request.max_tokens, request.temperature, request.seed
        if self._form is None or settings != self._settings:
            self._form = Form(named(self.identity, request, self.choices), self._own)
            self._settings = settings
        head, last = request.messages[:-1], request.messages[-1]
        if head != self._head:
            self._head, self._said = head, "[" + "".join(f"{_turn(m)}," for m in head)
        messages = f"{self._said}{_turn(last)}]"
        if self.choices is not None:
            return self._form(messages)
        held = self._schemas.get(id(request.schema))
        if held is None:  # the schema is held too, so that its id stays its own
            held = self._schemas[id(request.schema)] = request.schema, spoken(request.schema)
        return self._form(messages, str(request.sample), held[1])


def _turn(message: Message) -> str:
    return f'["{message.role}",{_quoted(message.content)}]'
