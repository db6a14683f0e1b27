"""Laws of votes and debates, through teams of rules whose chance is known."""

import asyncio
import math
import re

import numpy as np
import pytest

from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Streams
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.debate import debate
from populace.teams.structures.voting import vote
from populace.teams.team import Team
from populace.teams.votes import log_odds
from tests.speakers import watched

SIGMAS = 5.33  # two-sided error below 1e-7


def decided(members, structure, items, *, seed=1, options="AB", **settings):
    """Verdicts of a team on as many items, where "A" is always right, and what each said."""
    team = Team(members, structure, **settings)
    observation = Observation(
        "answer",
        Choice(list(options)),
        Population(items)[:],
        0,
        see=(),
        given={"question": "Which?"},
        streams=Streams(seed),
        stream="exam",
    )
    items = watched(team)
    work = asyncio.run(team.decide(observation, None, "team"))
    work.items = items
    return work


def accuracy(work):
    return float(np.mean([verdict.answer == "A" for verdict in work.verdicts]))


def right_with(p):
    """A member that is right with probability p, independent of the others."""
    return lambda o: np.where(o.random.bernoulli(p=p), "A", "B")


def majority(n, p):
    """Condorcet (1785): the probability that most of n voters are right, ties by a fair coin."""
    chance = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return sum(chance[n // 2 + 1 :]) + (chance[n // 2] / 2 if n % 2 == 0 else 0)


def close(found, expected, items):
    return abs(found - expected) < SIGMAS * math.sqrt(expected * (1 - expected) / items)


@pytest.mark.parametrize(("n", "p"), [(1, 0.6), (4, 0.7), (5, 0.6), (9, 0.65)])
def test_a_vote_of_independent_members_is_condorcets(n, p):
    items = 3000
    work = decided([right_with(p)] * n, vote, items)
    assert close(accuracy(work), majority(n, p), items)


def test_samples_of_one_member_vote_like_as_many_members():
    items = 2000
    whole = decided([right_with(0.6)], self_consistency, items, k=5, stop=False)
    stopped = decided([right_with(0.6)], self_consistency, items, k=5)
    assert close(accuracy(whole), majority(5, 0.6), items)
    # the same samples, fewer of them, the same answers
    assert [v.answer for v in whole.verdicts] == [v.answer for v in stopped.verdicts]
    # 3 of 5 settle it if they agree, p^3 + q^3; else a fourth settles it if it makes 3 to 1
    p, q = 0.6, 0.4
    three, four = p**3 + q**3, 3 * (p**3 * q + q**3 * p)
    expected = 3 * three + 4 * four + 5 * (1 - three - four)
    calls = [len(item.said()) for item in stopped.items]
    assert abs(np.mean(calls) - expected) < SIGMAS * 1 / math.sqrt(items)  # of 3 to 5: sd <= 1


def test_weights_by_log_odds_reach_the_bayes_rate():
    # one expert at .9 and four at .6: log-odds 2.197 against 4 x .405 = 1.62: the expert decides
    # whatever the others say, so the vote is right with .9; the plain majority is right less often
    items, ps = 3000, [0.9, 0.6, 0.6, 0.6, 0.6]
    members = [right_with(p) for p in ps]
    weighted = decided(members, vote, items, weights=log_odds(ps).tolist())
    assert close(accuracy(weighted), 0.9, items)
    # by hand: expert right and 2 or more of four (.8208), or wrong and 3 or more (.4752)
    plain = decided(members, vote, items)
    assert close(accuracy(plain), 0.9 * 0.8208 + 0.1 * 0.4752, items)


def copier(p):
    """A debater that takes over the answer of another, drawn uniformly; at first right with p."""
    first = right_with(p)

    def act(o):
        if o["prompt"] == "answer":
            return first(o)
        heard = [re.findall(r"^[AB]$", text, re.M) for text in o["peers"]]
        which = o.random.integers(low=0, high=len(heard[0]))
        return np.array([said[i] for said, i in zip(heard, which, strict=True)])

    return act


def test_debate_by_uniform_copies_is_a_martingale():
    # X. Zhu et al. (Findings of ACL 2026): with agents of a kind and uniform updates the share of
    # right answers keeps its expectation in every round. It varies between items by p (1 - p) at
    # most, when all agree.
    items, n, p = 1500, 5, 0.6
    work = decided([copier(p)] * n, debate, items, rounds=4)
    right = np.zeros(4)
    for item in work.items:
        for said in item.said():
            right[said.round] += said.answer == "A"
    share = right / (items * n)
    bound = SIGMAS * math.sqrt(p * (1 - p) / items)
    assert np.all(np.abs(share - p) < bound)
    assert share[0] != share[3]  # it is a law of means: the rounds do differ
    # so the debate cannot beat the vote, and here it forgets what the vote had gained
    voted = np.mean([_majority_of_round(item, 0) for item in work.items])
    assert close(voted, majority(n, p), items)
    assert accuracy(work) < voted


def _majority_of_round(item, r):
    return sum(said.answer == "A" for said in item.said() if said.round == r) >= 3
