"""Card 9, effective channels: how many different things were said.

K* = 2^H of the normalised eigenvalues of the Gram matrix of unit embeddings, not centred: Yang et
al., "Understanding Agent Scaling in LLM-Based Multi-Agent Systems via Diversity"
(arXiv:2602.03794). The exponential of the von Neumann entropy is also the Vendi score (D. Friedman
and A. Dieng, TMLR 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.language.embedding import Embed, units

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]


def k_star(gram: ArrayLike) -> Floats:
    """Return the effective number of channels, from 1 to n.

    Parameters
    ----------
    gram : array of shape (..., n, n)
        Inner products of unit vectors, ``M @ M.T``.

    Returns
    -------
    float64 array of shape (...)
        0 for n = 0.
    """
    held = np.asarray(gram, np.float64)
    if held.shape[-1] == 0:
        return np.zeros(held.shape[:-2])
    values = np.clip(np.linalg.eigvalsh(held), 0.0, None)  # round-off may be negative
    share = values / values.sum(axis=-1, keepdims=True)
    logs = np.log2(share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(np.exp2(-(share * logs).sum(axis=-1)))


def redundancy(gram: ArrayLike) -> Floats:
    """Return the mean cosine of all pairs (card 18, R); NaN for fewer than two vectors."""
    held = np.asarray(gram, np.float64)
    n = held.shape[-1]
    if n < 2:
        return np.full(held.shape[:-2], np.nan)
    off = held.sum(axis=(-2, -1)) - np.trace(held, axis1=-2, axis2=-1)
    return np.asarray(off / (n * (n - 1)))


def leave_one_out(gram: ArrayLike) -> Floats:
    """Return K* - K* without i, of every i; shape (n,)."""
    held = np.asarray(gram, np.float64)
    n = len(held)
    rest = [np.delete(np.arange(n), i) for i in range(n)]
    without = np.array([float(k_star(held[np.ix_(r, r)])) for r in rest])
    return np.asarray(float(k_star(held)) - without if n else without)


def effective(
    gram: ArrayLike, right: Sequence[bool | None], alpha: float = 0.5
) -> tuple[float, float, float]:
    """Return K* of the right outputs, of the wrong ones, and K*_eff = K*_right - alpha K*_wrong.

    Outputs of which nothing is known are in neither.
    """
    held = np.asarray(gram, np.float64)
    parts = []
    for truth in (True, False):
        rows = [i for i, mark in enumerate(right) if mark is truth]
        parts.append(float(k_star(held[np.ix_(rows, rows)])))
    return parts[0], parts[1], parts[0] - alpha * parts[1]


class Embedded:
    """The texts of a record as unit vectors; each different text is embedded once.

    Parameters
    ----------
    said : polars.DataFrame
        As `ballots` returns it.
    embed : callable or None
    alpha : float
        See `effective`.
    """

    def __init__(self, said: pl.DataFrame, embed: Embed | None, alpha: float) -> None:
        self.alpha = alpha
        self.known = embed is not None
        spoken = zip(said["text"].to_list(), said["answering"].to_list(), strict=True)
        texts = [text or "" if answers else "" for text, answers in spoken] if self.known else []
        different = sorted({text for text in texts if text.strip()})
        place = {text: i for i, text in enumerate(different)}
        self._place = np.array([place.get(text, -1) for text in texts], np.int64)
        self._units = np.zeros((0, 1))
        if embed is not None and different:
            self._units = units(different, embed)

    def rows(self, rows: Sequence[int]) -> list[int]:
        """Return those of the record's rows that have a vector; silence has none."""
        return [row for row in rows if self.known and self._place[row] >= 0]

    def gram(self, rows: Sequence[int]) -> Floats:
        """Return inner products of the vectors of rows of the record."""
        held = self._units[self._place[list(rows)]]
        return np.asarray(held @ held.T)

    def mean(self, rows: Sequence[int]) -> Floats:
        """Return the sum of vectors of rows, made a unit vector."""
        total = self._units[self._place[list(rows)]].sum(axis=0)
        length = float(np.linalg.norm(total))
        return np.asarray(total / length if length > 0 else total)
