"""Comparisons: the same as by hand, paired by seed, and what common random numbers save."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal
from scipy import stats

from populace import Cast, Choice, Intervention, Population, Rule, Simulation, World
from populace.cli import main
from populace.errors import CastError, ParameterError, RecordError, StudyError
from populace.reports import write_comparison
from populace.studies import Arm, compare, read_comparison
from populace.studies.compare import foresight
from populace.studies.comparison import Comparison
from populace.studies.gathering import gather
from populace.studies.outcomes import Outcome, split
from populace.studies.statistics import holm, paired
from populace.worlds.contagion import Contagion
from populace.worlds.wealth import Wealth


class Noise(World):
    """Of variance 1 + shared^2: one draw that all arms share, and one of each arm's own."""

    ticks = 2

    def __init__(self, shared: float = 0.0, own: str = "a", add: float = 0.0, broken: int = -1):
        self.people = Population(1, up=np.int8)
        self.shared, self.own, self.add, self.broken = shared, own, add, broken
        self.value = 0.0

    def start(self, streams):
        if streams.seed == self.broken:
            raise RuntimeError("no such luck")

    async def step(self, minds):
        await minds.ask("toss", self.people, Choice(["no", "yes"]))
        common, own = (minds.stream(name).normal(1)[0] for name in ("common", self.own))
        self.value = self.shared * common + own + self.add

    def measure(self):
        return {"value": self.value}

    def policies(self):
        return {"yes": Rule(toss=lambda o: 1), "no": Rule(toss=lambda o: 0)}

    def shares(self):
        return {"yes": 1, "no": 0}


def noise(arms, seeds=12, **options):
    options = {"backend": "serial", "resamples": 500, **options}
    return compare(Noise, arms, seeds, **options)


def row(comparison, measure, arm):
    return comparison.table.row(
        by_predicate=(pl.col("measure") == measure) & (pl.col("arm") == arm), named=True
    )


# -- the same as by hand -------------------------------------------------------------------------


def test_a_comparison_is_what_single_runs_give():
    arms = [Arm("a"), Arm("b", {"money": 400})]
    found = compare("wealth", arms, [3, 5, 8], ticks=6, parameters={"people": 40}, backend="serial")
    own = [
        [
            Simulation(Wealth(people=40, **arm.parameters), seed=seed).run(6).metrics
            for seed in (3, 5, 8)
        ]
        for arm in arms
    ]
    for measure in ("gini", "richest"):
        a, b = ([float(run[measure][-1]) for run in runs] for runs in own)
        by_hand, told = paired(b, a), row(found, measure, "b")
        assert told["difference"] == by_hand.mean
        assert (told["low"], told["high"], told["p"]) == (by_hand.low, by_hand.high, by_hand.p)
        assert (told["baseline_mean"], told["mean"]) == pytest.approx((np.mean(a), np.mean(b)))
        apart = np.array([run[measure] for run in own[1]], float) - [r[measure] for r in own[0]]
        series = found.series.filter(pl.col("measure") == measure, pl.col("arm") == "b")
        assert series["difference"].to_list() == pytest.approx(apart.mean(axis=0).tolist())
    assert found.seeds == [3, 5, 8]
    assert found.baseline == "a"


def test_recorded_runs_are_compared_as_the_runs_themselves(tmp_path):
    for seed in (0, 1, 2):
        for money in (100, 400):
            simulation = Simulation(Wealth(people=40, money=money), seed=seed)
            simulation.run(6, to=tmp_path / f"run-{money}-{seed}")
    outcomes, about = gather(sorted(tmp_path.iterdir()))
    assert outcomes.arms == ["money=100", "money=400"]
    assert about["world"] == "wealth"
    direct = compare(
        "wealth",
        {"money=100": {"money": 100}, "money=400": {"money": 400}},
        3,
        ticks=6,
        parameters={"people": 40},
        backend="serial",
    )
    assert_frame_equal(Comparison.of(outcomes).table, direct.table)
    with pytest.raises(RecordError, match="is the same run as"):
        gather([tmp_path / "run-100-0", tmp_path / "run-100-0"])
    (tmp_path / "cheap").mkdir()
    (tmp_path / "run-100-0").rename(tmp_path / "cheap" / "0")
    outcomes, _ = gather([tmp_path / "cheap", tmp_path / "run-400-0"])
    assert "cheap" in outcomes.arms


def test_values_by_hand():
    ticks = np.array([4, 5, 6])
    run = Outcome(ticks, {"x": np.array([3.0, 7.0, 1.0]), "y": np.array([np.nan, 2.0, np.nan])})
    wanted = {"last": 1, "sum": 11, "mean": 11 / 3, "max": 7, "min": 1, "argmax": 5, "argmin": 6}
    assert {how: run.value(f"x:{how}") for how in wanted} == pytest.approx(wanted)
    assert run.value("x") == 1
    assert math.isnan(run.value("y"))  # not known at the end
    assert run.value("y:max") == 2
    with pytest.raises(ParameterError, match="measure:last"):
        split("x:top")


# -- arms ----------------------------------------------------------------------------------------


def test_a_mind_swapped_for_itself_changes_nothing_and_tests_nothing():
    found = compare(
        "wealth",
        [Arm("base"), Arm("same", swap={"spender": "spender"})],
        4,
        ticks=5,
        parameters={"people": 30},
        backend="serial",
    )
    assert found.table["difference"].to_list() == [0.0] * found.table.height
    assert found.table["p"].null_count() == found.table.height


def test_a_swapped_group_keeps_its_agents_and_its_draws():
    """The group's name is no part of any draw: swapped minds act as minds cast at once do."""
    swapped = Arm("swapped", swap={"spender": "saver"})
    found = compare(
        "wealth",
        [Arm("all savers", cast={"saver": 1}), swapped],
        3,
        ticks=5,
        parameters={"people": 30},
        backend="serial",
    )
    assert (found.runs["difference"] == 0).all()


def test_two_groups_may_trade_their_minds():
    """Each takes the other's: the same agents, so the same as shares the other way round."""
    shares = {"careless": 1, "watchful": 2}
    cast = Cast(dict(Contagion(people=100).policies()), shares=shares)
    traded = Arm("traded", cast=cast, swap={"careless": "watchful", "watchful": "careless"})
    renamed = {"careless": "watchful", "watchful": "careless"}
    offered = Contagion(people=100).policies()
    other = Cast({n: offered[renamed.get(n, n)] for n in offered}, shares=shares)
    found = compare(
        "contagion",
        [Arm("by hand", cast=other), traded, Arm("untouched", cast=cast)],
        3,
        ticks=12,
        parameters={"people": 200, "seeds": 0.05},
        measures=["attack_rate"],
        backend="serial",
    )
    assert row(found, "attack_rate", "traded")["difference"] == 0
    assert row(found, "attack_rate", "untouched")["difference"] != 0


def test_casts_of_arms_are_copied_for_every_run():
    cast = Cast({"yes": lambda o: 1})
    assert len(noise([Arm("a"), Arm("b", cast=cast)], 3).seeds) == 3


def test_an_intervention_at_the_start_is_a_parameter():
    options = {"people": 200, "seeds": 0.05}
    found = compare(
        Contagion,
        [
            Arm("parameter", {"transmission": 0.1}),
            Arm("changed", interventions=[Intervention(at=0, set={"transmission": 0.1})]),
            Arm("as it is"),
        ],
        3,
        ticks=15,
        parameters=options,
        measures=["attack_rate"],
        backend="serial",
    )
    assert row(found, "attack_rate", "changed")["difference"] == 0
    assert row(found, "attack_rate", "as it is")["difference"] < 0


def test_errors_before_any_run(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a run was made")

    monkeypatch.setattr(sys.modules["populace.studies.compare"], "sweep", never)
    arms = [Arm("a"), Arm("b")]
    for wrong, options, hint in (
        ([Arm("a")], {}, "two arms"),
        ([Arm("a"), Arm("a")], {}, "called 'a'"),
        (arms, {"baseline": "c"}, "no arm 'c'"),
        (arms, {"measures": ["valeu"]}, "did you mean 'value'"),
        (arms, {"measures": ["value:top"]}, "value:top"),
        (arms, {"family": "some"}, "family"),
        (arms, {"level": 95}, "level"),
        (arms, {"precision": -1}, "precision"),
        ([Arm("a"), Arm("b", {"shard": 1})], {}, "did you mean 'shared'"),
        ([Arm("a"), Arm("b", interventions=[Intervention(at=9, set={"add": 1.0})])], {}, "9"),
    ):
        with pytest.raises(ParameterError, match=hint):
            noise(wrong, **options)
    for swap, hint in (({"maybe": "no"}, "no group 'maybe'"), ({"yes": "perhaps"}, "no mind")):
        with pytest.raises(CastError, match=hint):
            noise([Arm("a"), Arm("b", swap=swap)])


# -- pairing -------------------------------------------------------------------------------------


def test_a_seed_that_fails_in_one_arm_is_dropped_from_all_and_told():
    found = noise([Arm("a", {"add": 1.0}), Arm("b", {"broken": 4})], seeds=6)
    assert found.seeds == [0, 1, 2, 3, 5]
    assert found.dropped == [4]
    assert found.table["n"].to_list() == [5]
    (failure,) = found.manifest["failed"]
    assert (failure["arm"], failure["seed"]) == ("b", 4)
    assert "no such luck" in failure["error"]
    with pytest.raises(StudyError, match="no such luck"):
        noise([Arm("a"), Arm("b", {"broken": 0})], seeds=1)


def test_a_world_that_was_done_before_it_began_is_no_outcome():
    shares = {"people": 50, "seeds": 0.0}
    arms = [Arm("none"), Arm("some", {"seeds": 0.1})]
    with pytest.raises(StudyError, match="done before its first tick"):
        compare("contagion", arms, 2, ticks=3, parameters=shares, backend="serial")


@pytest.mark.parametrize("shared", [0.0, 1.0, 3.0])
def test_common_random_numbers_leave_the_share_of_variance_that_theory_says(shared):
    """Outcomes are shared * z + e: var(a - b) / (var a + var b) = 1 / (1 + shared^2)."""
    n = 150
    arms = [Arm("a", {"shared": shared}), Arm("b", {"shared": shared, "own": "b", "add": 0.5})]
    found = row(noise(arms, n), "value", "b")
    expected = 1 / (1 + shared**2)
    # for normal pairs the difference and the sum of arms are independent, with variances 2 and
    # 2 + 4 shared^2, and 2 (var a + var b) is the sum of both: the ratio follows from one F
    f = stats.f(n - 1, n - 1).ppf([0.0005, 0.9995])
    low, high = 2 * f / (f + 1 / (expected / (2 - expected)))
    assert low <= found["variance_ratio"] <= high
    assert found["sd"] == pytest.approx(math.sqrt(2), rel=4 / math.sqrt(2 * n))


def test_pairing_saves_what_independent_seeds_would_cost():
    """The ratio told is the ratio measured between paired and independent seeds."""
    options = {
        "ticks": 25,
        "parameters": {"people": 300, "seeds": 0.02},
        "measures": ["attack_rate"],
    }
    arms = [Arm("base"), Arm("less", {"transmission": 0.045})]
    n = 40
    found = compare("contagion", arms, 2 * n, **options, backend="serial", resamples=200)
    runs = found.runs.pivot("arm", index="seed", values="value").sort("seed")
    base, less = runs["base"].to_numpy(), runs["less"].to_numpy()
    independent = (less[:n] - base[n:]).var(ddof=1)  # other seeds: nothing is shared
    told = row(found, "attack_rate", "less")
    ratio = told["sd"] ** 2 / independent
    # two variance estimates, of 2n - 1 and n - 1 degrees of freedom
    f = stats.f(2 * n - 1, n - 1).ppf([0.0005, 0.9995])
    assert told["variance_ratio"] * f[0] <= ratio <= told["variance_ratio"] * f[1]
    assert told["variance_ratio"] < 0.8


def test_holm_over_the_family_that_is_told():
    class_arms = [Arm("base"), Arm("rich", {"money": 300}), Arm("richer", {"money": 900})]
    shared = {"ticks": 4, "parameters": {"people": 30}, "backend": "serial"}
    every = compare("wealth", class_arms, 6, **shared)
    each = compare("wealth", class_arms, 6, family="arms", **shared)
    p = [math.nan if v is None else v for v in every.table["p"]]
    told = [math.nan if v is None else v for v in every.table["p_holm"]]
    assert told == pytest.approx(holm(p).tolist(), nan_ok=True)
    for part in each.table.partition_by("measure"):
        p = [math.nan if v is None else v for v in part["p"]]
        told = [math.nan if v is None else v for v in part["p_holm"]]
        assert told == pytest.approx(holm(p).tolist(), nan_ok=True)


def test_precision_and_foresight():
    found = noise([Arm("a"), Arm("b", {"own": "b"})], 20, precision={"value": 0.25})
    told = row(found, "value", "b")
    assert told["wanted"] == 0.25
    assert found.seeds_needed("value", 0.25) == {"b": told["seeds_needed"]}
    more = foresight(told["seeds_needed"])
    assert more["half_width"] * told["sd"] <= 0.25
    assert foresight(6)["least_p"] == 2 / 2**6
    assert math.isnan(foresight(1)["half_width"])


# -- files and the page --------------------------------------------------------------------------


def test_written_read_and_gone_on(tmp_path):
    arms = [Arm("a"), Arm("b", {"add": 1.0})]
    found = noise(arms, 5, to=tmp_path / "study")
    folder = found.write()
    again = read_comparison(folder)
    for name in ("table", "arms", "runs", "series"):
        assert_frame_equal(getattr(again, name), getattr(found, name))
    assert again.manifest["dropped"] == []
    done: list[tuple[int, int]] = []
    same = noise(arms, 5, to=folder, progress=lambda *told: done.append(told))
    assert done == [(10, 10)]  # nothing was run again
    assert_frame_equal(same.table, found.table)
    with pytest.raises(RecordError, match="another study"):
        noise([Arm("a"), Arm("b", {"add": 2.0})], 5, to=folder)
    outcomes, about = gather([folder])  # its runs are a sweep's
    assert outcomes.arms == ["a", "b"]
    assert about["world"] == "noise"


def test_the_page_is_complete_in_itself_and_names_are_no_code(tmp_path):
    evil = "</script><b>"
    found = noise([Arm("a"), Arm(evil, {"add": 1.0, "broken": 2})], 9)
    page = write_comparison(found.write(tmp_path)).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
    assert evil not in page
    assert data["arms"] == ["a", evil]
    assert data["dropped"]["seeds"] == [2]
    assert not re.search(r"(?:src|href)=|url\(|https?://(?!www\.w3\.org)", page)
    (measure,) = data["measures"]
    assert len(measure["arms"][0]["pairs"]) == 8
    (series,) = data["series"]
    assert [len(line["values"]) for line in series["arms"]] == [2, 2]
    assert data["rows"][0]["difference"] == pytest.approx(found.table["difference"][0], rel=1e-5)


# -- the command line ----------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def test_a_world_and_its_directory_on_the_command_line(cli):
    small = ("--set", "people=30", "--ticks", "4")
    found = cli("compare", "wealth", "--swap", "spender=saver", "--seeds", "3", *small)
    assert found.exit_code == 0, found.output
    assert "spender=saver" in found.output
    assert "2 arms x 3 seeds = 6 runs" in found.output
    folder = Path("runs/compare-wealth")
    assert {"report.html", "table.parquet", "manifest.json"} <= {p.name for p in folder.iterdir()}
    again = cli("compare", str(folder), "--measure", "gini:max", "--to", "again", "--json")
    told = json.loads(again.output)
    assert [each["measure"] for each in told["table"]] == ["gini:max"]
    assert told["names"] == ["base", "spender=saver"]
    shown = cli("report", "again", "--out", "page.html")
    assert shown.exit_code == 0
    assert Path("page.html").exists()


def test_a_study_in_a_file_with_a_world_beside_it(cli, tmp_path):
    study = tmp_path / "studies"
    study.mkdir()
    (study / "coin.py").write_text(
        "import numpy as np\n"
        "from populace import Choice, Population, Rule, World\n"
        "class Coin(World):\n"
        "    ticks = 2\n"
        "    def __init__(self, p: float = 0.5): self.p, self.people = p, Population(20)\n"
        "    async def step(self, minds):\n"
        "        await minds.ask('toss', self.people, Choice(['a', 'b']))\n"
        "        self.up = minds.stream('u').bernoulli(self.people, self.p).sum()\n"
        "    def measure(self): return {'up': int(self.up)}\n"
        "    def policies(self): return {'a': Rule(toss=lambda o: 0)}\n"
        "    def shares(self): return {'a': 1}\n"
    )
    (study / "coin.toml").write_text(
        'world = "coin.py:Coin"\nseeds = 3\nmeasures = ["up:sum"]\n'
        "[arms.fair]\n[arms.lucky]\nset = { p = 0.9 }\n"
    )
    found = cli("compare", "studies/coin.toml", "--to", "out", "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    assert (told["names"], told["baseline"]) == (["fair", "lucky"], "fair")
    assert told["table"][0]["difference"] > 0  # the same uniforms under a higher bar


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("nosuch", "--swap", "a=b"), "no world 'nosuch'"),
        (("wealth",), "nothing to compare it with"),
        (("wealth", "--swap", "spender"), "expected name=value"),
        (("wealth", "--swap", "spender=nobody"), "no mind is named 'nobody'"),
        (("wealth", "--arm", "monney=2"), "expected 'NAME: name=value"),
        (("wealth", "--arm", "rich: monney=2"), "did you mean 'money'"),
        (("wealth", "--arm", "a: money=5", "--measure", "ginni"), "did you mean 'gini'"),
        (("wealth", "--arm", "a: money=5", "--precision", "x"), "expected a share"),
        (("wealth", "other"), "expected directories"),
        (("gone.toml",), "cannot be read"),
        (("bad.toml",), "knows no 'sede'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_any_run(cli, arguments, hint):
    Path("bad.toml").write_text('world = "wealth"\nsede = 3\n[arms.a]\n[arms.b]\n')
    found = cli("compare", *arguments)
    assert found.exit_code == 2
    assert hint in found.output
    assert found.output.count("\n") == 1
    assert not Path("runs").exists()


def test_arms_in_words():
    from populace.cli.arming import arms_of

    cls = Contagion
    base, one = arms_of(
        ["x: transmission=0.1, cast=careless=3,watchful=1, latent=2"], [], cls, "contagion"
    )
    assert base == Arm("base")
    assert one.parameters == {"transmission": 0.1, "latent": 2.0}
    assert one.cast.text == "careless=3,watchful=1"
    names = [arm.name for arm in arms_of(["a: latent=2", "b:"], [], cls, "contagion")]
    assert names == ["a", "b"]
    names = [arm.name for arm in arms_of(["a: latent=2", "b:"], ["careless=watchful"], cls, "c")]
    assert names == ["base", "a", "b", "careless=watchful"]
