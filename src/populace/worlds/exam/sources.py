"""Sources by what the command line calls them."""

from __future__ import annotations

from pathlib import Path

from populace.kernel.errors import ParameterError, nearest
from populace.worlds.exam.item import Source

KINDS = ("reasoning-gym", "jsonl", "recorded")


def source_named(text: str, size: int, seed: int) -> Source:
    """Return the source that a text names.

    Parameters
    ----------
    text : str
        ``reasoning-gym:TASK,TASK`` (or ``reasoning-gym:all``), ``jsonl:FILE``, ``recorded:FILE``;
        or a file by its path: ``.jsonl`` and ``.jsonl.gz`` are items, others recordings.
    size, seed : int
        Of reasoning-gym.

    Raises
    ------
    ParameterError
        If it names none.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS:
        if Path(text).is_file():
            kind, rest = "jsonl" if ".jsonl" in Path(text).name else "recorded", text
        else:
            raise ParameterError(
                f"expected source as {':..., '.join(KINDS)}:... or a file, got {text!r}; "
                f"{nearest(kind, KINDS)}",
                where="Exam",
            )
    if kind == "reasoning-gym":
        from populace.worlds.exam.gym import ReasoningGym

        return ReasoningGym([task.strip() for task in rest.split(",") if task.strip()], size, seed)
    if kind == "jsonl":
        from populace.worlds.exam.files import JSONL

        return JSONL(rest)
    from populace.worlds.exam.recordings import Recorded

    return Recorded(rest)
