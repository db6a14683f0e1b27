"""Fast and slow: a quick mind acts while a deliberate one thinks."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome, settle
from populace.kernel.errors import ParameterError, PolicyError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.policy import Policy, PolicyLike, as_policy, describe_policy, function_name
from populace.kernel.population import Population
from populace.policies.around import Around
from populace.policies.clocks import Clock, Key, Seconds, read_clock
from populace.policies.columns import own_prefix, safe
from populace.policies.pending import Pending
from populace.simulation.conditions import Condition

When = str | Callable[[Observation], Any]


class FastSlow(Parametric, Around):
    """`fast` acts while `slow` thinks; what `slow` comes to lands ticks later, on another world.

    At an ask, every agent that is not thinking about this kind of decision already, and `when` it
    should, begins a thought: `slow` is asked on the state of now. Its answer is in force at the
    first ask of this kind after as many ticks as the `clock` says, instead of what `fast` would
    decide; at all other asks `fast` decides. If it does not fit what is allowed by then, it is
    dropped. From the ask at which it lands on, the agent may think anew.

    A reactive mind beside a deliberate one: Hierarchical Language Agent (Liu et al. 2024, AAMAS,
    arXiv:2312.15224) and AgileThinker (Wen et al. 2025, arXiv:2511.04898). A thought of 0 ticks
    makes this `slow`, one without end `fast`.

    Parameters
    ----------
    fast, slow : Policy or function
        Both hear everything.
    when : "idle", condition or function of the observation
        ``idle``: whenever it does not think already. A condition on what the agents see, such as
        ``"stock < 50 and month > 1"``. A function returns a bool, or one an agent.
    clock : Ticks, Tokens, Seconds, str or mapping
        How long a thought takes; as text ``ticks=3``, ``tokens=500`` or ``seconds=0.5``, as a
        mapping ``{"seconds": 0.5, "of": "runs/first"}``.
    kinds : sequence of str
        What `slow` thinks about; empty: everything.

    Raises
    ------
    ParameterError
        For an impossible setting.
    PolicyError
        If a condition names what agents do not see, or `slow` does not say what the clock needs.

    Notes
    -----
    Choices and numbers under way stand in private columns, other answers in the policy; a thought
    dies with its agent. In virtual time (`Ticks`, `Tokens`) the run waits for `slow` where the
    world does not, and stays reproducible. `slow` draws as it would alone.

    Examples
    --------
    >>> from populace import FastSlow, Rule, Ticks
    >>> slow = Rule(lambda o: o["stock"] / 10)
    >>> mind = FastSlow(fast=Rule(lambda o: 0), slow=slow, clock=Ticks(3))
    """

    def __init__(
        self,
        fast: Annotated[PolicyLike, Parameter("acts at once")],
        slow: Annotated[PolicyLike, Parameter("its answer lands later")],
        *,
        when: Annotated[When, Parameter("who thinks: idle, or a condition")] = "idle",
        clock: Annotated[
            Clock | str | Mapping[str, Any],
            Parameter("how long it takes: ticks=3, tokens=500, seconds=0.5"),
        ] = "ticks=1",
        kinds: Annotated[Sequence[str], Parameter("what it thinks about; empty: all")] = (),
    ) -> None:
        self.fast, self.slow = as_policy(fast, "fast"), as_policy(slow, "slow")
        self.clock = read_clock(clock)
        self.kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        self.when = when
        self._condition: Condition | None = None
        if isinstance(when, str) and when != "idle":
            self._condition = Condition(when, "FastSlow, when")
        elif not isinstance(when, str) and not callable(when):
            raise ParameterError(
                f"expected 'idle', a condition or a function, got {when!r:.60}", where="FastSlow"
            )
        self._prefix: dict[str, str] = {}  # by population
        self._pending: dict[tuple[str, str], Pending] = {}  # by population and columns
        self._counts: dict[str, Counter[str]] = {}  # by kind, since the last report
        self._took: list[dict[str, Any]] = []
        self._begun: Counter[Key] = Counter()  # groups that began to think, of this tick

    def inner(self) -> tuple[Policy, Policy]:
        """Return both."""
        return self.fast, self.slow

    def describe(self) -> dict[str, Any]:
        """Return both policies and the clock, for the manifest."""
        real = isinstance(self.clock, Seconds) and self.clock.of is None
        return {
            "fast": describe_policy(self.fast),
            "slow": describe_policy(self.slow),
            "when": self.when if isinstance(self.when, str) else function_name(self.when),
            "clock": repr(self.clock),
            "reproducible": not real,
            "kinds": list(self.kinds),
        }

    def start(self, population: Population, streams: Any) -> None:
        """Take a name for private columns, and start both."""
        self._prefix[population.name] = own_prefix(population, "fastslow")
        for key in [key for key in self._pending if key[0] == population.name]:
            del self._pending[key]
        super().start(population, streams)

    def report(self) -> list[Any]:
        """Return, by kind, what became of thoughts since the last call, and what both report.

        ``begun``, ``landed`` (in force), ``dropped`` (did not fit any more), ``lost`` (came to
        nothing), and ``waited``: ticks from the beginning of those that landed, in all.
        """
        told = [{"kind": kind, **counts} for kind, counts in self._counts.items()]
        took, self._counts, self._took = self._took, {}, []
        return [*told, *took, *super().report()]

    # -- deciding --------------------------------------------------------------------------------

    async def act(self, observation: Observation) -> Any:
        n, space = len(observation), observation.space
        if not n or (self.kinds and observation.kind not in self.kinds):
            return await _asked(self.fast, observation)
        pending = self._pool(observation)
        none = dict.fromkeys(("begun", "landed", "dropped", "lost", "waited"), 0)
        counts = self._counts.setdefault(observation.kind, Counter(none))
        values, outcome = space.empty(n), np.full(n, Outcome.ABSTAINED, np.uint8)
        for begun in (False, True):  # what is due, then what takes no time
            if begun:
                await self._think(observation, pending, counts)
            who, landed, how = pending.land(observation, counts)
            space.put(values, who, landed)
            outcome[who] = how
        rest = np.flatnonzero(outcome == Outcome.ABSTAINED)
        if len(rest) == n:
            return await _asked(self.fast, observation)
        if len(rest):
            asked = observation.part(rest)
            raw = await _asked(self.fast, asked)
            some, result = settle(raw, asked.space, len(asked), f"FastSlow, {observation.kind!r}")
            space.put(values, rest, some)
            outcome[rest] = result
        return Answers(values, outcome)

    async def _think(
        self, observation: Observation, pending: Pending, counts: Counter[str]
    ) -> None:
        """Let those begin a thought who should."""
        who = np.flatnonzero(pending.free(observation) & self._should(observation))
        if not len(who):
            return
        part = observation.part(who)  # whose draws begin anew, as those of `fast` do
        begun = time.perf_counter()
        raw = await _asked(self.slow, part)
        seconds = time.perf_counter() - begun
        values, outcome = settle(raw, part.space, len(part), f"FastSlow, slow, {part.kind!r}")
        tokens = raw.tokens if isinstance(raw, Answers) else None
        key = (observation.tick, observation.agents.population.name, observation.kind)
        if any(old[0] != key[0] for old in self._begun):
            self._begun.clear()
        ticks = self.clock.ticks(len(part), tokens, seconds, key, self._begun[key])
        self._begun[key] += 1
        if isinstance(self.clock, Seconds):
            self._took.append({"kind": observation.kind, "took": int(ticks[0])})
        pending.begin(part, values, outcome, ticks)
        counts["begun"] += len(part)

    def _should(self, observation: Observation) -> NDArray[np.bool_]:
        n = len(observation)
        if self._condition is not None:
            mask = np.ones(n, np.bool_)
            for each in self._condition.comparisons:
                if each.name not in observation:
                    raise PolicyError(
                        f"agents do not see {each.name!r}; "
                        f"{nearest(each.name, observation.columns)}",
                        where=f"FastSlow, when, {observation.kind!r}",
                    )
                mask &= np.asarray(each(observation[each.name]), np.bool_)
            return mask
        if isinstance(self.when, str):
            return np.ones(n, np.bool_)
        found = np.asarray(self.when(observation.part(np.arange(n), draws="when")))
        if found.dtype != np.bool_ or found.shape not in ((), (n,)):
            raise PolicyError(
                f"expected a bool, or {n}, got {found.dtype} of shape {found.shape}",
                where=f"FastSlow, when, {observation.kind!r}",
            )
        return np.broadcast_to(found, (n,))

    def _pool(self, observation: Observation) -> Pending:
        people, kind = observation.agents.population, observation.kind
        if people.name not in self._prefix:
            self._prefix[people.name] = own_prefix(people, "fastslow")
        sort = type(observation.space).__name__.lower()  # a kind may be asked in several ways
        head = f"{self._prefix[people.name]}/{safe(kind)}/{sort}"
        return self._pending.setdefault((people.name, head), Pending(head))


async def _asked(policy: Any, observation: Observation) -> Any:
    raw = policy.act(observation)
    return await raw if inspect.isawaitable(raw) else raw
