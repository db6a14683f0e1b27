"""The study behind docs/does-the-model-matter.md, small and with a scripted model."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from populace.kernel.cast import with_synonyms
from populace.kernel.registry import load
from populace.language.prompts import Prompts
from populace.language.scripted import Scripted

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "does-the-model-matter.md"
NAMES = ("commons", "dilemma", "auction")


@pytest.fixture(scope="module")
def script() -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import ablation
    finally:
        sys.path.pop(0)
    return ablation


def careful(request: Any) -> Any:
    """Plays the commons as `careful` does, says A, and bids a hundred."""
    kind = request.label.kind
    if kind == "play":
        return {"A": 1.0, "B": 0.0}
    return json.dumps({"action": "order", "price": 100} if kind == "order" else {"answer": 10})


def nothing(request: Any) -> Any:
    raise AssertionError("called")


@pytest.fixture(scope="module")
def recorded(script: Any, tmp_path_factory: Any) -> tuple[Path, Any]:
    to = tmp_path_factory.mktemp("recorded")
    command = [*NAMES, "--seeds", "3", "--budget", "calls=100000", "--to", str(to)]
    return to, script.main([*command, "--page", str(to / "page")], Scripted(careful))


def test_a_model_that_plays_a_rule_differs_from_it_in_nothing(recorded: Any) -> None:
    """Its arm and the rule's are then the same runs, draw for draw."""
    _, found = recorded
    for name, rule in (("commons", "careful"), ("dilemma", "cooperate")):
        rows = [row for row in found[name].table.to_dicts() if row["arm"] == rule]
        assert rows
        assert all(row["difference"] == row["sd"] == 0 for row in rows)
        others = [row for row in found[name].table.to_dicts() if row["arm"] == "uniform"]
        assert any(row["difference"] != 0 for row in others)


def test_with_the_names_exchanged_who_says_a_defects(recorded: Any) -> None:
    _, found = recorded
    rows = {row["arm"]: row for row in found["dilemma"].table.to_dicts()[:5]}
    assert rows["A for B"]["mean"] == rows["defect"]["mean"] == 0
    assert rows["cooperate"]["mean"] == 1


def test_answers_that_were_recorded_give_the_same_tables_without_the_model(
    script: Any, recorded: Any, tmp_path: Path
) -> None:
    to, found = recorded
    command = ["--answers", str(to / "answers.sqlite"), "--mode", "strict", "--to", str(tmp_path)]
    again = script.main(
        [*NAMES, "--seeds", "3", "--budget", "calls=0", *command], Scripted(nothing)
    )
    for name in NAMES:
        assert again[name].table.equals(found[name].table)


def test_tables_and_figure_say_what_was_found(script: Any, recorded: Any) -> None:
    to, _ = recorded
    text = (to / "page" / PAGE.name).read_text(encoding="utf-8")
    for name in NAMES:
        study, block = script.STUDIES[name], re.search(rf"<!-- {name} -->(.*?)<!-- /", text, re.S)
        assert block is not None
        lines = block[1].strip().splitlines()
        assert [line.split(" | ")[0].strip("| *") for line in lines[2:]] == ["model", *study.names]
    assert "| careful | 12.0: +0.00 | 1.00: +0.00 | 1.00: +0.00 | 0.00: +0.00 |" in text
    svg = ElementTree.parse(to / "page" / "does-the-model-matter.svg")
    dots = svg.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == sum(len(script.STUDIES[name].names) for name in NAMES)


def test_prompts_are_changed_where_they_are_to_be_and_nowhere_else(script: Any) -> None:
    studies = sys.modules["_ablation_studies"]
    for study in script.STUDIES.values():
        own = with_synonyms(load("world", study.world)(**study.parameters).policies())["model"]
        before = Prompts.load(own.prompts)
        if study.prompts is not None:
            after = Prompts.load(study.prompts(own.prompts))
            gone = set(before.kinds) - set(after.kinds)
            assert gone
            assert gone <= {"speak", "search", "message", "strategy", "advise"}
        for how in study.variants.values():
            if callable(how):
                Prompts.load(how(own.prompts))
    path = load("world", "dilemma")().policies()["language"].prompts
    other = studies.exchanged(path)
    assert other["kind"]["play"]["options"] == {"cooperate": "B", "defect": "A"}
    assert "who chose B gets {sucker}" in other["kind"]["play"]["system"]


def test_the_page_has_a_place_for_every_study(script: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in [*script.STUDIES, "summary", "cost"]:
        assert f"<!-- {name} -->" in text
        assert f"<!-- /{name} -->" in text


def test_a_study_that_is_not_there_is_told(script: Any, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        script.main(["commmons"])
    assert "no study 'commmons'" in capsys.readouterr().err
