"""What recorded answers say of pairs, panels and many of a kind; by arrays, on the judged half."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from _answer_table import Answers, Bools, chosen, diverse
from populace.kernel.streams import Streams
from populace.studies.statistics import clustered_bootstrap, paired
from populace.studies.synergy import error_correlation, majority_accuracy
from populace.teams.metrics.channels import k_star

MANY = 16
DRAWS = 200  # random panels a size


def curves(answers: Answers, seed: int = 0) -> dict[str, Any]:
    """Return accuracy on the judged half by size of panel, panels and weights fitted on the other.

    Of random panels the mean, and the lowest and highest of the middle 90 %.
    """
    fit, judge = answers.part("fit"), answers.part("judge")
    accuracy, odds = fit.accuracy(), fit.weights()
    merit = sorted(fit.first(), key=lambda s: -accuracy[s])
    most = min(MANY, len(fit.seats))
    grown = {
        "best by merit": merit[:most],
        "diverse (K*)": diverse(fit, most, merit[0]),
        "vote-chosen": chosen(fit, most, merit[0]),
    }
    found: dict[str, Any] = {"sizes": list(range(1, most + 1))}
    for name, panel in grown.items():
        sizes = range(1, len(panel) + 1)
        found[name] = [float(judge.vote(panel[:k]).mean()) for k in sizes]
        found[f"{name}, log-odds"] = [
            float(judge.vote(panel[:k], odds[panel[:k]]).mean()) for k in sizes
        ]
    alike = fit.samples(fit.seats[merit[0]][0])
    found["of a kind (the best)"] = [
        float(judge.vote(alike[:k]).mean()) for k in range(1, len(alike) + 1)
    ]
    drawn = []
    for k in found["sizes"]:
        keys = Streams(seed).stream(f"curve/{k}").bits(DRAWS, size=len(fit.seats))
        panels = np.argsort(keys, axis=1)[:, :k]
        own = [judge.vote(panel.tolist()).mean() for panel in panels]
        drawn.append([float(np.mean(own)), *np.quantile(own, [0.05, 0.95]).tolist()])
    found["random"] = drawn
    return found


def pairs(answers: Answers, seed: int = 0) -> dict[str, Any]:
    """Return what mixing two models does, over all pairs of models with three samples.

    Three votes of the pair (two of one and one of the other, which is chosen on the fit half)
    against three votes of its better member, and one vote of each against two of the better one.
    Better is by the fit half; differences are on the judged half, intervals by families.
    """
    fit, judge = answers.part("fit"), answers.part("judge")
    families = [item.family for item in judge.items]
    accuracy = fit.accuracy()
    three = [m for m in range(len(fit.models)) if len(fit.samples(m)) >= 3]
    rows = []
    for a, b in itertools.combinations(three, 2):
        if accuracy[fit.samples(a)[0]] < accuracy[fit.samples(b)[0]]:
            a, b = b, a
        better, other = fit.samples(a)[:3], fit.samples(b)[:3]
        mixes = [[*better[:2], other[0]], [better[0], *other[:2]]]
        mixed = max(mixes, key=lambda panel: float(fit.vote(panel).mean()))
        found = paired(judge.vote(mixed), judge.vote(better), families, seed=seed, resamples=2000)
        two = judge.vote([better[0], other[0]]).mean() - judge.vote(better[:2]).mean()
        wide = judge.code[:, [better[0], other[0]]]
        rows.append(
            {
                "better": fit.models[a], "other": fit.models[b],
                "two_of_better": len(set(mixed) & set(better)) == 2,
                "three_of_a_kind": float(judge.vote(better).mean()),
                "difference": found.mean, "low": found.low, "high": found.high,
                "two_votes": float(two), "gap": float(accuracy[better[0]] - accuracy[other[0]]),
                "agree": float((wide[:, 0] == wide[:, 1]).mean()),
                "phi": _phi(judge, better[0], other[0]),
            }
        )  # fmt: skip
    kin = [_phi(judge, fit.samples(m)[0], fit.samples(m)[1]) for m in three]
    return {
        "rows": rows,
        "phi_of_a_kind": float(np.mean(kin)) if kin else math.nan,
        "phi_of_two_kinds": float(np.mean([r["phi"] for r in rows])) if rows else math.nan,
        "channels_of_a_kind": _channels(judge, [judge.samples(m)[:2] for m in three]),
        "channels_of_two_kinds": _channels(
            judge,
            [
                [judge.samples(a)[0], judge.samples(b)[0]]
                for a, b in itertools.combinations(three, 2)
            ],
        ),
    }


def _phi(answers: Answers, a: int, b: int) -> float:
    return float(np.corrcoef(answers.right[:, a], answers.right[:, b])[0, 1])


def _channels(answers: Answers, panels: list[list[int]]) -> float:
    """Return the mean over panels and items of K*, an answer being a direction of its own.

    The Gram matrix of two answers is 1 where they agree, else 0: K* is 1 or 2. A reply without an
    answer agrees with none.
    """
    if not panels:
        return math.nan
    means = []
    for panel in panels:
        code = answers.code[:, panel].copy()
        code[code < 0] = -1 - np.arange(len(panel))[np.nonzero(code < 0)[1]]
        gram = (code[:, :, None] == code[:, None, :]).astype(float)
        means.append(float(k_star(gram).mean()))
    return float(np.mean(means))


def many_of_a_kind(
    answers: Answers, n: int = MANY, seed: int = 0, resamples: int = 200
) -> dict[str, Any] | None:
    """Return what `n` samples of the best model would score, extrapolated from its three.

    How often an item's samples are right follows a beta-binomial law with the three's mean and
    correlation (`majority_accuracy`). The plurality of many lies between two bounds: all wrong
    answers agree (a majority is needed, a tie is drawn), or all differ (two right ones suffice). No
    answer was recorded to tell where between: an extrapolation, not a measurement.

    Returns
    -------
    dict or None
        ``low`` and ``high`` with their intervals (families resampled); measured ``one`` and
        ``three``; None where the best model has fewer than three samples.
    """
    fit, judge = answers.part("fit"), answers.part("judge")
    own = fit.samples(fit.seats[int(np.argmax(fit.accuracy()))][0])[:3]
    if len(own) < 3:
        return None
    right = judge.right[:, own]
    families = np.unique([item.family for item in judge.items], return_inverse=True)[1]
    rows = [np.flatnonzero(families == f) for f in range(families.max() + 1)]
    low, high = _bounds(right, n)
    stream = Streams(seed).stream("extrapolation")
    drawn = stream.integers(resamples, 0, len(rows), size=len(rows))
    again = np.array([_bounds(right[np.concatenate([rows[f] for f in g])], n) for g in drawn])
    measured = {
        k: clustered_bootstrap(judge.vote(own[:m]), families.tolist(), seed=seed, resamples=2000)
        for k, m in (("one", 1), ("three", 3))
    }
    return {
        "n": n, "low": low, "high": high,
        "low_interval": np.quantile(again[:, 0], [0.025, 0.975]).tolist(),
        "high_interval": np.quantile(again[:, 1], [0.025, 0.975]).tolist(),
        "rho": error_correlation(right),
        **{k: [each.mean, each.low, each.high] for k, each in measured.items()},
    }  # fmt: skip


def _bounds(right: Bools, n: int) -> tuple[float, float]:
    from scipy.stats import betabinom

    p = float(right.mean())
    rho = min(max(error_correlation(right), 1e-6), 1 - 1e-6)  # few items may all agree
    law = betabinom(n, p * (1 / rho - 1), (1 - p) * (1 / rho - 1))
    return majority_accuracy(p, n, rho, "beta"), float(law.sf(1) + law.pmf(1) / n)
