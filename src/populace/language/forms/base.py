"""What an answer form is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

Answer = str | int | float


class Form(ABC):
    """Base of the answer forms.

    Attributes
    ----------
    name : str
    instruction : str
        One sentence that tells a model how to state its answer.
    """

    name: str
    instruction: str

    @abstractmethod
    def extract(self, text: str) -> Answer | None:
        """Return the canonical answer that a reply states, or None; extracting it again changes
        nothing."""

    def same(self, a: Any, b: Any) -> bool:
        """Return whether two canonical answers are the same answer (None is no answer)."""
        return a is not None and b is not None and bool(a == b)

    def groups(self, answers: Sequence[Any]) -> list[Any]:
        """Return, for every answer, the first of them that is the same (None for None).

        Votes over what this returns count the same answers together, however they are written.
        """
        firsts: list[Any] = []
        known: dict[Any, Any] = {None: None}
        for answer in answers:
            if answer not in known:
                known[answer] = next((f for f in firsts if self.same(f, answer)), answer)
                if known[answer] is answer:
                    firsts.append(answer)
        return [known[answer] for answer in answers]

    def __repr__(self) -> str:
        return f"form({self.name!r})"
