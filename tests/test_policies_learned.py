"""Learned policies: scikit-learn and ONNX, mapped from columns, against the models themselves."""

import hashlib
import sys

import numpy as np
import pytest

from populace import Answers, Choice, Learned, Number, Outcome, Population, Text, threads
from populace.errors import ParameterError, PolicyError
from populace.testing import observe

linear = pytest.importorskip("sklearn.linear_model")
STAY = Choice(["out", "home"])


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    table = random.normal(size=(600, 3))
    worth = table @ [1.5, -1.0, 0.0] + random.logistic(size=600)
    return table, (worth > 0).astype(int), np.array(["out", "home"])[(worth > 0).astype(int)]


@pytest.fixture(scope="module")
def model(data):
    return linear.LogisticRegression().fit(data[0], data[1])


def seen(n, seed=2, space=STAY, kind="stay"):
    table = np.random.default_rng(seed).normal(size=(n, 3))
    columns = dict(zip(["age", "cases", "job"], table.T, strict=True))
    return observe(kind, n, space, seed=seed, **columns), table


def test_probabilities_are_the_models_own(model):
    o, table = seen(1000)
    policy = Learned(model, ["age", "cases", "job"])
    np.testing.assert_allclose(policy.probabilities(o), model.predict_proba(table), rtol=1e-12)


def test_choices_are_drawn_from_the_probabilities(model):
    """The number who stay is a sum of independent Bernoullis of known chances."""
    o, table = seen(100_000)
    chosen = Learned(model, ["age", "cases", "job"], batch=30_000).act(o)
    p = model.predict_proba(table)[:, 1]
    deviation = np.sqrt((p * (1 - p)).sum())  # 6 of them: a right policy fails once in 5e8
    assert abs(chosen.sum() - p.sum()) < 6 * deviation
    weighted = np.sqrt((p * (1 - p) * table[:, 0] ** 2).sum())  # and so within the columns
    assert abs(((chosen - p) * table[:, 0]).sum()) < 6 * weighted
    np.testing.assert_array_equal(chosen, o.part(np.arange(100_000)).random.choice(
        p=Learned(model, ["age", "cases", "job"]).probabilities(o)))  # fmt: skip


def test_best_takes_the_likeliest(model):
    o, table = seen(500)
    best = Learned(model, ["age", "cases", "job"], choose="best").act(o)
    np.testing.assert_array_equal(best, model.predict(table))


def test_classes_by_name_by_index_and_as_given(model, data):
    o, _ = seen(400)
    by_index = Learned(model, ["age", "cases", "job"])
    named = linear.LogisticRegression().fit(data[0], data[2])  # classes_ are sorted: home, out
    by_name = Learned(named, ["age", "cases", "job"])
    np.testing.assert_allclose(by_name.probabilities(o), by_index.probabilities(o), rtol=1e-6)
    swapped = Learned(model, ["age", "cases", "job"], classes=["home", "out"])
    np.testing.assert_array_equal(swapped.probabilities(o), by_index.probabilities(o)[:, ::-1])
    booleans = linear.LogisticRegression().fit(data[0], data[1].astype(bool))
    np.testing.assert_allclose(
        Learned(booleans, ["age", "cases", "job"]).probabilities(o), by_index.probabilities(o)
    )


def test_an_option_that_the_model_does_not_know_is_never_chosen(data):
    named = linear.LogisticRegression().fit(data[0], data[2])
    o, _ = seen(3000, space=Choice(["away", "home", "out"]))
    policy = Learned(named, ["age", "cases", "job"])
    assert (policy.probabilities(o)[:, 0] == 0).all()
    assert set(np.unique(policy.act(o))) == {1, 2}


def test_features_from_columns_scalars_and_functions_by_kind(model):
    people = Population(4, age=np.array([20, 40, 60, 80], np.uint8))
    o = observe("stay", people, STAY, see=["age"], cases=3, job=np.array([True, False, True, True]))
    policy = Learned(model, {"stay": [lambda o: o["age"] / 40.0 - 1, "cases", "job"]})
    expected = np.column_stack([[-0.5, 0, 0.5, 1], [3] * 4, [1, 0, 1, 1]])
    np.testing.assert_allclose(policy.probabilities(o), model.predict_proba(expected))
    reply = policy.act(observe("eat", people, STAY))
    assert isinstance(reply, Answers)
    assert reply.outcome == Outcome.ABSTAINED
    with pytest.raises(PolicyError, match="no features for the kind 'eat'; known: stay"):
        policy.probabilities(observe("eat", people, STAY))


def test_numbers_are_predicted(data):
    regression = linear.LinearRegression().fit(data[0], data[0] @ [2.0, 0.5, -1.0])
    o, table = seen(1000, space=Number())
    np.testing.assert_allclose(
        Learned(regression, ["age", "cases", "job"], batch=300).act(o),
        table @ [2.0, 0.5, -1.0],
        atol=1e-12,
    )


def test_an_answer_depends_on_its_own_row_only(data):
    """To the bit, though the matrix kernels inside round by place in the batch."""
    table, _, _ = data
    regression = linear.LinearRegression().fit(table, np.sin(table).sum(axis=1))
    neural = pytest.importorskip("sklearn.neural_network")
    net = neural.MLPRegressor(hidden_layer_sizes=(16,), max_iter=3000, random_state=0).fit(
        table, table[:, 0]
    )
    o, _ = seen(1001, space=Number())
    for fitted in (regression, net):
        policy = Learned(fitted, ["age", "cases", "job"])
        whole = policy.act(o)
        for size in (1, 2, 7, 333):
            for start in (0, 5, 990):
                which = np.arange(start, min(start + size, 1001))[::-1]
                np.testing.assert_array_equal(policy.act(o.part(which)), whole[which])
        np.testing.assert_array_equal(
            Learned(fitted, ["age", "cases", "job"], batch=128).act(o), whole
        )
        with threads(2):
            np.testing.assert_array_equal(policy.act(o), whole)


def test_a_model_fitted_on_a_named_table(model, data):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(data[0], schema=["age", "cases", "job"])
    named = linear.LogisticRegression().fit(table, data[1])
    o, _ = seen(300)
    policy = Learned(named, ["age", "cases", "job"])  # a warning would fail this test
    np.testing.assert_allclose(
        policy.probabilities(o), Learned(model, ["age", "cases", "job"]).probabilities(o)
    )
    with pytest.raises(ParameterError, match="feature 0 was 'age' when the model was fitted"):
        Learned(named, ["cases", "age", "job"])


def test_missing_values_go_to_models_that_take_them(data):
    ensemble = pytest.importorskip("sklearn.ensemble")
    trees = ensemble.HistGradientBoostingClassifier(max_iter=5).fit(data[0], data[1])
    columns = {"age": [np.nan, 1.0], "cases": 0.0, "job": 0.0}
    o = observe("stay", 2, STAY, **columns)
    assert Learned(trees, ["age", "cases", "job"]).probabilities(o).shape == (2, 2)
    plain = linear.LogisticRegression().fit(data[0], data[1])
    with pytest.raises(PolicyError, match="ValueError: Input X contains NaN"):
        Learned(plain, ["age", "cases", "job"]).act(o)


# -- ONNX -----------------------------------------------------------------------------------------


def exported(fitted, width, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    sample = np.zeros((1, width), np.float32)
    return skl2onnx.to_onnx(
        fitted, sample, options={id(fitted): options} if options else None
    ).SerializeToString()


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("from_file", [True, False])
def test_an_onnx_classifier_predicts_as_its_estimator(model, tmp_path, zipmap, from_file):
    source = exported(model, 3, zipmap=zipmap)
    if from_file:
        (tmp_path / "stay.onnx").write_bytes(source)
        source = tmp_path / "stay.onnx"
    policy = Learned(source, ["age", "cases", "job"])
    o, table = seen(999)
    # ONNX computes in single precision: relative error some 2^-24 an operation
    np.testing.assert_allclose(policy.probabilities(o), model.predict_proba(table), atol=1e-6)
    whole = policy.act(o)
    for which in (np.arange(7), np.array([998]), np.arange(500, 999)[::-1]):
        np.testing.assert_array_equal(policy.act(o.part(which)), whole[which])


def test_an_onnx_classifier_with_named_classes_and_a_regressor(data):
    named = linear.LogisticRegression().fit(data[0], data[2])
    o, table = seen(100)
    policy = Learned(exported(named, 3), ["age", "cases", "job"])  # names come with the map
    np.testing.assert_allclose(
        policy.probabilities(o), named.predict_proba(table)[:, ::-1], atol=1e-6
    )
    regression = linear.LinearRegression().fit(data[0], data[0] @ [2.0, 0.5, -1.0])
    o, table = seen(100, space=Number())
    predicted = Learned(exported(regression, 3), ["age", "cases", "job"]).act(o)
    np.testing.assert_allclose(predicted, table @ [2.0, 0.5, -1.0], atol=1e-5)


def test_the_manifest_is_told_the_model(model):
    named = Learned(model, {"stay": ["age", "cases", np.log]}).describe()
    assert named["model"].startswith("LogisticRegression(")
    assert named["features"] == {"stay": ["age", "cases", "log"]}
    source = exported(model, 3)
    digest = hashlib.sha256(source).hexdigest()
    assert Learned(source, ["a", "b", "c"]).describe()["model"]["sha256"] == digest


def test_what_is_wrong_with_an_onnx_file(model, tmp_path, monkeypatch):
    source = exported(model, 3, zipmap=False)
    with pytest.raises(ParameterError, match="fitted with 3 features, got 2"):
        Learned(source, ["age", "cases"])
    with pytest.raises(PolicyError, match="no such file"):
        Learned(tmp_path / "none.onnx", ["age"])
    with pytest.raises(PolicyError, match="not readable as ONNX"):
        Learned(b"abc", ["age"])
    o, _ = seen(5, space=Choice(["a", "b", "c"]))
    with pytest.raises(PolicyError, match="predicts 2 classes, of which 3 are named"):
        Learned(source, ["age", "cases", "job"]).act(o)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PolicyError, match=r'pip install "populace\[learned\]"'):
        Learned(source, ["age", "cases", "job"])


# -- what is refused ------------------------------------------------------------------------------


def test_bad_parameters(model):
    good = ["age", "cases", "job"]
    for make, says in [
        (lambda: Learned(model, good[:2]), "fitted with 3 features, got 2"),
        (lambda: Learned(model, {"stay": good[:2]}), "'stay': the model was fitted with 3"),
        (lambda: Learned(model, "age"), "expected a sequence of column names"),
        (lambda: Learned(model, []), "expected a sequence"),
        (lambda: Learned(model, ["age", "cases", 3]), "column name or a function, got 3"),
        (
            lambda: Learned(model, good, choose="likeliest"),
            "choose 'likeliest'; known: best, sample",
        ),
        (lambda: Learned(model, good, batch=0), "batch >= 1"),
        (lambda: Learned(linear.LogisticRegression, good), "got the class LogisticRegression"),
    ]:
        with pytest.raises(ParameterError, match=says):
            make()


class Broken:
    """An estimator that predicts what it is told."""

    def __init__(self, reply):
        self.reply = reply

    def predict_proba(self, rows):
        return np.tile(self.reply, (len(rows), 1))


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ([[np.nan, 1.0]], "probabilities are"),
        ([[-0.5, 1.5]], "probabilities are"),
        ([[0.0, 0.0]], "probabilities are"),
        ([[0.2, 0.3, 0.5]], "predicts 3 classes, of which 2 are named"),
        (["a", "b"], "returned <U1, no numbers"),
    ],
)
def test_predictions_that_are_no_probabilities(reply, says):
    o, _ = seen(4)
    with pytest.raises(PolicyError, match=says):
        Learned(Broken(reply), ["age"]).act(o)


def test_what_cannot_be_predicted(model, data):
    good = ["age", "cases", "job"]
    ridge = linear.Ridge().fit(data[0], data[1])
    other = linear.LogisticRegression().fit(data[0], np.where(data[1], "hom", "out"))
    far = linear.LogisticRegression().fit(data[0], data[1] + 5)
    unfitted = linear.LogisticRegression()
    o, _ = seen(4)
    for fitted, features, observation, says in [
        (ridge, good, o, "Ridge has no predict_proba, needed for a choice"),
        (Broken([[0.5, 0.5]]), good, seen(4, space=Number())[0], "Broken has no predict, "),
        (other, good, o, "class 'hom' is no option; did you mean 'home'"),
        (far, good, o, "is no option's index in 0..1"),
        (unfitted, good, o, "NotFittedError"),
        (model, ["age", "cases", "jobs"], o, "does not show 'jobs'; did you mean 'job'"),
        (model, ["age", "cases", lambda o: np.ones(3)], o, "feature 2 as a number"),
        (model, ["age", "cases", lambda o: np.inf], o, "feature 2 of agent 0 is infinite"),
        (model, good, seen(4, space=Text())[0], "expected a Choice or a Number, got Text"),
    ]:
        with pytest.raises(PolicyError, match=says):
            Learned(fitted, features).act(observation)
    with pytest.raises(PolicyError, match="two classes stand for one option"):
        Learned(model, good, classes=["home", "home"]).act(o)
