"""Private columns: where policies keep what each agent remembers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from populace.kernel.errors import PolicyError
from populace.kernel.population import Population


def safe(kind: str) -> str:
    """Write a kind with the characters that a column name may have, distinct kinds distinctly."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f".{ord(found[0]):x}.", kind)


def own_prefix(population: Population, base: str) -> str:
    """Return a prefix for private columns that no other policy has: ``base``, ``base2``, ...

    The prefix is taken by a column of that name.
    """
    number, name = 1, base
    while f"{name}/own" in population.columns:
        number += 1
        name = f"{base}{number}"
    population.add_column(f"{name}/own", np.bool_)
    return name


def add_table(population: Population, name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Add a column of zeros with a table of this shape for each agent, unless it is there.

    Raises
    ------
    PolicyError
        If there is one of another shape.
    """
    if name not in population.columns:
        population.add_column(name, np.zeros((population.rows, *shape), dtype))
    elif population[name].shape[1:] != shape:
        raise PolicyError(
            f"{name} has the shape {population[name].shape[1:]}, expected {shape}",
            where=f"population {population.name!r}",
            mend="ask an action space of another size as another kind",
        )
