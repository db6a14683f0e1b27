"""Classic strategies of the iterated game, each a function of both players' past moves.

``own`` and ``theirs`` are the moves of this encounter, uint8 of shape (n, rounds so far), 0
cooperate and 1 defect; the answer is a move a row. Sources: Axelrod 1980, "Effective Choice in the
Prisoner's Dilemma", Journal of Conflict Resolution 24, 3-25 (the entries of his first tournament:
tit_for_tat, nydegger, grofman, friedman, davis, feld, joss, tullock, random); Axelrod 1980, "More
Effective Choice", 379-403 (tester, two_tats); Nowak and Sigmund 1992, Nature 355, 250 (generous);
Nowak and Sigmund 1993, Nature 364, 56 (win_stay).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.observation import Observation
from populace.worlds.dilemma.games import COOPERATE, DEFECT

Moves = NDArray[np.uint8]
_NYDEGGER = (1, 6, 7, 17, 22, 23, 26, 29, 30, 31, 33, 38, 39, 45, 49, 54, 55, 58, 61)


def cooperate(o: Observation) -> Moves:
    """Always cooperate."""
    return _all(o, COOPERATE)


def defect(o: Observation) -> Moves:
    """Always defect."""
    return _all(o, DEFECT)


def random(o: Observation) -> Moves:
    """Defect half of the time."""
    return _chance(o, 0.5)


def tit_for_tat(o: Observation) -> Moves:
    """Cooperate, then do what the other did last."""
    return _last(o["theirs"]) if o["round"] else _all(o, COOPERATE)


def suspicious(o: Observation) -> Moves:
    """Tit for tat that begins by defecting."""
    return _last(o["theirs"]) if o["round"] else _all(o, DEFECT)


def generous(o: Observation) -> Moves:
    """Tit for tat that lets a defection pass with the largest chance that is safe.

    ``min(1 - (T - R)/(R - S), (R - P)/(T - P))``, a third in Axelrod's game; kept in [0, 1].
    """
    t, r, p, s = (float(o[name]) for name in ("temptation", "reward", "punishment", "sucker"))
    safe = min(1 - (t - r) / (r - s) if r != s else 0.0, (r - p) / (t - p) if t != p else 0.0)
    pardon = min(1.0, max(0.0, safe))
    return _pick(tit_for_tat(o) == DEFECT, _chance(o, 1 - pardon), COOPERATE)


def two_tats(o: Observation) -> Moves:
    """Defect after two defections in a row."""
    if o["round"] < 2:
        return _all(o, COOPERATE)
    return np.asarray(o["theirs"][:, -1] & o["theirs"][:, -2])


def win_stay(o: Observation) -> Moves:
    """Win-stay, lose-shift (Pavlov): cooperate after both did the same."""
    return np.asarray(_last(o["own"]) ^ _last(o["theirs"])) if o["round"] else _all(o, COOPERATE)


def friedman(o: Observation) -> Moves:
    """Grim trigger: cooperate until the first defection, then never again."""
    return np.asarray(o["theirs"].any(axis=1), np.uint8)


def davis(o: Observation) -> Moves:
    """Cooperate ten times, then be grim about any defection, those of the first ten included."""
    return friedman(o) if o["round"] >= 10 else _all(o, COOPERATE)


def joss(o: Observation) -> Moves:
    """Tit for tat that defects, one time in ten, after the other has cooperated."""
    if not o["round"]:
        return _all(o, COOPERATE)
    return _pick(_last(o["theirs"]) == DEFECT, DEFECT, _chance(o, 0.1))


def feld(o: Observation) -> Moves:
    """Tit for tat whose cooperation after cooperation falls from 1 to a half by round 200."""
    if not o["round"]:
        return _all(o, COOPERATE)
    return _pick(_last(o["theirs"]) == DEFECT, DEFECT, _chance(o, min(0.5, o["round"] / 400)))


def grofman(o: Observation) -> Moves:
    """Cooperate, but after the two did different things with a chance of 2/7 only."""
    if not o["round"]:
        return _all(o, COOPERATE)
    return _pick(_last(o["own"]) != _last(o["theirs"]), _chance(o, 5 / 7), COOPERATE)


def tullock(o: Observation) -> Moves:
    """Cooperate eleven times, then a tenth less often than the other did in the last ten."""
    if o["round"] < 11:
        return _all(o, COOPERATE)
    return _chance(o, np.minimum(1.0, o["theirs"][:, -10:].mean(axis=1) + 0.1))


def nydegger(o: Observation) -> Moves:
    """Tit for tat thrice, with one exception, then by a table of the last three rounds.

    The exception: who alone cooperated in the first round and alone defected in the second,
    defects in the third. Then A = 16 a1 + 4 a2 + a3, a1 the round before, each 2 for the other's
    defection and 1 for one's own; defect where A is in the entry's list.
    """
    own, theirs = o["own"], o["theirs"]
    if o["round"] < 2:
        return tit_for_tat(o)
    if o["round"] == 2:
        alone = (own[:, 0] < theirs[:, 0]) & (own[:, 1] > theirs[:, 1])
        return _pick(alone, DEFECT, _last(theirs))
    each = 2 * theirs[:, -3:].astype(np.int64) + own[:, -3:]
    return np.asarray(np.isin(each @ np.array([1, 4, 16]), _NYDEGGER), np.uint8)


def tester(o: Observation) -> Moves:
    """Defect at once; if the other ever does, apologise and play tit for tat, else exploit.

    Before the other's first defection: defect, cooperate, cooperate, then defect every other time.
    """
    number = o["round"]
    if not number:
        return _all(o, DEFECT)
    theirs = o["theirs"]
    struck = theirs.any(axis=1)
    sorry = struck & (theirs.argmax(axis=1) == number - 1)
    probe = DEFECT if number > 2 and number % 2 else COOPERATE
    return _pick(struck, _pick(sorry, COOPERATE, _last(theirs)), probe)


Strategy = Callable[[Observation], Moves]
STRATEGIES: dict[str, Strategy] = {
    function.__name__: function
    for function in (
        cooperate, defect, random, tit_for_tat, suspicious, generous, two_tats, win_stay,
        friedman, davis, joss, feld, grofman, tullock, nydegger, tester,
    )
}  # fmt: skip
NICE = frozenset(
    {
        "cooperate", "tit_for_tat", "generous", "two_tats", "win_stay", "friedman", "davis",
        "grofman", "nydegger",
    }
)  # fmt: skip
"""Those that are never the first to defect."""


class Inherited:
    """Plays the strategy that the agent's column names; what imitation copies.

    Parameters
    ----------
    names : sequence of str
        Strategies by code.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def act(self, observation: Observation) -> Moves:
        codes, moves = observation["strategy"], _all(observation, COOPERATE)
        for code, name in enumerate(self.names):
            index = np.flatnonzero(codes == code)
            if len(index):
                moves[index] = STRATEGIES[name](observation.part(index))
        return moves

    def describe(self) -> dict[str, Any]:
        """Return the strategies, for the manifest."""
        return {"strategies": list(self.names)}


def _all(o: Observation, move: int) -> Moves:
    return np.full(len(o), move, np.uint8)


def _last(moves: Moves) -> Moves:
    return np.asarray(moves[:, -1])


def _chance(o: Observation, p: Any) -> Moves:
    """Defect with chance `p`."""
    return np.asarray(o.random.bernoulli(p=p), np.uint8)


def _pick(which: Any, yes: Any, no: Any) -> Moves:
    return np.asarray(np.where(which, yes, no), np.uint8)
