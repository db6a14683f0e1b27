"""The arms of the study of recorded answers: fitted on one half of the items, and built as teams.

An arm is plain data (who, which structure, which settings), so that it can be sent to another
process and tells one study from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from _answer_table import Answers, Floats, Seat, chosen, diverse
from populace.kernel.streams import Streams
from populace.language import Recorded, Recording
from populace.language.recording import RIGHT
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.structures.cascade import cascade, router
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.single import single
from populace.teams.team import Team
from populace.teams.votes import weighted
from populace.worlds.exam.item import Item

Arm = dict[str, Any]
SIZES = (2, 4, 8, 16)
ENOUGH = 0.95  # of the items; what an arm cannot run is lost to all others too
WORDS = {"prompt": {"answer": {"text": "{question}"}}}  # what the models once read, and no more


# -- structures of our own -----------------------------------------------------------------------


async def category_vote(
    members: Members, question: Question, *, tables: Mapping[str, Sequence[float]]
) -> Verdict:
    """Vote with weights that depend on the question's category."""
    own = tables[str(question.columns["category"])]
    return await self_consistency(members, question, k=len(members), weights=own)


async def agreed(
    members: Members, question: Question, *, agree: int, weights: Sequence[float]
) -> Verdict:
    """Ask members in turn until so many of them agree; if none do, the weighted vote decides."""
    said: list[Said] = []
    try:
        for member in range(len(members)):
            said += await members.ask(to=member)
            votes = weighted(said, [1.0] * len(members)).votes
            if max(votes.values(), default=0.0) >= agree:
                return weighted(said, [1.0] * len(members))
    except OutOfBudget:
        if not said:
            raise
    return weighted(said, weights, members.random)


async def routed(
    members: Members, question: Question, *, column: str, routes: Mapping[str, int], default: int
) -> Verdict | Said:
    """Route by a column; where the budget does not hold that member's reply, ask the default."""
    try:
        return await router(members, question, column=column, routes=routes, default=default)
    except OutOfBudget:
        return await single(members, question, member=default)


STRUCTURES: dict[str, Any] = {
    "self_consistency": self_consistency,
    "category_vote": category_vote,
    "agreed": agreed,
    "routed": routed,
    "cascade": cascade,
}


# -- fitting -------------------------------------------------------------------------------------


def planned(
    answers: Answers, *, router_column: str, budgets: Sequence[float] = (), seed: int = 0
) -> tuple[str, dict[str, Arm]]:
    """Return the baseline's name and the arms by name, fitted on the half ``fit`` alone.

    A panel is asked in its order, one seat after another as the item's budget allows, and no
    further than its outcome is open. An arm enters at those `budgets` (its ``tokens``) that hold
    its first answer on nearly all items of the fit half for which they hold the best model's.
    """
    fit = answers.part("fit")
    accuracy, firsts, costs = fit.accuracy(), fit.first(), fit.tokens.mean(axis=0)
    by_merit = sorted(firsts, key=lambda s: (-accuracy[s], costs[s]))
    best = by_merit[0]
    alike = fit.samples(fit.seats[best][0])
    odds, by_category = fit.weights(), fit.by_category()
    varied, helpful = diverse(fit, max(SIZES), best), chosen(fit, max(SIZES), best)
    sizes = [k for k in SIZES if k <= len(fit.seats)]

    def vote(panel: Sequence[int], weights: Floats | None = None) -> Arm:
        settings: dict[str, Any] = {"k": len(panel)}
        if weights is not None:
            settings["weights"] = weights.tolist()
        return _arm(fit, panel, "self_consistency", **settings)

    arms: dict[str, Arm] = {}
    baseline = f"{len(alike)} of the best" if len(alike) > 1 else "the best, once"
    arms[baseline] = vote(alike)
    if len(alike) > 1:
        arms["the best, once"] = vote([best])
    arms["plurality, five best"] = vote(by_merit[:5])
    arms["plurality, all models"] = vote(by_merit)
    arms["log-odds, all models"] = vote(by_merit, odds[by_merit])
    for k in sizes:
        arms[f"diverse {k}"] = vote(varied[:k])
    for k in sizes:
        arms[f"random {k}"] = vote(_random(fit, k, costs, seed))
    size = max(range(1, len(helpful) + 1), key=lambda k: (fit.vote(helpful[:k]).mean(), -k))
    arms[f"vote-chosen {size}"] = vote(helpful[:size])
    arms[f"diverse {sizes[-1]}, log-odds"] = vote(varied[: sizes[-1]], odds[varied[: sizes[-1]]])
    for name, panel in (("diverse", varied[: sizes[-1]]), ("five best", by_merit[:5])):
        tables = {kind: own[panel].tolist() for kind, own in by_category.items()}
        label = f"{name} {len(panel)}" if name == "diverse" else name
        arms[f"{label}, log-odds by category"] = _arm(fit, panel, "category_vote", tables=tables)
    pair = best_pair(fit, alike)
    if len(pair) > 2:
        arms[f"pair, {len(pair)} votes by log-odds"] = vote(pair, odds[pair])
    one_each = best_pair(fit, [best], by_category)
    tables = {kind: own[one_each].tolist() for kind, own in by_category.items()}
    arms["pair, a vote each by category"] = _arm(fit, one_each, "category_vote", tables=tables)
    if len(by_merit) > 16:
        arms["log-odds, sixteen best"] = vote(by_merit[:16], odds[by_merit[:16]])
    ladder = sorted(by_merit[:5], key=lambda s: costs[s])
    arms["cascade until two agree"] = _arm(
        fit, ladder, "agreed", agree=2, weights=odds[ladder].tolist()
    )
    routes = {kind: by_merit.index(s) for kind, s in routing(fit, router_column).items()}
    arms[f"router by {router_column}"] = _arm(
        fit, by_merit, "routed", column=router_column, routes=routes, default=0
    )
    arms["verifier, one by one"] = _arm(fit, helpful, "cascade", gate="verifier", threshold=1.0)
    for arm in arms.values():
        first = best if arm["structure"] == "routed" else arm.pop("first")  # it falls back on it
        arm.pop("first", None)
        holds = [fit.tokens[:, [best, first]] <= tokens for tokens in budgets]
        kept = [float(held.all(axis=1).sum() / max(held[:, 0].sum(), 1)) for held in holds]
        arm["tokens"] = [b for b, share in zip(budgets, kept, strict=True) if share >= ENOUGH]
    return baseline, arms


def best_pair(
    fit: Answers, own: Sequence[int], by_category: Mapping[str, Floats] | None = None
) -> list[int]:
    """Return seats of one model, and as many of the partner that helps it most on the fit half.

    Votes weigh log-odds, of the model or of model and category.
    """
    weights = fit.weights()
    if by_category is not None:
        weights = np.array([by_category[item.category] for item in fit.items])
    panels = [
        [*own, *fit.samples(m)[: len(own)]]
        for m in range(len(fit.models))
        if m != fit.seats[own[0]][0]
    ]
    return max(panels, key=lambda panel: float(fit.vote(panel, weights[..., panel]).mean()))


def routing(fit: Answers, column: str) -> dict[str, int]:
    """Return the first seat of the model with most right answers, by value of a column."""
    kinds = np.array([getattr(item, column) for item in fit.items])
    routes = {}
    for kind in sorted(set(kinds)):
        shares = fit.right[kinds == kind].mean(axis=0)
        means = [shares[fit.samples(m)].mean() for m in range(len(fit.models))]
        routes[str(kind)] = fit.samples(int(np.argmax(means)))[0]
    return routes


def _random(fit: Answers, size: int, costs: Floats, seed: int) -> list[int]:
    """Return a panel drawn from all seats; the cheapest is asked first."""
    order = Streams(seed).stream(f"panel/{size}").permutation(len(fit.seats))
    return sorted((int(s) for s in order[:size]), key=lambda s: costs[s])


def _arm(fit: Answers, panel: Sequence[int], structure: str, **settings: Any) -> Arm:
    seats: list[Seat] = [fit.seats[s] for s in panel]
    members = [fit.models[model] for model, _ in seats]
    return {"members": members, "structure": structure, "settings": settings, "first": panel[0]}


# -- building ------------------------------------------------------------------------------------


def team(name: str, arm: Arm, recording: Recording, items: Sequence[Item]) -> Team:
    """Return an arm as a team; a model that has several seats answers by its further samples."""
    settings = dict(arm["settings"])
    if settings.get("gate") == "verifier":
        settings["gate"] = _verifier({item.name: item for item in items})
    members = [Recorded(recording, model, serve="answer") for model in arm["members"]]
    structure = STRUCTURES[arm["structure"]]
    return Team(members, structure, name=name, wording=WORDS, **settings)


def _verifier(items: Mapping[str, Item]) -> Any:
    def right(question: Question, said: Sequence[Said]) -> bool:
        verify = items[str(question.columns["item"])].verify
        assert verify is not None
        return any(one.votes and verify(one.answer) >= RIGHT for one in said)

    return right
