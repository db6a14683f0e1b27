"""Who decides, as the command line says it: shares, or a TOML file.

Of a world with several populations, a name says of which, as ``buyers.rule=2``, unless the world
offers that mind to one of them only; a population that is not named keeps the world's own cast. ::

    [shares]                 # or [populations.NAME] for each of several populations
    default = 4              # the world's own cast, in its proportions
    rule = 2
    stubborn = 1

    [seats]                  # agents cast by hand, by their ids (see `populace.cli.seating`)
    "human/rule" = [3]

    [policies.stubborn]      # a policy of one's own making
    use = "habit"            # one that the world offers, a registered one, or module:Class
    inertia = 0.9            # its parameters

    [policies.culture]       # one that is made of others, by their names
    use = "imitate"
    of = ["rule", "stubborn"]

    [policies.thinker]       # a language mind (see `populace.cli.speaking`)
    use = "language"
    model = "embedded"
    prompts = "prompts.toml" # beside this file

    [policies.panel]         # a team (see `populace.cli.teaming`)
    use = "team"
    structure = "debate"
    members = ["embedded", "thinker", "rule"]
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from populace.cli import seating
from populace.cli.finding import find
from populace.cli.nesting import with_minds
from populace.cli.replying import Replies
from populace.cli.seating import Seat
from populace.cli.speaking import is_language, language_mind
from populace.cli.teaming import team_mind
from populace.kernel.cast import Cast, with_synonyms
from populace.kernel.errors import CastError, ParameterError, RegistryError, nearest
from populace.kernel.parameters import parameters
from populace.kernel.population import find_populations
from populace.kernel.registry import registered
from populace.kernel.world import World, own_shares
from populace.language.weights import Progress
from populace.policies.fallback import Fallback
from populace.policies.human import Human
from populace.simulation.casts import own_cast

DEFAULT = "default"  # in shares: the world's own cast
_SECTIONS = ("shares", "populations", "policies", "seats")


def read_cast(
    text: str | None,
    world: World,
    progress: Progress | None = None,
    replies: Replies | None = None,
) -> Any:
    """Return what `Simulation` takes as cast; None (the world's own) for None.

    Parameters
    ----------
    progress : callable, optional
        Told how far the fetching of a model's weights is.
    replies : Replies, optional
        Of an earlier run: people are not asked for what they have answered there.

    Raises
    ------
    CastError
        If the file cannot be read, a share is no number, or a policy is not known.
    ParameterError
        If a policy does not take a parameter.
    PromptError, ModelError
        If prompts cannot be read, or a model cannot be had.
    """
    if text is None:
        return None
    if text.endswith(".toml") or Path(text).is_file():
        cast = _from_file(Path(text), world, progress)
    else:
        items = [item.strip() for item in text.split(",")]
        seats = [seating.parse(item) for item in items if "@" in item]
        rest = [item for item in items if "@" not in item]
        shares = _shares(rest) if rest else {}
        cast = _by_population(shares, seats, _Definitions({}, Path(), progress), world)
    if replies is not None:
        replies.give(cast)
    return cast


@dataclass(frozen=True)
class _Definitions:
    """The sections ``[policies.NAME]``, the folder of their file, and who is told of progress."""

    tables: Mapping[str, Mapping[str, Any]]
    folder: Path
    progress: Progress | None


def _shares(items: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for item in items:
        name, equals, share = (part.strip() for part in item.partition("="))
        try:
            number = float(share) if equals else 1.0
        except ValueError:
            number = float("nan")
        if not name or number != number or name in shares:
            raise CastError(
                f"expected name=share,name=share, each name once, got {item!r}",
                where="--cast",
                mend="for instance --cast rule=2,habit=1; agents by their ids: human@3",
            )
        shares[name] = number
    return shares


def _from_file(path: Path, world: World, progress: Progress | None) -> Any:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise CastError(f"cannot be read: {error}", where=str(path)) from error
    for section, content in given.items():
        if section not in _SECTIONS or not isinstance(content, Mapping):
            raise CastError(
                f"expected sections {', '.join(_SECTIONS)}, got {section!r}", where=str(path)
            )
    tables = given.get("policies", {})
    for name, definition in tables.items():
        if not isinstance(definition, Mapping):
            raise CastError(f"expected a section [policies.{name}]", where=str(path))
    definitions = _Definitions(tables, path.parent, progress)
    populations, seats = given.get("populations", {}), given.get("seats", {})
    if populations and "shares" in given:
        raise CastError("expected [shares] or [populations.NAME], got both", where=str(path))
    if populations:
        for name in seats:
            if name not in populations:
                raise CastError(f"expected [seats.POPULATION], got {name!r}", where=str(path))
        tabled = {name: seating.table(own, str(path)) for name, own in seats.items()}
        return _casts(populations, tabled, definitions, world)
    shares = given.get("shares", {})
    if "shares" not in given and not seats:
        if len(tables) != 1:
            raise CastError("there is no section [shares]: nobody is cast", where=str(path))
        return _cast({next(iter(tables)): 1.0}, [], definitions, world)
    return _by_population(shares, seating.table(seats, str(path)), definitions, world)


def _by_population(shares: Any, seats: list[Seat], definitions: _Definitions, world: World) -> Any:
    """Return the cast, or a cast for each population where names say of which: buyers.rule."""
    own = own_shares(world)
    known = {*find_populations(world), *own} - {""}

    def placed(name: str) -> tuple[str, str]:
        population, dot, mind = name.partition(".")
        return (population, mind) if dot and population in known else (_home(name, own), name)

    found: dict[str, dict[str, float]] = {}
    taken: dict[str, list[Seat]] = {}
    for name, share in shares.items() if isinstance(shares, Mapping) else ():
        population, mind = placed(name)
        found.setdefault(population, {})[mind] = share
    for seat in seats:
        population, mind = placed(seat.policy)
        taken.setdefault(population, []).append(replace(seat, policy=mind))
    if {*found, *taken} <= {""} and not (taken and len(known) > 1):
        return _cast(shares, seats, definitions, world)
    if "" in found or "" in taken:
        some = next(iter([*found.get("", ()), *(seat.name for seat in taken.get("", ()))]))
        raise CastError(
            f"of which population is {some!r}: {', '.join(sorted(known))}?",
            where="cast",
            mend=f"for instance {min(known)}.{some}=1",
        )
    return _casts(found, taken, definitions, world)


def _home(mind: str, own: Mapping[str, Mapping[str, float]]) -> str:
    """Return the one population for which the world offers a mind, or "" if not one."""
    homes = [population for population, minds in own.items() if mind in with_synonyms(minds)]
    return homes[0] if len(homes) == 1 else ""


def _casts(
    shares: Mapping[str, Mapping[str, float]],
    seats: Mapping[str, list[Seat]],
    definitions: _Definitions,
    world: World,
) -> dict[str, Cast]:
    """Return a cast for each population: as given, or else the world's own."""
    own = own_cast(world) if set(own_shares(world)) - {""} else {}
    given = {
        name: _cast(shares.get(name, {}), seats.get(name, []), definitions, world, name)
        for name in dict.fromkeys([*shares, *seats])
    }
    return {**own, **given} if isinstance(own, dict) else given


def _cast(
    shares: Mapping[str, float],
    seats: list[Seat],
    definitions: _Definitions,
    world: World,
    population: str = "",
) -> Cast:
    if not isinstance(shares, Mapping) or not (shares or seats):
        raise CastError("expected shares by policy, got none", where="cast")
    for name, share in shares.items():
        if isinstance(share, bool):
            raise CastError(
                f"expected a share as a number, got {share!r}", where=f"policy {name!r}"
            )
    offered, own = world.policies(), own_shares(world).get(population, {})
    if population and own:
        offered = {name: offered[name] for name in own}
    offered = with_synonyms(offered)
    shares = _with_default(shares or {DEFAULT: 1.0}, {*offered, *definitions.tables}, own)
    made: dict[str, Any] = {}

    def policy(name: str) -> Any:
        if name not in made:
            made[name] = _policy(name, definitions, offered)
        return made[name]

    return seating.seated(seats, shares, policy)


def _with_default(
    shares: Mapping[str, float], named: Set[str], own: Mapping[str, float]
) -> Mapping[str, float]:
    """Return shares with ``default``, unless a policy has that name, divided as the world does."""
    if DEFAULT not in shares or DEFAULT in named or not own:
        return shares
    each = {name: share * shares[DEFAULT] / sum(own.values()) for name, share in own.items()}
    for name, share in shares.items():
        if name != DEFAULT:
            each[name] = each.get(name, 0.0) + share
    return each


def _policy(name: str, definitions: _Definitions, offered: Mapping[str, Any]) -> Any:
    given = dict(definitions.tables.get(name, {}))
    use = given.pop("use", name)
    if not isinstance(use, str):
        raise CastError(f"expected use = a name, got {use!r}", where=f"policy {name!r}")
    base = offered.get(use)
    if (given and is_language(base)) or (use == "language" and base is None):
        try:
            to = given.pop("fallback", None)
            mind = language_mind(name, given, definitions.folder, base, definitions.progress)
        except ParameterError as error:
            raise ParameterError(error.what, where=f"policy {name!r}", mend=error.mend) from None
        return mind if to is None else Fallback(mind, to=_fallback(to, name, offered))
    if base is not None:
        return _remade(base, given, name) if given else base
    if use == "team":
        return _team(name, given, definitions, offered)
    if use == "human":
        return _made(Human, given, name)
    if ":" not in use and use not in registered("policy"):
        known = sorted({*offered, *registered("policy"), "human", "language", "team"})
        raise CastError(f"no policy is named {use!r}; {nearest(use, known)}", where="cast")
    try:
        found = find("policy", use)
    except RegistryError as error:
        raise CastError(str(error), where=f"policy {name!r}") from error
    if isinstance(found, type):
        given = with_minds(found, given, _member(name, definitions, offered), f"policy {name!r}")
        return _made(found, given, name)
    if given:
        raise ParameterError(f"{use} takes no parameters", where=f"policy {name!r}")
    return found


def _team(
    name: str, given: dict[str, Any], definitions: _Definitions, offered: Mapping[str, Any]
) -> Any:
    """Return a team, whose members may be other policies of the file."""
    others = {each: table for each, table in definitions.tables.items() if each != name}
    rest = _Definitions(others, definitions.folder, definitions.progress)

    def member(one: str) -> Any:
        known = one in others or one in offered or one in registered("policy")
        return _policy(one, rest, offered) if known else None

    try:
        to = given.pop("fallback", None)
        team = team_mind(name, given, definitions.folder, member, definitions.progress)
    except ParameterError as error:
        raise ParameterError(error.what, where=f"policy {name!r}", mend=error.mend) from None
    return team if to is None else Fallback(team, to=_fallback(to, name, offered))


def _member(
    name: str, definitions: _Definitions, offered: Mapping[str, Any]
) -> Callable[[str], Any]:
    """Return how the minds within a policy are found: never the policy itself."""
    others = {each: table for each, table in definitions.tables.items() if each != name}
    rest = _Definitions(others, definitions.folder, definitions.progress)
    return lambda one: _policy(one, rest, offered)


def _fallback(to: Any, name: str, offered: Mapping[str, Any]) -> Any:
    if not isinstance(to, str) or to == name:
        raise CastError(f"expected fallback = another policy, got {to!r}", where=f"policy {name!r}")
    return _policy(to, _Definitions({}, Path(), None), offered)


def _remade(policy: Any, given: Mapping[str, Any], name: str) -> Any:
    """Return another policy of the same class, some of its parameters changed."""
    before = getattr(policy, "_given_parameters", None)
    if before is None:
        raise ParameterError(
            f"{type(policy).__name__} takes no parameters", where=f"policy {name!r}"
        )
    return _made(type(policy), {**before, **given}, name)


def _made(cls: Any, given: Mapping[str, Any], name: str) -> Any:
    known, where = parameters(cls), f"policy {name!r}"
    open_ended = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())
    for key in given:
        if key not in known and not open_ended:
            raise ParameterError(
                f"there is no parameter {key!r}; {nearest(key, known)}", where=where
            )
    typed = {
        key: known[key].parse(value, where)
        if isinstance(value, str) and key in known and known[key].type is not str
        else value
        for key, value in given.items()
    }
    try:
        return cls(**typed)
    except TypeError as error:
        raise ParameterError(str(error), where=where) from error
