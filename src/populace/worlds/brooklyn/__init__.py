"""Brooklyn in the spring of 2020: 2.7 million people decide each day whether to stay at home.

`Brooklyn` is the world; `docs/brooklyn.md` tells its sources, equations and calibration.
"""

from populace.worlds.brooklyn.world import Brooklyn

__all__ = ["Brooklyn"]
