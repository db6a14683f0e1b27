"""Rules: one function a kind of decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import CastError
from populace.kernel.observation import Observation
from populace.kernel.policy import function_name

Function = Callable[[Observation], Any]


class Rule:
    """A rule: a function of the observation for each kind, vectorised over the agents.

    Parameters
    ----------
    function : callable, optional
        Answers every kind without a function of its own.
    **kinds : callable
        ``Rule(harvest=lambda o: o["stock"] / 10)``. From a kind without a function the rule
        abstains, so the world's ``missing=`` is in force.

    Raises
    ------
    CastError
        If there is no function, or something given is none.
    """

    def __init__(self, function: Function | None = None, /, **kinds: Function) -> None:
        given = [*kinds.values()] if function is None else [function, *kinds.values()]
        if not given or not all(callable(f) for f in given):
            raise CastError(
                "expected a function, or kind=function", where="Rule", mend="Rule(harvest=...)"
            )
        self.function, self.kinds = function, kinds

    def act(self, observation: Observation) -> Any:
        function = self.kinds.get(observation.kind, self.function)
        if function is None:
            return Answers(None, Outcome.ABSTAINED)
        return function(observation)

    def describe(self) -> dict[str, str]:
        """Return the functions' names by kind, for the manifest."""
        named = {kind: function_name(function) for kind, function in self.kinds.items()}
        return (
            named if self.function is None else {"every kind": function_name(self.function)} | named
        )
