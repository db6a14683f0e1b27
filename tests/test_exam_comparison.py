"""Teams compared at the same cost: budgets, matching, pairing, statistics and the directory."""

import hashlib
import math
from pathlib import Path

import polars as pl
import pytest

from populace.errors import ParameterError, RecordError, StudyError
from populace.language.errors import ModelUnavailable
from populace.language.model import Reply
from populace.language.scripted import Scripted
from populace.reports import write_exam_comparison
from populace.studies import matching
from populace.studies.exam_files import TABLES, read_exam_comparison
from populace.studies.exam_tables import Tables
from populace.studies.exams import Given, TeamArm, compare_teams
from populace.studies.statistics import mcnemar
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.debate import debate
from populace.teams.structures.voting import vote
from populace.worlds.exam.item import Item

ITEMS = [
    Item(f"{a}+{b}", f"What is {a}+{b}?", "number", str(a + b), f"tens {a}")
    for a in range(16)
    for b in range(10)
]


def numbers(request):
    return map(int, request.messages[0].content.split("What is ")[1].split("?")[0].split("+"))


def knows(name, share, words=18):
    """Return a model that is right on a share of its samples, in 20 words with the answer."""

    def script(request):
        a, b = numbers(request)
        key = f"{name}/{a}/{b}/{request.sample}/{len(request.messages)}"
        u = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "little") / 2**32
        return "so " * words + f"\nAnswer: {a + b if u < share else a + b + 1 + int(8 * u)}"

    return Scripted(script, name)


def arms(**more):
    good, weak = knows("good", 0.7), knows("weak", 0.4)
    return {
        "one": TeamArm({"good": good}),
        "vote": TeamArm({"good": good, "weak": weak, "again": good}, vote),
        **more,
    }


def compared(given=None, budget=None, **options):
    options = {"team": {"max_tokens": 30}, "pilot": 24, "items": 60, **options}
    return compare_teams(Given(ITEMS), given or arms(), budget or {"tokens": 240}, **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return compared(budget={"tokens": [240, 600]}, to=tmp_path_factory.mktemp("study") / "exam")


# -- the budget ----------------------------------------------------------------------------------


def test_no_item_passes_its_budget_and_what_was_spent_is_what_was_said(found):
    limit = {0: 240, 1: 600}
    for row in found.items.iter_rows(named=True):
        assert row["tokens"] <= limit[row["level"]]
    said = found.transcript.group_by("level", "policy", "item").agg(
        told=pl.col("tokens_in").sum() + pl.col("tokens_out").sum()
    )
    own = found.items.filter(pl.col("split") == "judge").rename({"arm": "policy"})
    both = own.join(said, on=["level", "policy", "item"])
    assert both.height == own.height
    assert (both["tokens"] == both["told"]).all()


def test_the_baseline_is_the_best_member_sampled_as_often_as_the_budget_pays_for(found):
    assert found.baseline == "self-consistency of good"
    cost = {one["name"]: one["cost"]["tokens"] for one in found.manifest["singles"]}
    assert found.manifest["samples"] == [
        {found.baseline: math.floor(240 / cost["good"])},
        {found.baseline: math.floor(600 / cost["good"])},
    ]
    own = found.items.filter(pl.col("arm") == found.baseline)
    assert own["calls"].max() <= math.floor(600 / cost["good"])


def test_pilot_and_judged_items_have_none_in_common(found):
    pilot = set(found.items.filter(pl.col("split") == "pilot")["item"])
    judged = set(found.items.filter(pl.col("split") == "judge")["item"])
    assert len(pilot) == 24
    assert len(judged) == 60
    assert not pilot & judged


def test_the_online_form_spends_until_no_further_sample_fits():
    both = arms(online=TeamArm({"good": knows("good", 0.7)}, self_consistency, {"k": "online"}))
    result = compared(both, {"tokens": 200})
    own = result.items.filter((pl.col("arm") == "online") & (pl.col("split") == "judge"))
    most = 24 + 30  # words of a prompt, and of a reply at most: what is reserved for a call
    assert (own["tokens"] > 200 - most).all()
    assert result.manifest["adapts"] == ["online"]


def test_a_budget_may_be_of_calls_or_of_several_measures():
    result = compared(budget={"calls": 5, "tokens": 10_000})
    assert result.manifest["samples"][0][result.baseline] == 5
    assert result.items["calls"].max() == 5


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({}, "expected a budget"),
        ({"token": 5}, "did you mean 'tokens'"),
        ({"tokens": 0}, "above 0"),
        ({"tokens": [10, 20], "calls": [1, 2, 3]}, "same length"),
        ({"usd": 0.1}, "price"),
    ],
)
def test_an_impossible_budget_is_told_before_any_call(budget, says):
    model = knows("good", 0.7)
    with pytest.raises(Exception, match=says):
        compare_teams(Given(ITEMS), {"one": TeamArm({"good": model})}, budget)
    assert not model.asked


def test_a_budget_that_holds_no_sample_names_the_arm():
    with pytest.raises(StudyError, match="no member could run"):
        compared(budget={"tokens": 20})


def test_samples_are_the_floor_of_budget_over_mean_cost():
    assert matching.samples({"tokens": 100}, {"tokens": 33.0}, "x") == 3
    assert matching.samples({"tokens": 99, "calls": 2}, {"tokens": 33.0, "calls": 1.0}, "x") == 2
    with pytest.raises(StudyError, match="more than the 30"):
        matching.samples({"tokens": 30}, {"tokens": 33.0}, "x")


# -- what is compared ----------------------------------------------------------------------------


def test_an_item_that_one_arm_could_not_run_is_left_out_of_all_and_counted():
    def script(request):
        a, b = numbers(request)
        if a == 3:
            return Reply.failed(ModelUnavailable("gone"))
        return f"Answer: {a + b}"

    both = {
        "one": TeamArm({"good": knows("good", 0.7)}),
        "broken": TeamArm({"b": Scripted(script, "b")}),
    }
    result = compared(both, baseline="one", items=80, pilot=80)
    lost = sum(item.family == "tens 3" for item in ITEMS) // 2
    assert result.dropped.rows() == [(0, "broken", "failed", lost)]
    assert result.table["n"].to_list() == [80 - lost]
    assert set(result.arms["n"]) == {80 - lost}


def test_an_item_with_a_failed_call_is_left_out_though_others_answered():
    def script(request):
        return Reply.failed(ModelUnavailable("gone"))

    both = {
        "one": TeamArm({"good": knows("good", 0.7)}),
        "vote": TeamArm({"good": knows("good", 0.7), "gone": Scripted(script, "gone")}, vote),
    }
    with pytest.raises(StudyError, match=r"'vote'.*a call failed"):
        compared(both, baseline="one")
    kept = compared(both, baseline="one", incomplete="keep")
    assert kept.table["n"].to_list() == [60]
    assert kept.table["difference"].to_list() == [0.0]


def test_unparsed_answers_were_run_and_are_not_right():
    both = {
        "one": TeamArm({"good": knows("good", 1.0)}),
        "mute": TeamArm({"m": Scripted(lambda request: "I cannot tell.", "m")}),
    }
    result = compared(both, baseline="one")
    assert result.dropped.height == 0
    row = result.table.row(0, named=True)
    assert (row["gained"], row["lost"], row["difference"]) == (0, 60, -1.0)
    assert row["mcnemar"] == 2 * 0.5**60


def frame(right, families=None):
    """Return a row an arm and item from lists of right and wrong, by arm."""
    rows = []
    for arm, marks in right.items():
        for i, mark in enumerate(marks):
            rows.append(
                {
                    "level": 0, "arm": arm, "item": f"i{i}",
                    "family": (families or [f"f{i}" for i in range(len(marks))])[i],
                    "answer": "x", "score": float(mark), "correct": mark, "status": "ran",
                    "reason": "done", "reached": mark, "calls": 1, "tokens": 10, "usd": None,
                    "seconds": 0.0,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"usd": pl.Float64})


def test_differences_are_paired_by_item_and_holm_goes_over_all_arms():
    base = [True] * 10 + [False] * 20
    better = [True] * 10 + [True] * 12 + [False] * 8
    other = [False] * 4 + [True] * 6 + [True] * 2 + [False] * 18
    tables = Tables(
        frame({"base": base, "better": better, "other": other}),
        ["base", "better", "other"], [{"tokens": 20}], clusters="item",
    )  # fmt: skip
    rows = tables.differences("base").to_dicts()
    assert [(r["gained"], r["lost"]) for r in rows] == [(12, 0), (2, 4)]
    assert rows[0]["difference"] == pytest.approx(12 / 30)
    assert [r["mcnemar"] for r in rows] == [mcnemar(12, 0), mcnemar(2, 4)]
    assert rows[0]["mcnemar_holm"] == pytest.approx(2 * mcnemar(12, 0))
    assert rows[1]["mcnemar_holm"] == mcnemar(2, 4)
    some = sum(any(marks) for marks in zip(base, better, other, strict=True))
    assert tables.oracle()["arms"].to_list() == [pytest.approx(some / 30)]
    assert tables.arm_table()["tokens_unspent"].to_list() == [0.5] * 3
    pairs = tables.differences("base", pairs=True)
    assert pairs.select("arm", "against").rows()[2:] == [("better", "other")]


def test_families_are_resampled_as_a_whole():
    right = {"base": [False] * 40, "arm": [True, True, True, True, False] * 8}
    alike = [f"f{i % 5}" for i in range(40)]  # all items of a family go the same way
    own = Tables(frame(right, alike), ["base", "arm"], [{"tokens": 9}], clusters="family")
    free = Tables(frame(right, alike), ["base", "arm"], [{"tokens": 9}], clusters="item")
    wide, narrow = (
        own.differences("base").row(0, named=True),
        free.differences("base").row(0, named=True),
    )
    assert (wide["clusters"], narrow["clusters"]) == (5, 40)
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


def test_what_can_be_found_is_foretold_from_the_pilot(found):
    for row in found.manifest["foretold"]:
        if row["arm"] == found.baseline:
            assert row["detectable"] is None
        else:
            assert row["both"] == 24
            tests = 2 * 2  # arms and budgets
            assert row["detectable"] == matching.foretold(row["discordant"], 24, 60, 0.05 / tests)


def test_arms_that_are_the_same_do_not_differ():
    good = knows("good", 0.7)
    both = {"a": TeamArm({"good": good}), "b": TeamArm({"good": good})}
    row = compared(both, baseline="a").table.row(0, named=True)
    assert (row["difference"], row["gained"], row["lost"], row["mcnemar"]) == (0.0, 0, 0, 1.0)


# -- the directory -------------------------------------------------------------------------------


def bytes_of(folder):
    return {name: (Path(folder) / f"{name}.parquet").read_bytes() for name in TABLES}


def test_a_replay_gives_the_same_bytes_and_asks_nobody(tmp_path, found):
    from populace import AnswerStore

    asked = []

    def silent(request):
        asked.append(request)
        raise AssertionError("asked")

    mute = {
        "one": TeamArm({"good": Scripted(silent, "good")}),
        "vote": TeamArm(
            {"good": Scripted(silent, "good"), "weak": Scripted(silent, "weak"),
             "again": Scripted(silent, "good")}, vote,
        ),
    }  # fmt: skip
    with AnswerStore(found.path / "answers.sqlite", "strict") as answers:
        compared(mute, {"tokens": [240, 600]}, answers=answers, to=tmp_path / "again")
    assert not asked
    assert bytes_of(tmp_path / "again") == bytes_of(found.path)


def test_a_comparison_that_was_stopped_goes_on_without_paying_twice(tmp_path):
    class Stop(Exception):
        pass

    def stop(event):
        if event["event"] == "cell" and event["split"] == "judge" and event["done"] == 2:
            raise Stop

    with pytest.raises(Stop):
        compared(to=tmp_path / "study", note=stop)
    again = arms()
    finished = compared(again, to=tmp_path / "study")
    whole = arms()
    compared(whole, to=tmp_path / "other")
    calls = [
        {name: len(model.asked) for name, model in each["vote"].members.items()}
        for each in (again, whole)
    ]
    assert calls[0] == {"good": 0, "weak": 60, "again": 0}  # the baseline had sat already
    assert calls[1]["good"] > 60
    drop = ["seconds", "seconds_low", "seconds_high"]  # which real calls take, not the same twice
    other = read_exam_comparison(tmp_path / "other")
    assert finished.items.drop("seconds").equals(other.items.drop("seconds"))
    assert finished.arms.drop(drop).equals(other.arms.drop(drop))
    with pytest.raises(RecordError, match="another"):
        compared(to=tmp_path / "study", seed=1)


def test_a_comparison_is_read_back_and_its_page_is_complete(found):
    again = read_exam_comparison(found.path)
    assert again.table.equals(found.table)
    page = write_exam_comparison(found.path).read_text(encoding="utf-8")
    assert "self-consistency of good" in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(RecordError, match="no finished comparison"):
        read_exam_comparison(found.path.parent)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"baseline": "ono"}, "did you mean 'one'"),
        ({"clusters": "families"}, "expected family or item"),
        ({"items": 1000}, r"1 to 80 items"),
        ({"pilot": 0}, "1 item or more"),
        ({"level": 1.5}, "between 0 and 1"),
        ({"team": {"max_token": 3}}, "max_token"),
    ],
)
def test_impossible_arguments_are_told_before_any_call(options, says):
    given = arms()
    with pytest.raises(ParameterError, match=says):
        compared(given, **options)
    assert not given["one"].members["good"].asked


def test_a_debate_that_does_not_fit_counts_its_last_whole_round():
    both = {
        "one": TeamArm({"good": knows("good", 0.7)}),
        "debate": TeamArm({"a": knows("good", 0.7), "b": knows("weak", 0.4)}, debate),
    }
    result = compared(both, {"tokens": 130})
    own = result.arms.filter(pl.col("arm") == "debate").row(0, named=True)
    assert own["cut"] == 1.0
    assert own["calls"] == 2.0


def test_the_online_form_ends_where_nothing_is_spent():
    def sums(observation):
        return [f"Answer: {sum(map(int, name.split('+')))}" for name in observation["item"]]

    both = {
        "rule": TeamArm({"rule": sums}, self_consistency, {"k": "online"}),
        "one": TeamArm({"good": knows("good", 0.7)}),
    }
    result = compared(both, baseline="one", team={"max_tokens": 30})
    own = result.items.filter(pl.col("arm") == "rule")
    assert own["correct"].all()
    assert set(own["reason"]) == {"free"}


def test_of_recorded_models_no_more_samples_are_asked_than_there_are():
    class Kept(Scripted):
        def samples(self, item):
            return 2

    def script(request):
        assert request.sample < 2
        return f"Answer: {sum(numbers(request))}"

    result = compared({"one": TeamArm({"good": Kept(script, "good")})}, {"tokens": 480})
    assert result.manifest["samples"] == [{result.baseline: 2}]
