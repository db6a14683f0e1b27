"""``populace list``: what can be run, and with what."""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from populace.cli.finding import find
from populace.kernel.errors import PopulaceError, RegistryError, nearest
from populace.kernel.parameters import ParameterInfo, parameters
from populace.kernel.registry import registered
from populace.kernel.world import World, own_shares

_GROUPS = {"worlds": "world", "policies": "policy"}


def listed(what: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return worlds and policies as JSON can hold them: all, one sort, or one by name.

    Raises
    ------
    RegistryError
        If nothing has that name.
    """
    if what is None or what in _GROUPS:
        groups = [what] if what in _GROUPS else list(_GROUPS)
        return {
            group: [_described(_GROUPS[group], name) for name in registered(_GROUPS[group])]
            for group in groups
        }
    for group, sort in _GROUPS.items():
        if what in registered(sort):
            return {group: [_described(sort, what)]}
    if ":" in what or what.endswith(".py"):
        found = find("world", what)
        world = isinstance(found, type) and issubclass(found, World)
        group = "worlds" if world else "policies"
        return {group: [_described(_GROUPS[group], what)]}
    known = [*_GROUPS, *registered("world"), *registered("policy")]
    raise RegistryError(f"nothing is named {what!r}; {nearest(what, known)}")


def _described(sort: Any, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name}
    try:
        found = find(sort, name)
    except PopulaceError as error:  # one broken package does not hide the others
        return {**entry, "error": str(error)}
    entry["class"] = f"{found.__module__}.{found.__qualname__}"
    entry["doc"] = (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ")
    entry["parameters"] = [_parameter(info) for info in parameters(found).values()]
    if sort == "world":
        entry["ticks"] = getattr(found, "ticks", None)
        entry["cast"] = _own_cast(found)
    return entry


def _parameter(info: ParameterInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "doc": info.doc,
        "type": info.type_name,
        "unit": info.unit,
        "range": info.range,
        "required": info.required,
        "fixed": info.fixed,
        "default": None if info.required else _plain(info.default),
    }


def _own_cast(cls: Any) -> dict[str, float] | None:
    """Return the minds that a world offers with their default shares (None if it cannot say)."""
    try:
        world = cls()
        found: dict[str, float] = {}
        for population, shares in own_shares(world).items():
            prefix, minds = (f"{population}.", shares) if population else ("", world.policies())
            found |= {prefix + name: float(shares.get(name, 0)) for name in minds}
        return found
    except Exception:  # a world that needs parameters or files still has a listing
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value)


def show_list(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print the listing for a person."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 110
    for group, entries in found.items():
        console.print(Text(group, style="bold underline"))
        if not entries:
            console.print(f"  none is installed (entry points 'populace.{group}')")
        for entry in entries:
            _show(console, entry)
        console.print()


def _show(console: Console, entry: dict[str, Any]) -> None:
    console.print(Text.assemble("\n", (entry["name"], "bold cyan"), "  ", entry.get("doc", "")))
    if "error" in entry:
        console.print(Text(f"  {entry['error']}", style="red"))
        return
    if entry.get("cast"):
        cast = ", ".join(f"{name}={share:g}" for name, share in entry["cast"].items())
        console.print(Text.assemble("  ", ("minds  ", "dim"), cast))
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for head in ("  parameter", "default", "unit", "range", "meaning"):
        table.add_column(head, overflow="fold")
    for info in entry["parameters"]:
        default = "required" if info["required"] else str(info["default"])
        row = [
            f"  {info['name']}",
            default,
            info["unit"],
            info["range"] or info["type"],
            info["doc"] + (" (for the whole run)" if info["fixed"] else ""),
        ]
        table.add_row(*map(Text, row))
    if entry["parameters"]:
        console.print(table)
