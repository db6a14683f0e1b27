"""Items of a recording, scored as their source scored the recorded answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from populace.kernel.errors import WorldError
from populace.language.forms import Form, form
from populace.language.recording import Recording
from populace.worlds.exam.item import Item


class Recorded:
    """The items of a recording (see `populace.language.recording`), which recorded models answer.

    An answer that some model gave then has the score that it was given then (the better one, where
    the source's scorer gave two); any other is right if it is the gold one.

    Parameters
    ----------
    path : path or Recording
    form : str, optional
        By default ``letter`` where every gold answer is a single letter, else ``verbatim``.
    """

    def __init__(self, path: str | Path | Recording, form: str | None = None) -> None:
        self.recording = path if isinstance(path, Recording) else Recording(path)
        self.form = form

    def items(self) -> Sequence[Item]:
        """Return the items, in the order of the recording."""
        rows = self.recording.questions().rows(named=True)
        golds = [row["gold"] for row in rows if row["gold"] is not None]
        letters = bool(golds) and all(len(g) == 1 and g.isupper() for g in golds)
        own = form(self.form or ("letter" if letters else "verbatim"))
        scores: dict[str, dict[str, float]] = {}
        table = self.recording.table().drop_nulls(["answer", "score"])
        for name, answer, score in table.select("item", "answer", "score").iter_rows():
            known = scores.setdefault(name, {})  # of one answer scored twice, the better score
            known[answer] = max(score, known.get(answer, score))
        return [
            Item(
                row["item"],
                row["question"] or row["item"],
                own,
                row["gold"],
                row["family"] or "",
                row["category"] or "",
                partial(_score, own, row["gold"], scores.get(row["item"], {})),
            )
            for row in rows
        ]


def _score(form: Form, gold: str | None, known: Mapping[str, float], answer: str) -> float:
    if answer in known:
        return known[answer]
    if gold is None:
        raise WorldError(f"nothing tells whether {answer!r:.80} is right", where="recording")
    return float(form.same(form.extract(gold), answer))
