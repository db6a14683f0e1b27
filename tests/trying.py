"""Worlds and hand-held asks for minds that learn."""

from __future__ import annotations

import numpy as np

from populace import Choice, Number, Population, World
from populace.kernel.streams import Streams
from populace.testing import observe


class Arms(World):
    """Everybody pulls an arm a tick; arm j pays 1 with chance ``means[j]``, else 0."""

    def __init__(self, people=50, means=(0.2, 0.5, 0.8), space=None):
        self.people = Population(people, pulled=np.int64, paid=np.float64)
        self.means = np.array(means)
        self.space = space or Choice([f"arm {j}" for j in range(len(means))])

    async def step(self, minds):
        found = await minds.ask("pull", self.people, self.space)
        arm = found.values
        if isinstance(self.space, Number):
            arm = np.rint(arm * (len(self.means) - 1)).astype(int)
        self.people.pulled = arm
        self.people.paid = minds.stream("pay").uniform(self.people) < self.means[arm]
        minds.tell("paid", self.people, reward=self.people.paid)

    def measure(self):
        return {"paid": float(self.people.paid.mean())}


def pulls(policy, n, ticks, pay, seed=0):
    """Yield, tick by tick, what `n` agents pull and are paid: ``pay(arm, uniform draws, tick)``."""
    people = Population(n, name="people")
    policy.start(people, Streams(seed))
    space = Choice([f"arm {j}" for j in range(pay.arms)])
    for tick in range(ticks):
        arm = np.asarray(policy.act(observe("pull", people, space, tick=tick, seed=seed)))
        draws = Streams(seed).stream("pay", tick).uniform(n)
        reward = pay(arm, draws, tick)
        yield arm, reward
        policy.hear(observe("paid", people, space, tick=tick, seed=seed, reward=reward))


class Bernoulli:
    """Arms that pay 1 with fixed chances."""

    def __init__(self, *means):
        self.means, self.arms = np.array(means), len(means)

    def __call__(self, arm, draws, tick):
        return (draws < self.means[arm]).astype(float)


class Sequence:
    """Arms whose payments somebody wrote down beforehand: shape (ticks, arms)."""

    def __init__(self, table):
        self.table = np.asarray(table, float)
        self.arms = self.table.shape[1]

    def __call__(self, arm, draws, tick):
        return self.table[tick, arm]


class Matrix(World):
    """Groups in which each plays a symmetric two-by-two game with every other, once a tick."""

    def __init__(self, groups, size, payoffs):
        self.people = Population(groups * size, group=np.repeat(np.arange(groups), size))
        self.groups, self.size, self.payoffs = groups, size, np.asarray(payoffs, float)

    def pays(self, ones):
        """Return what the two moves pay among `ones` players of move 1 (and the rest of move 0)."""
        n, (zero, one) = self.size, self.payoffs
        zeros = n - ones
        return (
            (zero[0] * (zeros - 1) + zero[1] * ones) / (n - 1),
            (one[0] * zeros + one[1] * (ones - 1)) / (n - 1),
        )

    async def step(self, minds):
        found = await minds.ask("play", self.people, Choice(["zero", "one"]))
        self.move = found.values.astype(int)
        ones = np.bincount(self.people.group, self.move, self.groups)[self.people.group]
        minds.tell("paid", self.people, reward=np.choose(self.move, self.pays(ones)))

    def measure(self):
        return {"ones": float(self.move.mean())}
