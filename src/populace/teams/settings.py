"""Settings of structures, checked before anybody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from populace.kernel.errors import ParameterError, nearest
from populace.teams.interface import Members

T = TypeVar("T")


def expect(good: bool, what: str, got: Any, where: str) -> None:
    """Raise ParameterError, "expected `what`, got `got`", unless `good`."""
    if not good:
        raise ParameterError(f"expected {what}, got {got!r:.200}", where=where)


def position(members: Members, who: int | str, where: str) -> int:
    """Return the position of a member given by position or name.

    Raises
    ------
    ParameterError
        If there is no such member, with the nearest name.
    """
    names = list(members.names)
    if isinstance(who, str):
        if who not in names:
            raise ParameterError(f"no member {who!r}; {nearest(who, names)}", where=where)
        return names.index(who)
    expect(0 <= who < len(names), f"a member, 0 to {len(names) - 1}", who, where)
    return int(who)


def by_member(members: Members, table: Mapping[str, T], where: str) -> dict[int, T]:
    """Return a table by members' names as one by their positions.

    Raises
    ------
    ParameterError
        For a name that is no member, or a member that is left out.
    """
    found = {position(members, name, where): value for name, value in table.items()}
    without = [name for i, name in enumerate(members.names) if i not in found]
    expect(not without, "something for every member", f"nothing for {without}", where)
    return found


def shown(columns: Mapping[str, Any], name: str, where: str) -> Any:
    """Return what the world shows as `name`, or raise ParameterError with the nearest name."""
    if name not in columns:
        raise ParameterError(
            f"the world does not show {name!r}; {nearest(name, columns)}",
            where=where,
            mend="name a column of the ask",
        )
    value = columns[name]
    return value.item() if hasattr(value, "item") else value


def texts(
    members: Members, given: Mapping[str, str] | Sequence[str] | None, default: str, where: str
) -> dict[int, str]:
    """Return a text for each member by position: what it is told of its role.

    Raises
    ------
    ParameterError
        If they are not one a member, or not named as the members are.
    """
    n = len(members)
    if given is None:
        return dict.fromkeys(range(n), default)
    if isinstance(given, Mapping):
        return by_member(members, given, where)
    good = not isinstance(given, str) and len(given) == n
    expect(good, f"{n} texts, one a member", given, where)
    return dict(enumerate(given))
