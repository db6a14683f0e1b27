"""What the report says of language minds and their spending, and that a browser shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from populace.records import Recorder, read
from populace.reports import write_report
from populace.reports.spending import BRIEF, SHOWN, failures, language_minds, spending
from tests.test_report import EVIL, Parsed, browse, needs_browser

MODEL = {"agents": 100, "distinct": 7, "calls": 14, "paid": 5, "tokens_in": 70, "tokens_out": 0}
FIRST = {"agents": 60, "distinct": 40, "predicted": 0, "known": 0, "asked": 40, "audits": 0}
LATER = {"agents": 40, "distinct": 40, "predicted": 30, "known": 8, "asked": 4, "audits": 2}


def told(tick: int, policy: str, values: dict[str, float]) -> list[dict[str, Any]]:
    where = {"tick": tick, "population": "people", "policy": policy, "kind": "vote"}
    return [{**where, "measure": name, "value": float(v)} for name, v in values.items()]


def spent(tick: int, policy: str, calls: int, billed: int, usd: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"tick": tick, "kind": "vote", "policy": policy, "model": "small"}
    for side, count in (("logical", calls), ("billed", billed)):
        row |= {f"{side}_calls": count, f"{side}_tokens_in": 10 * count, f"{side}_seconds": 0.5}
        row |= {f"{side}_tokens_out": count, f"{side}_usd": usd and usd * count}
    return row


def failure(reply: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(("population", "policy", "kind", "why"), "some"),
        "tick": 1,
        "outcome": "refused",
        "agents": 3,
        "prompt": "p" * 500,
        "reply": reply,
    }


def record(to: Path, usd: float | None = 0.1, refused: int = 50) -> Path:
    recorder = Recorder(to)
    recorder.begin({"world": {"name": "town"}, "seed": 1, "cast": {}, "ticks": {"asked": 9}})
    first = {**FIRST, "share": 0.0, "low": 0.0, "high": 1.0, "trusted": 0}
    later = {**LATER, "share": 0.75, "error": 0.02, "low": 0.01, "high": 0.04, "trusted": 1}
    for tick, own in enumerate((first, later)):
        minds = told(tick, "model", MODEL) + told(tick, "fast", own) + told(tick, "rule", {"x": 1})
        spend = [spent(tick, "model", 100, 5, usd), spent(tick, "fast", 60, 4, 0.1)]
        recorder.tick(tick, {"yes": 1}, (), (), (), minds, spend, [failure(EVIL)] * (refused // 2))
    recorder.update(stopped="a budget is spent")
    recorder.finish("stopped")
    return to


def test_sums_are_those_of_the_tables(tmp_path: Path) -> None:
    run = read(record(tmp_path / "d"))
    by_policy = {row["policy"]: row for row in language_minds(run)}
    assert set(by_policy) == {"model", "fast"}, "who reports no prompts is left out"
    model, fast = by_policy["model"], by_policy["fast"]
    assert {name: model[name] for name in ("agents", "distinct", "calls", "paid")} == {
        "agents": 200, "distinct": 14, "calls": 28, "paid": 10,
    }  # fmt: skip
    assert model["predicted"] is model["share"] is model["error"] is None
    assert (fast["calls"], fast["paid"], fast["predicted"]) == (44, 8, 30)
    assert fast["share"] == (0.0 * 60 + 0.75 * 40) / 100
    assert (fast["error"], fast["low"], fast["high"]) == (0.02, 0.01, 0.04)
    found = spending(run)
    assert found is not None
    assert found["logical"]["calls"] == 320
    assert found["billed"] == {
        "calls": 18, "tokens_in": 180, "tokens_out": 18, "usd": 1.8, "seconds": 2.0,
    }  # fmt: skip
    assert [row["policy"] for row in found["rows"]] == ["model", "fast"]


def test_an_unknown_price_leaves_the_sum_unknown(tmp_path: Path) -> None:
    found = spending(read(record(tmp_path / "d", usd=None)))
    assert found is not None
    assert found["billed"]["usd"] is None
    assert [row["billed"]["usd"] for row in found["rows"]] == [None, pytest.approx(0.8)]


def test_runs_without_language_minds_say_nothing_of_them(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "d")
    recorder.begin({"world": {"name": "town"}, "seed": 1})
    recorder.tick(0, {"yes": 1})
    recorder.finish()
    run = read(tmp_path / "d")
    assert (language_minds(run), spending(run), failures(run)["total"]) == ([], None, 0)


def test_failures_are_shown_in_brief(tmp_path: Path) -> None:
    found = failures(read(record(tmp_path / "d")))
    assert found["total"] == 50
    assert len(found["rows"]) == SHOWN
    assert found["rows"][0][-1] == "…" + "p" * BRIEF


@needs_browser
def test_a_browser_shows_them(tmp_path: Path) -> None:
    folder = record(tmp_path / "d")
    page = browse(write_report(folder), 1200, tmp_path / "profile")
    parsed = Parsed(page)
    body = next(a for t, a in parsed.tags if t == "body")
    assert body.get("data-drawn") == "yes"
    assert "This run was stopped: </b>a budget is spent." in page
    assert "300 decisions through 94 distinct prompts" in page
    for cell in ("30.0 %", "0.02", "0.01 – 0.04", "all, billed", "US$", "1.8"):
        assert cell in [t.strip() for t in [*parsed.texts["td"], *parsed.texts["th"]]], cell
    assert "Replies without a decision (50 kept, 40 shown)" in page
    assert "img" not in [t for t, _ in parsed.tags]
