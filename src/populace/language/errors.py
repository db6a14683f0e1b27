"""What goes wrong with language models, each failure with the outcome that it leaves."""

from __future__ import annotations

from typing import ClassVar

from populace.kernel.errors import PopulaceError


class ModelError(PopulaceError):
    """A language model gave no answer.

    Parameters
    ----------
    what, where, mend : str
        As in `PopulaceError`.
    raw : str
        What the model or server sent, kept for reading.
    attempts : int
        Requests sent for this answer.
    unclear : int
        How many of them the server may have worked on, and billed, although no answer arrived.
    tokens_in, tokens_out : int
        What the server says it used, where it said so.
    """

    outcome: ClassVar[str] = "failed"  # the outcome of the decision that waited for it

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        raw: str = "",
        attempts: int = 0,
        unclear: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.raw, self.attempts, self.unclear = raw, attempts, unclear
        self.tokens_in, self.tokens_out = tokens_in, tokens_out


class ModelTimeout(ModelError):
    """The deadline passed; the request was cancelled."""

    outcome = "timeout"


class ModelRefused(ModelError):
    """The model, or its provider's filter, declined to answer."""

    outcome = "refused"


class ModelUnavailable(ModelError):
    """No such model or server, no access to it, or it kept refusing work."""


class BadRequest(ModelError):
    """The server or model cannot take this request: too long, or a malformed schema."""


class BadReply(ModelError):
    """The server answered with something that is not an answer."""


class CapabilityError(ModelError):
    """The call needs what this backend does not declare (`Capabilities`)."""
