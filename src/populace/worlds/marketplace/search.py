"""What a platform finds for a query: by words, by meaning, or by what is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from populace.language.embedding import Hashed, units
from populace.worlds.marketplace.market import Ints, Market

Search = Literal["lexical", "embedding", "hashed", "optimal"]
_LENGTH = 4  # characters of a shingle
_WORD = re.compile(r"\w+")


def search(market: Market, queries: Sequence[str], how: Search, most: int) -> Ints:
    """Return what is found for each customer's query, the best first.

    Parameters
    ----------
    queries : sequence of str
        One a customer of the market.
    how : "lexical", "embedding", "hashed" or "optimal"
        ``lexical``: by containment of the query's 4-character shingles in the business's name and
        menu (Broder 1997, On the resemblance and containment of documents). ``embedding``: by
        cosine to name and menu, with the default sentence encoder (`populace.language.embedding`);
        ``hashed``: with `Hashed`, which needs no weights. Ties go to the lower row. ``optimal``:
        those who sell all goods that the customer asks for, whatever the query; the paper's
        perfect search.
    most : int

    Returns
    -------
    int64 array of shape (customers, most)
        Rows of businesses, padded with -1.
    """
    c, b = len(market.orders), len(market.names)
    if how == "optimal":
        quotes = (market.quote(i, np.arange(b)) for i in range(c))
        scores = np.array([np.where(np.isnan(quote), -np.inf, 0.0) for quote in quotes])
    elif how == "lexical":
        scores = _containment(market, queries)
    else:
        embed = Hashed() if how == "hashed" else None
        scores = units(queries, embed) @ units(documents(market), embed).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    found = np.where(np.take_along_axis(scores, order, axis=1) > -np.inf, order, -1)
    return np.pad(found, ((0, 0), (0, most - found.shape[1])), constant_values=-1)


def documents(market: Market) -> list[str]:
    """Return what each business is found by: its name and what it sells."""
    sold = ~np.isnan(market.prices)
    return [
        f"{name}: {', '.join(market.goods[i] for i in np.flatnonzero(row))}"
        for name, row in zip(market.names, sold, strict=True)
    ]


def shingles(text: str) -> set[str]:
    """Return the distinct runs of 4 characters of a text, in lower case, words set apart.

    >>> sorted(shingles("Soup!"))
    [' sou', 'oup ', 'soup']
    """
    line = f" {' '.join(_WORD.findall(text.casefold()))} "
    return {line[i : i + _LENGTH] for i in range(len(line) - _LENGTH + 1)}


def _containment(market: Market, queries: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of each query's shingles that name and menu of each business hold.

    A menu's shingles are those of its goods, so that goods are taken apart only once. (Rows of
    bits, not products of matrices: those are slower for few customers.)
    """
    asked = [shingles(query) for query in queries]
    place = {shingle: i for i, shingle in enumerate(sorted(set().union(*asked)))}
    where = [[place[shingle] for shingle in each] for each in asked]

    def table(texts: Sequence[str]) -> NDArray[np.bool_]:
        held = np.zeros((len(texts), len(place)), np.bool_)
        for row, text in zip(held, texts, strict=True):
            row[[place[shingle] for shingle in shingles(text) if shingle in place]] = True
        return held

    goods, held = table(market.goods), table(market.names)
    for row, sold in zip(held, ~np.isnan(market.prices), strict=True):
        row |= goods[sold].any(axis=0)
    by_shingle = np.ascontiguousarray(held.T)
    return np.array([by_shingle[at].sum(axis=0) / max(1, len(at)) for at in where])
