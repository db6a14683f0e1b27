"""Sobol indices: closed forms found through a sweep of worlds."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from populace import Population, Rule, World
from populace.errors import ParameterError, StudyError
from populace.studies import Range, sobol_indices

pytest.importorskip("SALib", reason="the extra 'studies' is not installed")

N = 256  # base samples; 5 runs each for three parameters


class Formula(World):
    """Computes a function of its parameters; its one inhabitant does nothing."""

    ticks = 1

    def __init__(self, x1=0.0, x2=0.0, x3=0.0, fail=False):
        self.people = Population(1)
        self.x, self.fail = (x1, x2, x3), fail

    async def step(self, minds):
        if self.fail and self.x[0] > 0:
            raise ValueError("too hot")

    def measure(self):
        x1, x2, x3 = self.x
        return {
            "ishigami": math.sin(x1) + A * math.sin(x2) ** 2 + B * x3**4 * math.sin(x1),
            "linear": 1 * x1 + 2 * x2 + 3 * x3,
            "constant": 4.0,
            "sometimes": None if x1 < 0 else x1,
        }

    def policies(self):
        return {"idle": Rule(nothing=lambda o: 0)}


A, B = 7.0, 0.1
CUBE = dict.fromkeys(("x1", "x2", "x3"), (-math.pi, math.pi))


def ishigami():
    """S1 and ST in closed form (Ishigami and Homma 1990)."""
    v1 = (1 + B * math.pi**4 / 5) ** 2 / 2
    v2 = A**2 / 8
    v13 = B**2 * math.pi**8 * (1 / 18 - 1 / 50)
    v = v1 + v2 + v13
    return np.array([v1, v2, 0]) / v, np.array([v1 + v13, v2, v13]) / v


@pytest.fixture(scope="module")
def found():
    return sobol_indices(Formula, CUBE, N, seeds=1, backend="serial")


def close(rows, index, truth):
    """Within 4 standard deviations of the bootstrap of the truth: once in 16,000, by chance."""
    sd = (rows[f"{index}_high"] - rows[f"{index}_low"]).to_numpy() / 2 / 1.959964
    assert (sd < 0.1).all()
    return (np.abs(rows[index].to_numpy() - truth) < 4 * sd + 1e-9).all()


def test_ishigami(found):
    rows = found.indices.filter(measure="ishigami")
    assert rows["parameter"].to_list() == ["x1", "x2", "x3"]
    first, total = ishigami()
    assert close(rows, "S1", first)
    assert close(rows, "ST", total)


def test_a_linear_function_acts_one_by_one(found):
    rows = found.indices.filter(measure="linear")
    shares = np.array([1, 4, 9]) / 14
    assert close(rows, "S1", shares)
    assert close(rows, "ST", shares)


def test_what_has_no_indices_is_said(found):
    assert found.skipped["constant"] == "does not vary"
    assert found.skipped["sometimes"].startswith("is not defined in ")
    assert found.measures["measure"].to_list() == ["ishigami", "linear"]
    assert found.sweep.table.height == N * 5
    assert found.measures["noise"].null_count() == 2
    linear = found.measures.filter(measure="linear")
    assert linear["sd"][0] == pytest.approx(math.sqrt(14 * math.pi**2 / 3), rel=0.05)


def seed_too(run):
    """x1 plus an effect of the seed, which is the same whatever the parameters."""
    return {"y": run.world.x[0] + SEED_EFFECT[run.manifest["seed"]]}


SEED_EFFECT = (-1.0, 0.5, 0.25, 0.25)


def test_noise_is_how_much_of_the_variance_seeds_may_make():
    """The mean of 4 seeds has a variance of var(effect)/4 beside the 1/12 of x1 on (0, 1)."""
    found = sobol_indices(
        Formula,
        {"x1": (0.0, 1.0), "x2": (0.0, 1.0)},
        32,
        seeds=4,
        backend="serial",
        summary=seed_too,
    )
    (row,) = found.measures.to_dicts()
    assert row["noise"] == pytest.approx(np.var(SEED_EFFECT, ddof=1) / 4 / row["sd"] ** 2)
    assert row["sd"] == pytest.approx(math.sqrt(1 / 12), rel=0.05)
    x1, x2 = found.indices.to_dicts()
    assert x1["S1_low"] < 1 < x1["S1_high"]
    assert x2["ST"] == pytest.approx(0, abs=1e-12)


def test_indices_are_a_function_of_the_seed_and_of_no_global_generator():
    def ask(seed):
        return sobol_indices(
            Formula,
            {**CUBE, "x3": Range(1, 3, integer=True)},
            8,
            ["linear"],
            seed,
            seeds=1,
            backend="serial",
        ).indices

    np.random.seed(1)
    first = ask(7)
    np.random.seed(2)
    assert ask(7).equals(first)
    assert not ask(8).equals(first)


def test_errors_say_what_to_do():
    ask = {"seeds": 1, "backend": "serial"}
    with pytest.raises(StudyError, match=r"of 40 runs failed: .*too hot"):
        sobol_indices(lambda **x: Formula(fail=True, **x), CUBE, 8, **ask)
    with pytest.raises(ParameterError, match="did you mean 'linear'"):
        sobol_indices(Formula, CUBE, 8, ["liner"], **ask)
    with pytest.raises(StudyError, match="'constant' does not vary"):
        sobol_indices(Formula, CUBE, 8, ["constant"], **ask)
    with pytest.raises(ParameterError, match="power of two"):
        sobol_indices(Formula, CUBE, 100, **ask)
    with pytest.raises(ParameterError, match="2 parameters or more"):
        sobol_indices(Formula, {"x1": (0, 1)}, 8, **ask)
    with pytest.raises(ParameterError, match=r"level in \(0, 1\)"):
        sobol_indices(Formula, CUBE, 8, level=95, **ask)


def test_the_chart_shows_the_indices_and_runs_nothing(found, tmp_path):
    from populace.reports.sensitivity import chart, write_sensitivity

    page = write_sensitivity(found, tmp_path / "chart.html", "<b>A & B</b>").read_text()
    assert "<h1>&lt;b&gt;A &amp; B&lt;/b&gt;</h1>" in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    for row in found.indices.to_dicts():
        assert f'<td class="num">{row["ST"]:.3f}</td>' in page
    rows = [
        {"parameter": "a<", "S1": 0.25, "S1_low": 0.0, "S1_high": 0.5}
        | {"ST": 0.5, "ST_low": 0.5, "ST_high": 1.0},
        {"parameter": "b", "S1": 0.5, "S1_low": 0.5, "S1_high": 0.5}
        | {"ST": 1.0, "ST_low": 1.0, "ST_high": 1.0},
    ]
    picture = ElementTree.fromstring(chart(rows, 0.95))
    widths = [float(bar.get("width")) for bar in picture.iter("rect")]
    assert [width / widths[1] for width in widths] == pytest.approx([0.5, 1, 0.25, 0.5], abs=0.01)
    names = [text.text for text in picture.iter("text") if text.get("class") == "name"]
    assert names == ["b", "a<"]  # the largest first
