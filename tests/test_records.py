"""Records of a run: what is written is what is read, by whoever reads it, whenever it stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.errors import RecordError, WorldError
from populace.kernel.answers import OUTCOMES
from populace.kernel.minds import AskCount, PanelRows
from populace.records import Recorder, read
from populace.records.tables import TABLES


def asked() -> AskCount:
    return AskCount("people", "move", "rule", 5, np.array([3, 0, 2, 0, 0, 0, 0, 0]), 0.25)


def seen() -> PanelRows:
    ids = np.array([4, 9], np.uint32)
    said = [["rule"] * 2, ["acted"] * 2]
    return PanelRows("people", "move", ids, *said, [1.0, None], ["yes", "no"])


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


MANIFEST = {"world": {"name": "toy"}, "seed": 3, "ticks": {"asked": 4}, "cast": {}}


def record(to: Path | None, ticks: int = 4, flush_seconds: float = 0.0) -> Recorder:
    recorder = Recorder(to, flush_seconds, Clock(), lambda: "2026-01-01T00:00:00Z")
    recorder.begin(
        MANIFEST, pl.DataFrame({"tick": [0, 1], "measure": ["stock"] * 2, "value": [1, 2]})
    )
    for tick in range(ticks):
        recorder.tick(
            tick,
            {"stock": tick * 0.5, "count": tick},
            [("cases", "age", ["young", "old"], [tick, tick + 0.5])],
            [asked()],
            [seen()],
        )
    return recorder


EXPECTED = {
    "metrics": (["tick", "stock", "count"], [(0, 0.0, 0), (1, 0.5, 1), (2, 1.0, 2), (3, 1.5, 3)]),
    "by": (
        ["tick", "measure", "axis", "label", "value"],
        [
            (t, "cases", "age", label, t + more)
            for t in range(4)
            for label, more in (("young", 0.0), ("old", 0.5))
        ],
    ),
    "asks": (
        ["tick", "population", "kind", "policy", "agents", *OUTCOMES, "seconds"],
        [(t, "people", "move", "rule", 5, 3, 0, 2, 0, 0, 0, 0, 0, 0.25) for t in range(4)],
    ),
    "panel": (
        ["tick", "population", "id", "kind", "policy", "outcome", "value", "label"],
        [
            (t, "people", who, "move", "rule", "acted", value, label)
            for t in range(4)
            for who, value, label in ((4, 1.0, "yes"), (9, None, "no"))
        ],
    ),
    "reference": (["tick", "measure", "value"], [(0, "stock", 1.0), (1, "stock", 2.0)]),
}


@pytest.mark.parametrize("flush_seconds", [0.0, 1e9])
def test_tables_hold_what_was_recorded_on_disk_and_in_memory(
    tmp_path: Path, flush_seconds: float
) -> None:
    on_disk, in_memory = record(tmp_path / "run", flush_seconds=flush_seconds), record(None)
    for recorder in (on_disk, in_memory):
        recorder.finish()
    read_back = read(tmp_path / "run")
    for run in (on_disk.run(), in_memory.run("the world"), read_back):
        for name, (columns, rows) in EXPECTED.items():
            table = getattr(run, name)
            assert table.columns == columns
            assert table.rows() == rows
    assert in_memory.run("the world").world == "the world"
    assert read_back.status == "finished"
    assert read_back.ticks == 4
    assert read_back.manifest["outcomes"]["acted"] == 12
    assert read_back.manifest["outcomes"]["invalid"] == 8
    assert {k: v for k, v in read_back.manifest.items() if k != "seconds"} == {
        k: v for k, v in in_memory.run().manifest.items() if k != "seconds"
    }


def test_polars_and_duckdb_read_the_tables_without_populace(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    recorder = record(tmp_path)
    recorder.finish()
    for name, (columns, rows) in EXPECTED.items():
        files = str(tmp_path / name / "*.parquet")
        frame = pl.read_parquet(files)
        assert (frame.columns, frame.rows()) == (columns, rows)
        result = duckdb.sql(f"SELECT * FROM '{files}' ORDER BY ALL")
        assert result.columns == columns
        key = [tuple((v is None, v) for v in row) for row in rows]
        assert result.fetchall() == [row for _, row in sorted(zip(key, rows, strict=True))]


def test_schema_is_one_whatever_the_flushes(tmp_path: Path) -> None:
    """A column that comes late, or turns from whole numbers to fractions, is so in every part."""
    ticks: list[dict[str, Any]] = [
        {"a": 1, "late": None},
        {"a": 2, "b": 7},
        {"a": 2.5, "b": None, "c": math.nan},
        {"b": np.int32(8), "late": 3, "c": True},
    ]
    duckdb = pytest.importorskip("duckdb")
    frames = []
    for name, flush_seconds in (("often", 0.0), ("once", 1e9)):
        recorder = Recorder(tmp_path / name, flush_seconds, Clock())
        recorder.begin(MANIFEST)
        for tick, metrics in enumerate(ticks):
            recorder.tick(tick, metrics)
        recorder.finish()
        parts = sorted((tmp_path / name / "metrics").iterdir())
        assert len(parts) == (4 if name == "often" else 1)
        assert len({tuple(pl.read_parquet_schema(p).items()) for p in parts}) == 1
        frames.append(pl.read_parquet(tmp_path / name / "metrics" / "*.parquet"))
        assert frames[-1].equals(read(tmp_path / name).metrics)
        where = tmp_path / name / "metrics" / "*.parquet"
        assert duckdb.sql(f"SELECT sum(late), sum(a) FROM '{where}'").fetchall() == [(3, 5.5)]
    often, once = frames
    assert often.equals(once)
    assert once.schema == {
        "tick": pl.Int64,
        "a": pl.Float64,
        "late": pl.Int64,
        "b": pl.Int64,
        "c": pl.Int64,
    }
    assert once.rows() == [
        (0, 1.0, None, None, None),
        (1, 2.0, None, 7, None),
        (2, 2.5, None, None, None),
        (3, None, 3, 8, 1),
    ]


values = st.one_of(
    st.none(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), values), max_size=12),
    st.lists(st.integers(0, 11)),
)
def test_flushes_never_change_the_table(ticks: list[dict[str, Any]], flushes: list[int]) -> None:
    whole, parts = Recorder(None), Recorder(None)
    for recorder in (whole, parts):
        recorder.begin(MANIFEST)
        for tick, metrics in enumerate(ticks):
            recorder.tick(tick, metrics)
            if recorder is parts and tick in flushes:
                recorder.flush()
        recorder.finish()
    one, other = whole.run().metrics, parts.run().metrics
    assert one.schema == other.schema
    assert one.equals(other)
    for row, metrics in zip(one.iter_rows(named=True), ticks, strict=True):
        assert {k: v for k, v in row.items() if v is not None and k != "tick"} == {
            k: v for k, v in metrics.items() if v is not None
        }


def test_flushes_follow_the_clock(tmp_path: Path) -> None:
    """Not before `flush_seconds`, nor before 1/20 of the age, but after a minute at the latest."""
    clock = Clock()
    recorder = Recorder(tmp_path, 2.0, clock)
    recorder.begin(MANIFEST)
    flushed = []
    for tick in range(4000):
        clock.time += 1.0
        recorder.tick(tick, {"x": 1})
        if read(tmp_path).ticks == tick + 1:
            flushed.append(tick + 1)
    assert flushed[:5] == [2, 4, 6, 8, 10]
    gaps = np.diff([0, *flushed])
    assert all(g == max(2, min(60, math.ceil(t / 20))) for g, t in zip(gaps, flushed, strict=True))
    assert len(flushed) < 150


def test_a_killed_run_shows_the_ticks_that_every_table_has(tmp_path: Path) -> None:
    recorder = record(tmp_path, ticks=3)
    before = (tmp_path / "manifest.json").read_bytes()
    recorder.tick(3, {"stock": 9.0, "count": 9}, [], [asked()], [])
    (tmp_path / "manifest.json").write_bytes(before)  # killed after the parts, before the manifest
    (tmp_path / "metrics" / "part-000004.parquet.tmp").write_bytes(b"half a")
    run = read(tmp_path)
    assert run.status == "running"
    assert run.ticks == 3
    assert run.manifest["finished"] is None
    for name in TABLES[:4]:
        assert getattr(run, name)["tick"].unique().sort().to_list() == [0, 1, 2]
    assert run.reference.height == 2


def test_failures_and_interruptions_are_told_apart(tmp_path: Path) -> None:
    record(tmp_path / "a", 2, 1e9).finish("failed", WorldError("it broke", where="Lake.step"))
    record(tmp_path / "b", 2, 1e9).finish("failed", KeyboardInterrupt())
    failed, interrupted = read(tmp_path / "a"), read(tmp_path / "b")
    assert failed.status == "failed"
    assert failed.manifest["error"] == {"type": "WorldError", "message": "Lake.step: it broke"}
    assert interrupted.status == "interrupted"
    assert interrupted.manifest["error"] is None
    assert failed.metrics.height == interrupted.metrics.height == 2


def test_an_occupied_directory_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(RecordError, match=r"not empty \('diary.txt' is in it\); choose another"):
        Recorder(tmp_path / "notes").begin(MANIFEST)
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["diary.txt"]
    record(tmp_path / "run").finish()
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.raises(RecordError, match="holds a run already"):
        Recorder(tmp_path / "run").begin(MANIFEST)
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before
    with pytest.raises(RecordError, match="cannot become a run directory"):
        Recorder(tmp_path / "notes" / "diary.txt").begin(MANIFEST)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, "3", [1, 2], 2**63, 1j, np.array([1.0])])
def test_measures_that_are_no_finite_numbers_are_refused(bad: Any) -> None:
    recorder = Recorder(None)
    recorder.begin(MANIFEST)
    with pytest.raises(WorldError, match="measure 'stock': expected a finite number"):
        recorder.tick(0, {"stock": bad})


def test_broken_down_measures_leave_out_nan_and_refuse_infinity() -> None:
    recorder = Recorder(None)
    recorder.begin(MANIFEST)
    recorder.tick(0, {}, [("cases", "age", ["a", "b", "c"], [1.0, math.nan, 2.0])])
    assert recorder.run().by["label"].to_list() == ["a", "c"]
    with pytest.raises(WorldError, match="cases of b"):
        recorder.tick(1, {}, [("cases", "age", ["a", "b"], [1.0, math.inf])])


@pytest.mark.parametrize(
    "frame", [pl.DataFrame({"tick": [1]}), "no frame", pl.DataFrame({"tick": ["x"]})]
)
def test_a_reference_of_the_wrong_form_fails_the_run(frame: Any, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="columns tick, measure, value"):
        Recorder(tmp_path).begin(MANIFEST, frame)
    run = read(tmp_path)
    assert run.status == "failed"
    assert run.manifest["error"]["type"] == "WorldError"
    assert run.metrics.height == 0


def test_reading_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run is here"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(RecordError, match="expected a run of format 1, got 99"):
        read(tmp_path)


def test_a_spoiled_part_is_named(tmp_path: Path) -> None:
    record(tmp_path).finish()
    (tmp_path / "asks" / "part-000001.parquet").write_bytes(b"PAR1 and nothing more")
    run = read(tmp_path / "manifest.json")
    assert run.metrics.height == 4
    with pytest.raises(RecordError, match=r"asks/part-000001\.parquet: cannot be read"):
        _ = run.asks


def test_manifest_is_strict_json_and_says_when_ticks_are(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    calendar = {"start": "2020-02-29", "unit": "day"}
    world = {"name": "toy", "parameters": {"high": math.inf}, "calendar": calendar}
    recorder.begin({**MANIFEST, "world": world, "title": "Köln \ud800"})
    recorder.update(cast={"people": 3})
    recorder.finish()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text, parse_constant=refuse)
    assert manifest["world"]["parameters"]["high"] == "inf"
    assert manifest["cast"] == {"people": 3}
    run = read(tmp_path)
    assert [run.when(t) for t in (0, 1, 2)] == ["2020-02-29", "2020-03-01", "2020-03-02"]
    calendar["unit"] = "month"
    run.manifest["world"]["calendar"] = calendar
    assert [run.when(t) for t in (0, 10, 11)] == ["2020-02", "2020-12", "2021-01"]
    run.manifest["world"]["calendar"] = None
    assert run.when(5) == "tick 5"
