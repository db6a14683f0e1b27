"""The items of an exam, and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from populace.kernel.errors import WorldError
from populace.language.forms import Form, form


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes
    ----------
    name : str
        Unique within its source; recorded answers are found by it.
    question : str
        As it is put to whoever answers.
    form : str or Form
        How an answer is read (`populace.language.forms`).
    gold : str or None
        The right answer, as a reply that the form reads; None where only `verify` knows.
    family, category : str
        Items of one family are alike (statistics cluster by it); a category holds families.
    verify : callable, optional
        Returns the score of a canonical answer, from 0 to 1; by default 1 for an answer that is the
        same as the gold one, else 0.
    """

    name: str
    question: str
    form: str | Form = "text"
    gold: str | None = None
    family: str = ""
    category: str = ""
    verify: Callable[[Any], float] | None = field(default=None, compare=False, repr=False)


class Source(Protocol):
    """Where the items of an exam come from; `items` returns the same ones every time."""

    def items(self) -> Sequence[Item]: ...


class Marker:
    """Reads and scores the answers to one item.

    Raises
    ------
    WorldError
        If nothing can tell a right answer: the gold one cannot be read, and there is no verifier.
    """

    __slots__ = ("form", "gold", "verify")

    def __init__(self, item: Item, form: Form) -> None:
        self.form, self.verify = form, item.verify
        self.gold = None if item.gold is None else form.extract(item.gold)
        if self.verify is None and self.gold is None:
            raise WorldError(
                f"the form {form.name!r} reads no answer in the gold {item.gold!r:.80}",
                where=f"item {item.name!r}",
                mend="give another form, or a verifier",
            )

    def score(self, answer: Any) -> float:
        """Return the score of a canonical answer, from 0 to 1.

        Raises
        ------
        WorldError
            If the verifier returns something else.
        """
        if self.verify is None:
            return float(self.form.same(self.gold, answer))
        score = float(self.verify(answer))
        if not 0 <= score <= 1:
            raise WorldError(f"expected a score from 0 to 1, got {score!r}", where="verifier")
        return score


def checked(items: Sequence[Item]) -> list[Item]:
    """Return the items.

    Raises
    ------
    WorldError
        If there is none, or two have one name.
    """
    found = list(items)
    if not found:
        raise WorldError("the source has no items", where="Exam")
    seen: set[str] = set()
    for item in found:
        if item.name in seen:
            raise WorldError(f"two items are named {item.name!r}", where="Exam")
        seen.add(item.name)
    return found


def forms_of(items: Sequence[Item]) -> list[Form]:
    """Return the form of every item, one object a name."""
    made: dict[str, Form] = {}
    found = []
    for item in items:
        if isinstance(item.form, Form):
            found.append(item.form)
        else:
            found.append(made.setdefault(item.form, form(item.form)))
    return found


def digest(items: Sequence[Item]) -> str:
    """Return sha256 of names, questions and gold answers, in their order."""
    rows = [[item.name, item.question, item.gold] for item in items]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def half(items: Sequence[Item], which: str) -> list[Item]:
    """Return one half of the items, ``fit`` or ``judge``, the same in every run.

    Within each family, items by sha256 of their name, every other one; so every family is in both
    halves (one that has a single item is in ``fit``), and an item stays in its half whatever order
    the source has.
    """
    families: dict[str, list[Item]] = {}
    for item in items:
        families.setdefault(item.family, []).append(item)
    chosen: set[str] = set()
    for alike in families.values():
        ranked = sorted(alike, key=lambda i: hashlib.sha256(i.name.encode()).digest())
        chosen |= {item.name for item in ranked[which != "fit" :: 2]}
    return [item for item in items if item.name in chosen]
