"""``populace estimate``: what a run's language minds would ask, and what that would cost.

The run's first ticks are rehearsed three times, with stand-ins in the place of the models that
decide at random, for the first, and for the last option (`populace.language.rehearsal`). What they
are asked at the first tick is exact where all three are asked the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from populace.cli.casting import read_cast
from populace.cli.finding import find
from populace.cli.progress import fetching
from populace.cli.running import make_world, world_name
from populace.cli.seating import asks_people
from populace.cli.sizes import print_sizes, read_records, sizes
from populace.cli.speaking import languages, wrapped
from populace.cli.spending import Spending
from populace.kernel.budget import Budget
from populace.kernel.errors import CastError
from populace.kernel.prices import Prices
from populace.language.rehearsal import RULES, Asking, Rehearsal, Rule

if TYPE_CHECKING:
    from populace.records import Run
    from populace.records.answers import AnswerStore
    from populace.teams.team import Team
from populace.simulation import Simulation
from populace.teams.team import Team

Span = list[float]  # lowest and highest
_NEVER = 2**62  # prompts that a surrogate would have to learn from
_EMBEDDED = "xllamacpp/"
_EMBEDDED_RATE = (4.0, 7.0)  # calls a second of the 135-million-parameter model on 2 cores


@dataclass(frozen=True)
class Model:
    """One model's part in one rehearsal."""

    name: str
    endpoint: str
    asked: list[Asking]
    stored: frozenset[str]
    seconds: list[float]  # that stored answers took


@dataclass(frozen=True)
class Rehearsed:
    """One rehearsal: what each model was asked, prompts and agents by tick, what went without."""

    ticks: int
    done: bool
    models: list[Model]
    prompts: list[int]
    agents: list[int]
    logical: tuple[int, int]  # calls and tokens, one call an agent
    run: Run


def estimated(
    world: str,
    settings: tuple[str, ...],
    cast: str | None,
    ticks: int | None,
    seed: int,
    answers: Path | None,
    mode: str | None,
    budget: str | None,
    prices: Path | None,
    panel: str,
    columns: str | None,
    kinds: str | None,
    measures: str | None,
    exchanges: bool | None,
    keep_every: int,
    rehearse: int,
    rate: float | None,
    quiet: bool,
) -> dict[str, Any]:
    """Return the estimate as JSON can hold it.

    Raises
    ------
    CastError
        If a person decides.
    BudgetError
        If money is limited and a price is missing.
    PopulaceError
        As a run with these arguments would.
    """
    spending = Spending.read(answers, mode, budget, prices, None)
    cls = find("world", world)
    kept = read_records(panel, columns, kinds, measures, keep_every, exchanges)
    store = _store(spending)
    known: dict[str, tuple[int, int]] = {}
    runs: list[Rehearsed] = []
    records: list[dict[str, Any]] = []
    length = 0
    try:
        for rule in RULES:
            made = make_world(cls, world_name(world, cls), settings)
            with fetching(Console(stderr=True), quiet) as progress:
                given = read_cast(cast, made, progress)
            length = int(made.ticks) if ticks is None else ticks
            from populace.simulation import Simulation

            simulation = Simulation(made, given, seed, records=kept)
            run = _rehearsed(simulation, min(rehearse, length), rule, spending, store, known)
            records = records or sizes(run.run, length, kept)
            if not run.models:  # without models there is one rehearsal to make
                return {"ticks": length, "rehearsed": run.ticks, "records": records}
            runs.append(run)
    finally:
        if store is not None:
            store.close()
    return {**_told(runs, length, spending, rate), "records": records}


def _store(spending: Spending) -> AnswerStore | None:
    """Open the stored answers to look into; none where there are none yet."""
    from populace.records.answers import AnswerStore

    path = spending.answers
    if path is None or (spending.mode == "fill" and not path.exists()):
        return None
    return AnswerStore(path, "strict")


def _rehearsed(
    simulation: Simulation,
    ticks: int,
    rule: Rule,
    spending: Spending,
    store: AnswerStore | None,
    known: dict[str, tuple[int, int]],
) -> Rehearsed:
    policies = [p for cast in simulation.casts.values() for p in cast.policies.values()]
    if any(map(asks_people, policies)):
        raise CastError("a person decides in this cast", mend="estimate it without the person")
    if any(isinstance(each, Team) for policy in policies for each in wrapped(policy)):
        raise CastError(
            "a team decides in this cast: what it asks depends on what its members say",
            mend="give the team a budget an item, which bounds it",
        )
    stand_ins: dict[int, Rehearsal] = {}
    for policy in policies:
        for mind in languages(policy):
            if id(mind.model) not in stand_ins:
                stand_ins[id(mind.model)] = Rehearsal(mind.model, rule, known)
            mind.model = mind._asker.model = stand_ins[id(mind.model)]
        for each in wrapped(policy):
            if hasattr(each, "min_train") and hasattr(each, "audit"):
                each.min_train = _NEVER
    names = [one.identity.model for one in stand_ins.values()]
    (spending.prices or Prices()).require(names, spending.budget or Budget())
    run = simulation.run(ticks)
    asyncio.run(_closed(stand_ins.values()))
    by_tick = {"distinct": [0] * ticks, "agents": [0] * ticks}
    for tick, measure, value in run.minds.select("tick", "measure", "value").iter_rows():
        if measure in by_tick:
            by_tick[measure][tick] += int(value)
    logical = simulation.resources.ledger.totals().logical
    models = [_model(one, store, spending) for one in stand_ins.values()]
    done = run.ticks < ticks
    return Rehearsed(
        ticks, done, models, by_tick["distinct"], by_tick["agents"],
        (logical.calls, logical.tokens), run,
    )  # fmt: skip


async def _closed(models: Iterable[Rehearsal]) -> None:
    for model in models:
        await model.close()


def _model(stand_in: Rehearsal, store: AnswerStore | None, spending: Spending) -> Model:
    kept = {}
    if store is not None:
        for key, request in stand_in.requests.items():
            if (answer := store.peek(request)) is not None:
                kept[key] = answer
    seconds = [float(a["seconds"]) for a in kept.values() if a.get("seconds")]
    stored = frozenset() if spending.mode == "refresh" else frozenset(kept)
    identity = stand_in.identity
    return Model(identity.model, identity.endpoint, stand_in.asked, stored, seconds)


# -- from rehearsals to figures ------------------------------------------------------------------


def _told(
    runs: Sequence[Rehearsed], length: int, spending: Spending, rate: float | None
) -> dict[str, Any]:
    ticks = runs[0].ticks
    first = [{a.key for m in run.models for a in m.asked if not a.tick} for run in runs]
    prompts = [run.prompts[0] if run.prompts else 0 for run in runs]
    exact = all(keys == first[0] for keys in first)
    told: dict[str, Any] = {
        "first_tick": {
            "exact": exact,
            "agents": _span([run.agents[0] if run.agents else 0 for run in runs]),
            "prompts": _span(prompts),
            "calls": _span([len(keys) for keys in first]),
        },
        "ticks": length,
        "rehearsed": ticks,
        "prompts": _over([run.prompts for run in runs], length, runs),
        "calls_one_an_agent": _scaled([run.logical[0] for run in runs], length, ticks, runs),
        "tokens_one_an_agent": _scaled([run.logical[1] for run in runs], length, ticks, runs),
        "models": [
            _model_told([run.models[i] for run in runs], runs, length, spending, rate)
            for i in range(len(runs[0].models))
        ],
    }
    told["how"] = _how(ticks, length)
    told["budget"] = _against(told["models"], spending.budget)
    return told


def _model_told(
    parts: Sequence[Model],
    runs: Sequence[Rehearsed],
    length: int,
    spending: Spending,
    rate: float | None,
) -> dict[str, Any]:
    columns: dict[str, list[list[int]]] = {"calls": [], "tokens_in": [], "tokens_out": []}
    for part, run in zip(parts, runs, strict=True):
        paid = _paid(part, spending)
        for name, series in columns.items():
            series.append(_by_tick(paid, run, name))
    sums = {name: _over(each, length, runs, kept=True) for name, each in columns.items()}
    sums["tokens_out"][0] = 0.0  # a reply may be as short as it likes
    name = parts[0].name
    prices = spending.prices or Prices()
    usd = None
    if name in prices:
        usd = [
            prices.usd(name, int(sums["tokens_in"][end]), int(sums["tokens_out"][end]))
            for end in (0, 1)
        ]
    rates, source = _rates(parts, rate)
    calls = sums["calls"]
    return {
        "model": name,
        "endpoint": parts[0].endpoint,
        **sums,
        "stored": _span([len(part.stored & {a.key for a in part.asked}) for part in parts]),
        "usd": usd,
        "seconds": None if rates is None else [calls[0] / rates[1], calls[1] / rates[0]],
        "seconds_by": source,
    }


def _paid(part: Model, spending: Spending) -> list[Asking]:
    """Return the requests that would be sent: no answer is paid twice in a run."""
    if spending.mode == "strict":
        return []
    seen = set(part.stored)
    fresh = []
    for one in part.asked:
        if one.key not in seen:
            seen.add(one.key)
            fresh.append(one)
    return fresh


def _by_tick(asked: Sequence[Asking], run: Rehearsed, name: str = "calls") -> list[int]:
    each = [0] * run.ticks
    for one in asked:
        each[one.tick] += 1 if name == "calls" else getattr(one, name)
    return each


def _rates(parts: Sequence[Model], rate: float | None) -> tuple[tuple[float, float] | None, str]:
    """Return slowest and fastest calls a second, and where they come from."""
    if rate is not None:
        return (rate, rate), f"{rate:g} calls a second, as given"
    if parts[0].endpoint.startswith(_EMBEDDED) and "135M" in parts[0].name:
        low, high = _EMBEDDED_RATE
        return _EMBEDDED_RATE, f"{low:g} to {high:g} calls a second, as measured on 2 cores"
    if seconds := parts[0].seconds:
        told = f"what {len(seconds):,} stored answers took, one after another at the most"
        return (len(seconds) / sum(seconds), math.inf), told
    return None, "unknown; say --rate CALLS_A_SECOND"


def _over(
    series: Sequence[Sequence[int]], length: int, runs: Sequence[Rehearsed], kept: bool = False
) -> Span:
    """Return lowest and highest sum over the run; later ticks by the rehearsed ones' extremes.

    Where answers are kept (`kept`), a later tick may ask nothing new at all.
    """
    lows, highs = [], []
    for each, run in zip(series, runs, strict=True):
        total, rest = sum(each), 0 if run.done else length - len(each)
        later = each[1:] or each or [0]
        lows.append(total + rest * (0 if kept else min(later)))
        highs.append(total + rest * max(later))
    return [float(min(lows, default=0)), float(max(highs, default=0))]


def _scaled(sums: Sequence[int], length: int, ticks: int, runs: Sequence[Rehearsed]) -> Span:
    scale = [1.0 if run.done or not ticks else length / ticks for run in runs]
    return _span([total * by for total, by in zip(sums, scale, strict=True)])


def _span(values: Sequence[float]) -> Span:
    return [float(min(values)), float(max(values))]


def _how(ticks: int, length: int) -> str:
    how = (
        f"lowest and highest of 3 rehearsals of {ticks:,} ticks, in which the models' decisions "
        "were drawn at random, always the first option, and always the last"
    )
    if length > ticks:
        how += (
            f"; each of the {length - ticks:,} later ticks as the least and most of the rehearsed "
            "(at the least nothing new is asked)"
        )
    return f"{how}; a surrogate would save calls, and is not counted on. No confidence level"


def _against(models: Sequence[dict[str, Any]], budget: Budget | None) -> dict[str, str] | None:
    """Say of each limit whether it suffices."""
    if budget is None:
        return None
    told = {}
    spans = {
        "calls": [m["calls"] for m in models],
        "tokens": [
            [m["tokens_in"][0] + m["tokens_out"][0], m["tokens_in"][1] + m["tokens_out"][1]]
            for m in models
        ],
        "usd": [m["usd"] for m in models],
        "seconds": [m["seconds"] for m in models],
    }
    for measure, each in spans.items():
        limit = getattr(budget.limits, measure)
        if limit is None:
            continue
        if any(span is None for span in each):
            told[measure] = "unknown"
            continue
        low, high = (sum(span[end] for span in each) for end in (0, 1))
        told[measure] = "enough" if high <= limit else "too little" if low > limit else "may end"
    return told


def print_estimate(found: dict[str, Any]) -> None:
    """Print an estimate for a person."""
    if "models" in found:
        _print_models(found)
    else:
        click.echo("no language mind decides in this cast: nothing is called")
    print_sizes(found["records"], found["rehearsed"])


def _print_models(found: dict[str, Any]) -> None:
    first = found["first_tick"]
    word = "exactly" if first["exact"] else "depending on the answers,"
    click.echo(
        f"first tick   {word} {_range(first['prompts'])} distinct prompts in "
        f"{_range(first['calls'])} calls, for {_range(first['agents'])} decisions"
    )
    click.echo(f"{found['ticks']:,} ticks".ljust(13) + f"{_range(found['prompts'])} prompts")
    click.echo(f"one call an agent would be {_range(found['calls_one_an_agent'])} calls")
    for one in found["models"]:
        click.echo(f"{one['model']} at {one['endpoint']}")
        stored = f" ({_range(one['stored'])} stored already)" if one["stored"][1] else ""
        click.echo(f"  calls       {_range(one['calls'])}{stored}")
        click.echo(f"  tokens in   {_range(one['tokens_in'])}")
        click.echo(f"  tokens out  {_range(one['tokens_out'])}")
        usd = "no price: --prices FILE" if one["usd"] is None else _range(one["usd"], 4)
        click.echo(f"  US$         {usd}")
        seconds = "" if one["seconds"] is None else f"{_range(one['seconds'], 1)}, by "
        click.echo(f"  seconds     {seconds}{one['seconds_by']}")
    for measure, verdict in (found["budget"] or {}).items():
        click.echo(f"budget of {measure}: {verdict}")
    click.echo(f"How: {found['how']}.")


def _range(span: Sequence[float], digits: int = 0) -> str:
    low, high = (f"{value:,.{digits}f}" for value in span)
    return low if low == high else f"{low} to {high}"
