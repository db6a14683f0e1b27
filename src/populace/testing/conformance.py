"""The rules that every world and policy must keep, tried out."""

from __future__ import annotations

import asyncio
import inspect
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from populace.kernel.answers import Outcome, settle
from populace.kernel.errors import PopulaceError
from populace.kernel.observation import Observation
from populace.kernel.policy import as_policy
from populace.kernel.population import Population
from populace.kernel.state import State
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.simulation import Simulation
from populace.simulation.keeping import restore, snapshot
from populace.testing import fingerprint
from populace.testing.fingerprint import Prints, differences
from populace.testing.report import Check, Report
from populace.testing.variation import ORDERS, Varied, Way, two_threads, vary
from populace.testing.watching import entropy, global_generators, writes

Trial = Callable[[int, Way, Path | None], Prints]  # seed, way of running, run directory

_PANEL = 1000  # agents a population whose every decision is compared


def check_world(
    make_world: Callable[[], World],
    make_cast: Callable[[], Any] | None = None,
    *,
    ticks: int = 10,
    seeds: Sequence[int] = (0, 1),
) -> Report:
    """Try the rules of the kernel on a world with a cast.

    Each run is compared with its variants to the bit: every table and the world's final state,
    columns and attributes alike.

    Parameters
    ----------
    make_world : function
        Returns a new world; a small one is enough.
    make_cast : function, optional
        Returns a new cast, policy or mapping of casts; by default the world's own minds act.
    ticks : int
    seeds : sequence of int

    Returns
    -------
    Report
        ``reproducible``: the same seed gives the same run. ``order-free``: agents of a group in
        another order and groups in reverse give the same run. ``batch-size-free``: groups split
        into parts give the same run. ``thread-free``: so do two threads. ``no global random
        state``: the generators of numpy and `random` have no influence and are not used, nor is
        entropy of the system. ``no write outside the run directory``: none by Python's own file
        operations, nor any that changes the current directory. ``goes on from a checkpoint``: a
        second simulation that is given the state of a first one in mid-run ends as that does.

    Examples
    --------
    >>> from populace import Choice, Population, Rule, World
    >>> class Coins(World):
    ...     def __init__(self): self.people = Population(20)
    ...     async def step(self, minds):
    ...         self.up = await minds.ask("toss", self.people, Choice(["tails", "heads"]))
    ...     def measure(self): return {"heads": int(self.up.values.sum())}
    >>> report = check_world(Coins, lambda: Rule(toss=lambda o: o.random.bernoulli(p=0.5)), ticks=3)
    >>> report.passed
    True
    """

    def made(seed: int) -> Simulation:
        cast = None if make_cast is None else make_cast()
        return Simulation(make_world(), cast, seed=seed, panel=_PANEL)

    def trial(seed: int, way: Way, to: Path | None) -> Prints:
        simulation = made(seed)
        vary(simulation.casts, way)
        return fingerprint.of_run(simulation.run(ticks, to=to, checkpoint=False))

    name = getattr(make_world, "__name__", "world")
    checks = (*_checks(trial, seeds), _goes_on(made, ticks, seeds))
    return Report(subject=f"world {name}", checks=checks)


def check_policy(
    make_policy: Callable[[], Any],
    observations: Callable[[int], Sequence[Observation]] | None = None,
    *,
    world: Callable[[], World] | None = None,
    ticks: int = 10,
    seeds: Sequence[int] = (0, 1),
) -> Report:
    """Try the rules of the kernel on a policy, on observations or in a world.

    Parameters
    ----------
    make_policy : function
        Returns a new policy, or is a function of the observation's maker.
    observations : function of a seed, optional
        Returns new observations, which the policy is shown one after another; make them with
        `populace.testing.observe`, of one new population where the policy remembers.
    world : function, optional
        Returns a new world, in which everybody has this policy; in place of `observations`.
    ticks : int
        How long the world runs.
    seeds : sequence of int

    Returns
    -------
    Report
        As of `check_world` (``goes on from a checkpoint`` in a world only), and ``valid answers``:
        no answer has the wrong shape or lies outside its space. Memory in columns of the population
        is compared like answers.
    """
    name = getattr(make_policy, "__name__", "policy")
    subject = f"policy {name}"
    if (observations is None) == (world is None):
        raise PopulaceError("expected either observations or a world", where="check_policy")
    invalid: list[str] = []

    def shown(seed: int, way: Way, _to: Path | None) -> Prints:
        assert observations is not None
        return asyncio.run(_show(as_policy(make_policy()), observations(seed), seed, way, invalid))

    def made(seed: int) -> Simulation:
        assert world is not None
        return Simulation(world(), as_policy(make_policy()), seed=seed, panel=_PANEL)

    def lived(seed: int, way: Way, to: Path | None) -> Prints:
        simulation = made(seed)
        vary(simulation.casts, way)
        run = simulation.run(ticks, to=to, checkpoint=False)
        if count := int(run.asks["invalid"].sum()):
            invalid.append(f"{count} answers outside their space")
        return fingerprint.of_run(run)

    checks = list(_checks(shown if world is None else lived, seeds))
    if world is not None:
        checks.append(_goes_on(made, ticks, seeds))
    found = invalid[0] if invalid else "every answer is in its space"
    valid = Check(name="valid answers", passed=not invalid, found=found)
    return Report(subject=subject, checks=(valid, *checks))


async def _show(
    policy: Any, observations: Sequence[Observation], seed: int, way: Way, invalid: list[str]
) -> Prints:
    """Show a policy some observations; digests of its answers and of what it remembers."""
    people: dict[int, Population] = {
        id(o.agents.population): o.agents.population for o in observations
    }
    if start := getattr(policy, "start", None):
        for one in people.values():
            start(one, Streams(seed))
    if way in ORDERS:
        policy = Varied(policy, ORDERS[way])
    prints: Prints = {}
    for i, observation in enumerate(observations):
        place = f"answer {i} ({observation.kind})"
        raw = policy.act(observation)
        raw = await raw if inspect.isawaitable(raw) else raw
        values, outcome = settle(raw, observation.space, len(observation), place)
        decided = np.flatnonzero((outcome == Outcome.ACTED) | (outcome == Outcome.FALLBACK))
        prints[place] = fingerprint.digest(
            [observation.space.record(observation.space.take(values, decided)), outcome.tolist()]
        )
        if count := int((outcome == Outcome.INVALID).sum()):
            invalid.append(f"{place}: {count} outside {observation.space.describe()}")
    for i, one in enumerate(people.values()):
        prints |= {n: fingerprint.digest(v) for n, v in fingerprint.state(_Holder(i, one))}
    return prints


class _Holder:
    def __init__(self, i: int, people: Population) -> None:
        setattr(self, people.name or f"population {i}", people)


# -- the checks, the same for both ----------------------------------------------------------------


def _checks(trial: Trial, seeds: Sequence[int]) -> Iterator[Check]:
    base: dict[int, Prints] = {}
    for seed in seeds:
        with global_generators(0):
            base[seed] = trial(seed, "as written", None)
    amount = sum(map(len, base.values()))
    same = f"{amount} columns and values equal to the bit"

    def compare(name: str, way: Way, generators: int = 0, told: str = same) -> Check:
        with two_threads() if way == "two threads" else nullcontext():
            for seed in seeds:
                try:
                    with global_generators(generators):
                        differ = differences(base[seed], trial(seed, way, None))
                except Exception as error:
                    return Check(name=name, passed=False, found=_raised(error, seed))
                if differ:
                    return Check(name=name, passed=False, found=_told(differ, seed))
        return Check(name=name, passed=True, found=told)

    yield compare("reproducible", "as written")
    yield compare("order-free", "permuted")
    yield compare("batch-size-free", "split")
    yield compare("thread-free", "two threads")
    yield _no_global_random(trial, seeds, compare)
    yield _no_write(trial, seeds[0])


def _no_global_random(trial: Trial, seeds: Sequence[int], compare: Callable[..., Check]) -> Check:
    name = "no global random state"
    seed = seeds[0]
    with entropy() as drawn, global_generators(0) as used:
        trial(seed, "as written", None)
    if used or drawn:
        places = [f"entropy of the system at {place}" for place in dict.fromkeys(drawn)]
        return Check(name=name, passed=False, found=f"used: {'; '.join([*used, *places][:4])}")
    told = "not used, and no influence when seeded otherwise"
    return compare(name, "as written", generators=1, told=told)


def _no_write(trial: Trial, seed: int) -> Check:
    name = "no write outside the run directory"
    with tempfile.TemporaryDirectory(prefix="populace-check-") as folder:
        to = Path(folder) / "run"
        with global_generators(0), writes(to) as found:
            trial(seed, "as written", to)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return Check(name=name, passed=False, found=f"written: {', '.join(found[:3])}{more}")
    return Check(name=name, passed=True, found="none seen")


def _goes_on(made: Callable[[int], Simulation], ticks: int, seeds: Sequence[int]) -> Check:
    name, half = "goes on from a checkpoint", max(1, ticks // 2)
    for seed in seeds:
        try:
            with global_generators(0):
                first = made(seed)
                first.run(half)
                state = _stored(snapshot(first))
            with global_generators(1):
                one = fingerprint.of_run(first.run(ticks - half))
            with global_generators(0):
                second = made(seed)
                restore(second, state)
            with global_generators(1):
                other = fingerprint.of_run(second.run(ticks - half))
        except Exception as error:
            return Check(name=name, passed=False, found=_raised(error, seed))
        if differ := differences(one, other):
            return Check(name=name, passed=False, found=_told(differ, seed))
    return Check(name=name, passed=True, found=f"the same end from tick {half} on")


def _stored(state: State) -> State:
    """Return a state as a file gives it back."""
    arrays = {path: np.array(array) for path, array in state.arrays.items()}
    return State(json.loads(json.dumps(state.tree, allow_nan=False)), arrays)


def _told(differ: list[str], seed: int) -> str:
    more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
    return f"seed {seed}: {', '.join(differ[:4])}{more} differ"


def _raised(error: Exception, seed: int) -> str:
    return f"seed {seed}: {type(error).__name__}: {error}"
