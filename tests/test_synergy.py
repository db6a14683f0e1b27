"""Budgeted synergy: closed forms against enumeration, and theory against teams at work."""

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from populace import Population, Simulation, Text, World
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Streams
from populace.reports.phase import phase_chart, write_phase
from populace.studies import synergy as s
from populace.studies.synergy.agents import Trials, tree
from populace.teams.metrics import k_star, metrics
from populace.teams.structures.voting import vote
from populace.teams.team import Team

special = pytest.importorskip("scipy.special")
integrate = pytest.importorskip("scipy.integrate")

# A check of m standard scores at once fails by chance with probability 1e-4 at most: Bonferroni
# holds however they depend on one another (all cells share their draws).


def bound(m):
    return float(special.ndtri(1 - 1e-4 / (2 * m)))


def scores(frame):
    return ((frame["simulated"] - frame["predicted"]) / frame["se"]).abs().to_list()


# -- trees ----------------------------------------------------------------------------------------


def by_enumeration(mu, b, rho):
    p = (1 + mu) / 2
    independent = sum(
        math.prod(p if x else 1 - p for x in votes)
        for votes in itertools.product([0, 1], repeat=b)
        if 2 * sum(votes) > b
    )
    return 2 * (rho * p + (1 - rho) * independent) - 1


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 1), st.sampled_from([1, 3, 5, 7]), st.floats(0, 1))
def test_the_majority_is_what_counting_all_votes_gives(mu, b, rho):
    assert float(s.majority(mu, b, rho)) == pytest.approx(by_enumeration(mu, b, rho), abs=1e-12)
    assert float(s.majority(-mu, b, rho)) == pytest.approx(-float(s.majority(mu, b, rho)))


@pytest.mark.parametrize("b", [1, 3, 5, 9, 25])
def test_the_slope_is_the_derivative_at_no_signal(b):
    h = 1e-5
    assert s.slope(b) == pytest.approx(float(s.majority(h, b)) / h, rel=1e-6)
    # b C(b-1, (b-1)/2) / 2^(b-1) tends to sqrt(2 b / pi), so that s < 1/2
    if b >= 3:
        assert float(s.exponent(b, 0.0, 1.0)) < 0.5
    assert s.slope(10_001) == pytest.approx(math.sqrt(2 * 10_001 / math.pi), rel=1e-3)


def test_amplification_is_the_slope_of_a_level_and_its_edges_are_where_they_say():
    for b, rho, gamma in [(3, 0.2, 0.9), (5, 0.0, 0.7), (9, 0.6, 1.0)]:
        alpha = float(s.amplification(b, rho, gamma))
        assert float(s.tree_bias(1e-6, b, 1, rho, gamma)) / 1e-6 == pytest.approx(alpha, rel=1e-6)
        for beta in (0.0, 0.1, 0.3):
            edge = float(s.critical_fidelity(b, rho, beta))
            assert float(s.exponent(b, rho, min(1, edge))) == pytest.approx(beta) or edge > 1
            at = float(s.critical_correlation(b, gamma, beta))
            if 0 <= at <= 1:
                assert float(s.exponent(b, at, gamma)) == pytest.approx(beta, abs=1e-12)


def test_a_level_of_three_by_hand():
    # f_3(mu) = (3 mu - mu^3) / 2: mu* of a perfect channel is 1, and of gamma in closed form
    assert float(s.majority(0.5, 3)) == pytest.approx((1.5 - 0.125) / 2)
    assert s.fixed_point(3, 0.0, 1.0) == 1.0
    for rho, gamma in [(0.0, 0.9), (0.3, 0.95), (0.5, 0.9)]:
        alpha = gamma * (rho + 1.5 * (1 - rho))
        square = 2 * (alpha - 1) / ((1 - rho) * gamma**3)
        assert s.fixed_point(3, rho, gamma) == pytest.approx(math.sqrt(square))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([3, 5, 9]), st.floats(0, 1), st.floats(0.05, 1), st.floats(0.01, 1))
def test_deep_trees_come_to_the_fixed_point_and_nowhere_else(b, rho, gamma, mu):
    star = s.fixed_point(b, rho, gamma)
    assert (star == 0) == (float(s.amplification(b, rho, gamma)) <= 1)
    one = float(s.tree_bias(mu, b, 1, rho, gamma))
    assert (one > mu) == (mu < star) or abs(one - mu) < 1e-12
    alpha = float(s.amplification(b, rho, gamma))
    if alpha < 0.95:  # washed out no slower than geometrically: f_b is concave
        assert float(s.tree_bias(mu, b, 20, rho, gamma)) <= mu * alpha**20 + 1e-15
    elif alpha > 1.05:
        assert float(s.tree_bias(mu, b, 500, rho, gamma)) == pytest.approx(star, abs=1e-6)


def test_continuous_trees_have_the_floor():
    for b, rho, noise in [(2, 0.0, 0.1), (5, 0.3, 0.02), (9, 0.9, 1.0)]:
        floor = s.tree_floor(b, rho, noise)
        assert s.tree_risk(b, 1, floor, rho, noise) == pytest.approx(floor)
        for start in (floor / 10, floor * 10):
            assert s.tree_risk(b, 2000, start, rho, noise) == pytest.approx(floor)
    # a star of correlated estimates, by drawing them: the variance of a variance gives the bound
    n, rho, variance, noise, draws = 6, 0.4, 2.0, 0.5, 10_000
    stream = Streams(3).stream("star")
    own, told = stream.normal(draws, size=n), stream.normal(draws, size=n)
    errors = math.sqrt(variance) * (
        math.sqrt(rho) * stream.normal(draws)[:, None] + math.sqrt(1 - rho) * own
    )
    mean = (errors + math.sqrt(noise) * told).mean(axis=1)
    expected = float(s.star_risk(n, variance, rho, noise))
    assert abs((mean**2).mean() / expected - 1) < bound(1) * math.sqrt(2 / draws)


def test_what_cannot_be_is_refused():
    for wrong in (
        lambda: s.majority(0.5, 4),
        lambda: s.majority(1.5, 3),
        lambda: s.amplification(3, -0.1, 1.0),
        lambda: s.exponent(1, 0.0, 1.0),
        lambda: s.tree_bias(0.1, 3, -1),
        lambda: s.tree_floor(3, 1.0, 0.1),
        lambda: s.plan(0, s.Agent(0.2, 0.1), rho=0, fidelity=1),
        lambda: s.Agent(0, 0.1),
        lambda: s.simulate([], fan_in=3, depth=1, trials=1, seed=1),
        lambda: s.simulate([s.Cell(0.1)], fan_in=3, depth=1, trials=2**31, seed=1),
        lambda: s.edge_correlation(0.0, beta=0.1, fan_in=3, depth=1, fidelity=1.0),
    ):
        with pytest.raises(ParameterError):
            wrong()


# -- budgets --------------------------------------------------------------------------------------


def test_a_tree_costs_its_leaves_and_every_message_twice():
    three = s.Organisation(3, 2, 100.0, 10.0)
    assert (three.leaves, three.messages) == (9, 12)
    assert three.cost == 9 * 100 + 2 * 10 * 12
    # b (N - 1) / (b - 1) messages
    assert three.messages == 3 * (9 - 1) / 2


def test_from_the_threshold_on_the_tree_wins_and_not_before():
    agent = s.Agent(beta=0.1, scale=1e-6, least=1e-9)  # signal so weak that all is linear
    about = {"rho": 0.1, "fidelity": 0.95}
    edge = s.threshold(5, 2, beta=0.1, message=20, **about)
    assert math.isfinite(edge)
    for budget, wins in ((0.99 * edge, False), (1.01 * edge, True)):
        bare = s.Organisation(5, 2, 0.0, 20.0)
        team = s.Organisation(5, 2, (budget - bare.cost) / 25, 20.0)
        assert team.cost == pytest.approx(budget)
        assert (team.bias(agent, 0.1, 0.95) > agent.bias(budget)) is wins
    # and none where s <= beta
    assert s.threshold(5, 2, beta=0.4, message=20, **about) == math.inf
    assert s.threshold(5, 2, beta=0.1, message=0, **about) == 0


def test_the_best_leaf_is_where_a_grid_finds_it():
    b, beta, rho, gamma, m = 5, 0.1, 0.1, 0.95, 20.0
    power = float(s.exponent(b, rho, gamma))
    best = s.best_leaf(b, beta=beta, rho=rho, fidelity=gamma, message=m)
    x = np.linspace(0.2 * best, 5 * best, 200_001)
    worth = -power * np.log(x + 2 * m * b / (b - 1)) + beta * np.log(x)
    assert best == pytest.approx(x[worth.argmax()], abs=2 * (x[1] - x[0]))
    assert s.best_leaf(b, beta=0.5, rho=rho, fidelity=gamma, message=m) == math.inf


def test_a_plan_names_the_regime():
    weak = s.Agent(beta=0.1, scale=0.05)
    about = {"rho": 0.1, "fidelity": 0.95, "message": 10, "window": 100}
    good = s.plan(20_000, weak, **about)
    assert good.regime == "synergy"
    assert good.bias > good.single
    assert good.best.fan_in * 10 <= 100  # the window holds what a node reads
    assert good.best.cost == pytest.approx(20_000)
    # messages that are lost, or errors that are all shared: one agent
    assert s.plan(20_000, weak, **{**about, "fidelity": 0.3}).regime == "collapse"
    assert s.plan(20_000, weak, **{**about, "rho": 1.0}).regime == "collapse"
    # trees amplify, but compute is worth more: s <= beta
    keen = s.Agent(beta=0.6, scale=0.001)
    assert s.plan(20_000, keen, **about).regime == "saturation"
    # no window for three messages, no team
    alone = s.plan(20_000, weak, **{**about, "window": 25})
    assert alone.best.depth == 0
    assert math.isnan(alone.alpha)


def test_a_plan_is_the_best_of_all_trees_it_may_choose():
    agent = s.Agent(beta=0.15, scale=0.08, ceiling=0.8, least=30)
    about = {"rho": 0.2, "fidelity": 0.97}
    found = s.plan(5000, agent, message=5, window=60, **about)
    every = [agent.bias(5000)]
    for b in (3, 5, 7, 9, 11):
        for depth in range(1, 7):
            leaf = (5000 - s.Organisation(b, depth, 0, 5).cost) / b**depth
            if leaf >= 30:
                every.append(float(s.tree_bias(agent.bias(leaf), b, depth, 0.2, 0.97)))
    assert found.bias == pytest.approx(max(every))
    assert found.best.bias(agent, 0.2, 0.97) == found.bias


# -- trees at work in the runtime -----------------------------------------------------------------


def test_trees_at_work_have_the_bias_of_the_recursion():
    cells = [s.Cell(0.3, rho, gamma) for rho in (0.0, 0.4, 1.0) for gamma in (0.7, 1.0)]
    for b, depth, trials in ((3, 2, 400), (5, 1, 600), (3, 3, 100)):
        found = s.simulate(cells, fan_in=b, depth=depth, trials=trials, seed=7)
        assert max(scores(found)) < bound(len(cells))
    alone = s.simulate(cells, fan_in=1, depth=0, trials=2000, seed=7)
    assert max(scores(alone)) < bound(len(cells))
    assert alone["predicted"].to_list() == [0.3] * 6


def test_the_simulated_edge_of_synergy_is_the_predicted_one():
    about = {"single": 0.6, "beta": 0.1, "fan_in": 9, "depth": 1}
    found = s.simulate_edge([0.4, 0.65, 0.95], trials=2500, seed=11, **about)
    assert found["fidelity"].to_list() == [0.65, 0.95]  # at 0.4 no team is better
    off = (found["simulated"] - found["predicted"]).abs()
    allowed = bound(2) * found["se"] + found["bend"].abs()
    assert (off < allowed).all()
    # the check can fail: the edges are farther apart than it lets pass
    assert allowed.max() < 0.2 < found["predicted"][1] - found["predicted"][0]


def test_the_exact_edge_tends_to_the_weak_signal_edge():
    for gamma in (0.8, 0.9, 1.0):
        weak = float(s.critical_correlation(5, gamma, 0.1))
        exact = [
            s.edge_correlation(mu, beta=0.1, fan_in=5, depth=2, fidelity=gamma)
            for mu in (0.3, 0.1, 0.001)
        ]
        assert exact[0] < exact[1] < exact[2] < weak + 1e-9  # saturation costs teams more
        assert exact[2] == pytest.approx(weak, abs=1e-4)
    assert s.edge_correlation(0.3, beta=0.1, fan_in=5, depth=1, fidelity=0.2) == -math.inf


def test_far_from_the_edge_simulation_and_prediction_agree_on_who_wins():
    about = {"single": 0.5, "beta": 0.1, "fan_in": 3, "depth": 2}
    grid = s.regimes([0.8, 1.0], [0.0, 0.9], trials=400, seed=4, **about)
    far = grid.filter(grid["predicted"].abs() > 0.15)
    assert len(far) >= 2
    assert (far["gain"] * far["predicted"] > 0).all()


def test_every_message_of_a_tree_is_on_record():
    world = Trials({"bias": [0.5], "rho": [0.0], "fidelity": [1.0]}, 20)
    run = Simulation(world, tree(3, 2, transcripts=20), seed=1).run(1)
    marked = run.transcript.with_columns(correct=run.transcript["answer"] == "right")
    found = metrics(marked, embed=None)
    one = found["run"].row(0, named=True)
    assert (one["turns"], one["messages"], one["rounds"]) == (13, 12, 3)
    assert set(found["edge"]["target"]) == {"manager root", *(f"manager {i}" for i in range(3))}
    assert one["accuracy"] == world.right.mean()


# -- voters ---------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.floats(0.01, 0.99), st.integers(1, 12), st.floats(0.01, 0.95))
def test_the_closed_forms_of_correlated_votes_are_their_integrals(p, n, rho):
    def majority(q):
        k = np.arange(n + 1)
        ways = special.comb(n, k) * q**k * (1 - q) ** (n - k)
        return float(ways @ np.where(2 * k > n, 1.0, np.where(2 * k == n, 0.5, 0.0)))

    assert s.majority_accuracy(p, n, 0.0) == pytest.approx(majority(p))
    shock = rho * p + (1 - rho) * majority(p)
    assert s.majority_accuracy(p, n, rho) == pytest.approx(shock)
    # quantiles at the midpoints of a fine grid: both mixtures as plain averages
    u = (np.arange(2000) + 0.5) / 2000
    qs = special.betaincinv(p * (1 / rho - 1), (1 - p) * (1 / rho - 1), u)
    mean = np.mean([majority(q) for q in qs])
    assert s.majority_accuracy(p, n, rho, "beta") == pytest.approx(mean, abs=2e-3)
    qs = special.ndtr((special.ndtri(p) - math.sqrt(rho) * special.ndtri(u)) / math.sqrt(1 - rho))
    mean = np.mean([majority(q) for q in qs])
    assert s.majority_accuracy(p, n, rho, "factor") == pytest.approx(mean, abs=2e-3)


def test_crowds_of_voters_who_err_together_have_a_limit():
    p, rho, n = 0.6, 0.2, 100_001
    limits = {
        "shock": rho * p + (1 - rho),
        "beta": 1 - special.betainc(p * 4, (1 - p) * 4, 0.5),
        "factor": special.ndtr(special.ndtri(p) / math.sqrt(rho)),
    }
    for model, limit in limits.items():
        assert s.majority_accuracy(p, n, rho, model) == pytest.approx(limit, abs=2e-4)
        assert s.majority_accuracy(p, n, 1.0, model) == p
        assert s.majority_accuracy(p, 1, rho, model) == pytest.approx(p)
        # an even crowd with drawn ties is as good as one voter fewer
        even, odd = (s.majority_accuracy(p, k, rho, model) for k in (8, 7))
        assert even == pytest.approx(odd)


@pytest.mark.parametrize("model", ["shock", "beta", "factor"])
def test_voters_at_work_are_right_as_predicted(model):
    cells = [(p, rho) for p in (0.55, 0.8) for rho in (0.1, 0.5)]
    found, _ = s.simulate_votes(
        [p for p, _ in cells], [r for _, r in cells], n=5, model=model, trials=800, seed=3
    )
    assert max(scores(found)) < bound(len(cells))


def test_the_correlation_of_errors_is_read_back_from_the_record():
    trials = 1500
    for model in ("shock", "beta"):
        _, run = s.simulate_votes(
            [0.6], [0.3], n=5, model=model, trials=trials, seed=5, transcripts=trials
        )
        said = run.transcript.filter(run.transcript["prompt"] != "verdict")
        right = (said["answer"] == "right").to_numpy().reshape(trials, 5)
        # a pair's product has variance below 1/4 over p (1 - p): a bound on the standard error
        se = math.sqrt(1 / 4 / trials) / 0.24 * 2
        assert abs(s.error_correlation(right) - 0.3) < bound(2) * se
    assert s.error_correlation([[1, 1], [0, 0]]) == 1.0
    assert s.error_correlation([[1, 0], [0, 1]]) == -1.0
    assert math.isnan(s.error_correlation([[1, 1]]))


# -- channels -------------------------------------------------------------------------------------


def equicorrelated(n, r):
    return (1 - r) * np.eye(n) + r * np.ones((n, n))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.floats(0, 1))
def test_k_star_of_equicorrelated_vectors_is_its_closed_form(n, r):
    assert float(k_star(equicorrelated(n, r))) == pytest.approx(s.k_star_equicorrelated(n, r))


def test_k_star_of_members_with_one_common_part_is_predicted():
    n, r, d, items = 5, 0.5, 4096, 20
    streams = Streams(9)

    def embed(texts):
        rows = []
        for text in texts:
            item, member = text.split("/")
            common = streams.stream("common").normal(np.arange(d) + d * int(item))
            place = d * (n * int(item) + int(member))
            own = streams.stream("own").normal(np.arange(d) + place)
            rows.append(math.sqrt(r) * common + math.sqrt(1 - r) * own)
        return np.array(rows)

    class Words(World):
        def __init__(self):
            self.items = Population(items)

        async def step(self, minds):
            await minds.ask("answer", self.items, Text(20))

    def member(i):
        return lambda o: np.array([f"{item}/{i}" for item in o.ids], object)

    run = Simulation(Words(), Team([member(i) for i in range(n)], vote), seed=1).run(1)
    found = metrics(run.transcript, embed=embed)["item"]["k_star"].to_numpy()
    predicted = s.k_star_equicorrelated(n, r)
    # Fannes and Audenaert: entropies of two states at trace distance t differ by at most
    # t log(n - 1) + h(t). Cosines of d-dimensional normals err by about 1 / sqrt(d) each; six
    # times that holds for all of them but with probability 2 exp(-18) each.
    frobenius = 6 / math.sqrt(d) * math.sqrt(n * (n - 1))
    t = 0.5 * math.sqrt(n) * frobenius / n
    h = -t * math.log2(t) - (1 - t) * math.log2(1 - t)
    allowed = t * math.log2(n - 1) + h
    assert np.abs(np.log2(found / predicted)).max() < allowed
    assert abs(math.log2(predicted / n)) > 0.2
    # the mean over items is far nearer: the first-order error has mean about 0
    assert found.mean() == pytest.approx(predicted, rel=0.01)


# -- the figure -----------------------------------------------------------------------------------


def test_the_diagram_shows_every_edge_and_stands_alone(tmp_path):
    about = {"single": 0.6, "beta": 0.1, "fan_in": 3, "depth": 1}
    edge = s.simulate_edge([0.9, 1.0], trials=300, seed=1, **about)
    grid = s.regimes([0.9], [0.1, 0.8], trials=50, seed=1, **about)
    curve = [
        (g, s.edge_correlation(0.6, beta=0.1, fan_in=3, depth=1, fidelity=g)) for g in (0.9, 1)
    ]
    chart = phase_chart([edge], [curve], [curve], grid, title="Edge & all")
    assert chart.count("<title>") == 4
    assert "Edge &amp; all" in chart
    assert "href" not in chart
    file = write_phase(tmp_path / "edge.svg", chart)
    assert file.read_text().startswith("<svg")
