"""The words of a talk: who heard what from whom, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.columns import column
from populace.kernel.population import Part

QUIET = "Nobody has said anything to you yet."


class Chat:
    """What each agent heard and said in the talk so far, its last `lines` lines.

    Parameters
    ----------
    names : sequence of str
        An agent each.
    lines : int
        Most lines kept of an agent.
    """

    def __init__(self, names: Sequence[str], lines: int) -> None:
        self.names, self.lines = names, lines
        self.said: list[list[str]] = [[] for _ in names]

    def deliver(
        self, words: Sequence[str], senders: Sequence[int], sender: Any, reached: Any
    ) -> dict[int, list[str]]:
        """Write down what was said, and return the lines that each row heard.

        Parameters
        ----------
        words, senders : what each sender said, and its row
        sender, reached : integer arrays of shape (messages,)
            Position among the senders, and the row that the message reached.
        """
        heard: dict[int, list[str]] = {}
        for who, row in zip(sender.tolist(), reached.tolist(), strict=True):
            line = f"{self.names[senders[who]]}: {words[who]}"
            heard.setdefault(row, []).append(line)
        for who, row in enumerate(senders):
            self._write(row, [f"You: {words[who]}"])
        for row, lines in heard.items():
            self._write(row, lines)
        return heard

    def _write(self, row: int, lines: list[str]) -> None:
        self.said[row] = [*self.said[row], *lines][-self.lines :]

    def shown(self, part: Part) -> NDArray[Any]:
        """Return each agent's talk so far as one text, lines apart."""
        return column(["\n".join(self.said[row]) or QUIET for row in part.rows.tolist()])

    def clear(self) -> None:
        """End the talk: from now on there is only what agents remember."""
        self.said = [[] for _ in self.said]


def heard_words(heard: dict[int, list[str]], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return what each of these rows heard in the round as one text."""
    return column(["\n".join(heard.get(row, [])) for row in rows.tolist()])
