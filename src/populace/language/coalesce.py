"""Sharing model calls between agents without sharing their chance.

Agents whose prompts are equal share calls, never an answer. Where the model gives probabilities,
each agent draws from them with its own stream: exactly the law of a call for each. Where it gives
samples only, a group of at most k agents gets a sample each, again exactly that law; a larger group
shares k samples, and each agent is dealt one of them by its own stream. Each agent's answer then
still has the model's law, and a group's share of any answer, of probability p, has variance

    p (1 - p) (1/n + (1 - 1/n)/k),

never less than the p (1 - p)/n of separate calls (the mean of the k samples would have a variance
of p (1 - p)/k between groups, but none within one). So k = 1/(4 s^2) keeps the standard error due
to sharing at or below s, whatever p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.observation import Observation
from populace.kernel.schema import own_bounds
from populace.kernel.spaces import Choice, Space
from populace.kernel.streams import Stream
from populace.language.distinct import factorise

_CHUNK = 1 << 18  # agents whose rows of probabilities are laid out at a time
_SAMPLES = 2**62


def samples_for(precision: float) -> int:
    """Return the least k with standard error sqrt(p (1 - p)/k) <= `precision` for every p.

    Raises
    ------
    ParameterError
        Unless 0 < precision <= 0.5.
    """
    if not 0 < precision <= 0.5:
        raise ParameterError(f"expected a precision in (0, 0.5], got {precision!r}")
    return max(1, math.ceil(round(1 / (4 * precision**2), 9)))


def kept_apart(space: Space) -> list[tuple[NDArray[Any], int]]:
    """Return codes of what keeps agents apart beside their prompt: bounds of their own."""
    columns = []
    for bounds in own_bounds(space):
        if bounds.ndim == 2:
            keys, codes = np.unique(bounds, axis=0, return_inverse=True)
            columns.append((codes.reshape(-1), len(keys)))
        else:
            codes, keys = factorise(bounds)
            columns.append((codes, len(keys)))
    return columns


def sampled(stream: Stream, table: NDArray[np.float64], index: NDArray[Any]) -> NDArray[Any]:
    """Return each agent's own draw from its row ``table[index]``, by one draw of its stream.

    Parameters
    ----------
    stream : Stream
        Bound to the agents.
    table : float array of shape (m, k)
        Probabilities of the k options for each distinct prompt.
    index : integer array of shape (n,)
    """
    n = len(index)
    if len(table) == 1:
        return stream.choice(p=table[0])
    chosen = np.empty(n, np.uint8 if table.shape[1] <= 256 else np.int64)
    for a in range(0, n, _CHUNK):
        part = slice(a, min(a + _CHUNK, n))
        chosen[part] = stream.part(part).choice(p=table[index[part]])
    stream.draw += 1  # parts count by themselves
    return chosen


@dataclass(frozen=True)
class Deal:
    """Which samples are drawn, and who is dealt which.

    Attributes
    ----------
    of : integer array of shape (n,)
        The sample that each agent is dealt.
    prompt : integer array of shape (s,)
        The distinct prompt that each sample is drawn from.
    agent : intp array of shape (s,)
        Position of the first agent that is dealt it.
    sample : list of int
        The sample's number, which keys the model's draw.
    sizes : int array of shape (s,)
        How many agents are dealt it.
    """

    of: NDArray[Any]
    prompt: NDArray[Any]
    agent: NDArray[np.intp]
    sample: list[int]
    sizes: NDArray[np.int64]


def deal(observation: Observation, index: NDArray[Any], digests: Sequence[str], most: int) -> Deal:
    """Deal samples: one an agent in groups of up to `most`, `most` shared ones in larger groups.

    A sample of its own is numbered by a draw of the agent, so it is another one at another tick. A
    shared one is numbered by the prompt and its place 0..most-1, so the same prompt asks for the
    same samples later, which a store has by then; they are dealt anew.

    Parameters
    ----------
    observation : Observation
    index : integer array of shape (n,)
        The distinct prompt of each agent.
    digests : sequence of str
        A digest of each distinct prompt.
    most : int
        Samples of a large group.
    """
    n = len(observation)
    sizes = np.bincount(index, minlength=len(digests))
    own = observation.random.named("language").integers(low=0, high=_SAMPLES)
    shared = (sizes > most)[index]
    place = np.where(shared, own % most, 0)
    key = index.astype(np.int64) * most + place
    lone = np.flatnonzero(~shared)
    key[lone] = len(digests) * most + np.arange(len(lone))
    of, keys = factorise(key)
    first = np.empty(len(keys), np.intp)
    first[of[::-1]] = np.arange(n - 1, -1, -1)
    numbers = [
        _number(digests[i], j) if together else number
        for i, j, together, number in zip(
            index[first].tolist(),
            place[first].tolist(),
            shared[first].tolist(),
            own[first].tolist(),
            strict=True,
        )
    ]
    return Deal(of, index[first], first, numbers, np.bincount(of, minlength=len(first)))


def every_sample(
    first: NDArray[np.intp],
    sizes: NDArray[np.int64],
    digests: Sequence[str],
    which: NDArray[Any],
    most: int,
) -> Deal:
    """Return the `most` shared samples of each of the prompts `which`, dealt to nobody yet."""
    prompt = np.repeat(which, most)
    places = np.tile(np.arange(most), len(which)).tolist()
    numbers = [_number(digests[i], j) for i, j in zip(prompt.tolist(), places, strict=True)]
    shares = np.maximum(1, sizes[prompt] // most)  # agents that each will stand for
    return Deal(np.empty(0, np.intp), prompt, first[prompt], numbers, shares)


def _number(digest: str, place: int) -> int:
    """Return the number of a shared sample, different between prompts: 62 bits of BLAKE2b."""
    hashed = blake2b(f"{digest}/{place}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "little") % _SAMPLES


def rotations(space: Space, orders: Any) -> list[tuple[int, ...]]:
    """Return the orders in which a choice's options are listed.

    With "all", every option stands once in every place (the cyclic permutations of Zheng et al.
    2024, "Large language models are not robust multiple choice selectors", ICLR).
    """
    if not isinstance(space, Choice):
        return [()]
    k = len(space.options)
    count = k if orders == "all" else min(int(orders), k)
    return [tuple((start + i) % k for i in range(k)) for start in range(count)]
