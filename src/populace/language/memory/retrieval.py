"""Which memories come to mind: recency, importance and relevance, for a whole batch of agents.

J. S. Park et al. (2023), "Generative Agents: Interactive Simulacra of Human Behavior", UIST '23,
section 4.1: score = a_recency * recency + a_importance * importance + a_relevance * relevance, each
min-max scaled to [0, 1] over the agent's own memories. Recency falls exponentially with the time
since the memory was last retrieved (0.995 an hour of the game); relevance is the cosine between
the embeddings of the memory and of the query.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit
from populace.kernel.threads import chunked
from populace.language.memory.store import Store
from populace.language.memory.vectors import Vectors, lengths

_BLOCK = 1 << 19  # bytes of vectors that are read together: a part of a core's own cache
_PAIRS = 1 << 22  # memories compared at a time: 80 MiB of room for each thread


def retrieve(
    store: Store,
    vectors: Vectors,
    rows: NDArray[np.intp],
    queries: NDArray[np.int8],
    query: NDArray[Any],
    now: int,
    k: int,
    decay: float = 0.995,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the slots of the `k` memories with the highest scores of each agent.

    Parameters
    ----------
    store : Store
    vectors : Vectors
        Which hold those of all texts in question.
    rows : intp array of shape (n,)
        The agents' rows.
    queries : int8 array of shape (m, d)
        As `populace.language.memory.vectors.quantised` gives them.
    query : integer array of shape (n,)
        Which query is each agent's.
    now : int
        The tick.
    k : int
    decay : float
        By which recency falls a tick, in (0, 1].
    weights : three floats
        Of recency, importance and relevance.

    Returns
    -------
    slots : int32 array of shape (n, k)
        Best first, the newer of equals first; -1 where there are no more.
    scores : float64 array of shape (n, k)
        NaN where there are no more.

    Notes
    -----
    What does not differ between an agent's memories counts 0. A memory without importance counts
    as the agent's least important. Results do not depend on the number of threads.
    """
    slots, scores = np.empty((len(rows), k), np.int32), np.empty((len(rows), k))
    fading = np.power(decay, np.arange(now + 1, dtype=np.float64))
    args = (
        rows, store.count, store.last, store.importance, store.text, vectors.at, vectors.table,
        vectors.length, queries, lengths(queries), np.asarray(query, np.int64), now, fading,
        np.asarray(weights, np.float64), slots, scores, _BLOCK, _PAIRS,
    )  # fmt: skip
    chunked(_retrieve, len(rows), *args)
    return slots, scores


@jit
def _retrieve(
    a: Any, b: Any, rows: Any, count: Any, last: Any, importance: Any, text: Any, at: Any,
    table: Any, length: Any, queries: Any, query_length: Any, query: Any, now: Any, fading: Any,
    weights: Any, slots: Any, scores: Any, block: Any, pairs: Any,
) -> None:  # fmt: skip
    width = text.shape[1]
    step = max(1, pairs // max(1, width))
    relevance, score = np.empty((min(step, b - a), width)), np.empty((3, width))
    for start in range(a, b, step):
        stop = min(start + step, b)
        _relevance(
            start, stop, rows, count, text, at, table, length, queries, query_length, query,
            relevance, block,
        )  # fmt: skip
        for who in range(start, stop):
            _best(
                who, rows[who], count, last, importance, now, fading, weights,
                relevance[who - start], score, slots, scores,
            )  # fmt: skip


@jit
def _relevance(
    start: Any, stop: Any, rows: Any, count: Any, text: Any, at: Any, table: Any, length: Any,
    queries: Any, query_length: Any, query: Any, relevance: Any, block: Any,
) -> None:  # fmt: skip
    """Fill in the cosines of some agents' memories, in the order of the vectors in memory.

    Agents remember any of very many texts. Read agent by agent, nearly every vector would come from
    main memory, through a page that is not at hand; sorted into blocks that a cache holds, each
    comes from there but once.
    """
    width, d = np.uint32(text.shape[1]), table.shape[1]
    shift = 0  # vectors of a block, as a power of two
    while (2 * max(1, d)) << shift <= block:
        shift += 1
    first = np.zeros((len(table) >> shift) + 2, np.int64)
    for who in range(start, stop):
        i = rows[who]
        for j in range(count[i]):
            first[(at[text[i, j]] >> shift) + 1] += 1
    for b in range(1, len(first)):
        first[b] += first[b - 1]
    pairs = first[-1]
    place, vector = np.empty(pairs, np.uint32), np.empty(pairs, np.int32)
    for who in range(start, stop):
        i = rows[who]
        for j in range(count[i]):
            v = at[text[i, j]]
            p = first[v >> shift]
            first[v >> shift] = p + 1
            place[p], vector[p] = (who - start) * width + j, v
    for p in range(pairs):
        v, who = vector[p], place[p] // width
        q = query[start + who]
        told, asked = table[v], queries[q]
        dot = np.int32(0)
        for x in range(d):
            dot = np.int32(dot + np.int32(told[x]) * np.int32(asked[x]))
        relevance[who, place[p] - who * width] = dot / (length[v] * query_length[q])


@jit
def _best(
    who: Any, i: Any, count: Any, last: Any, importance: Any, now: Any, fading: Any, weights: Any,
    relevance: Any, score: Any, slots: Any, scores: Any,
) -> None:  # fmt: skip
    """Score one agent's memories, and keep the best."""
    n, k = count[i], slots.shape[1]
    least = np.inf
    for j in range(n):
        if importance[i, j] < least:
            least = importance[i, j]
    if least == np.inf:
        least = 0.0
    for j in range(n):
        score[0, j] = fading[now - last[i, j]]
        score[1, j] = least if np.isnan(importance[i, j]) else importance[i, j]
        score[2, j] = relevance[j]
    for part in range(3):
        low, high = np.inf, -np.inf
        for j in range(n):
            low, high = min(low, score[part, j]), max(high, score[part, j])
        width = high - low
        for j in range(n):
            scaled = (score[part, j] - low) / width if width > 0 else 0.0
            score[part, j] = weights[part] * scaled
    found = 0
    for j in range(n):
        total = score[0, j] + score[1, j] + score[2, j]
        if found == k and total < scores[who, k - 1]:
            continue
        place = min(found, k - 1)
        while place > 0 and scores[who, place - 1] <= total:
            scores[who, place], slots[who, place] = (
                scores[who, place - 1],
                slots[who, place - 1],
            )
            place -= 1
        scores[who, place], slots[who, place] = total, j
        if found < k:
            found += 1
    for place in range(found, k):
        scores[who, place], slots[who, place] = np.nan, -1
