"""What agents of the donor game are told, in numbers and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.columns import column
from populace.kernel.minds import Minds
from populace.kernel.population import Part, Population
from populace.worlds.donor.norms import NORMS, UNKNOWN

if TYPE_CHECKING:
    from populace.worlds.donor import Donor

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def names(people: Population) -> list[str]:
    """Return the name of every row's agent: its generation and number, as ``2_5``."""
    pairs = zip(people.born.tolist(), people.number.tolist(), strict=True)
    return [f"{born}_{number}" for born, number in pairs]


def game(world: Donor) -> dict[str, Any]:
    """Return the rules of the game, the same for all."""
    return {
        "generation": world.generation,
        "round": world.round,
        "rounds": world.rounds,
        "endowment": world.endowment,
        "multiplier": world.multiplier,
        "binary": world.binary,
        "cost": world.cost,
        "punishment": world.punishment,
        "impact": world.impact,
        "surviving": world.surviving,
    }


def own(world: Donor, part: Part) -> dict[str, Any]:
    """Return agents' own names and strategies, as columns."""
    called = names(world.people)
    return {
        "name": column([called[row] for row in part.rows.tolist()]),
        "strategy": column([world.strategies[row] for row in part.rows.tolist()]),
    }


def shown(world: Donor, minds: Minds, part: Part, recipients: Ints) -> dict[str, Any]:
    """Return what donors see, of the rules of the game and of their recipients."""
    people = world.people
    known = np.ones(len(part), np.bool_)
    if world.knowledge < 1:
        known = minds.stream("knowledge").bernoulli(part, world.knowledge)
    seen = {
        **game(world),
        **{str(norm): np.where(known, people[norm][recipients], UNKNOWN) for norm in NORMS},
        "resources": part["resources"],
        "theirs": people.resources[recipients],
        "last": np.where(known, people.given[recipients], np.nan),
    }
    if world.words != "none":
        called = names(people)
        seen |= own(world, part)
        seen["partner"] = column([called[row] for row in recipients.tolist()])
        seen["trace"] = column(world.traces.words(recipients, known, called, world.binary))
    return seen


def paid(
    world: Donor,
    minds: Minds,
    donors: Ints,
    recipients: Ints,
    able: NDArray[np.bool_],
    share: Floats,
    units: Floats,
    gain: Floats,
) -> None:
    """Tell donors and recipients what the round brought them."""
    rows = len(world.people)
    reward, shares, gave = np.zeros(rows), np.zeros(rows), np.zeros(rows, np.bool_)
    reward[donors], reward[recipients] = -units, gain
    shares[donors] = shares[recipients] = share
    gave[donors] = True
    there = gave.copy()
    there[recipients] = True
    columns = {"reward": reward[there], "share": shares[there], "donor": gave[there]}
    if world.words != "none":
        acts = (x.tolist() for x in (donors, recipients, able, share, units, gain))
        told = np.empty(rows, object)
        told[donors], told[recipients] = _accounts(world, list(zip(*acts, strict=True)))
        columns["account"] = told[there]
    part = world.people[there]
    minds.tell("paid", part, round=world.round, generation=world.generation, **columns)


def _accounts(world: Donor, acts: list[tuple[Any, ...]]) -> tuple[list[str], list[str]]:
    """Return the round in a sentence, for each donor and for each recipient."""
    called = names(world.people)
    when = f"In round {world.round} of generation {world.generation}"
    mine, theirs = [], []
    for a, b, able, share, spent, got in acts:
        donor, recipient = called[a], called[b]
        if not able:
            mine.append(f"{when} I had nothing to give to {recipient}.")
            theirs.append(f"{when} {donor} had nothing to give to me.")
        elif share < 0:
            mine.append(f"{when} I spent {spent:.4g} units to take {-got:.4g} from {recipient}.")
            theirs.append(f"{when} {donor} punished me: I lost {-got:.4g} units.")
        else:
            part = "" if world.binary else f", {100 * share:.3g} % of what I had,"
            mine.append(f"{when} I gave {spent:.4g} units{part} to {recipient}.")
            theirs.append(f"{when} {donor} gave to me, and I got {got:.4g} units.")
    return mine, theirs


def ending(world: Donor, minds: Minds, survived: NDArray[np.bool_]) -> None:
    """Tell everybody how their generation ended."""
    people = world.people
    has, mean = people.resources.copy(), world.finals[-1][people.game]
    columns: dict[str, Any] = {"resources": has, "mean": mean, "survived": survived.ravel()}
    if world.words != "none":
        lines = zip(has.tolist(), mean.tolist(), survived.ravel().tolist(), strict=True)
        columns["account"] = column(
            [
                f"At the end of generation {world.generation} I had {x:.4g} units, all of us "
                f"{y:.4g} on average; I {'go on' if goes else 'do not go on'}."
                for x, y, goes in lines
            ]
        )
    minds.tell("ended", people, generation=world.generation, **columns)


def advice(world: Donor, survived: NDArray[np.bool_], said: list[str]) -> list[str]:
    """Return what the best survivors of each game said, best first, lines apart."""
    has, called = world.people.resources.reshape(survived.shape), names(world.people)
    texts = []
    for number, row in enumerate(np.where(survived, has, -np.inf)):
        first = number * world.agents
        best = np.argsort(-row, kind="stable")[: min(world.heard, int(survived[number].sum()))]
        lines = [
            f"{called[first + i]}, who ended with {row[i]:.4g} units: {said[first + i]}"
            for i in best.tolist()
            if said[first + i]
        ]
        texts.append("\n".join(lines))
    return texts
