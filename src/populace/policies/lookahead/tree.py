"""Best-first search over what an agent might do, one decision after another."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.parameters import Parameter
from populace.kernel.policy import PolicyLike
from populace.policies.lookahead.forked import Asked, at_once
from populace.policies.lookahead.looking import LookAhead
from populace.policies.lookahead.paths import Step


class TreeSearch(LookAhead):
    """Search over sequences of an agent's own decisions, best first, and do the first of the best.

    After Koh et al. 2024 (*Tree Search for Language Model Agents*, arXiv:2407.01476). The most
    promising sequence is taken up, the world is forked and led along it, and what comes of it is
    scored `depth` ticks ahead, `policy` going on where the sequence ends; there `policy` proposes
    what might come next, and these sequences wait with the score of the one they continue. So it
    goes on `calls` times. Every agent searches alone.

    Unlike there, values come from the world's own score, not from a judge's samples; and only the
    first decision is carried out, the search beginning anew at the next.

    In a deterministic world without a limit of calls it finds the best sequence there is within
    `depth` ticks, if all options are proposed.

    Parameters
    ----------
    policy, model, depth, breadth, score, kinds, propose
        As `LookAhead`; the model must be `Forked`.
    calls : int or None
        Forks a decision and future; None until the tree is exhausted.

    Raises
    ------
    ParameterError
        For a setting out of range.
    """

    def __init__(
        self,
        policy: Annotated[PolicyLike, Parameter("proposes")],
        model: Annotated[Any, Parameter("a Forked")] = None,
        depth: Annotated[int, Parameter("how far ahead", "ticks", low=0)] = 3,
        breadth: Annotated[int, Parameter("proposals a decision", low=1)] = 5,
        score: Annotated[Any, Parameter("what is to be high in the end")] = None,
        *,
        calls: Annotated[int | None, Parameter("sequences tried a decision", low=1)] = 20,
        kinds: Annotated[Sequence[str] | None, Parameter("decisions to look ahead at")] = None,
        propose: Annotated[Any, Parameter("other proposals")] = None,
    ) -> None:
        super().__init__(policy, model, depth, breadth, score, kinds=kinds, propose=propose)
        if not self.model.forks:
            raise ParameterError(
                f"expected the model Forked, got {type(self.model).__name__}", where="TreeSearch"
            )
        self.calls = calls

    def describe(self) -> dict[str, Any]:
        """Return the settings, for the manifest."""
        return {**super().describe(), "calls": self.calls}

    async def _choose(self, asked: Asked, found: Sequence[Step]) -> NDArray[np.intp]:
        agents = range(len(asked.observation))
        return np.array(await at_once([self._search(asked, found, i) for i in agents]), np.intp)

    async def _search(self, asked: Asked, found: Sequence[Step], agent: int) -> int:
        """Return which candidate begins the best sequence that was tried."""
        who, order = np.array([agent]), itertools.count()
        waiting: list[tuple[float, int, int, list[Step]]] = [
            (-math.inf, next(order), j, [step.part(who)])
            for j, step in enumerate(found)
            if step.has[agent]
        ]
        best, chosen, tried = -math.inf, 0, 0
        while waiting and (self.calls is None or tried < self.calls):
            _, _, first, steps = heapq.heappop(waiting)
            branch = self.breadth, self.propose
            scores, children = await self.model.follow(asked, who, steps, branch)
            tried += 1
            value = float(scores[0])
            if math.isnan(value):
                asked.counts["unscored"] += 1
                continue
            if value > best:
                best, chosen = value, first
            for child in children.get(0, ()):
                heapq.heappush(waiting, (-value, next(order), first, [*steps, child]))
        return chosen
