"""Checks that an author can run on a world or policy of theirs; needs no test framework."""

from populace.testing.observing import observe

__all__ = ["observe"]
