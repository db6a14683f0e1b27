"""The conversation in the report: what it holds is what was kept, and a browser shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from populace import Cast, Human, Language, Records, Rule, Simulation
from populace.language.scripted import Scripted
from populace.records import Run, read
from populace.reports import transcript
from populace.reports.payload import payload
from populace.teams import Team
from populace.teams.structures.voting import vote
from populace.worlds.commons import PROMPTS, Commons
from tests.teamwork import Sums
from tests.test_report import BROWSER, EVIL, probed

MONTHS = 3


def spoken(request: Any) -> str:
    if request.label.kind == "harvest":
        return '{"answer": 9}'
    return f"Nine each.\n{EVIL}" if request.label.tick else "Short."


def play(to: Path | None = None, **settings: Any) -> Run:
    world = Commons(discussion="together")
    rules = world.policies()
    script: dict[tuple[int, int, str], Any] = {(1, 2, "harvest"): ["lots", "7"]}
    minds = {
        "model": Language(Scripted(spoken), PROMPTS["fishery"]),
        "careful": rules["careful"],
        "me": Human(script=script),
        "greedy": Rule(harvest=lambda o: 5),
    }
    cast = Cast(minds, assign={"model": [0], "careful": [1], "me": [2], "greedy": [3, 4]})
    return Simulation(world, cast, seed=1, **settings).run(MONTHS, to=to)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talk") / "run"
    play(path)
    return path


def told(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the page in the words of the table, written anew."""
    texts = [*data["texts"], None]
    found = []
    for tick, agent, heard, kind, policy, outcome, value, text, shown, notes in data["rows"]:
        population, id, _ = data["agents"][agent]
        found.append(
            {
                "tick": tick, "population": population, "id": id,
                "act": "told" if heard else "asked", "kind": data["kinds"][kind],
                "policy": None if policy is None else data["policies"][policy],
                "outcome": outcome, "value": value,
                "label": None if text is None else texts[text],
                "shown": [
                    {"column": data["columns"][c], "value": v,
                     "label": None if t is None else texts[t]}
                    for c, v, t in shown
                ],
                "notes": [{"what": data["whats"][w], "text": texts[t]} for w, t in notes],
            }
        )  # fmt: skip
    return found


def test_the_page_holds_what_was_kept(folder: Path) -> None:
    run = read(folder)
    data = payload(run)["transcript"]
    kept = run.exchanges.drop("turn").to_dicts()
    assert len(kept) == MONTHS * 5 * 4  # asked twice and told twice a month
    assert told(data) == kept
    assert [name for _, _, name in data["agents"]] == ["John", "Kate", "Jack", "Emma", "Luke"]
    assert (data["among"], data["total"], data["until"], data["left_out"]) == (5, 60, None, 0)
    assert data["teams"] == {}


def test_what_members_of_a_team_said_stands_with_its_decision() -> None:
    rules = [Rule(answer=lambda o: o["number"] + 1), Rule(answer=lambda o: 0)]
    run = Simulation(Sums(2), Team([rules[0], rules[0], rules[1]], vote)).run(1)
    data = transcript.transcript(run)
    assert data is not None
    assert [row["value"] for row in told(data)] == [1, 2]
    said = data["teams"]["0/items/1"]
    assert [row["answer"] for row in said] == ["2", "2", "0", "2"]
    assert [row["member"] is None for row in said] == [False, False, False, True]


def test_whole_agents_and_whole_ticks_are_shown_where_there_is_no_room_for_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read(folder)  # 3 ticks of 5 agents, 4 rows each
    for most, least, agents, rows, last in (
        (60, 2, 5, 60, None), (59, 2, 4, 48, None), (24, 2, 2, 24, None), (23, 2, 2, 16, 1),
        (23, 1, 1, 12, None), (59, 5, 5, 40, 1), (19, 5, 5, 19, 0),
    ):  # fmt: skip
        monkeypatch.setattr(transcript, "MAX_ROWS", most)
        monkeypatch.setattr(transcript, "MOST_AGENTS", least)
        data = transcript.transcript(run)
        assert data is not None
        assert (len(data["agents"]), len(data["rows"]), data["last"]) == (agents, rows, last)
        order = [row["tick"] for row in told(data)]
        assert order == sorted(order)
        assert (data["among"], data["total"]) == (5, 60)


def test_texts_are_held_once_and_left_out_beyond_the_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read(folder)
    data = transcript.transcript(run)
    assert data is not None
    assert len(set(data["texts"])) == len(data["texts"])
    monkeypatch.setattr(transcript, "MAX_TEXT", 1000)
    less = transcript.transcript(run)
    assert less is not None
    assert less["left_out"] > 0
    assert "(not on this page)" in less["texts"]
    assert sum(len(text) for text in less["texts"]) <= 1000 + len("(not on this page)")


def test_without_exchanges_there_is_no_conversation_and_free_text_is_never_a_category() -> None:
    data = payload(play(records=Records(exchanges=False)))
    assert data["transcript"] is None
    speak = next(p for p in data["panels"] if p["kind"] == "speak")
    assert "cells" not in speak  # three different texts are no categories
    assert {row[3] for row in speak["texts"]} >= {"Short."}
    known = payload(play())["panels"]
    assert [p["kind"] for p in known if "cells" in p] == ["harvest"]


def test_a_long_conversation_says_until_when_it_was_kept() -> None:
    run = play()
    run.manifest["exchanges"] = {"until": 1}
    data = transcript.transcript(run)
    assert data is not None
    assert data["until"] == 1


PROBE = Path(__file__).with_name("transcript_probe.js").read_text(encoding="utf-8")


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
@pytest.mark.parametrize("width", [1200, 360])
def test_a_browser_shows_the_conversation(folder: Path, tmp_path: Path, width: int) -> None:
    found = probed(folder, width, tmp_path, PROBE)
    assert found["errors"] == []
    assert found["banner"] == ""
    assert found["images"] == 0
    assert found["overflow"] <= 0
    assert found["agents"] == ["everybody", "John", "Kate", "Jack", "Emma", "Luke"]
    assert found["charts"][:2] == ["Stock", "Harvest"]
    harvest = [
        ["John model", "harvest 9"], ["Kate careful", "harvest 10"],
        ["Jack me", "harvest 0 by default: timeout"],
        ["Emma greedy", "harvest 5"], ["Luke greedy", "harvest 5"],
    ]  # fmt: skip
    speak = [
        ["John model", "speak"], ["Kate careful", "speak"], ["Jack me", "speak timeout"],
        ["Emma greedy", "speak abstained"], ["Luke greedy", "speak abstained"],
    ]  # fmt: skip
    assert found["first"] == harvest + speak
    assert found["texts"][0] == "Short."
    harvest[2] = ["Jack me", "harvest 7"]
    assert found["second"] == harvest + speak
    assert found["when"] == "Feb 2024"
    assert found["moved"] is True
    assert found["clicked"] == ["0", "Jan 2024"]
    assert found["rounds"] == ["Jan 2024", "Feb 2024", "Mar 2024"]
    assert [said for _, said in found["alone"]] == [
        "harvest 9", "was told: harvested", "speak", "was told: heard",
    ] * MONTHS  # fmt: skip
    opened = found["opened"]
    assert "stock" in opened["saw"]
    assert opened["was asked"][0] == "system"
    assert opened["was asked"][-2:] == ["reply", '{"answer": 9}']
    assert found["ordinals"] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th",
        "112th",
    ]  # fmt: skip
    assert found["rasters"] == ["harvest"]
