"""Arms of an exam comparison: teams that are built anew for every budget."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from populace.kernel.errors import ParameterError
from populace.kernel.prices import Prices
from populace.kernel.registry import load
from populace.studies.matching import MATCHED, ONLINE, Alone, Limits, samples, scope
from populace.teams.seats import Seat
from populace.teams.structures.single import single
from populace.teams.team import Team
from populace.worlds.exam.item import Item


@dataclass(frozen=True)
class TeamArm:
    """A team as a comparison takes it: built anew for every budget.

    Parameters
    ----------
    members : sequence or mapping
        As `Team` takes them.
    structure : function or str
    settings : mapping
        Of the team and its structure. The value ``"matched"`` stands for as many samples as the
        budget pays for, by the pilot (``k`` of self-consistency, ``n`` of best-of-n);
        ``"online"`` for None: samples until the budget is exhausted.
    """

    members: Any
    structure: Any = single
    settings: Mapping[str, Any] = field(default_factory=dict)

    def team(self, name: str, samples: int | None = None) -> Team:
        """Return the team, with as many samples where they are matched."""
        settings: dict[str, Any] = {
            key: samples if value == MATCHED else None if value == ONLINE else value
            for key, value in self.settings.items()
        }
        return Team(self.members, self.structure, name=name, **settings)

    @property
    def matched(self) -> bool:
        """Whether a setting is matched to the budget."""
        return MATCHED in [v for v in self.settings.values() if isinstance(v, str)]

    @property
    def adapts(self) -> bool:
        """Whether it uses whatever the budget holds."""
        return ONLINE in [v for v in self.settings.values() if isinstance(v, str)]


def completed(arm: TeamArm, common: Mapping[str, Any], name: str) -> TeamArm:
    structure = load("structure", arm.structure) if isinstance(arm.structure, str) else None
    return TeamArm(arm.members, structure or arm.structure, {**common, **arm.settings})


def models(built: Mapping[str, Team]) -> dict[str, Seat]:
    """Return the different models among the members of all arms, teams within teams included."""
    found: dict[Any, Seat] = {}
    for team in built.values():
        inner = models({s.name: s.team for s in team.seats if s.team is not None})
        for seat in (*team.seats, *inner.values()):
            if seat.model is not None:
                found.setdefault(seat.model.identity, seat)
    named: dict[str, Seat] = {}
    for seat in found.values():
        name, n = seat.name, 1
        while name in named:  # another model, which some other arm calls the same
            n += 1
            name = f"{seat.name} ({n})"
        named[name] = seat
    return named


def check_prices(built: Mapping[str, Team], prices: Prices, limits: Sequence[Limits]) -> None:
    names = [seat.model.identity.model for seat in models(built).values() if seat.model]
    for each in limits:
        prices.require(names, scope(each))


def counts(
    arms: Mapping[str, TeamArm], seats: Mapping[str, Seat], singles: Sequence[Alone],
    limits: Sequence[Limits], fit: Sequence[Item],
) -> list[dict[str, int]]:  # fmt: skip
    """Return, at each budget, the samples of every arm that matches them.

    The mean cost of a sample is that of its members' single answers, each member counted once. Of
    recorded models there are no more than some item of the pilot has on record.
    """
    cost = {seats[one.name].model.identity: one.cost for one in singles}  # type: ignore[union-attr]
    found: list[dict[str, int]] = [{} for _ in limits]
    for name, arm in arms.items():
        if not arm.matched:
            continue
        own = [seat.model.identity for seat in arm.team(name, 1).seats if seat.model is not None]
        if not own:
            raise ParameterError("only models' samples can be matched", where=f"arm {name!r}")
        mean = {m: sum(cost[one][m] for one in own) / len(own) for m in cost[own[0]]}
        most = _recorded([s.model for s in arm.team(name, 1).seats if s.model is not None], fit)
        for i, each in enumerate(limits):
            found[i][name] = min(samples(each, mean, f"arm {name!r}"), most)
    return found


def _recorded(members: Sequence[Any], fit: Sequence[Item]) -> int:
    """Return how many samples of one item are on record in all, if all members are recorded."""
    if not all(hasattr(model, "samples") for model in members):
        return sys.maxsize
    alike = {id(model): model for model in members}.values()
    return max(sum(int(model.samples(item.name)) for model in alike) for item in fit)
