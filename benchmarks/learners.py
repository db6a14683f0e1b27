"""What minds that learn cost an agent, and how their regret grows against Lai and Robbins' bound.

``python benchmarks/learners.py`` times (CPU seconds, by turns in one run) one decision and its
reward of 200,000 agents with ten arms: each mind; UCB1 with tables of its own, as one would write
it by hand in numpy; and UCB1 as an object an agent (of 2,000 agents). Then 1,000 agents with two
arms pull 4,000 times: how much regret is added between pulls 1,000 and 4,000, in units of what any
consistent policy adds at least as n grows, ``gap / KL(worse, better)`` for each e-fold.
"""

from __future__ import annotations

from functools import partial
from math import log, sqrt

import numpy as np

from _measure import by_turns_fresh, peak_memory_mib, ratio, report, spread
from populace import Bandit, Choice, Population, QLearning, Text, threads
from populace.kernel.streams import Streams
from populace.testing import observe

AGENTS, FEW, ARMS = 200_000, 2_000, 10
PULLERS, EARLY, LATE = 1_000, 1_000, 4_000
MEANS = np.array([0.3, 0.7])
SPACE = Choice([f"arm {j}" for j in range(ARMS)])


def round_of(make, agents):
    """Return a function in which a mind decides and is told its reward, tick after tick."""
    policy = make()
    people = Population(agents, name="people", at=(np.arange(agents) % 5).astype(np.uint8))
    policy.start(people, None)
    reward = np.random.default_rng(0).random(agents)
    ticks = iter(range(10**6))

    def play():
        tick = next(ticks)
        policy.act(observe("pull", people, SPACE, see=["at"], tick=tick))
        policy.hear(observe("paid", people, Text(), tick=tick, reward=reward))

    return play


def by_hand(agents):
    """Return the same for UCB1 over tables of one's own."""
    count, total = np.zeros((agents, ARMS)), np.zeros((agents, ARMS))
    random = np.random.default_rng(0)
    reward, rows = random.random(agents), np.arange(agents)

    def play():
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = total / count + np.sqrt(2 * np.log(count.sum(axis=1, keepdims=True)) / count)
        worth[count == 0] = np.inf
        arm = np.argmax(worth + 1e-9 * random.random(worth.shape), axis=1)
        count[rows, arm] += 1
        total[rows, arm] += reward

    return play


def warmed(make):
    """Return a round that comes after every arm has been pulled."""
    play = make()
    for _ in range(ARMS + 1):
        play()
    return play


class Puller:
    """UCB1 as one object an agent."""

    def __init__(self):
        self.count, self.mean = [0] * ARMS, [0.0] * ARMS

    def pull(self, reward):
        if 0 in self.count:
            arm = self.count.index(0)
        else:
            n = log(sum(self.count))
            worth = [m + sqrt(2 * n / c) for m, c in zip(self.mean, self.count, strict=True)]
            arm = worth.index(max(worth))
        self.count[arm] += 1
        self.mean[arm] += (reward - self.mean[arm]) / self.count[arm]


def objects(agents):
    pullers = [Puller() for _ in range(agents)]
    rewards = np.random.default_rng(0).random(agents).tolist()

    def play():
        for puller, reward in zip(pullers, rewards, strict=True):
            puller.pull(reward)

    return play


def regret(policy):
    """Return what an agent has lost after `EARLY` and `LATE` pulls, on average."""
    people = Population(PULLERS, name="people")
    policy.start(people, None)
    space, lost, found = Choice(["worse", "better"]), 0.0, []
    for tick in range(LATE):
        arm = np.asarray(policy.act(observe("pull", people, space, tick=tick)))
        lost += float((MEANS.max() - MEANS[arm]).mean())
        paid = Streams(0).stream("pay", tick).uniform(PULLERS) < MEANS[arm]
        policy.hear(observe("paid", people, Text(), tick=tick, reward=paid))
        if tick + 1 in (EARLY, LATE):
            found.append(lost)
    return found


def main() -> None:
    minds = {
        f"Bandit, {a}": partial(Bandit, a) for a in ("epsilon-greedy", "ucb1", "thompson", "exp3")
    }
    minds["QLearning, 5 states"] = partial(QLearning, {"at": 5})
    rounds = {name: partial(round_of, make, AGENTS) for name, make in minds.items()}
    rounds["UCB1 by hand"] = partial(by_hand, AGENTS)
    rounds["UCB1, an object an agent"] = partial(objects, FEW)
    rivals = {name: partial(warmed, make) for name, make in rounds.items()}
    with threads(1):
        seconds = by_turns_fresh(rivals, repeats=5, clock="cpu")
    each = {name: FEW if "object" in name else AGENTS for name in rivals}
    worse, better = MEANS
    information = worse * log(worse / better) + (1 - worse) * log((1 - worse) / (1 - better))
    least = (better - worse) / information
    growth = {}
    for name in ("ucb1", "thompson"):
        early, late = regret(Bandit(name))
        growth[name] = {
            f"regret after {EARLY}": round(early, 1),
            f"regret after {LATE}": round(late, 1),
            "times Lai and Robbins": round((late - early) / log(LATE / EARLY) / least, 2),
        }
    hand = [s / AGENTS for s in seconds["UCB1 by hand"]]
    loop = [s / FEW for s in seconds["UCB1, an object an agent"]]
    ours = [s / AGENTS for s in seconds["Bandit, ucb1"]]
    report(
        "learners",
        {
            "agents": AGENTS,
            "arms": ARMS,
            "threads": 1,
            "cpu_ns_per_agent": {n: spread(t, 1e9 / each[n]) for n, t in seconds.items()},
            "ucb1_times_by_hand": ratio(ours, hand),
            "ucb1_times_objects": ratio(ours, loop),
            "regret": growth,
            "peak_mib": peak_memory_mib(),
        },
        "scipy",
    )


if __name__ == "__main__":
    main()
