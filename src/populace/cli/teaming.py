"""Teams as a cast file defines them.

::

    [policies.panel]
    use = "team"
    structure = "debate"                     # registered, module:name, or FILE.py:name
    members = ["embedded", "cautious"]       # models, and policies of this file or of the world
    rounds = 3                               # settings of the structure, and of `Team`
    budget = {tokens = 20_000}               # an item
    prompts = "panel.toml"                   # beside this file; wording = ... too
    fallback = "rule"                        # who decides where the team does not

Members with names of their own stand in a table ``[policies.panel.members]``; a model with options
is ``{model = "embedded", options = {context = 4096}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from populace.cli.finding import find
from populace.cli.speaking import open_named
from populace.kernel.errors import ParameterError
from populace.language.weights import Progress

_FILES = ("prompts", "wording")


def team_mind(
    name: str,
    definition: Mapping[str, Any],
    folder: Path,
    policy: Callable[[str], Any],
    progress: Progress | None = None,
) -> Any:
    """Return the team that a section of a cast file defines.

    Parameters
    ----------
    name : str
        Of the policy.
    definition : mapping
        The section without ``use`` and ``fallback``.
    folder : Path
        What files are relative to.
    policy : callable
        Returns the policy of a name, or None if there is none.

    Raises
    ------
    ParameterError
        For a missing structure or members, or a setting that neither the team nor its structure
        takes.
    PopulaceError
        As `Team`.
    """
    from populace.teams.team import Team

    given = dict(definition)
    structure, members = given.pop("structure", None), given.pop("members", None)
    if not isinstance(structure, str):
        raise ParameterError(
            f"expected structure = a name, got {structure!r}", mend='for instance "debate"'
        )
    if not isinstance(members, (list, Mapping)) or not members:
        raise ParameterError(
            f"expected members, got {members!r}", mend='for instance members = ["embedded", "rule"]'
        )
    for key in _FILES:
        if isinstance(given.get(key), str):
            given[key] = folder / given[key]
    opened: dict[str, Any] = {}

    def member(one: Any) -> Any:
        options: Mapping[str, Any] = {}
        if isinstance(one, Mapping) and set(one) <= {"model", "options"} and "model" in one:
            one, options = one["model"], one.get("options", {})
        if not isinstance(one, str) or not isinstance(options, Mapping):
            raise ParameterError(f"expected a member's name, got {one!r}")
        if one == name:
            raise ParameterError(f"the team {name!r} cannot be a member of itself")
        if not options and (found := policy(one)) is not None:
            return found
        key = f"{one} {sorted(options.items())}"
        if key not in opened:
            opened[key] = open_named(one, options, progress)
        return opened[key]

    seats = (
        {who: member(one) for who, one in members.items()}
        if isinstance(members, Mapping)
        else [member(one) for one in members]
    )
    return Team(seats, find("structure", structure), **{"name": name, **given})
