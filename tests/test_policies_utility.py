"""Random utility against its closed form, and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from populace import Answers, Choice, Number, Outcome, Population, Utility, threads
from populace.errors import ParameterError, PolicyError
from populace.testing import observe

MODES = Choice(["car", "bus", "bike"])


def softmax(worth, temperature=1.0):
    """Independent of the policy: log-sum-exp in extended precision."""
    worth = np.asarray(worth, np.longdouble) / temperature
    return np.exp(worth - np.logaddexp.reduce(worth, axis=1, keepdims=True))


def chi_square(chosen, chances):
    """Pearson's statistic of the counts of options; chances of shape (k,)."""
    expected = len(chosen) * np.asarray(chances, float)
    return ((np.bincount(chosen, minlength=len(expected)) - expected) ** 2 / expected).sum()


# 0.999999 quantiles of chi-square with 1, 2 and 3 degrees of freedom: a right policy fails one run
# in a million (the law of the statistic is exact to O(1/n), n = 200,000).
LIMIT = {1: 23.93, 2: 27.63, 3: 30.66}


def test_limits_are_the_quantiles_they_claim_to_be():
    stats = pytest.importorskip("scipy.stats")
    for degrees, limit in LIMIT.items():
        assert stats.chi2.sf(limit, degrees) == pytest.approx(1e-6, rel=0.01)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("options", [2, 3, 4])
def test_frequencies_follow_the_softmax(options, temperature):
    names = ["a", "b", "c", "d"][:options]
    worth = np.array([0.0, 0.7, -0.4, 1.1])[:options]
    table = {name: {"1": v} for name, v in zip(names, worth, strict=True)}
    policy = Utility(table, temperature=temperature)
    chosen = policy.act(observe("go", 200_000, Choice(names), seed=3))
    assert chi_square(chosen, softmax(worth[None], temperature)[0]) < LIMIT[options - 1]


def test_frequencies_follow_the_softmax_of_each_agents_own_columns():
    n = 200_000
    sick = np.arange(n) % 2 == 0
    policy = Utility(stay={"home": {"1": -1.0, "sick": 2.5}})
    chosen = policy.act(observe("stay", n, Choice(["out", "home"]), sick=sick))
    for who, worth in ((sick, 1.5), (~sick, -1.0)):
        assert chi_square(chosen[who], softmax([[0, worth]])[0]) < LIMIT[1]


def test_gumbel_maximum_has_the_same_law():
    """The definition of random utility: argmax of V + T * Gumbel (McFadden 1974)."""
    n, temperature = 200_000, 0.8
    o = observe("go", n, MODES, seed=5, time=20.0)
    table = {"bus": {"1": 0.4}, "bike": {"time": -0.03, "1": 0.9}}
    policy = Utility(table, temperature=temperature)
    gumbel = -np.log(o.random.named("gumbel").exponential(size=3))
    by_maximum = np.argmax(policy.utilities(o) + temperature * gumbel, axis=1)
    chances = policy.probabilities(o)[0]
    assert chi_square(by_maximum, chances) < LIMIT[2]
    assert chi_square(policy.act(o), chances) < LIMIT[2]


def test_independence_of_irrelevant_alternatives():
    """P_i/P_j does not change when an option is added: the logit's defining property."""
    table = {"car": {"cost": -0.4}, "bus": {"cost": -0.1}, "bike": {"1": 0.3}}
    columns = {"cost": np.linspace(0, 10, 50)}
    three = Utility(table).probabilities(observe("go", 50, MODES, **columns))
    del table["bike"]
    two = Utility(table).probabilities(observe("go", 50, Choice(["car", "bus"]), **columns))
    np.testing.assert_allclose(three[:, 0] / three[:, 1], two[:, 0] / two[:, 1], rtol=1e-12)


@pytest.mark.parametrize("beta", [0.7, -0.7])
def test_sign_of_a_coefficient_moves_its_options_probability(beta):
    x = np.linspace(-3, 3, 401)
    p = Utility({"bus": {"x": beta}}).probabilities(observe("go", len(x), MODES, x=x))[:, 1]
    assert (np.sign(np.diff(p)) == np.sign(beta)).all()
    # dP_j/dx = beta P_j (1 - P_j) (Train 2009, eq. 3.10), by central difference; the logistic's
    # third derivative is at most |beta|^3 / 8, which bounds the error by h^2/6 of it
    slope, h = (p[2:] - p[:-2]) / (x[2:] - x[:-2]), x[1] - x[0]
    np.testing.assert_allclose(
        slope, beta * (p * (1 - p))[1:-1], rtol=0, atol=abs(beta) ** 3 * h**2 / 48
    )


@given(
    worth=hnp.arrays(np.float64, (7, 4), elements=st.floats(-1e3, 1e3)),
    temperature=st.sampled_from([0.01, 1.0, 300.0]),
)
def test_probabilities_are_the_softmax_whatever_the_size(worth, temperature):
    names = ["a", "b", "c", "d"]
    policy = Utility({n: {n: 1.0} for n in names}, temperature=temperature)
    o = observe("go", 7, Choice(names), **dict(zip(names, worth.T, strict=True)))
    p = policy.probabilities(o)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(policy.utilities(o), worth)
    # relative error of exp(x) is that of x, here up to 2e5 * 2^-53; below 1e-300 exp underflows
    np.testing.assert_allclose(p, softmax(worth, temperature).astype(float), rtol=1e-9, atol=1e-300)


@given(
    seed=st.integers(0, 2**64 - 1),
    rows=st.integers(1, 40),
    options=st.integers(2, 4),
    data=st.data(),
)
@settings(max_examples=50)
def test_an_answer_depends_on_its_own_row_only(seed, rows, options, data):
    names = ["a", "b", "c", "d"][:options]
    values = data.draw(hnp.arrays(np.float32, (rows, 2), elements=st.floats(-4, 4, width=32)))
    policy = Utility({names[0]: {"1": 0.2, "x": 0.7}, names[-1]: {"y": -0.3}})
    o = observe("go", rows, Choice(names), seed=seed, x=values[:, 0], y=values[:, 1])
    order = np.array(data.draw(st.permutations(range(rows))))
    whole = policy.act(o)
    np.testing.assert_array_equal(policy.act(o.part(order)), whole[order])
    half = order[: rows // 2 + 1]
    np.testing.assert_array_equal(policy.act(o.part(half)), whole[half])


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_answers_are_draws_from_the_table_and_do_not_depend_on_threads(names):
    """Blocks and threads against `Stream.choice` on the whole table of probabilities."""
    n = 120_001
    policy = Utility({"b": {"x": 1.0}, names[0]: {"y": -1.0, "1": 0.5}})
    o = observe("go", n, Choice(names), x=np.sin(np.arange(n)), y=np.cos(np.arange(n)))
    everyone = np.arange(n)
    with threads(1):
        one = policy.act(o.part(everyone))
    with threads(2):
        two = policy.act(o.part(everyone))
    np.testing.assert_array_equal(one, two)
    # equal but where the rounding of p straddles the draw: chance about 1e5 * 1e-16
    np.testing.assert_array_equal(one, o.random.choice(p=policy.probabilities(o)))


def test_temperature_zero_takes_the_best_and_the_first_of_equals():
    policy = Utility({"car": {"x": 1.0}, "bus": {"y": 1.0}, "bike": {"1": 2.0}}, temperature=0)
    o = observe("go", 4, MODES, x=[3.0, 2.0, 0.0, 1.0], y=[1.0, 5.0, 2.0, 1.0])
    assert policy.act(o).tolist() == [0, 1, 1, 2]
    assert policy.probabilities(o).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_limits_of_the_temperature():
    o = observe("go", 1000, MODES, x=np.linspace(0.1, 1, 1000))
    assert (Utility({"bike": {"x": 1.0}}, temperature=1e-6).act(o) == 2).all()
    hot = Utility({"bike": {"x": 1e3}}, temperature=np.inf)
    np.testing.assert_allclose(hot.probabilities(o), 1 / 3, rtol=1e-15)


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"], ["a", "b", "c"], ["b", "c", "a"]])
def test_minus_infinity_forbids_an_option(names):
    policy = Utility({"a": {"shut": (1.0, lambda o: np.where(o["shut"], -np.inf, 0.0))}})
    shut = np.arange(5000) % 2 == 0
    went = policy.act(observe("go", 5000, Choice(names), shut=shut)) == names.index("a")
    assert not went[shut].any()
    assert went[~shut].any()


def test_terms_may_be_scalars_integers_booleans_and_functions():
    cases = (0.5, lambda o: np.log1p(o["cases"]))
    policy = Utility({"home": {"1": 1.0, "advice": 2.0, "age": 0.1, "sick": 3.0, "log": cases}})
    people = Population(2, age=np.array([20, 60], np.uint8))
    sick = np.array([True, False])
    o = observe(
        "stay", people, Choice(["out", "home"]), see=["age"], advice=1, sick=sick, cases=np.e - 1
    )
    np.testing.assert_allclose(
        policy.utilities(o), [[0, 1 + 2 + 2 + 3 + 0.5], [0, 1 + 2 + 6 + 0.5]]
    )


def test_more_than_256_options_and_one():
    many = Choice([str(i) for i in range(300)])
    assert (Utility({"299": {"1": 50.0}}).act(observe("go", 5, many)) == 299).all()
    assert (Utility({"a": {"1": 1.0}}).act(observe("go", 5, Choice(["a"]))) == 0).all()


def test_a_kind_without_a_table_abstains():
    reply = Utility(go={"bus": {"1": 1.0}}).act(observe("eat", 3, MODES))
    assert isinstance(reply, Answers)
    assert reply.outcome == Outcome.ABSTAINED
    with pytest.raises(PolicyError, match="no table for the kind 'og'; known: go"):
        Utility(go={"bus": {"1": 1.0}}).probabilities(observe("og", 3, MODES))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Utility(), "expected a table"),
        (lambda: Utility({"a": {"x": np.nan}}), "finite coefficient for term 'x'"),
        (lambda: Utility({"a": {"x": "2"}}), "finite coefficient"),
        (lambda: Utility({"a": {"x": True}}), "finite coefficient"),
        (lambda: Utility({"a": 2.0}), "for option 'a'"),
        (lambda: Utility([("a", 1)]), "option -> "),
        (lambda: Utility({"a": {"1": 1.0}}, temperature=-1.0), "temperature >= 0"),
        (lambda: Utility({"a": {"1": 1.0}}, temperature=np.nan), "temperature"),
    ],
)
def test_bad_parameters(make, says):
    with pytest.raises(ParameterError, match=says):
        make()


@pytest.mark.parametrize(
    ("table", "space", "says"),
    [
        ({"buss": {"1": 1.0}}, MODES, "no option 'buss'; did you mean 'bus'"),
        ({"bus": {"prise": 1.0}}, MODES, "not show 'prise'; did you mean 'price'"),
        ({"bus": {"word": 1.0}}, MODES, "expected term 'word' as a number"),
        ({"bus": {"f": (1.0, lambda o: np.ones(2))}}, MODES, "shape \\(2,\\)"),
        ({"bus": {"nan": 1.0}}, MODES, "agent 1 are not comparable"),
        ({"bus": {"nan": 1.0}}, Choice(["car", "bus"]), "agent 1 are not comparable"),
        ({"bus": {"price": 1.0}}, Number(0, 1), "expected a Choice, got Number"),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_bad_tables(table, space, says, temperature):
    o = observe("go", 3, space, price=1.0, word="dear", nan=[0.0, np.nan, 0.0])
    with pytest.raises(PolicyError, match=says):
        Utility(table, temperature=temperature).act(o)


def test_nan_is_refused_by_probabilities_too():
    o = observe("go", 3, Choice(["no", "yes"]), nan=[0.0, 0.0, np.nan])
    for temperature in (0.0, 1.0):
        with pytest.raises(PolicyError, match="agent 2"):
            Utility({"yes": {"nan": 1.0}}, temperature=temperature).probabilities(o)


def test_the_manifest_is_told_the_coefficients():
    policy = Utility({"a": {"1": 1}}, temperature=2, go={"b": {"log x": (0.5, np.log)}})
    assert policy.describe() == {
        "temperature": 2,
        "every kind": {"a": {"1": 1}},
        "go": {"b": {"log x": 0.5}},
    }
    assert Utility(go={"b": {"x": 1}}).describe() == {"temperature": 1, "go": {"b": {"x": 1}}}


@pytest.mark.parametrize("options", [2, 3])
def test_a_draw_on_the_border_goes_to_the_next_option(options):
    """P_0 = 1/k exactly, and a draw of 1/k: the smallest option whose cumulated P exceeds it."""
    names = ["a", "b", "c"][:options]
    o = observe("go", 2, Choice(names))
    policy = Utility({"a": {"1": 0.0}})
    draws = np.array([1 / options, np.nextafter(1 / options, 0)])
    o._random = Fixed(draws)
    assert policy.act(o).tolist() == [1, 0]


class Fixed:
    """A stream that has drawn already."""

    def __init__(self, draws):
        self.draws = draws

    def uniform(self):
        return self.draws
