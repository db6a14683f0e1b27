"""Worlds, policies, models and structures by name, from the entry points of installed packages.

A package adds its own under ``[project.entry-points."populace.worlds"]``, ``"populace.policies"``,
``"populace.models"`` or ``"populace.structures"``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from populace.kernel.errors import RegistryError, nearest

GROUPS = {
    "world": "populace.worlds",
    "policy": "populace.policies",
    "model": "populace.models",
    "structure": "populace.structures",
}


def registered(sort: str) -> dict[str, EntryPoint]:
    """Return the entry points of one sort (a key of `GROUPS`) by name, sorted.

    Raises
    ------
    RegistryError
        If two packages register different things under one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUPS[sort]):
        if point.name in found and found[point.name].value != point.value:
            raise RegistryError(
                f"two packages register the {sort} {point.name!r}: "
                f"{found[point.name].value} and {point.value}",
                mend="uninstall one of them",
            )
        found[point.name] = point
    return dict(sorted(found.items()))


def load(sort: str, name: str) -> Any:
    """Import and return the class or function registered as `name`.

    Raises
    ------
    RegistryError
        If nothing of that name is registered, or its import fails.
    """
    found = registered(sort)
    if name not in found:
        raise RegistryError(
            f"no {sort} {name!r}; {nearest(name, found)}", mend="see 'populace list'"
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise RegistryError(
            f"{sort} {name!r} ({found[name].value}) cannot be imported: {error}",
            mend="install what it needs",
        ) from error
