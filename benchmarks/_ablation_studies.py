"""The studies of `ablation.py`: whose seats the model takes, and what takes them from it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from populace import Cast
from populace.kernel.cast import MODEL, with_synonyms
from populace.simulation.casts import own_cast
from populace.studies import Arm
from populace.worlds.speaking import Speaking

Prompting = Callable[[Path], Any]


def exchanged(prompts: Path) -> dict[str, Any]:
    """Return prompts in which A is called B, and B is called A."""
    names = re.compile(r"\b[AB]\b")

    def other(told: Any) -> Any:
        if isinstance(told, str):
            return names.sub(lambda found: "AB"[found[0] == "A"], told)
        if isinstance(told, list):
            return [other(each) for each in told]
        return {key: other(each) for key, each in told.items()} if isinstance(told, dict) else told

    found: dict[str, Any] = other(tomllib.loads(prompts.read_text(encoding="utf-8")))
    return found


def without_prose(prompts: Path) -> dict[str, Any]:
    """Return prompts without those for free text: there the world says what it does without."""
    found = tomllib.loads(prompts.read_text(encoding="utf-8"))
    for kind in ("speak", "search", "message", "strategy", "advise"):
        found["kind"].pop(kind, None)
    said = str(found["kind"])
    found["wording"] = {
        name: how for name, how in found.get("wording", {}).items() if f"{{{name}}}" in said
    }
    return found


@dataclass(frozen=True)
class Seats:
    """The cast of a study, made where the run is.

    Parameters
    ----------
    shares : mapping of str to float
    model : str or LanguageModel
        As `Speaking` takes it.
    population : str
        Who is cast by the shares, where the world has several; the others are its own.
    prompts : callable, optional
        Makes other prompts of the world's own.
    """

    shares: Mapping[str, float]
    model: Any
    population: str = ""
    prompts: Prompting | None = None

    def make(self, world: Any) -> Any:
        offered = with_synonyms(world.policies())
        minds = {name: offered[name] for name in self.shares}
        if self.prompts or self.model != "embedded":
            own = minds[MODEL].prompts
            minds[MODEL] = Speaking(self.prompts(own) if self.prompts else own, self.model)
        cast = Cast(minds, shares=self.shares)
        if not self.population:
            return cast
        others = own_cast(world)
        assert isinstance(others, dict)
        return {**others, self.population: cast}

    def describe(self) -> dict[str, Any]:
        told = {
            "shares": dict(self.shares),
            "model": str(getattr(self.model, "identity", self.model)),
            "population": self.population,
            "prompts": getattr(self.prompts, "__name__", ""),
        }
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Study:
    """One society: its world, who sits there, and what takes the model's seats.

    Parameters
    ----------
    title, world : str
    cast : mapping of str to float
        Shares of minds, the model's among them.
    rules : sequence of str
        Minds by name, an arm each.
    measures : sequence of str
        The figure shows the first.
    seeds, ticks : int
    parameters : mapping
        Of the world.
    variants : mapping of str to callable or mapping
        Arms in which the model stays: with other prompts, or other parameters of the world.
    population, prompts
        See `Seats`.
    """

    title: str
    world: str
    cast: Mapping[str, float]
    rules: Sequence[str]
    measures: Sequence[str]
    seeds: int
    ticks: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Prompting | Mapping[str, Any]] = field(default_factory=dict)
    population: str = ""
    prompts: Prompting | None = None

    @property
    def names(self) -> list[str]:
        """Names of the arms, without the model itself."""
        return [*self.variants, *self.rules]

    def seats(self, model: Any, prompts: Prompting | None = None) -> Seats:
        """Return the cast, with the study's prompts or others."""
        return Seats(self.cast, model, self.population, prompts or self.prompts)

    def arms(self, model: Any) -> list[Arm]:
        """Return the arms, the model's first."""
        found = [Arm(MODEL)]
        for name, how in self.variants.items():
            if isinstance(how, Mapping):
                found.append(Arm(name, how))
            else:
                found.append(Arm(name, cast=self.seats(model, how)))
        return [*found, *(Arm(rule, swap={MODEL: rule}) for rule in self.rules)]


_COMMONS = ("survival_time", "efficiency", "equality", "overuse")
_GOODS = ("contribution:mean", "free_riders:mean", "payoff:mean")
_FISHERS = ("uniform", "random", "careful", "greedy", "follower")
_GIVERS = ("uniform", "free_rider", "conditional", "altruist")
_PLAYERS = ("uniform", "cooperate", "defect", "tit_for_tat")
_DILEMMA = {"rounds": 10, "update": "none", "players": 20}

STUDIES = {
    "commons": Study(
        "Commons: five of the model", "commons", {MODEL: 5}, _FISHERS, _COMMONS,
        seeds=20, ticks=12, variants={"universalised": {"universalisation": True}},
    ),
    "commons-mixed": Study(
        "Commons: two of the model, three careful", "commons", {"careful": 3, MODEL: 2}, _FISHERS,
        _COMMONS, seeds=20, ticks=12,
    ),
    "public-goods": Study(
        "Public good: four of the model", "public_goods", {MODEL: 4}, _GIVERS, _GOODS,
        seeds=10, ticks=5, parameters={"groups": 1},
    ),
    "public-goods-mixed": Study(
        "Public good: one of the model, three conditional", "public_goods",
        {"conditional": 3, MODEL: 1}, _GIVERS, _GOODS, seeds=20, ticks=5, parameters={"groups": 1},
    ),
    "dilemma": Study(
        "Dilemma: twenty of the model", "dilemma", {MODEL: 20}, _PLAYERS,
        ("cooperation:mean", "payoff:mean"), seeds=20, ticks=10, parameters=_DILEMMA,
        variants={"A for B": exchanged},
    ),
    "dilemma-mixed": Study(
        "Dilemma: ten of the model, ten tit for tat", "dilemma", {"tit_for_tat": 10, MODEL: 10},
        _PLAYERS, ("cooperation:mean", "payoff:mean"), seeds=20, ticks=10, parameters=_DILEMMA,
    ),
    "auction": Study(
        "Double auction: six of the model", "auction", {MODEL: 6},
        ("uniform", "zi-c", "truthful", "gd"), ("efficiency", "volume"), seeds=6, ticks=12,
        parameters={"schedule": "random", "buyers": 3, "sellers": 3, "units": 1, "days": 1,
                    "steps": 12},
    ),
    "donor": Study(
        "Donor game: six of the model",
        "donor",
        {MODEL: 6},
        ("uniform", "keep", "give", "image_scoring", "mirror"),
        ("final", "donation:mean"),
        seeds=6,
        ticks=6,
        parameters={"agents": 6, "generations": 1, "rounds": 6},
        prompts=without_prose,
    ),
    "rumour": Study(
        "Rumour: six of the model, one made to believe it", "rumour", {MODEL: 6},
        ("uniform", "gullible", "sceptic", "chatty", "warner"), ("reach", "truth", "sent:sum"),
        seeds=8, ticks=3,
        parameters={"people": 6, "network": "complete", "manipulated": 1, "guardians": 0.17,
                    "transmission": 1.0, "attack": 2, "rounds": 2, "later": 1, "talk": True},
        prompts=without_prose,
    ),
    "marketplace": Study(
        "Marketplace: the customers are the model", "marketplace", {MODEL: 1},
        ("uniform", "perfect", "cheapest", "first_proposal"), ("welfare", "first", "met"),
        seeds=8, ticks=1, population="customers",
        parameters={"markets": 1, "customers": 4, "considered": 3}, prompts=without_prose,
    ),
}  # fmt: skip
"""By name. `talk` of the rumour is in plain sentences, and customers search with their needs."""
