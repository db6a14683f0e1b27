"""Arms of a comparison as the command line says them: options, or a TOML file.

::

    world = "brooklyn"
    seeds = 10
    measures = ["deaths", "cases:max"]
    set = { people = 20000 }             # what all arms share: set, cast, intervene

    [arms."as it was"]                   # the first is the baseline, unless baseline = NAME

    [arms.late]
    set = { order = 2020-03-29 }

    [arms."all habit"]
    cast = "habit=1"                     # shares, or a TOML file beside this one
    swap = { rule = "habit" }            # or: one group's mind replaced by another
    intervene = "closure.toml"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from populace.cli.casting import read_cast
from populace.cli.finding import find
from populace.cli.seating import unattended
from populace.cli.spending import Spending
from populace.kernel.cast import with_synonyms
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.parameters import parameters, parse
from populace.kernel.world import World, own_shares
from populace.studies.arms import Arm

BASE = "base"
_WORDS = ("cast", "intervene", "swap")
_ARM_KEYS = ("set", *_WORDS)
_STUDY_KEYS = (
    "world", "arms", "seeds", "ticks", "measures", "baseline", "precision", "family", "level",
    *_ARM_KEYS,
)  # fmt: skip


@dataclass(frozen=True)
class NamedWorld:
    """A world by the text that names it, found where the run is (a file's class, for instance)."""

    text: str

    def __call__(self, **given: Any) -> World:
        world: World = find("world", self.text)(**given)
        return world

    def describe(self) -> dict[str, Any]:
        place = Path(self.text.rpartition(":")[0] or self.text)
        return {"world": self.text, "source": _digest(place) if place.is_file() else ""}


@dataclass(frozen=True)
class NamedCast:
    """A cast by the text that says it, made where the run is."""

    text: str

    def make(self, world: World) -> Any:
        return unattended(read_cast(self.text, world))

    def describe(self) -> dict[str, Any]:
        file = Path(self.text)
        return {"cast": self.text, **({"sha256": _digest(file)} if file.is_file() else {})}


@dataclass(frozen=True)
class NamedResources:
    """What models may spend in each run, opened where the run is."""

    answers: Path | None
    mode: str | None
    budget: str | None
    prices: Path | None

    def __call__(self) -> dict[str, Any]:
        return Spending.read(self.answers, self.mode, self.budget, self.prices, None).resources()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def world_of(text: str) -> str | NamedWorld:
    """Return what makes a world: the registered name itself, or a `NamedWorld`."""
    return NamedWorld(text) if ":" in text or text.endswith(".py") else text


def settings_of(texts: Sequence[str], cls: Any, where: str) -> dict[str, Any]:
    """Return parameters from texts as name=value."""
    pairs = dict(_pair(text, where) for text in texts)
    return parse(cls, pairs, where)


def arms_of(arms: Sequence[str], swaps: Sequence[str], cls: Any, world: str) -> list[Arm]:
    """Return the arms that --arm and --swap ask for, the baseline first.

    With fewer than two --arm, or any --swap, the world as it is set is an arm too, called base.

    Raises
    ------
    ParameterError
        For a text that says no arm, or no arms at all.
    """
    if not arms and not swaps:
        raise ParameterError(
            "nothing to compare it with",
            where=world,
            mend="give --arm 'NAME: name=value' or --swap",
        )
    made = [_arm(text, cls) for text in arms]
    if (len(arms) < 2 or swaps) and all(arm.name != BASE for arm in made):
        made.insert(0, Arm(BASE))
    for text in swaps:
        old, new = _pair(text, "--swap")
        if new == "human":
            raise ParameterError("a person cannot be asked in every run", where=f"--swap {text}")
        made.append(Arm(f"{old}={new}", swap={old: new}))
    return made


def everybody(arms: Sequence[Arm], world: World) -> str | None:
    """Return a cast of one mind, of which swaps replace a group that the world's own cast lacks.

    ``--swap model=careful`` of a world whose own cast has no model then compares a world of models
    with one of careful people. None where a swap names a group that is there, two that are not, or
    a mind that the world does not offer.
    """
    there = {name for own in own_shares(world).values() for name in own if own[name]}
    gone = {old for arm in arms for old in arm.swap}
    if len(gone) != 1 or gone & there or not gone <= set(with_synonyms(world.policies())):
        return None
    return f"{gone.pop()}=1"


def _arm(text: str, cls: Any) -> Arm:
    name, colon, rest = text.partition(":")
    name, where = name.strip(), f"--arm {text!r}"
    if not colon or not name or "=" in name:
        raise ParameterError(
            "expected 'NAME: name=value, ...'", where=where, mend="for instance 'late: order=none'"
        )
    known = {*parameters(cls), *_WORDS}
    found: dict[str, str] = {}
    last = ""
    for item in rest.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not item.strip():
            continue
        if equals and key in known:
            found[key], last = value, key
        elif last in ("cast", "swap"):  # a cast has commas of its own
            found[last] += f",{item.strip()}"
        else:
            hint = nearest(key, known)
            raise ParameterError(f"there is no parameter {key!r}; {hint}", where=where)
    cast, intervene, swap = (found.pop(word, None) for word in _WORDS)
    return Arm(
        name,
        parse(cls, found, where),
        None if cast is None else NamedCast(cast),
        () if intervene is None else [Path(intervene)],
        {} if swap is None else dict(_pair(each, where) for each in swap.split(",")),
    )


def _pair(text: str, where: str) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key or not value:
        raise ParameterError(f"expected name=value, got {text!r}", where=where)
    return key, value


# -- a study in a file ---------------------------------------------------------------------------


def read_study(path: Path) -> dict[str, Any]:
    """Return what a study's file says, its keys checked; the world may be of any kind.

    Raises
    ------
    ParameterError
        If it cannot be read, or names no world.
    """
    try:
        study = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ParameterError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(study.get("world"), str):
        raise ParameterError("expected world = a name", where=str(path))
    return study


def study_arms(study: Mapping[str, Any], cls: Any, path: Path) -> tuple[Arm, list[Arm]]:
    """Return what all arms of a study share, and its arms.

    Raises
    ------
    ParameterError
        For a key that is not known, or a value that does not fit.
    """
    for key in study:
        if key not in _STUDY_KEYS:
            raise ParameterError(f"knows no {key!r}; {nearest(key, _STUDY_KEYS)}", where=str(path))
    tables = study.get("arms")
    if not isinstance(tables, Mapping) or not tables:
        raise ParameterError("expected tables [arms.NAME], got none", where=str(path))
    common = {key: study[key] for key in _ARM_KEYS if key in study}
    arms = [_table(name, table, cls, path) for name, table in tables.items()]
    return _table("common", common, cls, path), arms


def _table(name: str, table: Any, cls: Any, path: Path) -> Arm:
    where = f"{path}: arms.{name}"
    if not isinstance(table, Mapping):
        raise ParameterError(f"expected a table, got {table!r:.60}", where=where)
    for key in table:
        if key not in _ARM_KEYS:
            raise ParameterError(f"knows no {key!r}; {nearest(key, _ARM_KEYS)}", where=where)
    known, given = parameters(cls), table.get("set", {})
    if not isinstance(given, Mapping):
        raise ParameterError(f"expected set = {{name = value}}, got {given!r:.60}", where=where)
    for key in given:
        if key not in known:
            raise ParameterError(
                f"there is no parameter {key!r}; {nearest(key, known)}", where=where
            )
    cast, files = table.get("cast"), table.get("intervene", [])
    if isinstance(cast, str):
        cast = NamedCast(str(path.parent / cast) if cast.endswith(".toml") else cast)
    files = [files] if isinstance(files, str) else files
    return Arm(
        name,
        {key: known[key].read(value, where) for key, value in given.items()},
        cast,
        [path.parent / each for each in files],
        table.get("swap", {}),
    )
