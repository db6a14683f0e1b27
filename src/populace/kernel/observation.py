"""What a policy is shown: columns for a whole group of agents, gathered only when read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import PolicyError, nearest
from populace.kernel.population import Part
from populace.kernel.spaces import Space

if TYPE_CHECKING:
    from populace.kernel.exchanges import Notes
    from populace.kernel.streams import Stream, Streams


class Observation:
    """One group's view of one ask (or tell): rows are agents, columns what the world shows.

    ``o["stock"]`` is a read-only array aligned with the agents, or a scalar that the world shows to
    all alike. What the world does not show cannot be read.

    Attributes
    ----------
    kind : str
        What is asked, for instance ``"harvest"``.
    space : Space
        What an answer may be; bounds given per agent are those of this group.
    agents : Part
        The agents, whose columns a policy may use for its own memory.
    tick : int
    random : Stream
        Draws bound to these agents, the kind and the tick, the same whichever policy asks for them.
    """

    __slots__ = (
        "_given",
        "_index",
        "_name",
        "_notes",
        "_random",
        "_read",
        "_see",
        "_streams",
        "agents",
        "kind",
        "space",
        "tick",
    )

    def __init__(
        self,
        kind: str,
        space: Space,
        agents: Part,
        tick: int,
        *,
        see: tuple[str, ...],
        given: Mapping[str, Any],
        streams: Streams,
        stream: str,
        index: NDArray[Any] | None = None,
        notes: Notes | None = None,
    ) -> None:
        self.kind = kind
        self.space = space
        self.agents = agents
        self.tick = tick
        self._see = see
        self._given = given  # scalars, or arrays aligned with the agents of the whole ask
        self._index = index  # our agents among those of the whole ask; None: all of them
        self._streams = streams
        self._name = stream
        self._random: Stream | None = None
        self._read: dict[str, Any] = {}
        self._notes = notes

    def __len__(self) -> int:
        return len(self.agents)

    def __repr__(self) -> str:
        return f"Observation({self.kind!r}, {len(self)} agents, {', '.join(self.columns)})"

    @property
    def ids(self) -> NDArray[np.uint32]:
        """Ids of the agents, uint32 of shape (n,)."""
        return self.agents.ids

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what the world shows."""
        return (*self._see, *self._given)

    @property
    def random(self) -> Stream:
        """Draws bound to these agents; each call continues where the last one ended."""
        if self._random is None:
            self._random = self._streams.stream(self._name, self.tick).bound(self.agents)
        return self._random

    def __contains__(self, name: object) -> bool:
        return name in self._given or name in self._see

    def __getitem__(self, name: str) -> Any:
        if name in self._read:
            return self._read[name]
        if name in self._given:
            value = self._given[name]
            if isinstance(value, np.ndarray) and value.ndim:
                value = value.view() if self._index is None else value[self._index]
                value.flags.writeable = False
        elif name in self._see:
            value = self.agents.gather(name)
        else:
            raise PolicyError(
                f"the world does not show {name!r}; {nearest(name, self.columns)}",
                where=f"observation {self.kind!r}",
            )
        self._read[name] = value
        return value

    def keep(self) -> None:
        """Copy the arrays that the world passed: it may change them before they are read."""
        self._given = {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in self._given.items()
        }
        self._read.clear()

    @property
    def noted(self) -> NDArray[np.intp]:
        """Positions of those agents of whom the run keeps notes, as a rule of none."""
        if self._notes is None:
            return np.empty(0, np.intp)
        return np.flatnonzero(np.isin(self.ids, self._notes.ids))

    def note(self, position: int, what: str, text: str) -> None:
        """Keep with the run how an agent comes to its decision: a prompt, a memory, a reply.

        Parameters
        ----------
        position : int
            One of `noted`; of the others nothing is kept.
        what : str
            A word for the kind of note.
        """
        if self._notes is not None:
            self._notes.add(int(self.ids[position]), what, text)

    def part(self, which: NDArray[Any], draws: str = "") -> Observation:
        """Return the observation of some of these agents, by mask or positions.

        Its draws begin anew, so an agent's draws are the same in any part that holds it. Where the
        agents were themselves picked by a draw, give `draws` a name: those of the part then come
        from the child stream of that name, independent of the ones that picked it.
        """
        index = np.asarray(which)
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        return Observation(
            self.kind,
            self.space.part(index),
            self.agents[index],
            self.tick,
            see=self._see,
            given=self._given,
            streams=self._streams,
            stream=f"{self._name}/{draws}" if draws else self._name,
            index=index if self._index is None else self._index[index],
            notes=self._notes,
        )

    def asked(
        self, which: NDArray[Any], draws: str, space: Space | None = None, **columns: Any
    ) -> Observation:
        """Return what some of these agents are asked within this ask, with further columns.

        Parameters
        ----------
        which : mask or positions
        draws : str
            Name of the child stream that its draws come from.
        space : Space, optional
            In place of this one's.
        **columns : scalar, or array aligned with `which`
            Shown beside what the world shows, or in its place.
        """
        part = self.part(which, draws)
        given = {name: part[name] for name in part._given}
        part._given, part._index = {**given, **columns}, None
        part._see = tuple(name for name in part._see if name not in columns)
        part.space = part.space if space is None else space
        part._read.clear()
        return part
