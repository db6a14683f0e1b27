"""A named stand-in for decisions that did not come about."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.observation import Observation
from populace.kernel.policy import Policy, as_policy, describe_policy
from populace.policies.around import Around


class Fallback(Around):
    """Where `policy` gives no valid decision, `to` decides, and the outcome says so.

    Rows that `policy` abstained from, got wrong, timed out or failed on are shown to `to`; its
    valid answers have outcome ``FALLBACK``. Rows that neither decides keep the outcome of `policy`.
    Exceptions are bugs, not outcomes: they pass. Draws of `to` are independent of those of `policy`
    (stream ``fallback``), since a draw may be why `policy` did not decide.

    Parameters
    ----------
    policy, to : Policy or function
    """

    def __init__(self, policy: Any, *, to: Any) -> None:
        self.policy, self.to = as_policy(policy), as_policy(to, "to")

    async def act(self, observation: Observation) -> Answers:
        space, n = observation.space, len(observation)
        raw = self.policy.act(observation)
        raw = await raw if inspect.isawaitable(raw) else raw
        values, outcome = settle(raw, space, n, f"{observation.kind!r}")
        tokens = raw.tokens if isinstance(raw, Answers) else None
        lost = np.flatnonzero((outcome != Outcome.ACTED) & (outcome != Outcome.FALLBACK))
        if not len(lost):
            return Answers(values, outcome, tokens=tokens)
        rest = observation.part(lost, draws="fallback")
        raw = self.to.act(rest)
        raw = await raw if inspect.isawaitable(raw) else raw
        other, result = settle(raw, rest.space, len(rest), f"{observation.kind!r}, fallback")
        decided = np.flatnonzero((result == Outcome.ACTED) | (result == Outcome.FALLBACK))
        merged = space.empty(n)
        space.put(merged, slice(None), values)
        space.put(merged, lost[decided], space.take(other, decided))
        outcome[lost[decided]] = Outcome.FALLBACK
        if isinstance(raw, Answers) and raw.tokens is not None:  # both were asked
            tokens = np.zeros(n, np.int64) if tokens is None else tokens.copy()
            tokens[lost] += raw.tokens
        return Answers(merged, outcome, tokens=tokens)

    def inner(self) -> tuple[Policy, Policy]:
        """Return both."""
        return self.policy, self.to

    def describe(self) -> dict[str, Any]:
        """Return both policies, for the manifest."""
        return {"policy": describe_policy(self.policy), "to": describe_policy(self.to)}
