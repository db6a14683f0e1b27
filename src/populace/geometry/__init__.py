"""Where agents meet: contact networks, groups and grids."""

from populace.geometry.grid import Grid
from populace.geometry.groups import Groups
from populace.geometry.network import Network

__all__ = ["Grid", "Groups", "Network"]
