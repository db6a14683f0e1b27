"""When does a team beat one agent at the same cost? Theory, and synthetic teams that realise it.

B. Liu, L. Kong and J. Pei, "Phase Transition for Budgeted Multi-Agent Synergy"
(arXiv:2601.17311, 2026).
"""

from populace.studies.synergy.agents import Cell, simulate, simulate_votes, tree
from populace.studies.synergy.boundary import edge_correlation, regimes, simulate_edge
from populace.studies.synergy.budgets import Agent, Organisation, Plan, best_leaf, plan, threshold
from populace.studies.synergy.trees import (
    amplification,
    critical_correlation,
    critical_fidelity,
    exponent,
    fixed_point,
    majority,
    slope,
    star_risk,
    tree_bias,
    tree_floor,
    tree_risk,
)
from populace.studies.synergy.voters import (
    error_correlation,
    k_star_equicorrelated,
    majority_accuracy,
)

__all__ = [
    "Agent",
    "Cell",
    "Organisation",
    "Plan",
    "amplification",
    "best_leaf",
    "critical_correlation",
    "critical_fidelity",
    "edge_correlation",
    "error_correlation",
    "exponent",
    "fixed_point",
    "k_star_equicorrelated",
    "majority",
    "majority_accuracy",
    "plan",
    "regimes",
    "simulate",
    "simulate_edge",
    "simulate_votes",
    "slope",
    "star_risk",
    "threshold",
    "tree",
    "tree_bias",
    "tree_floor",
    "tree_risk",
]
