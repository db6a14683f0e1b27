"""Which exchanges between the world and the panel's agents a run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from populace.kernel.exchanges import Exchange
from populace.kernel.minds import Minds
from populace.records import Recorder
from populace.simulation.focus import Records


class Exchanging:
    """Takes a tick's exchanges from the minds, as far as the records keep them.

    Parameters
    ----------
    records : Records
    minds : Minds
    """

    def __init__(self, records: Records, minds: Minds) -> None:
        self._records, self._minds, self._count = records, minds, 0

    def take(self, tick: int, recorder: Recorder) -> list[Exchange]:
        """Return those that are kept, and tell the manifest what forms of answer were asked for."""
        minds, records = self._minds, self._records
        known = recorder.manifest.get("kinds") or {}
        told = {name: {**known.get(name, {}), **new} for name, new in minds.forms.items()}
        if (kinds := {**known, **told}) != known:
            recorder.update(kinds=kinds)
        found = records.seen(minds.exchanges) if records.takes(tick) else []
        for one in minds.exchanges:
            one.notes.close()
        self._count += sum(len(one) for one in found)
        if minds.kept and self._count >= records.most_exchanges:
            minds.kept.clear()
            recorder.update(exchanges={"until": tick})
        return found

    def state(self) -> dict[str, Any]:
        """Return how many were kept, and of which populations more are."""
        return {"count": self._count, "kept": sorted(self._minds.kept)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._count, self._minds.kept = state["count"], set(state["kept"])
