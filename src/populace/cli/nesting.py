"""Policies within policies: parameters of a cast file that name other minds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from populace.kernel.errors import ParameterError
from populace.kernel.parameters import parameters
from populace.kernel.policy import Policy


def with_minds(
    cls: Any, given: Mapping[str, Any], mind: Callable[[str], Any], where: str
) -> dict[str, Any]:
    """Return parameters with minds in place of their names.

    Parameters
    ----------
    cls : class or factory function
        Its parameters of type ``PolicyLike`` take a name; those of ``Mapping[str, PolicyLike]`` a
        list of names, or a table of names by name.
    mind : function of a name
        Returns the mind.

    Raises
    ------
    ParameterError
        If something else is given.
    """
    known, found = parameters(cls), dict(given)
    for key, value in given.items():
        hint = known[key].type if key in known else None
        if not _holds(hint, Policy):
            continue
        if isinstance(value, str):
            value = [value] if _holds(hint, Mapping) else mind(value)
        if isinstance(value, list) and _holds(hint, Mapping):
            value = {name: name for name in value if isinstance(name, str)}
        if isinstance(value, Mapping) and _holds(hint, Mapping):
            value = {
                name: mind(one) if isinstance(one, str) else one for name, one in value.items()
            }
        elif not isinstance(value, Policy):
            raise ParameterError(
                f"expected {key} as the name of a policy, got {value!r:.60}", where=where
            )
        found[key] = value
    return found


def _holds(hint: Any, what: Any) -> bool:
    """Whether a type is, or is made of, another one."""
    return (
        hint is what
        or getattr(hint, "__origin__", None) is what
        or any(_holds(each, what) for each in get_args(hint))
    )
