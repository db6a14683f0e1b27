"""Memories as columns: a bounded row of slots for every agent of a population."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.jit import jit
from populace.kernel.population import Part, Population

KINDS: Final = ("observation", "action", "reflection")
FORGET: Final = ("oldest", "least important")
Forget = Literal["oldest", "least important"]
_FIRST = 8  # slots an agent begins with


class Store:
    """What the agents of one population remember, at most `capacity` memories each.

    Agent's memories stand in the order in which they came about, in the row that the agent has in
    its population. Where an id has died its memories are gone, and the row's next agent begins
    with none.

    Parameters
    ----------
    capacity : int
    forget : "oldest" or "least important"
        What a full agent forgets to make room: the oldest memory, or the least important one (the
        oldest of equals; one not rated yet counts as most important).

    Attributes
    ----------
    count : int32 array of shape (rows,)
        Memories of the agent in each row.
    next : int32 array of shape (rows,)
        How many memories the agent has ever had: the number that its next one gets.
    unthought : float64 array of shape (rows,)
        Importance summed since the agent's last reflection.
    plan : int32 array of shape (rows,)
        Code of the text of the agent's plan, -1 for none.
    planned, knew : int32 arrays of shape (rows,)
        The tick when the plan was made, and the number of the first memory since.
    number, tick, last, text : int32 arrays of shape (rows, slots)
        The memory's number (0 is the agent's first ever), when it came about and when it was last
        retrieved, and the code of its text.
    kind : uint8 array of shape (rows, slots)
        Place in `KINDS`.
    importance : float32 array of shape (rows, slots)
        NaN until it is rated.
    evidence : dict of (id, number) to tuple of int
        The numbers of the memories that a reflection rests on.
    """

    def __init__(self, capacity: int, forget: Forget = "oldest") -> None:
        self.capacity, self.least = capacity, forget == "least important"
        self.id = np.zeros(0, np.uint32)
        self.count, self.next = np.zeros(0, np.int32), np.zeros(0, np.int32)
        self.unthought = np.zeros(0)
        self.plan, self.planned = np.zeros(0, np.int32), np.zeros(0, np.int32)
        self.knew = np.zeros(0, np.int32)
        slots = (0, min(_FIRST, capacity))
        self.number, self.tick = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
        self.last, self.text = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
        self.kind = np.zeros(slots, np.uint8)
        self.importance = np.zeros(slots, np.float32)
        self.evidence: dict[tuple[int, int], tuple[int, ...]] = {}
        self._prune_at = 1024

    def _slots(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for name in ("number", "tick", "last", "text", "kind", "importance"):
            yield name, getattr(self, name)

    def meet(self, people: Population) -> NDArray[np.bool_]:
        """Follow births and deaths; return which rows have a new agent, bool of shape (rows,)."""
        n, known = people.rows, len(self.id)
        if n > known:
            room = n - known
            for name in ("id", "count", "next", "unthought", "plan", "planned", "knew"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(room, old.dtype)]))
            for name, old in list(self._slots()):
                more = np.zeros((room, old.shape[1]), old.dtype)
                setattr(self, name, np.concatenate([old, more]))
        new: NDArray[np.bool_] = (self.id != people.id) | ~people.alive
        new[known:] = True
        if new.any():
            self.count[new] = self.next[new] = 0
            self.unthought[new] = self.planned[new] = self.knew[new] = 0
            self.plan[new] = -1
            self.id[new] = people.id[new]
        return new

    def add(
        self,
        agents: Part,
        kind: str,
        texts: NDArray[Any],
        tick: int,
        importance: Any,
        which: NDArray[Any] | None = None,
    ) -> NDArray[np.int32]:
        """Have agents remember texts; return the number that each memory got.

        Parameters
        ----------
        agents : Part
        kind : str
            One of `KINDS`.
        texts : integer array of shape (m,)
        tick : int
        importance : float, or array of shape (m,)
        which : positions in `agents`, of shape (m,), optional
            Whose memory each is; by default one each. Several of one agent come in this order.
        """
        rows = agents.rows if which is None else agents.rows[which]
        wanted = int(self.count[rows].max(initial=0)) + 1
        if which is not None and len(rows):
            wanted += int(np.bincount(rows).max())
        self._widen(min(wanted, self.capacity))
        rated = np.broadcast_to(np.asarray(importance, np.float32), (len(rows),))
        numbers = np.empty(len(rows), np.int32)
        _insert(
            rows, np.asarray(texts, np.int32), rated, KINDS.index(kind), tick, self.least,
            self.count, self.next, self.unthought, self.number, self.tick, self.last, self.text,
            self.kind, self.importance, numbers,
        )  # fmt: skip
        return numbers

    def _widen(self, slots: int) -> None:
        width = self.number.shape[1]
        if slots <= width:
            return
        width = min(self.capacity, max(slots, 2 * width))
        for name, old in list(self._slots()):
            more = np.zeros((len(old), width), old.dtype)
            more[:, : old.shape[1]] = old
            setattr(self, name, more)

    def rest_on(self, id: int, number: int, evidence: tuple[int, ...]) -> None:
        """Note what an agent's reflection rests on."""
        if len(self.evidence) >= self._prune_at:
            held = set(zip(*self._held(), strict=True))
            self.evidence = {key: told for key, told in self.evidence.items() if key in held}
            self._prune_at = max(1024, 2 * len(self.evidence))
        self.evidence[int(id), int(number)] = evidence

    def surprised(self, rows: NDArray[np.intp], least: float) -> NDArray[np.bool_]:
        """Return who observed something of this importance or more since the plan was made."""
        held = np.arange(self.number.shape[1]) < self.count[rows, None]
        held &= self.number[rows] >= self.knew[rows, None]
        held &= self.kind[rows] == KINDS.index("observation")
        return np.asarray((held & (self.importance[rows] >= least)).any(axis=1))

    def _held(self) -> tuple[list[int], list[int]]:
        row, slot = self.filled()
        return self.id[row].tolist(), self.number[row, slot].tolist()

    def filled(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return row and slot of every memory there is."""
        row, slot = np.nonzero(np.arange(self.number.shape[1]) < self.count[:, None])
        return row, slot

    def unrated(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return row and slot of the memories without importance of the agents in `rows`."""
        held = np.arange(self.number.shape[1]) < self.count[rows, None]
        place, slot = np.nonzero(held & np.isnan(self.importance[rows]))
        return rows[place], slot

    def rate(self, row: NDArray[np.intp], slot: NDArray[np.intp], importance: NDArray[Any]) -> None:
        """Give memories that had none their importance."""
        self.importance[row, slot] = importance
        news = self.kind[row, slot] != KINDS.index("reflection")
        np.add.at(self.unthought, row[news], np.asarray(importance, np.float64)[news])


@jit
def _insert(
    rows: Any, texts: Any, rated: Any, kind: Any, now: Any, least: Any, count: Any, following: Any,
    unthought: Any, number: Any, tick: Any, last: Any, text: Any, kinds: Any, importance: Any,
    numbers: Any,
) -> None:  # fmt: skip
    width = number.shape[1]
    for m in range(len(rows)):
        i = rows[m]
        n = count[i]
        if n == width:  # full: what is forgotten makes room, the rest keeps its order
            gone = 0
            if least:
                for j in range(n):
                    if importance[i, j] < importance[i, gone] or (
                        np.isnan(importance[i, gone]) and not np.isnan(importance[i, j])
                    ):
                        gone = j
            for j in range(gone, n - 1):
                number[i, j], tick[i, j] = number[i, j + 1], tick[i, j + 1]
                last[i, j], text[i, j] = last[i, j + 1], text[i, j + 1]
                kinds[i, j], importance[i, j] = kinds[i, j + 1], importance[i, j + 1]
            n -= 1
        numbers[m] = number[i, n] = following[i]
        tick[i, n] = last[i, n] = now
        text[i, n], kinds[i, n], importance[i, n] = texts[m], kind, rated[m]
        if kind != 2 and not np.isnan(rated[m]):
            unthought[i] += rated[m]
        following[i] += 1
        count[i] = n + 1
