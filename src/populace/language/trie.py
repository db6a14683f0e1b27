"""Probabilities of multi-token choices, from next-token distributions alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Branch = Callable[[tuple[int, ...], tuple[int, ...]], Sequence[float]]


def walk(sequences: Sequence[Sequence[int]], branch: Branch) -> list[float]:
    """Return the log-probability of each token sequence under constrained sampling.

    Sampling that may only ever take a token on the way to one of `sequences` picks sequence s with
    probability prod_k p(s_k | s_<k) / sum over the allowed tokens a of p(a | s_<k): the product
    runs over the nodes of the sequences' trie that branch, for at the others the token is certain.
    So one distribution a branching node is all that is asked for.

    Parameters
    ----------
    sequences : sequences of int
        Different from one another, none the beginning of another (end them with a terminator).
    branch : function (path, tokens) -> probabilities
        The model's next-token probabilities after `path`, restricted to `tokens` (ascending) and
        normalised over them.

    Returns
    -------
    list of float
        Natural logarithms; their exponentials sum to 1.

    Raises
    ------
    ValueError
        If two sequences are equal or one is the beginning of another.

    >>> fair = walk([[1, 9], [2, 3], [2, 4]], lambda path, tokens: [0.5, 0.5])
    >>> [round(math.exp(x), 3) for x in fair]
    [0.5, 0.25, 0.25]
    """
    logs = [0.0] * len(sequences)
    waiting = [(list(range(len(sequences))), 0)]
    while waiting:
        members, depth = waiting.pop()
        while len(members) > 1:
            heads: dict[int, list[int]] = {}
            for m in members:
                if depth == len(sequences[m]):
                    raise ValueError(f"sequence {list(sequences[m])} begins another one")
                heads.setdefault(sequences[m][depth], []).append(m)
            if len(heads) > 1:
                tokens = tuple(sorted(heads))
                for token, p in zip(
                    tokens, branch(tuple(sequences[members[0]][:depth]), tokens), strict=True
                ):
                    for m in heads[token]:
                        logs[m] += math.log(p) if p > 0 else -math.inf
                    waiting.append((heads[token], depth + 1))
                break
            depth += 1
    return logs
