"""Failures as they are kept for reading: long texts cut, secrets hidden."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from populace.records.requests import HIDDEN, hide, is_secret

HEAD, TAIL = 1000, 3000  # characters kept of a long text; the agent stands at a prompt's end
_SHORTEST = 8
_KEY = re.compile(r"(?i)\b(bearer\s+|sk-|key-)[\w.~+/*-]{8,}")  # as servers quote keys in errors


def readable(row: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return a row of the table ``failures`` as it may be kept.

    Hidden are the values (of 8 characters or more) of environment variables named like a secret,
    and what looks like a key: after ``Bearer``, or beginning with ``sk-`` or ``key-``.
    """
    hidden = hider(environ)
    return {n: _cut(hidden(v)) if isinstance(v, str) else v for n, v in row.items()}


def hider(environ: Mapping[str, str] = os.environ) -> Callable[[str], str]:
    """Return a function that hides secrets, as `readable` does, in a text of any length."""
    secrets = {v for name, v in environ.items() if len(v) >= _SHORTEST and is_secret(name)}
    longest_first = tuple(sorted(secrets, key=lambda s: (-len(s), s)))

    def hidden(text: str) -> str:
        return _KEY.sub(HIDDEN, str(hide(text, longest_first)))

    return hidden


def _cut(text: str) -> str:
    left = len(text) - HEAD - TAIL
    if left <= 0:
        return text
    return f"{text[:HEAD]}\n[... {left:,} characters ...]\n{text[-TAIL:]}"
