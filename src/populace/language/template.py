"""Templates of prompts: literal text with ``{name}`` fields, and nothing else.

There is no format specification, no attribute access and no expression, so a template can name a
column and do no more; and what is put in a field is never read as a template again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from populace.kernel.errors import PromptError, nearest

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[^\W\d][\w/.-]*")


class Template:
    """A parsed template.

    Parameters
    ----------
    text : str
        ``{name}`` stands for a column (letters, digits and ``_ / . -``, a letter or ``_`` first);
        ``{{`` and ``}}`` are braces.
    where : str
        For errors.

    Attributes
    ----------
    names : tuple of str
        The fields, each once, in the order of their first appearance.

    Raises
    ------
    PromptError
        For a lone brace, or a field that is no plain name.

    Examples
    --------
    >>> Template("{age} years old").fill({"age": "{name}"})
    '{name} years old'
    """

    __slots__ = ("_parts", "names", "text")

    def __init__(self, text: str, where: str = "template") -> None:
        if not isinstance(text, str):
            raise PromptError(f"expected a text, got {text!r:.80}", where=where)
        self.text = text
        parts: list[tuple[str, str | None]] = []  # literal, then the field after it
        literal, end = "", 0
        for match in _FIELD.finditer(text):
            literal += text[end : match.start()]
            end = match.end()
            if match[0] in ("{{", "}}"):
                literal += match[0][0]
                continue
            name = match[1]
            if name is None or not _NAME.fullmatch(name):
                line = text.count("\n", 0, match.start()) + 1
                what = f"a lone {match[0]!r}" if name is None else f"the field {match[0]!r}"
                raise PromptError(
                    f"expected {{column}}, got {what} in line {line}",
                    where=where,
                    mend="write {{ and }} for braces; a field is a column's name alone",
                )
            parts.append((literal, name))
            literal = ""
        parts.append((literal + text[end:], None))
        self._parts = tuple(parts)
        self.names = tuple(dict.fromkeys(name for _, name in parts if name is not None))

    def fill(self, words: Mapping[str, str]) -> str:
        """Return the text with every field replaced by its words, taken as they are."""
        return "".join(
            literal if name is None else literal + words[name] for literal, name in self._parts
        )

    def fill_all(self, words: Mapping[str, str | Sequence[str]], n: int) -> list[str]:
        """Return `n` texts, as `fill` one by one would; a field has one text for all, or n."""
        parts: list[str | Sequence[str]] = []
        for literal, name in self._parts:
            parts += [literal] if name is None else [literal, words[name]]
        return joined(parts, n)

    def check(self, known: Iterable[str], where: str) -> None:
        """Raise PromptError, with the nearest match, if a field is not among the `known` names."""
        known = set(known)
        for name in self.names:
            if name not in known:
                raise PromptError(
                    f"the world does not show {{{name}}}; {nearest(name, known)}",
                    where=where,
                    mend="name a column that the world's ask shows",
                )

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Template) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def joined(parts: Iterable[str | Sequence[str]], n: int) -> list[str]:
    """Return `n` texts, each of all the parts, which are one text for all, or n.

    >>> joined(["a", ["b", "c"], "d"], 2)
    ['abd', 'acd']
    """
    columns: list[str | Sequence[str]] = []  # what does not differ is joined beforehand
    for part in parts:
        before = columns[-1] if columns else None
        if isinstance(part, str) and isinstance(before, str):
            columns[-1] = before + part
        else:
            columns.append(part)
    whole = [repeat(c, n) if isinstance(c, str) else c for c in columns]
    return ["".join(row) for row in zip(*whole, strict=True)] if whole else [""] * n
