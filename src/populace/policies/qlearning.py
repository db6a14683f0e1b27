"""Tabular Q-learning: what an action is worth in a state, learnt from what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import ParameterError, PolicyError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.streams import Stream
from populace.policies.drawing import best
from populace.policies.learner import Arms, Kinds, Learner, Reward, Told

Bins = int | Sequence[float]


class QLearning(Learner):
    """Each agent learns the worth of its actions by state (Watkins and Dayan 1992).

    At every ask but the first, with s and a the state and action of the last one, r the sum of the
    rewards told since (0 if none), and s' the state now::

        Q(s, a) ← Q(s, a) + α_n (r + γ max_b Q(s', b) - Q(s, a))

    (*Q-learning*, Machine Learning 8, eq. 2). Where agents are told ``done``, that ends their
    episode: the action is worth r alone, and is learnt at once. Then an action is taken: with
    chance ε any, else one of largest Q(s', ·). Q converges to the optimum of a Markov decision
    problem with chance 1 if every action is taken in every state for ever and the α_n of each pair
    sum to infinity while their squares do not (ibid., Theorem); among others who learn too, no
    such promise is known.

    Parameters
    ----------
    state : mapping of column to int or sequence of float
        What the state is made of: columns that the world shows, each a whole number below the one
        given, or binned at these edges, in ascending order (bin i holds ``edges[i-1] <= x <
        edges[i]``); NaN is a bin of its own. Empty: one state.
    epsilon : float
        ε.
    alpha : float
        α, in (0, 1].
    decay : float
        ``α_n = α n ** -decay``, n counting the visits of the pair; from above 1/2 to 1 it converges
        (Even-Dar and Mansour 2003, *Learning rates for Q-learning*, JMLR 5). 0: constant, which
        goes on learning where the world changes.
    gamma : float
        γ, in [0, 1].
    initial : float
        Q before anything is known; larger than what can be earned, it makes agents try everything.
    memory : float
        Most that the tables of a population may take, in GiB.
    arms, reward, told, kinds : as of `Bandit`

    Raises
    ------
    ParameterError
        For an impossible setting.
    PolicyError
        For a column that is not shown or not numeric, a code outside its range, a choice whose
        options change, a number without bounds, or tables larger than `memory`.

    Notes
    -----
    An agent takes 8 bytes (with decay 12) a state and arm and kind, and 15 more a kind.

    Examples
    --------
    >>> from populace import QLearning
    >>> player = QLearning({"mine": 3, "other": 3}, gamma=0.9)  # the last moves: 9 states
    """

    base = "qlearning"

    def __init__(
        self,
        state: Annotated[
            Mapping[str, Bins] | None, Parameter("columns and their bins, or how many codes")
        ] = None,
        *,
        epsilon: Annotated[float, Parameter("chance of any action", low=0, high=1)] = 0.1,
        alpha: Annotated[float, Parameter("learning rate", low=1e-9, high=1)] = 0.1,
        decay: Annotated[float, Parameter("of the rate with visits", low=0, high=1)] = 0.0,
        gamma: Annotated[float, Parameter("discount of what follows", low=0, high=1)] = 0.95,
        initial: Annotated[float, Parameter("worth of what was never tried")] = 0.0,
        memory: Annotated[float, Parameter("most that tables may take", "GiB", low=0)] = 2.0,
        arms: Arms = 11,
        reward: Reward = "reward",
        told: Told = "",
        kinds: Kinds = (),
    ) -> None:
        self.state = {name: _bins(name, given) for name, given in (state or {}).items()}
        self.epsilon, self.alpha, self.decay, self.gamma = epsilon, alpha, decay, gamma
        self.initial, self.memory = initial, memory
        self.states = 1
        for bins in self.state.values():
            self.states *= bins if isinstance(bins, int) else len(bins) + 2
        self._learns(arms, reward, told, kinds)

    def tables(self, arms: int) -> Mapping[str, tuple[tuple[int, ...], Any]]:
        """Return ``gain`` (Q less its initial value, by state and arm), visits and the state."""
        shape = (self.states, arms)
        visits = {"visits": (shape, np.uint32)} if self.decay else {}
        return {"gain": (shape, np.float64), **visits, "state": ((), np.int32)}

    def worth(self, people: Any, kind: str) -> NDArray[np.float64]:
        """Return Q of every agent, float64 of shape (rows, states, arms)."""
        return np.asarray(self.initial + self.table(people, kind, "gain"))

    def hear(self, observation: Observation) -> None:
        """Take the rewards; where an episode is done, learn at once."""
        super().hear(observation)
        if "done" not in observation:
            return
        done = np.broadcast_to(np.asarray(observation["done"], np.bool_), (len(observation),))
        people = observation.agents.population
        for name, kind in self._options:
            if name == people.name:
                columns = self._held(people, kind)
                rows = observation.agents.rows[done]
                rows = rows[columns["arm"][rows] > 0]
                self._learn(columns, rows, np.zeros(len(rows)))
                columns["arm"][rows] = 0

    def _turn(
        self, columns: Mapping[str, NDArray[Any]], rows: Any, draws: Stream, seen: NDArray[Any]
    ) -> NDArray[np.int64]:
        again = np.flatnonzero(columns["arm"][rows] > 0)
        following = columns["gain"][rows[again], seen[again]].max(axis=1)
        self._learn(columns, rows[again], self.gamma * (self.initial + following))
        chance, k = draws.uniform(size=2), columns["gain"].shape[2]
        arm = best(columns["gain"][rows, seen], chance[:, 0])
        arm = np.where(chance[:, 1] < self.epsilon, draws.integers(high=k), arm)
        columns["arm"][rows], columns["state"][rows] = arm + 1, seen
        return np.asarray(arm)

    def _learn(
        self,
        columns: Mapping[str, NDArray[Any]],
        rows: NDArray[np.intp],
        following: NDArray[np.float64],
    ) -> None:
        """Learn from what was told, and from what is to follow, discounted."""
        gain = columns["gain"]
        pair = rows, columns["state"][rows], columns["arm"][rows].astype(np.int64) - 1
        rate: Any = self.alpha
        if self.decay:
            columns["visits"][pair] += 1
            rate = self.alpha * columns["visits"][pair] ** -self.decay
        target = columns["reward"][rows] + following - self.initial
        gain[pair] += rate * (target - gain[pair])
        columns["reward"][rows], columns["told"][rows] = 0.0, False

    def _columns(self, observation: Observation, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        people = observation.agents.population
        if (people.name, observation.kind) not in self._options:
            each = self.states * len(names) * (12 if self.decay else 8)
            if (size := each * people.rows / 2**30) > self.memory:
                raise PolicyError(
                    f"{people.rows} agents with {self.states} states of {len(names)} arms take "
                    f"{size:.3g} GiB, more than {self.memory:g}",
                    where=self._where(observation),
                    mend="take fewer bins or arms, or memory=",
                )
        return super()._columns(observation, names)

    def _seen(self, observation: Observation) -> NDArray[np.int64]:
        """Return the number of the state that each agent sees."""
        n, where = len(observation), self._where(observation)
        number = np.zeros(n, np.int64)
        for name, bins in self.state.items():
            if name not in observation:
                raise PolicyError(
                    f"the world does not show {name!r}; {nearest(name, observation.columns)}",
                    where=where,
                )
            value = np.asarray(observation[name])
            if value.dtype.kind not in "biuf" or value.shape not in ((), (n,)):
                raise PolicyError(
                    f"expected {name!r} as one number an agent, got {value.dtype} of shape "
                    f"{value.shape}",
                    where=where,
                )
            if isinstance(bins, int):
                if n and not (value.min() >= 0 and value.max() < bins):
                    raise PolicyError(
                        f"expected {name!r} in 0..{bins - 1}, got {value.min()} to {value.max()}",
                        where=where,
                    )
                number = number * bins + value.astype(np.int64)
            else:
                code = np.searchsorted(bins, value, side="right")
                code = np.where(np.isnan(value), len(bins) + 1, code)
                number = number * (len(bins) + 2) + code
        return number


def _bins(name: str, given: Bins) -> int | tuple[float, ...]:
    where = f"QLearning, state {name!r}"
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given >= 1:
        return int(given)
    if isinstance(given, (list, tuple)):
        edges = tuple(float(edge) for edge in given if isinstance(edge, (int, float)))
        rising = all(a < b for a, b in pairwise(edges))
        if edges and len(edges) == len(given) and rising and np.isfinite(edges).all():
            return edges
    raise ParameterError(
        f"expected a number of codes, or edges in ascending order, got {given!r:.80}", where=where
    )
