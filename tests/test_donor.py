"""The donor game: closed forms, the threshold of indirect reciprocity, evolution without words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Cast, Rule, Simulation
from populace.kernel.errors import ParameterError
from populace.language import Scripted
from populace.language.embedding import Hashed
from populace.language.memory import Memory
from populace.language.policy import Language
from populace.records.checkpoints import Checkpoints
from populace.testing import check_world
from populace.worlds.donor import PROMPTS, REMEMBERING, Donor
from populace.worlds.donor.evolution import models, survivors
from populace.worlds.donor.facts import final_resources, mean_field, threshold
from populace.worlds.donor.norms import NORMS
from populace.worlds.donor.rounds import at_random, rotation
from populace.worlds.donor.rules import RULES, Follows


def played(mind: Any = None, ticks: int = 12, seed: int = 1, **parameters: Any) -> Donor:
    world = Donor(**parameters)
    Simulation(world, mind, seed=seed).run(ticks)
    return world


# -- resources -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(1, 13), st.floats(0, 4), st.floats(0.1, 100), st.integers(1, 4))
def test_where_all_give_alike_final_resources_are_those_of_the_closed_form(
    share: float, rounds: int, multiplier: float, endowment: float, half: int
) -> None:
    world = played(
        Follows("give", share), rounds, games=2, agents=2 * half, rounds=rounds,
        multiplier=multiplier, endowment=endowment, words="none",
    )  # fmt: skip
    a, b = final_resources(share, rounds, multiplier, endowment)
    found = np.sort(world.people.resources.reshape(2, -1), axis=1)
    expected = np.repeat(sorted([a, b]), half)
    np.testing.assert_allclose(found, np.tile(expected, (2, 1)), rtol=1e-9, atol=1e-9)
    assert world.results()["final"] == pytest.approx((a + b) / 2)


def test_the_paper_s_extremes() -> None:
    """Nobody gives: the endowment. All give everything: 10 becomes 30,720 on average."""
    assert final_resources(0, 12, 2, 10) == (10, 10)
    assert sum(final_resources(1, 12, 2, 10)) / 2 == 10 * 3 * 2**11 / 2
    assert set(played(Follows("keep")).people.resources.tolist()) == {10}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 9), st.floats(0, 3), st.floats(0, 3), st.booleans(),
    st.sampled_from(["rotation", "random"]), st.integers(0, 99),
)  # fmt: skip
def test_resources_are_conserved(
    agents: int, multiplier: float, impact: float, punishment: bool, pairing: Any, seed: int
) -> None:
    """The sum changes by (m - 1) of what is given, less what is spent and what fines destroy."""
    agents += agents % 2 if pairing == "rotation" else 0
    seen: list[Any] = []

    class Listener:
        def act(self, o: Any) -> Any:
            return Donor(punishment=punishment).policies()["random"].act(o)  # type: ignore[union-attr]

        def hear(self, o: Any) -> None:
            if o.kind == "paid":
                seen.append({n: np.array(o[n]) for n in ("reward", "share", "donor")})

    world = Donor(
        3, agents, rounds=5, multiplier=multiplier, impact=impact, punishment=punishment,
        pairing=pairing, words="none",
    )  # fmt: skip
    simulation, total = Simulation(world, Listener(), seed=seed), 3 * agents * 10.0
    for _ in range(5):
        before = world.people.resources.copy()
        simulation.run(1)
        told = seen.pop()
        given = -told["reward"][told["donor"] & (told["share"] >= 0)].sum()
        spent = -told["reward"][told["donor"] & (told["share"] < 0)].sum()
        taken = -told["reward"][~told["donor"] & (told["share"] < 0)].sum()
        total += (multiplier - 1) * given - spent - taken
        assert world.people.resources.sum() == pytest.approx(total)
        assert (world.people.resources >= 0).all()
        assert taken <= impact * spent + 1e-9
        assert (told["share"] < 0).any() <= punishment
        assert 0 <= taken <= before.sum()


def test_a_unit_spent_to_punish_takes_two_and_no_more_than_there_is() -> None:
    def treat(o: Any) -> Any:
        return {"act": np.ones(len(o), int), "units": np.full(len(o), 4.0)}

    world = played(Rule(treat=treat), 1, agents=2, punishment=True)
    assert sorted(world.people.resources.tolist()) == [2, 6]
    world = played(Rule(treat=treat), 1, agents=2, punishment=True, impact=3)
    assert sorted(world.people.resources.tolist()) == [0, 6]


def test_who_has_nothing_is_not_asked() -> None:
    asked: list[int] = []

    def all_of_it(o: Any) -> Any:
        asked.append(len(o))
        return o["resources"] if o["round"] == 1 else np.zeros(len(o))

    world = played(Rule(donate=all_of_it), 3, agents=4, multiplier=0)
    assert asked == [2, 2]  # the first half has nothing left to give in the third round
    assert world.people.given[world.people.resources == 0].tolist() == [1, 1]


# -- pairs and traces ----------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(0, 99))
def test_rotation_meets_everybody_of_the_other_half_once_in_each_role(half: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(2 * half)[None]
    met, last = [], None
    for number in range(2 * half):
        donors, recipients = (x[0] for x in rotation(order, number))
        assert set(donors) | set(recipients) == set(range(2 * half))
        if last is not None:
            assert set(donors) == last  # whoever is a donor was a recipient before
        last = set(recipients)
        met += [*zip(donors.tolist(), recipients.tolist(), strict=True)]
    assert len(set(met)) == len(met) == 2 * half * half
    assert len({frozenset(pair) for pair in met[: half * half]}) == half * half


def test_random_pairs_leave_one_out_where_the_number_is_odd() -> None:
    donors, recipients = at_random(np.arange(10).reshape(2, 5))
    assert donors.tolist() == [[0, 2], [5, 7]]
    assert recipients.tolist() == [[1, 3], [6, 8]]


def test_a_trace_is_what_the_recipient_did_then_its_partner_before_it_and_so_on() -> None:
    """Against the history kept apart, act by act."""
    log: dict[tuple[int, int], tuple[int, float]] = {}
    seen: list[tuple[int, int, str]] = []

    class Watcher:
        def act(self, o: Any) -> Any:
            if o.kind != "donate":
                return np.array([""] * len(o), object)
            names = zip(o["partner"], o["trace"], strict=True)
            seen.extend((int(o["round"]), int(p.split("_")[1]) - 1, t) for p, t in names)
            return o.random.uniform() * o["resources"]

    world = Donor(agents=8, rounds=8)
    simulation = Simulation(world, Watcher(), seed=3)
    for number in range(1, 9):
        before = len(seen)
        donors, recipients = (x[0] for x in rotation(world._order, number - 1))
        simulation.run(1)
        if number == 1:
            donors, recipients = (x[0] for x in rotation(world._order, 0))
        share = world.people.given
        for at, recipient, text in seen[before:]:
            assert at == number
            lines, who, when = [], recipient, number - 1
            while when > 0 and (when, who) in log and len(lines) < 3:
                whom, x = log[when, who]
                lines.append(
                    f"In round {when}, 1_{who + 1} gave {100 * x:.3g} % of what they had to "
                    f"1_{whom + 1}."
                )
                who, when = whom, when - 1
            assert text == (" ".join(lines) or f"1_{recipient + 1} has not been a donor yet.")
        for donor, recipient in zip(donors.tolist(), recipients.tolist(), strict=True):
            log[number, donor] = recipient, float(share[donor])
    assert max(text.count("In round") for *_, text in seen) == 3


# -- indirect reciprocity ------------------------------------------------------------------------

BINARY = {"binary": True, "pairing": "random", "words": "none", "rounds": 30, "endowment": 100.0}
PLAYED_BY = dict(zip(NORMS, ("image_scoring", "standing", "stern_judging"), strict=True))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("q", [0.3, 1.0])
def test_a_large_population_follows_the_mean_field(norm: Any, q: float) -> None:
    """Giving and images, round by round; a round's sampling error is passed on, but not grown."""
    n, x, rounds = 40_000, 0.6, 12
    gave: list[float] = []
    rule = Follows(PLAYED_BY[norm])

    def watch(o: Any) -> Any:
        wanted = rule.act(o)
        gave.append(float(wanted.mean()))
        return wanted

    world = Donor(agents=n, knowledge=q, **{**BINARY, "rounds": rounds})
    minds = {"discriminator": Rule(give=watch), "keep": Follows("keep")}
    cast = Cast(minds, shares={"discriminator": x, "keep": 1 - x})
    simulation = Simulation(world, cast, seed=5)
    expected = mean_field(norm, x, q, rounds)
    discriminators = cast.codes == 0
    for number in range(rounds):
        image = world.people[norm]
        error = 5 * 0.5 / math.sqrt(n * (1 - x)) * math.sqrt(number + 1)
        assert abs(image[discriminators].mean() - expected.good[number]) < error
        assert abs(image[~discriminators].mean() - expected.bad[number]) < error
        simulation.run(1)
        assert abs(gave[-1] - expected.giving[number]) < 5 * 0.5 / math.sqrt(n * x / 2) + error
    earned = world.people.resources - 100
    for group, paid in (
        (discriminators, expected.discriminators),
        (~discriminators, expected.defectors),
    ):
        # of the group's own luck, and of images that are off by `error`: b x q error / 2 a round
        spread = 5 * earned[group].std() / math.sqrt(group.sum()) + x * q * error * rounds
        assert abs(earned[group].mean() - paid.sum()) < spread


@pytest.mark.parametrize("norm", ["scoring", "standing"])
@pytest.mark.parametrize("q", [0.6, 0.8, 1.0])
def test_the_mean_field_settles_at_the_threshold(norm: Any, q: float) -> None:
    """Below x* defectors earn more, above it discriminators; x* < 1 if and only if q > c / b."""
    for x in np.linspace(0.05, 0.99, 20):
        settled = mean_field(norm, x, q, 4000)
        gain = settled.discriminators[-1] - settled.defectors[-1]
        away = x - threshold(norm, 2.0, 1.0, q)
        assert gain * away > 0 or abs(gain) < 1e-9
        if norm == "scoring":
            g = (1 - q) / (1 - q * x)
            assert gain == pytest.approx(g * (2 * q * x - 1) / 2, abs=1e-6)
        else:
            assert gain == pytest.approx((2 * q * x - (1 - q + q * x)) / 2, abs=1e-6)


@given(st.floats(0.01, 1), st.floats(0.1, 5), st.floats(1.01, 8))
def test_discriminators_can_resist_defectors_if_q_exceeds_c_over_b(
    q: float, cost: float, ratio: float
) -> None:
    benefit = cost * ratio
    for norm in ("scoring", "standing"):
        if abs(q - cost / benefit) > 1e-9:
            assert (threshold(norm, benefit, cost, q) < 1) == (q > cost / benefit)


def crossing(q: float, rounds: int) -> float:
    """Share of discriminators from which they earn more in a generation of the mean field."""

    def gain(x: float) -> float:
        field = mean_field("scoring", x, q, rounds)
        return float(field.discriminators.sum() - field.defectors.sum())

    low, high = 0.01, 1.0
    assert gain(low) < 0 < gain(high)
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if gain(middle) > 0 else (middle, high)
    return high


def test_short_generations_raise_the_threshold_as_all_are_good_at_first() -> None:
    """The transient's cost is paid once: it raises the threshold in proportion to 1 / rounds."""
    settled = threshold("scoring", 2.0, 1.0, 0.7)
    above = [crossing(0.7, rounds) - settled for rounds in (50, 100, 200, 400)]
    assert min(above) > 0
    np.testing.assert_allclose(np.divide(above[:-1], above[1:]), 2, rtol=0.05)


@pytest.mark.parametrize("q", [0.7, 0.9])
@pytest.mark.parametrize("side", [-0.1, 0.1])
def test_imitation_leads_to_discriminators_above_the_threshold_only(q: float, side: float) -> None:
    start = round(1000 * (crossing(q, 30) + side))
    world = Donor(
        agents=2000, generations=50, knowledge=q, selection="imitation", mutation=0,
        rules=f"image_scoring={start},keep={1000 - start}", **BINARY,
    )  # fmt: skip
    Simulation(world, seed=2).run(50 * 30)
    share = float((world.people.rule == 0).mean())
    assert (share > 0.97) if side > 0 else (share < 0.03)


def test_where_images_are_rarely_known_no_share_of_discriminators_is_enough() -> None:
    """q = 0.4 is below c / b = 1/2."""
    world = Donor(
        agents=2000, generations=50, knowledge=0.4, selection="imitation", mutation=0,
        rules="image_scoring=19,keep=1", **BINARY,
    )  # fmt: skip
    Simulation(world, seed=2).run(50 * 30)
    assert (world.people.rule == 0).mean() < 0.03


def test_imitation_moves_shares_as_the_replicator_equation_says() -> None:
    """Given the scores, the expected change of a generation is that of the docstring, exactly."""
    draws = np.random.default_rng(4)
    n = 20_000
    kind = np.arange(n) % 10 < 3
    scores = (draws.normal(size=n) + 0.5 * kind)[None]
    model = models(scores, draws.random((1, n)), draws.random((1, n)))
    x, span = kind.mean(), np.ptp(scores)
    apart = scores[0, kind].mean() - scores[0, ~kind].mean()
    expected = x * (1 - x) * apart / span * n / (n - 1)
    changed = float(kind[model].mean() - x)
    # one in 1/chance imitates, and moves the share if the other is of the other kind
    chance = np.abs(scores[0, :, None] - scores[0, None, :400]).mean() / 2 / span
    error = math.sqrt(2 * x * (1 - x) * chance / n)
    assert abs(changed - expected) < 5 * error < expected


# -- evolution -----------------------------------------------------------------------------------


def test_the_best_half_goes_on_with_its_names_and_strategies() -> None:
    world = Donor(games=3, agents=6, rounds=4)
    simulation = Simulation(world, seed=4)
    simulation.run(4)
    has, ids = world.people.resources.reshape(3, 6).copy(), world.people.ids.reshape(3, 6).copy()
    rules, words = world.people.rule.copy(), list(world.strategies)
    simulation.run(1)
    for game in range(3):
        best = set(ids[game][np.argsort(-has[game], kind="stable")[:3]])
        limit = np.sort(has[game])[3]
        old = world.people.born.reshape(3, 6)[game] == 1
        stayed = set(world.people.ids.reshape(3, 6)[game][old])
        assert len(stayed) == 3
        assert stayed == best or (has[game] == limit).sum() > 1  # a tie is drawn
        assert (has[game][old] >= limit).all()
    old = world.people.born == 1
    np.testing.assert_array_equal(world.people.rule[old], rules[old])
    assert [w for w, o in zip(world.strategies, old, strict=True) if o] == [
        w for w, o in zip(words, old, strict=True) if o
    ]
    assert world.people.ids[~old].min() >= 18  # newcomers are new agents
    assert sorted(world.people.number[~old].tolist()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(1, 8), st.integers(0, 99))
def test_survivors_are_the_best(n: int, keep: int, seed: int) -> None:
    keep = min(keep, n)
    draws = np.random.default_rng(seed)
    scores = draws.integers(0, 4, (5, n)).astype(float)
    chosen = survivors(scores, keep, draws.random((5, n)))
    assert (chosen.sum(axis=1) == keep).all()
    for row, kept in zip(scores, chosen, strict=True):
        assert kept.all() or row[kept].min() >= row[~kept].max()


def test_by_drift_alone_a_rule_takes_over_with_the_chance_of_its_first_share() -> None:
    """A neutral share is a martingale: it ends at 1 with the probability it began with."""
    world = Donor(
        games=600, agents=8, generations=200, rounds=1, selection="random", rules="give=1,keep=3",
        words="none", mutation=0,
    )  # fmt: skip
    Simulation(world, seed=9).run(200)
    share = (world.people.rule == 0).reshape(600, 8).mean(axis=1)
    assert set(share.tolist()) == {0, 1}
    assert abs(share.mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 600)


def test_generosity_to_all_declines_and_to_the_generous_it_lasts() -> None:
    """Under selection of the best, each generation's survivors of a society that gives to all give
    less than those who leave; where the stingy are not given to, resources grow instead."""
    common: dict[str, Any] = {"games": 100, "words": "none", "generations": 6}
    first, means = Donor(rules="give", **common), []
    simulation = Simulation(first, seed=3)
    for _ in range(6):
        simulation.run(12)
        means.append(first.measure()["generosity"])
    assert means == sorted(means, reverse=True)
    assert means[-1] < 0.75 * means[0]
    shared = played(ticks=72, seed=3, rules="mirror=3,keep=1", **common)
    final = shared.results()["final"].reshape(6, 100).mean(axis=1)
    assert final[-1] > 3 * final[0]
    assert (shared.people.rule == 0).mean() > 0.75


def test_a_newcomer_has_the_mind_of_its_seat_or_of_its_teacher() -> None:
    minds = {"keep": Follows("keep"), "give": Follows("give")}
    shares: dict[str, dict[str, int]] = {}
    for newcomers in ("seat", "teacher"):
        cast = Cast(minds, assign={"keep": slice(0, 6), "give": slice(6, 12)})  # no shares
        world = Donor(rounds=12, newcomers=newcomers)  # type: ignore[arg-type]
        Simulation(world, cast, seed=1).run(13)
        shares[newcomers] = cast.counts()
    assert shares["seat"] == {"keep": 6, "give": 6}
    assert shares["teacher"] == {"keep": 12, "give": 0}  # who keeps has most, before all who give


def test_the_records_follow_every_generation() -> None:
    world = Donor(generations=4, rounds=4)
    run = Simulation(world, seed=1).run(16)
    assert set(run.panel["id"]) == set(range(12 + 3 * 6))
    assert (run.panel["kind"] == "strategy").sum() == 12 + 3 * 6
    assert (run.panel["kind"] == "donate").sum() == 16 * 6


# -- words ---------------------------------------------------------------------------------------


def replies(asked: dict[tuple[str, int, int], str]) -> Any:
    def reply(request: Any) -> Any:
        label = request.label
        text = "\n".join(message.content for message in request.messages)
        asked.setdefault((label.kind, label.agent, label.tick), text)
        if label.kind == "donate":
            return '{"answer": 2}' if label.agent else '{"answer": -1}'
        if label.kind == "treat":
            return '{"act": "punish", "units": 1.5}'
        if label.kind == "give":
            return [0.0, 1.0]
        return f"My {label.kind} as {label.agent}."

    return reply


def test_a_language_model_plays_and_hands_its_strategy_on() -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Donor(rounds=4, agents=4, generations=2)
    run = Simulation(world, Language(Scripted(replies(asked)), PROMPTS), seed=1).run(8)
    assert run.asks["invalid"].sum() > 0  # agent 0, who keeps what it has
    first = asked["strategy", 1, 0]
    for words in ("Your name is 1_2", "10 units", "4 rounds", "2 times"):
        assert words in first
    kind = [text for (name, _, tick), text in asked.items() if name == "donate" and tick == 1]
    assert all("In round 1, 1_" in text and " to 1_" in text for text in kind)
    assert any("gave 20 % of what they had to 1_" in text for text in kind)
    assert any("My strategy as 2." in text for text in kind)
    fresh = [text for (name, _, tick), text in asked.items() if name == "strategy" and tick == 4]
    assert len(fresh) == 2
    stayed = world.people.ids[world.people.born == 1]
    for text in fresh:
        assert text.count("who ended with") == 2
        assert "generation 2" in text
        assert all(f"My strategy as {agent}." in text for agent in stayed)
    assert {key[1] for key in asked if key[0] == "strategy" and key[2] == 4} == {4, 5}


def test_advice_is_what_newcomers_read_instead() -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Donor(rounds=2, agents=4, generations=2, words="advice", punishment=True)
    Simulation(world, Language(Scripted(replies(asked)), PROMPTS), seed=1).run(3)
    advisers = {agent for kind, agent, _ in asked if kind == "advise"}
    assert len(advisers) == 2
    fresh = [text for (name, _, tick), text in asked.items() if name == "strategy" and tick == 2]
    for text in fresh:
        assert all(f"My advise as {agent}." in text for agent in advisers)
    treat = next(text for (name, _, tick), text in asked.items() if name == "treat" and tick == 1)
    assert "to punish" in treat
    assert "may instead spend units to punish" in fresh[0]


def test_rules_say_what_they_do() -> None:
    world = played(ticks=1)
    assert sorted({text.split()[1] for text in world.strategies}) == ["give", "keep"]
    assert len(set(world.strategies)) == 11  # two of each rule, of different generosity; two keep
    world = played(ticks=1, words="none")
    assert set(world.strategies) == {""}


def test_a_model_with_a_memory_is_reminded_of_what_it_lived_through() -> None:
    asked: dict[tuple[str, int, int], str] = {}
    memory = Memory(k=6, embed=Hashed(64))
    mind = Language(Scripted(replies(asked)), REMEMBERING, memory=memory)
    world = Donor(rounds=4, agents=4, generations=2)
    Simulation(world, mind, seed=1).run(7)
    ids = world.people.ids.tolist()
    old, new = min(i for i in ids if 0 < i < 4), max(ids)
    last = {a: t for (kind, a, tick), t in asked.items() if kind == "donate" and tick > 4}
    if old in last:
        assert "In round 4 of generation 1" in last[old]
    assert "generation 1" not in last.get(new, "")
    assert any("At the end of generation 1 I had" in text for text in last.values())


def test_a_model_plays_the_binary_game() -> None:
    asked: dict[tuple[str, int, int], str] = {}
    world = Donor(rounds=2, agents=4, binary=True)
    Simulation(world, Language(Scripted(replies(asked)), PROMPTS), seed=1).run(2)
    assert world.people.resources.tolist() == [11] * 4
    assert "1 units or none" in next(t for (kind, *_), t in asked.items() if kind == "give")


# -- parameters, checkpoints, the kernel -----------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"agents": 5}, "even number"),
        ({"surviving": 1.0}, "of 12 agents 12 would survive"),
        ({"binary": True, "punishment": True}, "binary"),
        ({"rules": "punisher"}, "needs punishment"),
        ({"rules": "giv"}, "'give'"),
        ({"rules": "give=1,give=2"}, "each name once"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Donor(**parameters)


def test_the_game_is_over_after_its_last_generation() -> None:
    world = Donor(generations=2, rounds=3)
    run = Simulation(world, seed=1).run(100)
    assert len(run.metrics) == 6
    assert world.results()["generation"].tolist() == [1, 2]


def test_a_run_goes_on_from_a_checkpoint_to_the_same_end(tmp_path: Any) -> None:
    def make() -> Donor:
        return Donor(games=2, rounds=4, punishment=True, words="advice", knowledge=0.8)

    straight, broken, world = make(), make(), make()
    Simulation(straight, seed=6).run(15)
    every = Checkpoints(every_ticks=1)
    Simulation(broken, seed=6).run(6, to=tmp_path / "run", checkpoint=every)
    Simulation.resume(tmp_path / "run", world=world).run(9)
    np.testing.assert_array_equal(world.people.resources, straight.people.resources)
    np.testing.assert_array_equal(world.traces.share, straight.traces.share)
    assert world.strategies == straight.strategies
    np.testing.assert_array_equal(world.results()["final"], straight.results()["final"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"punishment": True, "words": "advice", "knowledge": 0.7},
        {"binary": True, "selection": "imitation", "pairing": "random", "agents": 7},
        {"newcomers": "teacher", "innovation": 0.2},
    ],
)
def test_the_rules_of_the_kernel_are_kept(parameters: Any) -> None:
    def make() -> Donor:
        return Donor(**{"games": 2, "rounds": 3, **parameters})

    def cast() -> Cast:
        minds = {n: m for n, m in make().policies().items() if n not in ("language", "remembering")}
        return Cast(minds, shares=dict.fromkeys(minds, 1))

    check_world(make, cast, ticks=8).raise_if_failed()


def test_every_rule_can_be_cast_by_name() -> None:
    for name in RULES:
        world = Donor(punishment=True, generations=2, rounds=4)
        Simulation(world, world.policies()[name], seed=1).run(8)
        assert np.isfinite(world.people.resources).all()
