"""Imitation: the better-off are copied, with noise; cultural evolution within a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.errors import ParameterError, PolicyError, nearest
from populace.kernel.exchange import act_all
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.policy import Policy, PolicyLike, as_policy, describe_policy
from populace.kernel.population import Population
from populace.policies.around import Around, hearing
from populace.policies.columns import own_prefix
from populace.policies.learner import rewards
from populace.policies.traits import Traits

Floats = NDArray[np.float64]
Comparison = Literal["fermi", "proportional"]


def fermi(own: Floats, theirs: Floats, selection: float) -> Floats:
    """Return the chance to imitate, ``1 / (1 + exp(-selection (theirs - own)))``.

    Szabó and Tőke 1998, Physical Review E 58, 69, whose noise K is ``1 / selection``. The mean
    change of a share x of cooperators in a large population is ``x (1 - x) E[tanh(selection
    (pi_C - pi_D) / 2)]``: for weak selection the replicator equation, time multiplied by
    ``selection / 2`` (Traulsen, Claussen and Hauert 2005, Physical Review Letters 95, 238701).
    """
    better = np.asarray(theirs - own)
    with np.errstate(over="ignore", invalid="ignore"):
        chance = 1 / (1 + np.exp(-selection * better))
    return np.where(better == 0, 0.5, chance)


def proportional(own: Floats, theirs: Floats, span: Floats | float) -> Floats:
    """Return the chance to imitate the better-off, ``max(0, theirs - own) / span``.

    Schlag 1998, Journal of Economic Theory 78: in a large population exactly the replicator
    equation, time multiplied by ``1 / span``, however noisy the payoffs.
    """
    return np.clip((theirs - own) / span, 0.0, 1.0)


class Imitate(Parametric, Around):
    """Look at somebody else, compare what both earned, and perhaps do as they do.

    What is copied is who decides, where strategies are given, else the decision itself: each agent
    then has one option of every `Choice` that it is asked, and one place in the range of every
    `Number`, all of which are copied together.

    Payoffs told are summed. At the first ask of a later tick, `every` ticks after the last
    comparison or more, all who were told any since then compare at once. Each of them who `revise`s
    looks at one of the others, drawn with equal chances, and takes over what it does with a chance
    that depends on both payoffs (`fermi`, `proportional`); whoever revises may then mutate.

    Only agents with this very policy can be looked at. With one agent revising at a time the number
    of those who follow a strategy is a birth-death process, whose fixation probability has a closed
    form (Traulsen, Nowak and Pacheco 2006, Physical Review E 74, 011909, eq. 6).

    Parameters
    ----------
    of : mapping of str to Policy or function, optional
        Strategies by name.
    shares : mapping of str to float, optional
        Chances of the strategies at the beginning, and of those born later; by default equal.
        Options and places are drawn with equal chances.
    payoff, told : str
        Column that holds the payoff, and the kind of what agents are told with it; NaN is none.
    rule : "fermi" or "proportional"
    noise : float
        K, in units of the payoff, of ``fermi``: the chance is ``1 / (1 + exp((own - theirs) /
        K))``; 0: the better-off are always copied, equals with chance 1/2.
    span : float
        Of ``proportional``, the largest difference of payoffs.
    mutation : float
        Chance that who revises takes any strategy, option or place, whatever it has seen.
    spread : float
        Standard deviation of the error in copying a number, as a part of its range.
    revise : float or "one"
        Chance that an agent compares at all; or exactly one agent (of each group) at a time.
    every : int
        Ticks from one comparison to the next, at least.
    among : str
        Column of the population by which agents are grouped: one looks within its group.
    kinds : sequence of str
        What it decides where no strategies are given; empty: every choice and number.

    Raises
    ------
    ParameterError
        For an impossible setting.
    PolicyError
        For a payoff that is no finite number, or a number without bounds.

    Examples
    --------
    >>> from populace import Imitate, Rule
    >>> culture = Imitate({"greedy": Rule(lambda o: 1), "modest": Rule(lambda o: 0)}, noise=0.5)
    """

    def __init__(
        self,
        of: Annotated[Mapping[str, PolicyLike] | None, Parameter("strategies by name")] = None,
        *,
        shares: Annotated[
            Mapping[str, float] | None, Parameter("chances of the strategies at first")
        ] = None,
        payoff: Annotated[str, Parameter("column of what agents are told")] = "reward",
        told: Annotated[str, Parameter("what they are told with it; empty: whatever")] = "",
        rule: Annotated[Comparison, Parameter("how payoffs are compared")] = "fermi",
        noise: Annotated[float, Parameter("of fermi, in units of the payoff", low=0)] = 0.1,
        span: Annotated[float, Parameter("of proportional: largest difference", low=1e-300)] = 1.0,
        mutation: Annotated[float, Parameter("chance to take anything", low=0, high=1)] = 0.01,
        spread: Annotated[float, Parameter("error in copying a number", "range", low=0)] = 0.02,
        revise: Annotated[
            float | Literal["one"], Parameter("chance to compare, or one at a time", "", 0, 1)
        ] = 1.0,
        every: Annotated[int, Parameter("between comparisons", "ticks", low=1)] = 1,
        among: Annotated[str, Parameter("column of groups; empty: everybody")] = "",
        kinds: Annotated[
            Sequence[str], Parameter("decided without strategies; empty: choices and numbers")
        ] = (),
    ) -> None:
        self.strategies = {name: as_policy(one, name) for name, one in (of or {}).items()}
        if of is not None and len(self.strategies) < 2:
            raise ParameterError("expected two strategies or more", where="Imitate")
        self._chances = _chances(shares, tuple(self.strategies))
        self.payoff, self.told, self.rule = payoff, told, rule
        self.noise, self.span, self.mutation, self.revise = noise, span, mutation, revise
        self.every, self.among = every, among
        self.traits = Traits(tuple(self.strategies), kinds, spread)
        self._prefix: dict[str, str] = {}  # by population
        self._last: dict[str, int] = {}  # tick of the last comparison
        self._heard: dict[str, int] = {}  # tick in which payoffs were told since
        self._counts: list[dict[str, Any]] = []

    def inner(self) -> list[Policy]:
        """Return the strategies."""
        return list(self.strategies.values())

    def describe(self) -> dict[str, Any]:
        """Return the strategies and settings, for the manifest."""
        told = {name: describe_policy(policy) for name, policy in self.strategies.items()}
        return {**self._given_parameters, "of": told or None}

    def start(self, population: Population, streams: Any) -> None:
        """Take names for private columns, and start the strategies."""
        prefix = self._prefix[population.name] = own_prefix(population, "imitate")
        population.add_column(f"{prefix}/payoff", np.float64)
        population.add_column(f"{prefix}/told", np.bool_)
        self.traits.start(population, prefix)
        super().start(population, streams)

    def report(self) -> list[Any]:
        """Return what came of comparisons since the last call, and what the strategies report."""
        counts, self._counts = self._counts, []
        return [*counts, *super().report()]

    # -- deciding --------------------------------------------------------------------------------

    async def act(self, observation: Observation) -> Any:
        people = observation.agents.population
        if people.name not in self._prefix:
            self.start(people, None)
        if self._due(people, observation.tick):
            self._compare(people, observation)
        if not self.strategies:
            return self.traits.act(observation)
        return await self._by_strategy(observation)

    async def _by_strategy(self, observation: Observation) -> Answers:
        space, n = observation.space, len(observation)
        code = self.traits.strategy(observation, self._chances)
        used = [(i, np.flatnonzero(code == i)) for i in range(len(self.strategies))]
        used = [(i, at) for i, at in used if len(at)]
        policies = [list(self.strategies.items())[i] for i, _ in used]
        parts = [observation.part(at) if len(at) < n else observation for _, at in used]
        replies = await act_all(policies, parts, observation.tick)
        values, outcome = space.empty(n), np.full(n, Outcome.ABSTAINED, np.uint8)
        for (_, at), part, (raw, _), (name, _) in zip(used, parts, replies, policies, strict=True):
            some, result = settle(raw, part.space, len(part), f"Imitate, {name!r}")
            space.put(values, at, some)
            outcome[at] = result
        return Answers(values, outcome)

    # -- what is told ----------------------------------------------------------------------------

    def hear(self, observation: Observation) -> Any:
        """Add up payoffs; let each strategy hear what its followers are told."""
        people = observation.agents.population
        if people.name not in self._prefix:
            self.start(people, None)
        if self.payoff in observation and self.told in ("", observation.kind):
            where = f"Imitate, {observation.kind!r}"
            paid = rewards(observation, self.payoff, where)
            known = ~np.isnan(paid)
            prefix, rows = self._prefix[people.name], observation.agents.rows[known]
            people[f"{prefix}/payoff"][rows] += paid[known]
            people[f"{prefix}/told"][rows] = True
            self._heard[people.name] = observation.tick
        elif self.told == observation.kind:
            raise PolicyError(
                f"agents are told no {self.payoff!r}; {nearest(self.payoff, observation.columns)}",
                where=f"Imitate, {observation.kind!r}",
            )
        if not self.strategies:
            return None
        code = self.traits.strategy(observation, self._chances)
        parts = [(one, np.flatnonzero(code == i)) for i, one in enumerate(self.inner())]
        return hearing([(one, observation.part(at)) for one, at in parts if len(at)])

    def _due(self, people: Population, tick: int) -> bool:
        heard = self._heard.get(people.name)
        if heard is None or heard >= tick:
            return False
        return tick >= self._last.get(people.name, 0) + self.every

    def _compare(self, people: Population, observation: Observation) -> None:
        """Let all who were told a payoff compare theirs with another's."""
        prefix = self._prefix[people.name]
        paid, told = people[f"{prefix}/payoff"], people[f"{prefix}/told"]
        part = people[told & people.alive]
        rows = part.rows
        self._last[people.name] = observation.tick
        del self._heard[people.name]
        if not len(rows):
            return
        draws = observation.random.named(prefix).bound(part)
        chance = draws.uniform(size=4)
        group = self._groups(people, rows)
        other = _others(group, chance[:, 0])
        revises = _one_each(group, chance[:, 1]) if self.revise == "one" else (
            chance[:, 1] < self.revise
        )  # fmt: skip
        own, theirs = paid[rows], paid[rows][other]
        if self.rule == "fermi":
            p = fermi(own, theirs, np.inf if self.noise == 0 else 1 / self.noise)
        else:
            p = proportional(own, theirs, self.span)
        copies = revises & (other != np.arange(len(rows))) & (chance[:, 2] < p)
        mutates = revises & (chance[:, 3] < self.mutation)
        found = self.traits.take(people, rows, other, copies, mutates, draws)
        paid[rows], told[rows] = 0.0, False
        counts = {"compared": int(revises.sum()), "copied": int(copies.sum())}
        self._counts.append({"kind": "imitate", **counts, "mutated": int(mutates.sum()), **found})

    def _groups(self, people: Population, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        if not self.among:
            return np.zeros(len(rows), np.intp)
        if self.among not in people.columns:
            raise PolicyError(
                f"{people.name!r} has no column {self.among!r}; "
                f"{nearest(self.among, people.columns)}",
                where="Imitate, among",
            )
        return np.unique(people[self.among][rows], return_inverse=True)[1]


def _others(group: NDArray[np.intp], draws: Floats) -> NDArray[np.intp]:
    """Return another of each one's group, with equal chances; oneself where there is none."""
    order = np.argsort(group, kind="stable")
    size = np.bincount(group)
    first = np.cumsum(size) - size
    place = np.empty(len(group), np.intp)
    place[order] = np.arange(len(group)) - first[group[order]]
    count = size[group]
    pick = np.minimum((draws * (count - 1)).astype(np.intp), np.maximum(count - 2, 0))
    pick = np.where(count > 1, pick + (pick >= place), place)
    return np.asarray(order[first[group] + pick])


def _one_each(group: NDArray[np.intp], draws: Floats) -> NDArray[np.bool_]:
    """Return which one of each group has the least draw (of equals the first)."""
    order = np.lexsort((draws, group))
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    chosen = np.zeros(len(group), np.bool_)
    chosen[order[first]] = True
    return chosen


def _chances(shares: Mapping[str, float] | None, names: tuple[str, ...]) -> Floats:
    if shares is None:
        return np.full(len(names), 1 / max(1, len(names)))
    for name, share in shares.items():
        if name not in names:
            raise ParameterError(
                f"no strategy {name!r}; {nearest(name, names)}", where="Imitate, shares"
            )
        if isinstance(share, bool) or not (np.isfinite(share) and share >= 0):
            raise ParameterError(
                f"expected a share of at least 0 for {name!r}, got {share!r}",
                where="Imitate, shares",
            )
    found = np.array([shares.get(name, 0.0) for name in names])
    if not found.sum() > 0:
        raise ParameterError("expected a share above 0", where="Imitate, shares")
    return np.asarray(found / found.sum())
