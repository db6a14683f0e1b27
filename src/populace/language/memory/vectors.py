"""Embeddings of texts, each made once, one byte a dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.language.embedding import Embed, units
from populace.language.texts import Texts

_QUERIES = 4096  # kept at a time


def quantised(vectors: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return vectors as integers from -127 to 127, each scaled by its own largest component.

    Products of such rows are exact integers, so that a cosine is the same to the bit in whatever
    order and on whatever processor it is summed up. A component is off by at most 1/254 of the
    largest one.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.asarray(np.rint(vectors / largest * 127), np.int8)


def lengths(vectors: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the Euclidean lengths of rows of integers."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.int64, casting="safe")
    return np.asarray(np.sqrt(squares, dtype=np.float64))


class Vectors:
    """The embeddings of a table of texts, made when first needed.

    Texts are embedded one by one, so that no vector depends on which others were made with it.

    Parameters
    ----------
    texts : Texts
    embed : callable, optional
        As `populace.language.embedding.units` takes it.

    Attributes
    ----------
    at : int32 array of shape (texts,)
        The row of each text's vector; -1 for none yet.
    table : int8 array of shape (rows, d)
    length : float64 array of shape (rows,)
    made : int
        How many texts were embedded so far.
    """

    def __init__(self, texts: Texts, embed: Embed | None = None) -> None:
        self.texts, self.embed = texts, embed
        self.at = np.zeros(0, np.int32)
        self.table, self.length = np.zeros((0, 0), np.int8), np.zeros(0)
        self.used = self.made = 0
        self._queries: dict[str, NDArray[np.int8]] = {}

    def need(self, codes: NDArray[Any]) -> None:
        """Embed those of these texts that are not embedded yet."""
        if len(self.at) < len(self.texts):
            grown = np.full(max(len(self.texts), 2 * len(self.at)), -1, np.int32)
            grown[: len(self.at)] = self.at
            self.at = grown
        wanted = np.unique(codes[self.at[codes] < 0])
        if not len(wanted):
            return
        rows = self._embedded(self.texts[wanted].tolist())
        if self.used + len(rows) > len(self.table):
            room = max(self.used + len(rows), 2 * len(self.table))
            table = np.zeros((room, rows.shape[1]), np.int8)
            length = np.zeros(room)
            if self.used:
                table[: self.used] = self.table[: self.used]
                length[: self.used] = self.length[: self.used]
            self.table, self.length = table, length
        new = slice(self.used, self.used + len(rows))
        self.table[new], self.length[new] = rows, lengths(rows)
        self.at[wanted] = np.arange(new.start, new.stop)
        self.used = new.stop

    def queries(self, texts: Sequence[str]) -> NDArray[np.int8]:
        """Return the embeddings of texts that are not to be kept, int8 of shape (m, d)."""
        if len(self._queries) + len(texts) > _QUERIES:
            self._queries.clear()
        missing = [text for text in dict.fromkeys(texts) if text not in self._queries]
        if missing:
            self._queries.update(zip(missing, self._embedded(missing), strict=True))
        return np.stack([self._queries[text] for text in texts])

    def _embedded(self, texts: Sequence[str]) -> NDArray[np.int8]:
        rows = quantised(np.concatenate([units([text], self.embed) for text in texts]))
        self.made += len(texts)
        if self.used and rows.shape[1] != self.table.shape[1]:
            raise ParameterError(
                f"expected {self.table.shape[1]} dimensions, as before, got {rows.shape[1]}",
                where="embed",
                mend="use one embedder for a run",
            )
        return rows

    def state(self) -> dict[str, Any]:
        """Return the embeddings made so far."""
        n = self.used
        return {
            "at": self.at,
            "table": self.table[:n],
            "length": self.length[:n],
            "made": self.made,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Hold what `state` returned."""
        self.at, self.table = state["at"].copy(), state["table"].copy()
        self.length, self.made = state["length"].copy(), state["made"]
        self.used = len(self.table)
