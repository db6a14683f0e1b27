"""Texts: short ones, and texts as they are."""

from __future__ import annotations

import unicodedata

from populace.kernel.errors import ParameterError
from populace.language.forms.base import Form
from populace.language.forms.stated import said_aloud, sentence, stated, tagged


class Text(Form):
    """A short text; canonical: Unicode NFKC, case folded, single spaces, no outer punctuation.

    The stated answer, to the end of its sentence; else the reply itself, if it is one line.

    Parameters
    ----------
    limit : int
        Characters beyond which a text is no short answer.
    """

    name = "text"
    instruction = 'End your reply with a line "Answer: " followed by the answer alone.'

    def __init__(self, limit: int = 200) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ParameterError(f"expected a limit of 1 or more, got {limit!r}", where="text")
        self.limit = limit

    def extract(self, text: str) -> str | None:
        found = stated(text)
        if found is None:
            reply = said_aloud(text)
            part = None if "\n" in reply else reply
        else:
            part = found.text
        if part is None:
            return None
        part = sentence(part) if found is not None else part
        plain = " ".join(unicodedata.normalize("NFKC", part).casefold().split())
        before = None
        while before != plain:  # quotes within full stops within stars
            before, plain = plain, plain.strip(" \"'“”‘’`*_").rstrip(".!,;:").strip()
        return plain if plain and len(plain) <= self.limit else None


class Verbatim(Form):
    """The text between ``<answer>`` tags as it is; without tags, what is stated, else all of it.

    Line breaks and letter case count: for grids, boards, programs of a task of its own. Canonical:
    without spaces at its ends.
    """

    name = "verbatim"
    instruction = "Put your final answer, and nothing else, between <answer> and </answer>."

    def extract(self, text: str) -> str | None:
        reply = said_aloud(text)
        inside = tagged(reply)
        if inside is not None:
            return inside or None
        found = stated(reply)
        if found is not None:
            return (found.rest or None) if found.text is not None else None
        return reply or None
