"""Who acts is data: policies by name, and which agent has which, as a column."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import CastError, nearest
from populace.kernel.policy import Policy, as_policy, closed, describe_policy
from populace.kernel.population import Part, Population
from populace.kernel.resources import Resources
from populace.kernel.streams import Streams

Mind = TypeVar("Mind")
LANGUAGE, MODEL = "language", "model"  # the second is another word for the first
COLUMN = "mind"  # the population's column that holds each agent's policy, as an index
_NOBODY = 255
_COMPILED_FROM = 20_000  # agents from which a compiled pass pays for its loading

Group = tuple[int, NDArray[np.intp] | None]  # policy index, positions in the part (None: all)


def with_synonyms(offered: Mapping[str, Mind]) -> dict[str, Mind]:
    """Return a world's minds by name; ``model`` is another word for ``language``.

    >>> with_synonyms({"rule": 1, "language": 2})
    {'rule': 1, 'language': 2, 'model': 2}
    """
    found = dict(offered)
    if LANGUAGE in found:
        found.setdefault(MODEL, found[LANGUAGE])
    return found


class Cast:
    """Policies by name and who of a population has which.

    Parameters
    ----------
    policies : mapping of str to Policy or function
        At most 255.
    shares : mapping of str to float, optional
        How much of the population each policy gets, in any unit; exact to one agent, drawn by the
        stream ``cast``. Newborn agents are cast by the same shares. A lone policy needs none.
    assign : mapping of str to Part, mask, rows, optional
        Agents cast by hand, after the shares. Rows of a new population equal ids.

    Raises
    ------
    CastError
        If there is no policy, a name is unknown, a share is negative or not finite, or an agent is
        left without a policy.

    Examples
    --------
    >>> cast = Cast({"bold": lambda o: 1, "shy": lambda o: 0}, shares={"bold": 1, "shy": 3})
    >>> cast.names
    ('bold', 'shy')
    """

    def __init__(
        self,
        policies: Mapping[str, Any],
        shares: Mapping[str, float] | None = None,
        assign: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(policies, Mapping) or not 0 < len(policies) < _NOBODY:
            raise CastError(
                f"expected 1 to {_NOBODY - 1} policies by name, got {policies!r:.80}", where="Cast"
            )
        self.policies: dict[str, Policy] = {n: as_policy(p, n) for n, p in policies.items()}
        self.names = tuple(self.policies)
        if shares is None and assign is None and len(self.names) == 1:
            shares = {self.names[0]: 1.0}
        self.shares = None if shares is None else self._normalised(shares)
        for name in assign or {}:
            self._code(name)
        if self.shares is None and not assign:
            raise CastError(
                f"nobody is cast: {', '.join(self.names)}",
                where="Cast",
                mend="give shares= or assign=",
            )
        self._later: list[tuple[str, Any]] = list((assign or {}).items())
        self._population: Population | None = None
        self._streams: Streams | None = None
        self._born = 0
        self._groups: list[Group] | None = None

    def _normalised(self, shares: Mapping[str, float]) -> NDArray[np.float64]:
        weights = np.zeros(len(self.names))
        for name, share in shares.items():
            if not (isinstance(share, (int, float)) and np.isfinite(share) and share >= 0):
                raise CastError(
                    f"expected a share of at least 0 for {name!r}, got {share!r}", where="Cast"
                )
            weights[self._code(name)] = share
        if not weights.sum() > 0:
            raise CastError("all shares are 0: the cast covers nobody", where="Cast")
        return np.asarray(weights / weights.sum())

    def _code(self, name: str) -> int:
        if name not in self.policies:
            raise CastError(
                f"no policy is named {name!r}; {nearest(name, self.names)}", where="Cast"
            )
        return self.names.index(name)

    # -- binding to a population -----------------------------------------------------------------

    def bind(self, population: Population, streams: Streams) -> None:
        """Cast a population (called once by `Simulation`, before the first tick)."""
        if self._population is not None and self._population is not population:
            raise CastError(
                f"this cast serves {self._population!r} already",
                mend="make a new Cast for every population and simulation",
            )
        self._population, self._streams = population, streams
        if COLUMN not in population.columns:
            population.add_column(COLUMN, (np.uint8, _NOBODY))
        codes = population[COLUMN]
        if self.shares is not None:
            codes[population.everyone.rows] = self._exact(population.everyone)
        self._born = population._births
        later, self._later = self._later, []
        for name, who in later:
            self.assign(name, who)
        lost = int((population[COLUMN][population.everyone.rows] == _NOBODY).sum())
        if lost:
            raise CastError(
                f"{lost} of {len(population)} agents of {population.name!r} have no policy",
                mend="give shares=, or assign everybody",
            )
        for policy in self.policies.values():
            if start := getattr(policy, "start", None):
                start(population, streams)

    def _exact(self, part: Part) -> NDArray[np.uint8]:
        assert self.shares is not None
        assert self._streams is not None
        return by_shares(part, self.shares, self._streams)

    def assign(self, name: str, who: Any) -> None:
        """Give the policy `name` to agents: a `Part`, mask or rows; before or during a run."""
        code = self._code(name)
        if self._population is None:
            self._later.append((name, who))
            return
        part = who if isinstance(who, Part) else self._population[who]
        if not isinstance(part, Part) or part.population is not self._population:
            raise CastError("these agents belong to another population", where=f"assign {name!r}")
        part[COLUMN] = code
        self._groups = None

    @property
    def codes(self) -> NDArray[np.uint8]:
        """Index into `names` of every row's policy, uint8 of shape (rows,)."""
        if self._population is None:
            raise CastError("the cast is not bound to a population yet")
        codes: NDArray[np.uint8] = self._population[COLUMN]
        return codes

    def counts(self) -> dict[str, int]:
        """Return how many living agents each policy has."""
        assert self._population is not None
        self._admit()
        codes = self.codes[self._population.everyone.rows]
        counts = np.bincount(codes, minlength=len(self.names))
        return dict(zip(self.names, counts.tolist(), strict=False))

    def _admit(self) -> None:
        """Cast the agents born since the last ask, each by its own draw."""
        people = self._population
        assert people is not None
        assert self._streams is not None
        if people._births == self._born:
            return
        self._born = people._births
        self._groups = None
        born = people[people[COLUMN] == _NOBODY]
        if not len(born):
            return
        if self.shares is None:
            raise CastError(
                f"{len(born)} newborn agents of {people.name!r} have no policy", mend="give shares="
            )
        born[COLUMN] = of_newborns(born.ids, self.shares, self._streams, people.name)

    def groups(self, part: Part) -> list[Group]:
        """Split a part by policy, in the order of `names`; parts of one policy are not copied."""
        self._admit()
        whole = part.whole
        if whole and self._groups is not None:
            return self._groups
        codes = self.codes if whole else self.codes[part.rows]
        groups: list[Group] = []
        if len(self.names) == 1 or (len(codes) and (codes == codes[0]).all()):
            groups = [(int(codes[0]), None)] if len(codes) else []
        else:
            places = _split(codes, len(self.names))
            groups = [(code, where) for code, where in enumerate(places) if len(where)]
        if whole:
            self._groups = groups
        return groups

    @property
    def waiting(self) -> bool:
        """Whether a person is being asked, whose reply may take for ever."""
        return any(getattr(policy, "waiting", False) for policy in self.policies.values())

    @property
    def spends(self) -> bool:
        """Whether a policy takes resources (`equip`)."""
        return any(hasattr(policy, "equip") for policy in self.policies.values())

    def equip(self, resources: Resources) -> None:
        """Hand every policy that spends what it may spend (called by `Simulation`)."""
        counts = self.counts()
        for name, policy in self.policies.items():
            if equip := getattr(policy, "equip", None):
                equip(replace(resources, policy=name, agents=counts[name]))

    async def close(self) -> None:
        """Let every policy give back what it holds open (called at the end of a run)."""
        for policy in self.policies.values():
            await closed(policy)

    def reports(self) -> Iterator[dict[str, Any]]:
        """Return what policies report of themselves since the last call, a row a number."""
        assert self._population is not None
        for name, policy in self.policies.items():
            for told in getattr(policy, "report", tuple)():
                fields = dict(told) if isinstance(told, Mapping) else asdict(told)
                kind = str(fields.pop("kind", ""))
                fields.pop("tick", None)
                for measure, value in fields.items():
                    if isinstance(value, (bool, int, float)) and math.isfinite(value):
                        yield {
                            "population": self._population.name,
                            "policy": name,
                            "kind": kind,
                            "measure": measure,
                            "value": float(value),
                        }

    def failed(self) -> Iterator[dict[str, Any]]:
        """Return what came of calls without a decision since the last call, for reading."""
        assert self._population is not None
        for name, policy in self.policies.items():
            for failure in getattr(policy, "failed", tuple)():
                yield {"population": self._population.name, "policy": name, **failure.describe()}

    def transcripts(self) -> Iterator[dict[str, Any]]:
        """Return what members of teams said since the last call, a row an answer."""
        assert self._population is not None
        for policy in self.policies.values():
            for row in getattr(policy, "transcript", tuple)():
                yield {"population": self._population.name, **row}

    def replies(self) -> Iterator[dict[str, Any]]:
        """Return what people typed since the last call, a row a reply."""
        assert self._population is not None
        for policy in self.policies.values():
            for row in getattr(policy, "replied", tuple)():
                yield {"population": self._population.name, **row}

    def state(self) -> dict[str, Any]:
        """Return what a run changes beside the population's column: policies, shares, births."""
        return {"policies": self.policies, "shares": self.shares, "born": self._born}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; the policies have taken theirs by then."""
        self.shares, self._born, self._groups = state["shares"], state["born"], None

    def describe(self) -> dict[str, Any]:
        """Return the cast as plain data for the manifest."""
        counts = self.counts() if self._population is not None else {}
        return {
            "policies": {
                name: {**describe_policy(policy), "agents": counts.get(name, 0)}
                for name, policy in self.policies.items()
            },
            "shares": None
            if self.shares is None
            else dict(zip(self.names, self.shares.tolist(), strict=True)),
        }


def of_newborns(
    ids: NDArray[np.uint32], shares: NDArray[np.float64], streams: Streams, population: str
) -> NDArray[np.uint8]:
    """Return an index into `shares` for each newborn of a population, each by its own draw."""
    return streams.stream(f"cast/{population}/born").choice(ids, shares).astype(np.uint8)


def by_shares(part: Part, shares: NDArray[np.float64], streams: Streams) -> NDArray[np.uint8]:
    """Divide agents by shares: exact by largest remainder, the agents in the order of a draw.

    Parameters
    ----------
    part : Part
    shares : float64 array of shape (k,)
        Summing to 1.
    streams : Streams
        Those that `Cast.bind` is given.

    Returns
    -------
    uint8 array of shape (n,)
        Index into `shares` of each agent; the same whenever it is worked out.
    """
    n = len(part)
    quota = shares * n
    counts = np.floor(quota).astype(np.int64)
    remainder = quota - counts
    extra = np.argsort(-remainder, kind="stable")[: n - int(counts.sum())]
    counts[extra] += 1
    codes = np.empty(n, np.uint8)
    order = streams.stream(f"cast/{part.population.name}").permutation(part.ids)
    codes[order] = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    return codes


def _split(codes: NDArray[np.uint8], k: int) -> list[NDArray[np.intp]]:
    if len(codes) < _COMPILED_FROM:
        return [np.flatnonzero(codes == code) for code in range(k)]
    from populace.kernel.grouping import positions_by_code

    return positions_by_code(codes, k)
