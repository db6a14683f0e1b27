"""The edge of synergy, predicted and simulated: where a tree is as good as one agent of its cost.

Without messages' cost, a leaf of a tree of N = b^L has 1/N of the budget, and bias mu / N^beta
where the single agent has mu (below ceilings). For weak signal the tree wins exactly where
s > beta (`critical_correlation`); for the signal at hand, exactly where the recursion says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from populace.kernel.errors import ParameterError
from populace.studies.synergy.agents import Cell, simulate
from populace.studies.synergy.trees import critical_correlation, tree_bias

if TYPE_CHECKING:
    import polars as pl


def edge_correlation(
    single: float, *, beta: float, fan_in: int, depth: int, fidelity: float
) -> float:
    """Return the correlation at which a tree is as good as the single agent of the same budget.

    Parameters
    ----------
    single : float
        Bias of the single agent, in (0, 1].
    beta : float
        Exponent by which bias grows with compute.
    fan_in, depth, fidelity
        Of the tree.

    Returns
    -------
    float
        In [0, 1]; below it the tree is better. -inf if the tree is worse even with independent
        errors. It is never 1 or more: errors that are all shared make N agents one, of less.

    Notes
    -----
    A tree's bias falls with rho, since f_b(mu) >= mu: found by bisection, to the last bit.
    """
    leaf = _leaf(single, beta, fan_in, depth)

    def ahead(rho: float) -> bool:
        return float(tree_bias(leaf, fan_in, depth, rho, fidelity)) > single

    if not ahead(0.0):
        return -math.inf
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if ahead(middle) else (low, middle)
    return high


def simulate_edge(
    fidelities: Sequence[float],
    *,
    single: float,
    beta: float,
    fan_in: int,
    depth: int,
    trials: int,
    seed: int,
    reach: float = 0.1,
) -> pl.DataFrame:
    """Find the edge by simulation, at each fidelity at which there is one, beside the prediction.

    Trees are run at two correlations, `reach` below and above the predicted edge (within 0 to 1),
    single agents four times as often; the edge is where the line through the two differences
    crosses 0. Were the prediction wrong, both would have one sign and the line cross far off.

    Returns
    -------
    polars.DataFrame
        A row a fidelity: fidelity, beta, weak (`critical_correlation`), predicted
        (`edge_correlation`), simulated, se: of the crossing, by the delta method, with the trees'
        draws taken as perfectly correlated (they are common), and bend: what the line leaves out
        of the curve between the two, by prediction. ``simulated`` is NaN where the bias does not
        fall between the two, from too few trials.
    """
    import polars as pl

    leaf = _leaf(single, beta, fan_in, depth)
    edges = {
        gamma: edge_correlation(single, beta=beta, fan_in=fan_in, depth=depth, fidelity=gamma)
        for gamma in fidelities
    }
    edges = {gamma: edge for gamma, edge in edges.items() if edge >= 0}
    if not edges:
        raise ParameterError(
            "expected a fidelity at which some tree is better", where="simulate_edge"
        )
    pairs = [(max(0.0, edge - reach), min(1.0, edge + reach)) for edge in edges.values()]
    cells = [
        Cell(leaf, rho, gamma) for gamma, pair in zip(edges, pairs, strict=True) for rho in pair
    ]
    trees = simulate(cells, fan_in=fan_in, depth=depth, trials=trials, seed=seed)
    alone = simulate([Cell(single)], fan_in=1, depth=0, trials=4 * trials, seed=seed + 1)
    rows = []
    for i, (gamma, edge) in enumerate(edges.items()):
        low, high = pairs[i]
        (a, sa, pa), (b, sb, pb) = (
            trees.select("simulated", "se", "predicted").row(2 * i + j) for j in range(2)
        )
        flat = alone["simulated"][0]
        found = low + (high - low) * (a - flat) / (a - b) if a > b else math.nan
        line = low + (high - low) * (pa - single) / (pa - pb)
        share = (edge - low) / (high - low)
        spread = math.hypot((1 - share) * sa + share * sb, alone["se"][0])
        rows.append(
            {
                "fidelity": gamma,
                "beta": beta,
                "weak": float(critical_correlation(fan_in, gamma, beta)),
                "predicted": edge,
                "simulated": found,
                "se": spread * (high - low) / (pa - pb),
                "bend": line - edge,
            }
        )
    return pl.DataFrame(rows)


def regimes(
    fidelities: Sequence[float],
    correlations: Sequence[float],
    *,
    single: float,
    beta: float,
    fan_in: int,
    depth: int,
    trials: int,
    seed: int,
) -> pl.DataFrame:
    """Return which is better on a grid, by simulation and by prediction.

    Returns
    -------
    polars.DataFrame
        A row a point: fidelity, rho, gain (bias of the tree less that of the single agent), z (in
        standard errors under the prediction that they are equal), predicted (gain).
    """
    import polars as pl

    leaf = _leaf(single, beta, fan_in, depth)
    cells = [Cell(leaf, rho, gamma) for gamma in fidelities for rho in correlations]
    trees = simulate(cells, fan_in=fan_in, depth=depth, trials=trials, seed=seed)
    alone = simulate([Cell(single)], fan_in=1, depth=0, trials=4 * trials, seed=seed + 1)
    se = np.hypot(trees["se"].to_numpy(), alone["se"][0])
    gain = trees["simulated"].to_numpy() - alone["simulated"][0]
    return trees.select(
        "fidelity",
        "rho",
        gain=pl.Series(gain),
        z=pl.Series(gain / se),
        predicted=pl.col("predicted") - single,
    )


def _leaf(single: float, beta: float, fan_in: int, depth: int) -> float:
    if not (0 < single <= 1 and beta > 0 and depth >= 1 and fan_in >= 3):
        raise ParameterError(
            f"expected a bias in (0, 1], beta > 0, a depth of 1 or more and a fan-in of 3 or more, "
            f"got {single}, {beta}, {depth}, {fan_in}",
            where="synergy",
        )
    return float(single / fan_in ** (depth * beta))
