"""The study behind docs/recorded-teams.md, on few items: its command, its figures, its fairness."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("POPULACE_DATA", ROOT.parent / "shared" / "data"))
PAGE = ROOT / "docs" / "recorded-teams.md"
FEW = 90  # items; a third of them or so are judged

pytestmark = pytest.mark.skipif(
    not (DATA / "mmlu-pro-answers.jsonl.gz").is_file(), reason=f"no recorded answers in {DATA}"
)


@pytest.fixture(scope="module")
def script() -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import recorded_teams

        yield recorded_teams
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def command(folder: Path) -> list[str]:
    page = folder / "page"
    page.mkdir()
    shutil.copy(PAGE, page)
    few = ["--items", str(FEW), "--exams", "rg-open", "--speed-items", "100"]
    return ["--to", str(folder), "--page", str(page), *few]


@pytest.fixture(scope="module")
def found(script: Any, command: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = script.main(command)
    return result


def test_known_figures(found: dict[str, Any]) -> None:
    known = found["known"]
    assert (known["answers"], known["questions"]) == (141_100, 4_824)
    assert [round(end, 2) for end in known["single"]] == [0.26, 0.78]
    assert [round(end, 2) for end in known["best_of_three"]] == [0.31, 0.83]
    assert round(known["plurality"], 2) == 0.78
    assert round(known["solved"], 2) == 0.91
    assert [round(end, 3) for end in known["mmlu_pro"]] == [0.183, 0.701]


def test_every_arm_keeps_to_its_budget_and_is_compared_on_the_same_items(
    found: dict[str, Any],
) -> None:
    told = found["exams"]["rg-open"]
    most = zip(told["most_spent"], told["budgets"], strict=True)
    assert all(0 < spent <= budget for spent, budget in most)
    for level in range(3):
        own = [row for row in told["arms"] if row["level"] == level]
        assert len({row["n"] for row in own}) == 1
        (base,) = [row for row in own if row["arm"] == told["baseline"]]
        for row in told["differences"]:
            if row["level"] == level:
                (arm,) = [one for one in own if one["arm"] == row["arm"]]
                gap = arm["accuracy"] - base["accuracy"]
                assert row["difference"] == pytest.approx(gap)
                assert (row["gained"] - row["lost"]) / row["n"] == pytest.approx(gap)
                assert row["mcnemar_holm"] >= row["mcnemar"]
        (oracle,) = [row for row in told["oracle"] if row["level"] == level]
        assert oracle["answers"] >= max(row["accuracy"] for row in own)
    structures = {arm["structure"] for arm in told["plan"].values()}
    assert structures == {"self_consistency", "category_vote", "agreed", "routed", "cascade"}
    assert len(told["plan"]) >= 8


def test_what_is_chosen_does_not_depend_on_what_is_judged(
    script: Any, found: dict[str, Any], folder: Path
) -> None:
    about = script.EXAMS["rg-open"]
    held = script.answers(folder, "rg-open", FEW)
    judged = {item.name for item in held.part("judge").items}
    rows = np.array([item.name in judged for item in held.items])
    assert 0 < rows.sum() < FEW

    def plan(answers: Any) -> Any:
        settings = {"router_column": about["router"], "budgets": about["budgets"]}
        return json.loads(json.dumps(script.planned(answers, **settings)[1]))

    def upset(which: Any) -> Any:
        """Return the answers with the models changed about on some items."""
        changed = {}
        for name in ("code", "right", "tokens"):
            values = getattr(held, name).copy()
            values[which] = values[which][:, ::-1]
            changed[name] = values
        return replace(held, **changed)

    told = json.loads(json.dumps(found["exams"]["rg-open"]["plan"]))
    assert plan(held) == told
    assert plan(upset(rows)) == told
    assert plan(upset(~rows)) != told  # so that the comparison could have failed


def test_the_runtime_and_arrays_agree_on_every_vote_without_a_tie(
    script: Any, found: dict[str, Any], folder: Path
) -> None:
    held = script.answers(folder, "rg-open", FEW)
    fit, judge = held.part("fit"), held.part("judge")
    odds = fit.weights()
    for panel, weights in (
        (fit.first(), None),
        (fit.first(), odds[fit.first()]),
        ([0, 1, 2, 5, 7, 9], odds[[0, 1, 2, 5, 7, 9]]),
    ):
        settings: dict[str, Any] = {"k": len(panel)}
        if weights is not None:
            settings["weights"] = weights.tolist()
        members = [held.models[held.seats[s][0]] for s in panel]
        arm = {"members": members, "structure": "self_consistency", "settings": settings}
        task = {"exam": "rg-open", "items": FEW, "folder": str(folder), "name": "panel"}
        sat = script.cell({**task, "arm": arm, "tokens": 10**9})
        assert set(sat["status"]) == {"ran"}
        chance = judge.vote(list(panel), weights)
        clear = (chance == 0) | (chance == 1)
        assert clear.mean() > 0.5
        assert np.array_equal(np.array(sat["correct"])[clear], chance[clear] == 1)


def test_a_finished_study_asks_nothing_again(
    script: Any,
    found: dict[str, Any],
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    def asked(*_: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(script, "sit", asked)
    exam = script.study(folder, "rg-open", FEW, 1, lambda words: None)
    assert json.dumps(exam, default=str) == json.dumps(found["exams"]["rg-open"], default=str)


def test_the_page_is_remade(found: dict[str, Any], folder: Path) -> None:
    page = (folder / "page" / "recorded-teams.md").read_text()
    told = found["exams"]["rg-open"]
    assert f"{told['judged']:,} items judged" in page
    assert all(f"| {name} |" in page for name in told["plan"] if name != told["verifier"])
    assert (folder / "page" / "recorded-teams.svg").read_text().startswith("<svg")


def test_all_items_are_scored_at_once(found: dict[str, Any]) -> None:
    speed = found["speed"]
    assert (speed["calls"], speed["billed"]) == (100 * 16, 0)
    assert 0.3 < speed["accuracy"] < 0.8
