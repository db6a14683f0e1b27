"""What the streams of one seed share."""

from __future__ import annotations

from typing import Any


class Register(dict[int, str]):
    """What all streams of one seed share: their names by number, and the seed.

    Setting the seed changes every later draw of all of them, wherever they are held.
    """

    __slots__ = ("seed",)
    seed: int


def _seed(streams: Any) -> int:
    return int(streams._names.seed)


seed_of_register = property(_seed, doc="The key of every draw.")
