"""Other policies of the same cast, in the place of one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.cast import by_shares, of_newborns
from populace.kernel.errors import CastError
from populace.kernel.observation import Observation
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.streams import Streams


class Deputies:
    """Policies of a cast that stand in for agents cast by hand, as in ``Fallback(human, to=...)``.

    Whose deputy is which follows `shares` by the draws that cast a population and its newborns:
    with the shares of the cast, each agent has the policy that it would have had. The policies
    remain the cast's own: it starts, equips and closes them.

    Parameters
    ----------
    policies : mapping of str to Policy
        Of the same cast.
    shares : mapping of str to float
        As in `Cast`.

    Raises
    ------
    CastError
        If the shares name no policy, or none is above 0.
    """

    def __init__(self, policies: Mapping[str, Policy], shares: Mapping[str, float]) -> None:
        self.policies = {name: policies[name] for name in shares if name in policies}
        weights = np.array([float(share) for share in shares.values()])
        if len(self.policies) < len(shares) or not weights.sum() > 0:
            raise CastError(f"expected shares of {', '.join(policies)}, got {dict(shares)}")
        self.shares: NDArray[np.float64] = weights / weights.sum()
        self._codes: dict[str, NDArray[np.uint8]] = {}
        self._streams: Streams | None = None

    def start(self, population: Population, streams: Streams) -> None:
        """Find who stands in for whom."""
        self._codes[population.name] = by_shares(population.everyone, self.shares, streams)
        self._streams = streams

    async def act(self, observation: Observation) -> Answers:
        space, n = observation.space, len(observation)
        values, outcome = space.empty(n), np.full(n, Outcome.ABSTAINED, np.uint8)
        for name, policy, which in self._groups(observation):
            part = observation.part(which)
            raw = policy.act(part)
            raw = await raw if inspect.isawaitable(raw) else raw
            own, result = settle(raw, part.space, len(part), f"{observation.kind!r}, {name!r}")
            space.put(values, which, own)
            outcome[which] = result
        return Answers(values, outcome)

    async def hear(self, observation: Observation) -> None:
        """Let each hear what those are told for whom it stands in."""
        for _, policy, which in self._groups(observation):
            if (hear := getattr(policy, "hear", None)) is not None:
                result = hear(observation.part(which))
                if inspect.isawaitable(result):
                    await result

    def _groups(self, observation: Observation) -> list[tuple[str, Policy, NDArray[np.intp]]]:
        name, ids = observation.agents.population.name, observation.ids
        known, born = self._codes[name], ids >= len(self._codes[name])
        codes = known[np.where(born, 0, ids)]
        if born.any():
            assert self._streams is not None
            codes[born] = of_newborns(ids[born], self.shares, self._streams, name)
        named = enumerate(self.policies.items())
        groups = [(name, policy, np.flatnonzero(codes == i)) for i, (name, policy) in named]
        return [group for group in groups if len(group[2])]

    def describe(self) -> dict[str, Any]:
        """Return the shares by name, for the manifest."""
        return dict(zip(self.policies, self.shares.round(6).tolist(), strict=True))
