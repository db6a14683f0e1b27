"""What is known of what an agent did: its last act, that of its partner before, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Traces:
    """The trace of every agent: the chain of acts that led to its last one.

    A donor's trace is its own act, followed by the trace that its recipient had then. So A's trace
    tells what A did to B, what B had done before to C, what C had done before that to D.

    Parameters
    ----------
    agents : int
    depth : int
        Acts that are told at most.

    Attributes
    ----------
    share : float64 array of shape (agents, depth)
        What was given, of what the donor had; negative: spent to punish; NaN: no act.
    by, to, at : int64 arrays of shape (agents, depth)
        Rows of donor and recipient, and the round.
    """

    def __init__(self, agents: int, depth: int) -> None:
        self.share = np.full((agents, depth), np.nan)
        self.by, self.to, self.at = (np.full((agents, depth), -1, np.int64) for _ in range(3))

    def clear(self) -> None:
        """Forget everything."""
        self.share[:] = np.nan
        self.by[:] = self.to[:] = self.at[:] = -1

    def record(self, donors: Ints, recipients: Ints, share: Floats, number: int) -> None:
        """Note what donors did in round `number`; nobody is a donor and a recipient in it."""
        for table, act in (
            (self.share, share),
            (self.by, donors),
            (self.to, recipients),
            (self.at, np.full(len(donors), number)),
        ):
            table[donors] = np.column_stack([act, table[recipients]])[:, : table.shape[1]]

    def words(
        self, rows: Ints, known: NDArray[np.bool_], names: Sequence[str], binary: bool
    ) -> list[str]:
        """Return the traces of some agents in words, latest first, a text each."""
        told, acts = [], _lists(self.share, self.by, self.to, self.at, rows=rows)
        for row, sure, (shares, by, to, at) in zip(
            rows.tolist(), known.tolist(), acts, strict=True
        ):
            lines = [
                f"In round {r}, {names[a]} {deed(x, names[b], binary)}."
                for x, a, b, r in zip(shares, by, to, at, strict=True)
                if x == x
            ]
            nothing = f"{names[row]} has not been a donor yet."
            if not sure or not shares:
                lines, nothing = [], f"Nothing is known of what {names[row]} did."
            told.append(" ".join(lines) or nothing)
        return told


def deed(share: float, whom: str, binary: bool) -> str:
    """Return an act in words, after its subject.

    >>> deed(0.5, "Ann", False), deed(1.0, "Ann", True)
    ('gave 50 % of what they had to Ann', 'gave to Ann')
    """
    if share == 0:
        return f"gave nothing to {whom}"
    if binary:
        return f"gave to {whom}"
    amount = f"{100 * abs(share):.3g} % of what they had"
    return f"spent {amount} to punish {whom}" if share < 0 else f"gave {amount} to {whom}"


def _lists(*tables: NDArray[Any], rows: Ints) -> Any:
    return zip(*(table[rows].tolist() for table in tables), strict=True)
