"""What came back from an ask: a value and an outcome for every agent."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import AnswerError

if TYPE_CHECKING:
    from populace.kernel.population import Part
    from populace.kernel.spaces import Space


class Outcome(IntEnum):
    """How an agent's decision came about, or why there is none."""

    ACTED = 0
    ABSTAINED = 1
    INVALID = 2
    TIMEOUT = 3
    FAILED = 4
    OVER_BUDGET = 5
    FALLBACK = 6
    REFUSED = 7

    @property
    def label(self) -> str:
        """The outcome's name in records, in lower case."""
        return self.name.lower()


OUTCOMES = tuple(outcome.label for outcome in Outcome)


class Answers:
    """Values aligned with the agents that were asked, and an outcome for each.

    A policy returns one when some of its agents did not act: ``Answers(values, outcome)``, where
    the values of rows that did not act are ignored. A world receives one from every ask.

    Parameters
    ----------
    values : array or mapping
        One value an agent, in the form of the action space (see `populace.kernel.spaces`).
    outcome : uint8 array of shape (n,) or one Outcome, optional
        By default everyone acted.

    Attributes
    ----------
    values, outcome : as above; rows without a decision hold the world's ``missing=`` value.
    agents : Part
        Who was asked.
    policy : uint8 array
        Index into `policies` of the mind that decided for each agent.
    policies : tuple of str
        Names of the cast's policies.
    tokens : int64 array of shape (n,), or None
        What each decision took of a model, read and written, reflections and plans not counted;
        None from policies that do not say, and in what a world receives.
    """

    __slots__ = ("agents", "outcome", "policies", "policy", "space", "tokens", "values")

    def __init__(
        self,
        values: Any,
        outcome: ArrayLike | Outcome | None = None,
        agents: Part | None = None,
        space: Space | None = None,
        policy: NDArray[np.uint8] | None = None,
        policies: tuple[str, ...] = (),
        tokens: NDArray[np.int64] | None = None,
    ) -> None:
        self.values = values
        self.outcome: Any = outcome
        self.agents = agents
        self.space = space
        self.policy = policy
        self.policies = policies
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.outcome)

    def __repr__(self) -> str:
        counts = np.bincount(self.outcome, minlength=len(OUTCOMES))
        told = ", ".join(f"{n} {name}" for name, n in zip(OUTCOMES, counts, strict=True) if n)
        return f"Answers({told or 'nobody asked'})"

    @property
    def acted(self) -> NDArray[np.bool_]:
        """Whether each agent decided, itself or by its fallback; bool of shape (n,)."""
        outcome: NDArray[np.uint8] = self.outcome
        return np.asarray((outcome == Outcome.ACTED) | (outcome == Outcome.FALLBACK))

    def labels(self) -> NDArray[Any]:
        """Values in words: the chosen option, the text, the name of the tool."""
        return self._declared().label(self.values)

    def chose(self, option: str) -> NDArray[np.bool_]:
        """Whether each agent chose `option` of a `Choice`; bool of shape (n,)."""
        return self._declared().chose(self.values, option)

    def _declared(self) -> Space:
        if self.space is None:
            raise AnswerError("these answers are not bound to an action space")
        return self.space


def settle(raw: Any, space: Space, n: int, where: str) -> tuple[Any, NDArray[np.uint8]]:
    """Check what a policy returned for `n` agents: values of the space and an outcome for each.

    A value outside the space makes that agent's outcome ``INVALID``; a result that is no answer at
    all (wrong length, wrong type) raises.

    Raises
    ------
    AnswerError
    """
    given: Any = None
    if isinstance(raw, Answers):
        raw, given = raw.values, raw.outcome
    if given is None:
        outcome = np.zeros(n, np.uint8)
    else:
        outcome = np.array(given, dtype=np.int64)
        if outcome.ndim == 0:
            outcome = np.full(n, outcome)
        if outcome.shape != (n,):
            raise AnswerError(f"expected {n} outcomes, got shape {outcome.shape}", where=where)
        if n and (outcome.min() < 0 or outcome.max() >= len(OUTCOMES)):
            raise AnswerError(
                f"outcomes must be of populace.Outcome, got {outcome.min()}..{outcome.max()}",
                where=where,
            )
        outcome = outcome.astype(np.uint8)
    silent = raw is None and given is not None
    values, valid = (
        (space.empty(n), np.zeros(n, np.bool_)) if silent else space.check(raw, n, where)
    )
    if valid is not None:
        decided = (outcome == Outcome.ACTED) | (outcome == Outcome.FALLBACK)
        outcome[decided & ~valid] = Outcome.INVALID
    return values, outcome
