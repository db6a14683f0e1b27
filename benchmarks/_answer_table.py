"""Recorded answers as arrays: votes of any panel at once, to fit teams and to check the runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.language.recording import CHARACTERS_PER_TOKEN, RIGHT, Recording
from populace.teams.metrics.channels import k_star
from populace.teams.votes import log_odds
from populace.worlds.exam.item import Item, half

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
NONE = -1  # code of a reply without an answer

Seat = tuple[int, int]
"""Place of a model, and which of its samples."""


@dataclass(frozen=True)
class Answers:
    """What each seat answered to each item.

    Attributes
    ----------
    items : list of Item
    models : list of str
    seats : list of Seat
        Model by model, its samples in order.
    code : int array of shape (items, seats)
        Which of the item's different answers it is; `NONE` without one.
    right : bool array of shape (items, seats)
    tokens : int array of shape (items, seats)
        What the question and the reply take, estimated where nobody counted.
    """

    items: list[Item]
    models: list[str]
    seats: list[Seat]
    code: NDArray[np.int64]
    right: Bools
    tokens: NDArray[np.int64]

    @classmethod
    def of(cls, recording: Recording, items: Sequence[Item], models: Sequence[str]) -> Answers:
        """Read what `models` answered to `items`, as the exam reads and scores it.

        A sample is a seat where every item has it.
        """
        import polars as pl

        place = {item.name: i for i, item in enumerate(items)}
        table = recording.table().filter(
            pl.col("item").is_in(list(place)) & pl.col("model").is_in(list(models))
        )
        count = table.group_by("model", "sample").len()
        whole = count.filter(pl.col("len") == len(items)).select("model", "sample").rows()
        seats = sorted((models.index(model), sample) for model, sample in whole)
        column = {seat: s for s, seat in enumerate(seats)}
        shape = len(items), len(seats)
        code = np.full(shape, NONE)
        right, tokens = np.zeros(shape, bool), np.zeros(shape, np.int64)
        asked = [math.ceil(len(item.question) / CHARACTERS_PER_TOKEN) for item in items]
        known: list[dict[Any, tuple[int, bool]]] = [{} for _ in items]
        number = {model: m for m, model in enumerate(models)}
        for model, name, sample, answer, out in table.select(
            "model", "item", "sample", "answer", "tokens_out"
        ).iter_rows():
            if (s := column.get((number[model], sample))) is None:
                continue
            i = place[name]
            tokens[i, s] = asked[i] + out
            item = items[i]
            assert not isinstance(item.form, str)
            assert item.verify is not None
            read = None if answer is None else item.form.extract(answer)
            if read is None:
                continue
            if read not in known[i]:
                known[i][read] = len(known[i]), item.verify(read) >= RIGHT
            code[i, s], right[i, s] = known[i][read]
        return cls(list(items), list(models), seats, code, right, tokens)

    def part(self, which: str) -> Answers:
        """Return one half of the items (see `populace.worlds.exam.item.half`)."""
        names = {item.name for item in half(self.items, which)}
        rows = np.array([item.name in names for item in self.items])
        items = [item for item, yes in zip(self.items, rows, strict=True) if yes]
        return Answers(
            items, self.models, self.seats, self.code[rows], self.right[rows], self.tokens[rows]
        )

    def first(self) -> list[int]:
        """Return each model's first sample, as numbers of seats."""
        return [s for s, (_, sample) in enumerate(self.seats) if sample == 0]

    def samples(self, model: int) -> list[int]:
        """Return the seats of a model."""
        return [s for s, (m, _) in enumerate(self.seats) if m == model]

    def accuracy(self) -> Floats:
        """Return the share of right answers of each seat's model, over all its samples."""
        means = self.right.mean(axis=0)
        own = [means[self.samples(model)].mean() for model in range(len(self.models))]
        return np.array([own[model] for model, _ in self.seats])

    def options(self) -> int:
        """Return the k of log-odds: 1 + 1 / (how often two models' wrong answers agree)."""
        first = self.code[:, self.first()]
        wrong = (first != NONE) & ~self.right[:, self.first()]
        met = same = 0
        for a in range(first.shape[1]):
            for b in range(a):
                both = wrong[:, a] & wrong[:, b]
                met += int(both.sum())
                same += int((both & (first[:, a] == first[:, b])).sum())
        return 1 + round(met / max(same, 1))

    def weights(self) -> Floats:
        """Return each seat's log-odds of being right."""
        return log_odds(self.accuracy(), len(self.items), options=self.options())

    def by_category(self) -> dict[str, Floats]:
        """Return each seat's log-odds by category."""
        kinds = np.array([item.category for item in self.items])
        k = self.options()
        found = {}
        for kind in sorted(set(kinds)):
            rows = kinds == kind
            own = Answers(
                [], self.models, self.seats, self.code[rows], self.right[rows], self.tokens[rows]
            )
            found[str(kind)] = log_odds(own.accuracy(), int(rows.sum()), options=k)
        return found

    def vote(self, panel: Sequence[int], weights: Floats | None = None) -> Floats:
        """Return the probability of each item's verdict being right; ties are drawn.

        Parameters
        ----------
        panel : seats
        weights : array of shape (panel,) or (items, panel), optional
        """
        code, right = self.code[:, panel], self.right[:, panel]
        weigh = np.ones(len(panel)) if weights is None else weights
        weigh = np.broadcast_to(weigh, code.shape)
        said = code != NONE
        same = (code[:, :, None] == code[:, None, :]) & said[:, None, :]
        support = np.where(said, (same * weigh[:, None, :]).sum(axis=2), -np.inf)
        top = support.max(axis=1, keepdims=True)
        leads = said & np.isclose(support, top, rtol=1e-9, atol=1e-12)
        new = leads & ~np.tril(same, -1).any(axis=2)  # each answer once
        return (new & right).sum(axis=1) / np.maximum(new.sum(axis=1), 1)


def errors_gram(answers: Answers) -> Floats:
    """Return cosines between the seats' errors: shared ones over the geometric mean of each's."""
    wrong = (~answers.right).astype(float)
    return np.asarray(wrong.T @ wrong / np.sqrt(np.outer(wrong.sum(0), wrong.sum(0))))


def diverse(answers: Answers, size: int, start: int) -> list[int]:
    """Return a panel that grows by the seat with which its errors have most channels, K*.

    The cosine of two seats' errors is the square root of the product of their error rates where
    they err independently: both being right and being wrong elsewhere are rewarded.
    """
    gram = errors_gram(answers)
    panel = [start]
    while len(panel) < min(size, len(answers.seats)):
        able = [s for s in range(len(answers.seats)) if s not in panel]
        grown = np.array([gram[np.ix_([*panel, s], [*panel, s])] for s in able])
        panel.append(able[int(np.argmax(k_star(grown)))])
    return panel


def chosen(answers: Answers, size: int, start: int) -> list[int]:
    """Return a panel that grows by the seat whose vote helps most (Caruana et al. 2004)."""
    panel = [start]
    while len(panel) < min(size, len(answers.seats)):
        able = [s for s in range(len(answers.seats)) if s not in panel]
        gains = [answers.vote([*panel, s]).mean() for s in able]
        panel.append(able[int(np.argmax(gains))])
    return panel
