"""Typed errors: each says what happened, where, and how to mend it, on one line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PopulaceError(Exception):
    """Base of every error that populace raises on purpose.

    Parameters
    ----------
    what : str
        What was expected and what came.
    where : str
        The world, policy, ask, file or option concerned.
    mend : str
        What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}; {mend}" if mend else text)


class SpaceError(PopulaceError):
    """An action space was declared with impossible options or bounds."""


class AnswerError(PopulaceError):
    """A policy's answer has the wrong shape or type (a wrong *value* is an outcome instead)."""


class MissingDecision(PopulaceError):
    """Some agents gave no valid decision and the world did not say what that means."""


class PolicyError(PopulaceError):
    """A policy raised an exception."""


class WorldError(PopulaceError):
    """A world raised an exception, or measured something that cannot be recorded."""


class PopulationError(PopulaceError):
    """A population was declared, indexed or changed in a way that it does not allow."""


class CastError(PopulaceError):
    """A cast covers nobody, names no policy, or names one that does not exist."""


class StreamError(PopulaceError):
    """A random stream was asked for an impossible draw, or two names share one stream."""


class ParameterError(PopulaceError):
    """A parameter is unknown, of the wrong type or outside its range."""


class RegistryError(PopulaceError):
    """A world or policy of that name is not installed."""


class PromptError(PopulaceError):
    """A prompt file is malformed, or names what the world does not show or cannot be said."""


class RecordError(PopulaceError):
    """A run directory or an answer store cannot be written or read."""


class CheckpointError(RecordError):
    """A checkpoint cannot be written, or what is on disk is not what was written."""


class StateError(PopulaceError):
    """Something that a world or policy holds cannot be kept in a checkpoint, or put back."""


class AnswerMissError(RecordError):
    """A store in strict mode holds no answer to a request, and strict mode calls nobody."""


class StudyError(PopulaceError):
    """A study cannot be done: its workers, its design or what came of it do not allow it."""


class BudgetError(PopulaceError):
    """A call would pass a limit, or cannot be bounded or priced as its budget needs.

    Attributes
    ----------
    scope, measure : str
        The scope whose limit refuses, as "run/policy/...", and which of its measures: "tokens",
        "calls", "usd" or "seconds". Empty when no limit was met.
    limit, spent, held, asked : float
        That scope's amounts of that measure, at the moment of the refusal.
    at_end : str
        What that scope declares for its end: "stop" or "missing".
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        scope: str = "",
        measure: str = "",
        limit: float = 0,
        spent: float = 0,
        held: float = 0,
        asked: float = 0,
        at_end: str = "",
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.scope, self.measure, self.at_end = scope, measure, at_end
        self.limit, self.spent, self.held, self.asked = limit, spent, held, asked


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint naming the closest of `names`, or listing them when none is close.

    >>> nearest("brookln", ["brooklyn", "wealth"])
    "did you mean 'brooklyn'?"
    """
    known = sorted(set(names))
    if close := get_close_matches(name, known, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "none is known"
