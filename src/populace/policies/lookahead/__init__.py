"""Minds that imagine what would follow before they act."""

from populace.policies.lookahead.forked import Forked
from populace.policies.lookahead.imagined import Imagined
from populace.policies.lookahead.looking import LookAhead
from populace.policies.lookahead.tree import TreeSearch

__all__ = ["Forked", "Imagined", "LookAhead", "TreeSearch"]
