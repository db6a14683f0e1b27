"""What passed between the world and the panel's agents: what they were shown, how they decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.exchange import aligned
from populace.kernel.population import Part, Population

if TYPE_CHECKING:
    from populace.kernel.minds import PanelRows


class Notes:
    """What minds say of how agents came to what they did, in the order in which they say it.

    Parameters
    ----------
    ids : uint32 array
        The agents of whom notes are kept.

    Attributes
    ----------
    found : dict of id to list of (what, text)
    """

    __slots__ = ("_open", "found", "ids")

    def __init__(self, ids: NDArray[np.uint32]) -> None:
        self.ids, self._open = ids, True
        self.found: dict[int, list[tuple[str, str]]] = {}

    def add(self, agent: int, what: str, text: str) -> None:
        """Keep a note, unless the tick is over: a thought may last longer than its ask."""
        if self._open:
            self.found.setdefault(agent, []).append((what, text))

    def close(self) -> None:
        """Keep no more."""
        self._open = False


@dataclass
class Exchange:
    """One ask or tell, for the panel's agents: rows of the table ``exchanges``.

    Attributes
    ----------
    population, kind : str
    turn : int
        Which ask or tell of the tick it is, from 0.
    ids : uint32 array of shape (n,)
    shown : dict of str to array of shape (n, ...) or scalar
    notes : Notes
    decision : PanelRows or None
        None for a tell.
    """

    population: str
    kind: str
    turn: int
    ids: NDArray[np.uint32]
    shown: dict[str, Any]
    notes: Notes
    decision: PanelRows | None = None

    def __len__(self) -> int:
        return len(self.ids)


def exchange(
    part: Part,
    panel: NDArray[np.uint32],
    kind: str,
    turn: int,
    see: Sequence[str],
    given: Mapping[str, Any],
) -> Exchange | None:
    """Return what agents of the panel (sorted ids) are shown now; None if none of them is asked."""
    places = places_of(part, panel)
    if not len(places):
        return None
    here = part[places]
    shown = {name: np.array(here.gather(name)) for name in see}
    shown |= {name: v[places] if aligned(v) else v for name, v in given.items()}
    return Exchange(part.population.name, kind, turn, here.ids, shown, Notes(here.ids))


def followed(people: Population, panel: NDArray[np.uint32], everybody: bool) -> NDArray[np.uint32]:
    """Return the ids of a panel as it is now, sorted.

    A panel that was `everybody` at the start keeps its size: those born later take the places of
    the dead, the oldest first.
    """
    if not everybody or not people._births:
        return panel
    return np.asarray(np.sort(people.ids)[: len(panel)])


def places_of(part: Part, panel: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return the positions in `part` of those of its agents in the panel (sorted ids)."""
    if part.population._births or not part._ordered or len(part) <= len(panel):
        return np.flatnonzero(np.isin(part.ids, panel))
    if part.whole:  # without births, ids are rows
        return panel.astype(np.intp)
    at = np.minimum(np.searchsorted(part.rows, panel), len(part) - 1)
    return np.asarray(at[part.rows[at] == panel], dtype=np.intp)
