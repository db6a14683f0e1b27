"""Votes over what members said: plurality, by weights, by stated confidence.

What has no answer does not vote and is counted. Ties go to the answer whose voters state the higher
mean confidence, then to a draw of the stream ``vote/tie``, and are reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream
from populace.teams.interface import Said, Verdict

TIE = "vote/tie"
CERTAIN = 1e-6  # probabilities are kept this far from 0 and 1, so that log-odds are finite

Random = Callable[[str], Stream]
Map = Callable[[float], float]


def plurality(
    said: Sequence[Said], random: Random | None = None, weights: Sequence[float] | None = None
) -> Verdict:
    """Return the answer with the greatest weight of votes.

    Parameters
    ----------
    said : sequence of Said
        A round, or all samples; what has no answer does not vote.
    random : callable, optional
        ``members.random``: where the draw between equals comes from. Without it they go to the
        answer that was said first.
    weights : sequence of float, aligned with `said`, optional
        By default 1 each. A negative one speaks against its answer.

    Returns
    -------
    Verdict
        ``votes`` in the order in which the answers were first said; ``confidence`` is the winner's
        share of the (absolute) weight; ``text`` the words of the first who said it, of a typed
        document those of its field ``answer``. With no vote at all the answer is None and the
        outcome that of most of `said`.

    Raises
    ------
    ParameterError
        If the weights are not finite or not aligned.

    Notes
    -----
    The vote over samples of one model is X. Wang et al., "Self-Consistency Improves Chain of
    Thought Reasoning in Language Models" (ICLR 2023).
    """
    given = [1.0] * len(said) if weights is None else [float(weight) for weight in weights]
    if len(given) != len(said) or not all(map(math.isfinite, given)):
        raise ParameterError(
            f"expected {len(said)} finite weights, one for each that spoke, got {given}",
            where="weights",
        )
    ballots: dict[Any, list[tuple[Said, float]]] = {}
    for one, weight in zip(said, given, strict=True):
        if one.votes:
            ballots.setdefault(one.answer, []).append((one, weight))
    unparsed = sum(not one.votes for one in said)
    if not ballots:
        return Verdict(None, _silence(said), unparsed=unparsed)
    # exact sums: the votes are the same whatever the order in which they are counted
    votes = {answer: math.fsum(w for _, w in cast) for answer, cast in ballots.items()}
    best = leaders(votes)
    answer, drawn = best[0], False
    if len(best) > 1:
        best = surest(best, ballots)
        drawn = len(best) > 1
        answer = best[_draw(len(best), random)]
    total = math.fsum(map(abs, votes.values()))
    return Verdict(
        answer,
        text=_words(ballots[answer][0][0]),
        confidence=max(0.0, votes[answer]) / total if total > 0 else 0.0,
        votes=votes,
        tie=drawn,
        unparsed=unparsed,
    )


def weighted(
    said: Sequence[Said],
    weights: Mapping[int, float] | Sequence[float],
    random: Random | None = None,
) -> Verdict:
    """Return the winner of a vote in which each member has a weight.

    Parameters
    ----------
    weights : sequence, or mapping of position to float
        A weight a member, as from `log_odds`.

    Raises
    ------
    ParameterError
        If a member that spoke has none.
    """
    table = dict(weights) if isinstance(weights, Mapping) else dict(enumerate(weights))
    if without := sorted({one.member for one in said} - set(table)):
        raise ParameterError(
            f"member {without[0]} has no weight, weights are given for {sorted(table)}",
            where="weights",
            mend="give one for each member",
        )
    return plurality(said, random, [table[one.member] for one in said])


def confidence_weighted(
    said: Sequence[Said],
    random: Random | None = None,
    calibration: Map | Mapping[int, Map] | None = None,
) -> Verdict:
    """Return the winner of a vote weighted by what each said of its own confidence.

    Parameters
    ----------
    calibration : callable, or mapping of member to callable, optional
        From stated confidence to the probability of being right (`calibration.fit`). The weight is
        then its log-odds; without one it is the stated confidence itself.

    Notes
    -----
    Log-odds are the optimal weights of independent voters between two answers (S. Nitzan and
    J. Paroush, International Economic Review 23(2), 1982). Who states no confidence
    weighs 0, as does one who states even odds: the answer stands, with nothing behind it.
    """
    return plurality(said, random, [_trust(one, calibration) for one in said])


def log_odds(
    p: ArrayLike, n: ArrayLike | None = None, *, options: int = 2, smoothing: float = 1.0
) -> NDArray[np.float64]:
    """Return optimal vote weights, log(p (k - 1) / (1 - p)).

    Parameters
    ----------
    p : array-like
        Probability of being right, or the share of right answers on `n` validation items.
    n : array-like, optional
        Validation items. With it the share is smoothed by `smoothing` further right and as many
        wrong answers (Laplace's rule of succession at 1): (p n + s) / (n + 2 s).
    options : int
        k answers in all, wrong ones equally likely (k = 2: Nitzan and Paroush 1982; any k: the
        posterior of naive Bayes with a uniform prior).
    smoothing : float

    Raises
    ------
    ParameterError
        For a probability outside [0, 1], negative counts, or fewer than two options.

    Examples
    --------
    >>> log_odds([0.5, 0.75], [2, 2]).round(3).tolist()  # 2/4 and 2.5/4 after smoothing
    [0.0, 0.511]
    """
    share = np.asarray(p, np.float64)
    if options < 2 or smoothing < 0:
        raise ParameterError(
            f"expected 2 or more options and smoothing of 0 or more, got {options} and {smoothing}",
            where="log_odds",
        )
    if not np.all((share >= 0) & (share <= 1)):
        raise ParameterError(f"expected probabilities in [0, 1], got {share}", where="log_odds")
    if n is not None:
        count = np.asarray(n, np.float64)
        if not np.all((count >= 0) & np.isfinite(count) & (count + smoothing > 0)):
            raise ParameterError(f"expected counts of 0 or more, got {count}", where="log_odds")
        share = (share * count + smoothing) / (count + 2 * smoothing)
    share = np.clip(share, CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(share * (options - 1) / (1 - share)))


def leaders(votes: Mapping[Any, float]) -> list[Any]:
    """Return the answers of greatest weight, in order; several are tied."""
    most = max(votes.values(), default=0.0)
    return [a for a, w in votes.items() if math.isclose(w, most, rel_tol=1e-9, abs_tol=1e-12)]


def lead(votes: Mapping[Any, float]) -> float:
    """Return by how much the first answer leads the second, or one that nobody has given yet."""
    first, second = sorted([0.0, 0.0, *votes.values()], reverse=True)[:2]
    return first - second


def unanimous(said: Sequence[Said]) -> bool:
    """Whether everybody answered, and the same."""
    return all(one.votes for one in said) and len({one.answer for one in said}) == 1


def surest(tied: Sequence[Any], ballots: Mapping[Any, list[tuple[Said, float]]]) -> list[Any]:
    """Return those of the tied answers whose voters state the higher mean confidence."""
    means = {}
    for answer in tied:
        stated = [one.confidence for one, _ in ballots[answer] if one.confidence is not None]
        if not stated:
            return list(tied)
        means[answer] = math.fsum(stated) / len(stated)
    return leaders(means)


def _draw(n: int, random: Random | None) -> int:
    if n == 1 or random is None:
        return 0
    return int(random(TIE).integers(low=0, high=n)[0])


def _trust(one: Said, calibration: Map | Mapping[int, Map] | None) -> float:
    if one.confidence is None:
        return 0.0
    if calibration is None:
        return one.confidence
    mapped = calibration
    if isinstance(calibration, Mapping):
        if one.member not in calibration:
            raise ParameterError(f"no calibration for member {one.member}", where="calibration")
        mapped = calibration[one.member]
    assert callable(mapped)
    return float(log_odds(mapped(one.confidence)))


def _words(said: Said) -> str:
    stated = said.fields.get("answer")
    return stated if isinstance(stated, str) else said.text


def _silence(said: Sequence[Said]) -> Outcome:
    """Return why there is no vote: the outcome of most; an act without an answer is invalid."""
    if not said:
        return Outcome.ABSTAINED
    why = [Outcome.INVALID if one.outcome == Outcome.ACTED else one.outcome for one in said]
    return max(why, key=why.count)
