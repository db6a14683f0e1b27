"""Codes of roles, of beliefs and of what is passed on."""

from __future__ import annotations

from typing import Final

BENIGN: Final = 0
MANIPULATED: Final = 1
GUARDIAN: Final = 2
UNSURE: Final = 0
CLAIM: Final = 1
TRUTH: Final = 2
NOBODY: Final = 2**32 - 1
"""The root of those who never heard the claim."""
