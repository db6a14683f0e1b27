"""The world: it holds the state, asks for decisions, and works out their consequences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from populace.kernel.measures import By, Calendar, Chart
from populace.kernel.parameters import Parametric

if TYPE_CHECKING:
    import polars

    from populace.kernel.minds import Minds
    from populace.kernel.policy import Policy
    from populace.kernel.streams import Streams


class World(Parametric, ABC):
    """Base of every world; a subclass needs `step` only.

    State lives in attributes: populations (their names are the attributes'), arrays, numbers. It
    changes only in `start` and `step`. Parameters are keywords of ``__init__``, annotated with
    `populace.Parameter`, so that the command line can list, parse and check them.

    Attributes
    ----------
    title : str
        Heading of the report; by default the name of the class.
    axes : mapping of str to sequence of str
        Labels of the axes along which measures are broken down (`By`).
    charts : sequence of Chart
        How the report draws the measures; without any, each measure is a line.
    calendar : Calendar or None
        What a tick is in the world's time.
    done : bool
        The run ends before the next tick when this is true; an attribute or a property.
    """

    title: str = ""
    axes: Mapping[str, Sequence[str]] = {}
    charts: Sequence[Chart] = ()
    calendar: Calendar | None = None
    ticks: ClassVar[int] = 100  # how long the command line runs it unless told
    done: Any = False

    def start(self, streams: Streams) -> None:
        """Build what needs random draws (populations, networks), once, before the first tick."""

    @abstractmethod
    async def step(self, minds: Minds) -> None:
        """Live through one tick: ask for decisions, work out their consequences."""

    def measure(self) -> Mapping[str, float | By | None]:
        """Return the tick's measures by name: numbers, `By`, or None where one is not defined."""
        return {}

    def policies(self) -> Mapping[str, Policy]:
        """Return the minds that this world's author offers, by name, for casts to draw on."""
        return {}

    def shares(self) -> Mapping[str, float]:
        """Return the default cast: shares of `policies` by name (by default the first alone)."""
        return dict.fromkeys(list(self.policies())[:1], 1.0)

    def reference(self) -> polars.DataFrame | None:
        """Return real series to set beside the measures: columns tick, measure, value."""
        return None

    def data(self) -> Mapping[str, str]:
        """Return sha256 of every data file that the world reads, by name, for the manifest."""
        return {}
