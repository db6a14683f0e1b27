"""Programs and JSON: what stands in a fenced block."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from populace.language.forms.base import Form
from populace.language.forms.stated import said_aloud, tagged

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.M | re.S
)


def fenced(text: str, languages: Sequence[str]) -> str | None:
    """Return the last complete fenced block in one of these languages or in none; None if none."""
    blocks = [m[3] for m in _FENCE.finditer(text) if m[2].lower() in (*languages, "")]
    return blocks[-1] if blocks else None


class Code(Form):
    """A Python program: the last fenced block, or a reply that is a program as a whole.

    Canonical: its lines dedented, without spaces at their ends.

    Parameters
    ----------
    behaviour : callable, optional
        Returns what a program does (for instance which tests it passes, see
        `populace.language.sandbox`); two programs are the same if it is. Without it, if their text
        is.
    """

    name = "code"
    instruction = "Give the whole program in one code block fenced by ```python and ```."

    def __init__(self, behaviour: Callable[[str], Hashable] | None = None) -> None:
        self.behaviour = behaviour

    def extract(self, text: str) -> str | None:
        reply = said_aloud(text)
        block = fenced(f"{reply}\n", ("python", "py", "python3"))
        if block is None:
            if "```" in reply or not _is_program(textwrap.dedent(reply)):
                return None
            block = reply
        lines = [line.rstrip() for line in textwrap.dedent(block).splitlines()]
        return "\n".join(lines).strip("\n") or None

    def same(self, a: Any, b: Any) -> bool:
        if super().same(a, b) or self.behaviour is None or a is None or b is None:
            return super().same(a, b)
        return self.behaviour(a) == self.behaviour(b)


def _is_program(text: str) -> bool:
    """Whether a text without a fence can only be a program."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text[:100_000]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    marks = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.Return)
    return any(isinstance(statement, marks) for statement in body)


class Json(Form):
    """A JSON value: between tags, in the last fenced block, or the reply as a whole.

    Canonical: JSON with sorted keys and no spaces.
    """

    name = "json"
    instruction = "Give the answer as JSON in one code block fenced by ```json and ```."

    def extract(self, text: str) -> str | None:
        reply = said_aloud(text)
        inside = tagged(reply)
        reply = reply if inside is None else inside
        block = fenced(f"{reply}\n", ("json",))
        try:
            value = json.loads(reply if block is None else block, parse_constant=_no_constant)
            return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except (ValueError, RecursionError):
            return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
