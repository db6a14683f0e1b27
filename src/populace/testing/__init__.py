"""Checks that an author can run on a world or policy of theirs; needs no test framework.

``check_world(make_world, make_cast).raise_if_failed()`` in any test is enough.
"""

from populace.testing.conformance import check_policy, check_world
from populace.testing.observing import observe
from populace.testing.report import Check, NonConformance, Report
from populace.testing.turns import OrderComparison, compare_orders

__all__ = [
    "Check",
    "NonConformance",
    "OrderComparison",
    "Report",
    "check_policy",
    "check_world",
    "compare_orders",
    "observe",
]
