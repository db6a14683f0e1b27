"""Ways to treat a recipient, a line each, and the minds that follow them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.columns import column
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.worlds.donor.norms import BAD

Floats = NDArray[np.float64]
Share = Annotated[float, Parameter("given by who gives, of what it has", "share", 0, 1)]
DECISIONS = ("donate", "give", "treat")
WORDS = ("strategy", "advise")


def give(o: Observation, share: Floats) -> Floats:
    """Give to everybody."""
    return share


def keep(o: Observation, share: Floats) -> Floats:
    """Give to nobody."""
    return 0 * share


def image_scoring(o: Observation, share: Floats) -> Floats:
    """Give unless the recipient did not give last time (Nowak and Sigmund 1998)."""
    return np.where(o["scoring"] == BAD, 0, share)


def standing(o: Observation, share: Floats) -> Floats:
    """Give unless the recipient refused somebody in good standing (Leimar and Hammerstein 2001)."""
    return np.where(o["standing"] == BAD, 0, share)


def stern_judging(o: Observation, share: Floats) -> Floats:
    """Give unless the recipient refused the good or gave to the bad (Pacheco et al. 2006)."""
    return np.where(o["judging"] == BAD, 0, share)


def mirror(o: Observation, share: Floats) -> Floats:
    """Give what the recipient gave last, as a share; one's own share where that is not known."""
    last = o["last"]
    return np.where(np.isnan(last), share, np.maximum(last, 0))


def punisher(o: Observation, share: Floats) -> Floats:
    """Give as image scoring does, and spend as much on who did not give."""
    return np.where(o["scoring"] == BAD, -share, share)


RULES: Mapping[str, Callable[[Observation, Floats], Floats]] = {
    "image_scoring": image_scoring,
    "standing": standing,
    "stern_judging": stern_judging,
    "mirror": mirror,
    "punisher": punisher,
    "give": give,
    "keep": keep,
}
"""By name: shares of what donors have, of shape (n,), below 0 to punish."""

_SAID = {
    "image_scoring": "I give{amount} to whoever gave last time or has not been a donor, and "
    "nothing to those who did not give.",
    "standing": "I give{amount} to everybody but those who refused somebody in good standing.",
    "stern_judging": "I give{amount} to everybody but those who refused the good or gave to the "
    "bad.",
    "mirror": "I give what the other gave last{first}.",
    "punisher": "I give{amount} to whoever gave last time or has not been a donor, and spend as "
    "much on punishing those who did not give.",
    "give": "I give{amount} to everybody.",
    "keep": "I keep all that I have.",
}


def said(rule: str, share: float, binary: bool) -> str:
    """Return a rule in words, as those say it who follow it.

    >>> said("give", 0.5, False), said("keep", 0.5, False)
    ('I give 50 % of what I have to everybody.', 'I keep all that I have.')
    """
    part = f"{100 * share:.3g} % of what I have"
    amount, first = (" help", "") if binary else (f" {part}", f", and {part} if that is not known")
    return _SAID[rule].format(amount=amount, first=first)


def treated(o: Observation, share: Floats) -> Any:
    """Return an answer in the space of the ask from shares, below 0 to punish."""
    if o.kind == "give":
        return share > 0
    units = np.minimum(np.abs(share), 1) * o["resources"]
    if o.kind == "donate":
        return np.where(share > 0, units, 0.0)
    return {"act": (share < 0).astype(np.uint8), "units": units}


class Follows(Parametric):
    """Follows one rule.

    Parameters
    ----------
    rule : str
        A name of `RULES`.
    share : float
        Of what it has, given by who gives.
    """

    def __init__(self, rule: Annotated[str, Parameter("name")], share: Share = 0.5) -> None:
        self.rule, self.share = rule, share

    def act(self, observation: Observation) -> Any:
        if observation.kind in WORDS:
            text = said(self.rule, self.share, bool(observation["binary"]))
            return column([text] * len(observation))
        if observation.kind not in DECISIONS:
            return Answers(None, Outcome.ABSTAINED)
        share = np.full(len(observation), self.share)
        return treated(observation, RULES[self.rule](observation, share))


class Inherited(Parametric):
    """Follows the rule and the generosity that an agent has inherited, its columns.

    Parameters
    ----------
    names : sequence of str
        Rules by their codes in the column ``rule``.
    """

    def __init__(self, names: Annotated[Sequence[str], Parameter("rules in play")]) -> None:
        self.names = tuple(names)

    def act(self, observation: Observation) -> Any:
        codes, share = observation["rule"], observation["generosity"]
        if observation.kind in WORDS:
            binary = bool(observation["binary"])
            pairs = zip(codes.tolist(), share.tolist(), strict=True)
            return column([said(self.names[code], part, binary) for code, part in pairs])
        if observation.kind not in DECISIONS:
            return Answers(None, Outcome.ABSTAINED)
        wanted = np.zeros(len(observation))
        for code, name in enumerate(self.names):
            index = np.flatnonzero(codes == code)
            if len(index):
                wanted[index] = RULES[name](observation.part(index), share[index])
        return treated(observation, wanted)

    def describe(self) -> dict[str, Any]:
        """Return the rules, for the manifest."""
        return {"rules": list(self.names)}


def random(o: Observation) -> Any:
    """Give a uniform share of what one has; with chance 1/2 where it is all or nothing."""
    draw = o.random.uniform()
    if o.kind == "give":
        return draw < 0.5
    return treated(o, 2 * draw - 1 if o.kind == "treat" else draw)
