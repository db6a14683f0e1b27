"""Minds of a few lines that hear a claim, believe it or not, and pass it on or not."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.columns import column
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.worlds.rumour.codes import CLAIM, MANIPULATED, TRUTH, UNSURE


class Hearsay(Parametric):
    """Believes what it remembers more messages for, and passes it on.

    It believes the claim if the messages for it that it remembers exceed those for the truth by
    more than `doubt`, the truth if these are more, and nothing in between. A guardian believes its
    finding. It passes a belief on in the round after it came to it; a manipulated agent passes the
    claim on in every round.

    With ``doubt=0`` and nobody who speaks against it, the claim goes from a believer to each
    neighbour with one chance: the independent cascade model (Goldenberg, Libai and Muller 2001;
    Kempe, Kleinberg and Tardos 2003).

    Parameters
    ----------
    doubt : float
        In messages.
    repeats : bool
        Passes its belief on in every round.
    warns : bool
        Passes on the truth too, not only the claim.
    """

    def __init__(
        self,
        doubt: Annotated[float, Parameter("surplus of messages that it takes", low=0)] = 0.0,
        repeats: Annotated[bool, Parameter("speaks in every round")] = False,
        warns: Annotated[bool, Parameter("passes on the truth too")] = False,
    ) -> None:
        self.doubt, self.repeats, self.warns = doubt, repeats, warns

    def act(self, observation: Observation) -> Any:
        kinds = {"pass": self._pass, "believe": self._believe, "check": _check, "speak": _words}
        decide = kinds.get(observation.kind)
        return Answers(None, Outcome.ABSTAINED) if decide is None else decide(observation)

    def _believe(self, o: Observation) -> Any:
        surplus = o["for_claim"] - o["for_truth"]
        return np.where(surplus > self.doubt, CLAIM, TRUTH * (surplus < 0)).astype(np.uint8)

    def _pass(self, o: Observation) -> Any:
        belief = o["belief"]
        due = belief != UNSURE if self.repeats else o["since"] == 1
        speaks = due | (o["role"] == MANIPULATED)
        if not self.warns:
            speaks = speaks & (belief == CLAIM)
        return np.where(speaks, belief, 0).astype(np.uint8)


def _check(o: Observation) -> Any:
    """Believe what the check found."""
    return o["finding"]


def _words(o: Observation) -> Any:
    """Say the sentence that one passes on."""
    return column([f"I heard: {sentence}" for sentence in o["sentence"]])


def minds() -> dict[str, Any]:
    """Return the rule minds by name."""
    return {
        "gullible": Hearsay(),
        "sceptic": Hearsay(doubt=1.0),
        "chatty": Hearsay(repeats=True),
        "warner": Hearsay(warns=True),
    }
