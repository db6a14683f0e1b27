"""The report: what it says is what was recorded, it is one safe file, and a browser draws it."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from populace.errors import RecordError
from populace.kernel.minds import AskCount, PanelRows
from populace.records import Recorder, read
from populace.reports import write_report
from populace.reports.page import embedded
from populace.reports.payload import MAX_TICKS, payload

EVIL = '</script><img src=x onerror="document.title=1"><b>&amp;\u2028'
AREAS = ["north", "south", EVIL]
AGES = ["0-17", "18-64", "65+"]
TICKS = 40
CHARTS: list[dict[str, Any]] = [
    {"title": "Cases", "measures": ["cases"], "unit": "people", "smooth": 7, "note": EVIL},
    {"title": "By age", "measures": ["by_age"], "kind": "bar", "by": "age"},
    {
        "title": "Map",
        "measures": ["by_area"],
        "kind": "map",
        "by": "area",
        "tiles": {"north": [1, 0], "south": [1, 2]},
        "labels": {"north": "The North"},
    },
    {"title": "Two", "measures": ["exposed", "gone"], "labels": {"exposed": "incubating"}},
]


def asked(policy: str, acted: int, invalid: int) -> AskCount:
    counts = np.array([acted, 0, invalid, 0, 0, 0, 0, 0])
    return AskCount("people", "move", policy, acted + invalid, counts, 0.25)


def seen(kind: str, ids: list[int], values: list[Any], labels: list[Any]) -> PanelRows:
    n = len(ids)
    who = np.array(ids, np.uint32)
    return PanelRows("people", kind, who, ["rule"] * n, ["acted"] * n, values, labels)


def record(to: Path, ticks: int = TICKS, charts: Any = CHARTS, **status: Any) -> Path:
    recorder = Recorder(to, 1e9)
    manifest = {
        "world": {
            "name": "town",
            "title": f"A town {EVIL}",
            "doc": "Nobody lives here.",
            "axes": {"age": AGES, "area": AREAS},
            "charts": charts,
            "calendar": {"start": "2020-02-27", "unit": "day"},
        },
        "cast": {
            "people": {
                "policies": {
                    "rule": {"class": "a.Rule", "parameters": {}, "agents": 30},
                    EVIL: {"class": "a.Habit", "parameters": {"inertia": 0.9}, "agents": 10},
                }
            }
        },
        "seed": 5,
        "ticks": {"asked": TICKS},
        "populations": {"people": 40},
        "versions": {"populace": "0"},
    }
    real = pl.DataFrame(
        {"tick": [0, 1, 2, 500], "measure": ["cases"] * 4, "value": [0.5, 1, 30, 9e9]}
    )
    recorder.begin(manifest, real)
    for t in range(ticks):
        recorder.tick(
            t,
            {"cases": 3 * t, "exposed": None if t == 3 else t / 7, "spare": 1},
            [
                ("by_age", "age", AGES[::-1], [t, 2.0 * t, 1.0]),
                ("by_area", "area", AREAS, [t, 1.0, 2.0]),
            ],
            [asked("rule", 3, 2), asked(EVIL, 5, 0)],
            [
                seen("move", [3, 8], [None, None], ["no", "yes" if t % 2 else EVIL]),
                seen("spend", [3], [t / 2], [None]),
                seen("speak", [3], [None], [f"I say {t} {EVIL}"]),
            ],
            events=[{"tick": t, "name": "closure", "what": EVIL}] if t in (20, 21) else [],
        )
    recorder.finish(**status)
    return to


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("run"))


class Parsed(html.parser.HTMLParser):
    """Elements of a page as a browser's parser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open][-1] += data


# -- what the page is told ---------------------------------------------------------------------


def test_payload_says_what_was_recorded(folder: Path) -> None:
    data = payload(read(folder))
    assert data["ticks"] == list(range(TICKS))
    cases, by_age, area_map, two = data["charts"]
    assert cases["series"][0]["values"] == [3 * t for t in range(TICKS)]
    assert cases["series"][0]["real"] == [0.5, 1, 30] + [None] * (TICKS - 3)
    assert [s["label"] for s in by_age["series"]] == AGES  # in the order of the axis
    assert by_age["series"][1]["values"] == [2 * t for t in range(TICKS)]
    assert by_age["series"][2]["values"] == list(range(TICKS))
    assert area_map["tiles"] == [[1, 0], [1, 2], [0, 3]]  # the third has no place: below
    assert [s["label"] for s in area_map["series"]] == ["The North", "south", EVIL]
    assert two["series"][0]["label"] == "incubating"
    assert two["series"][0]["values"][3] is None
    assert two["series"][0]["values"][4] == 0.571429  # 4/7 at six digits
    assert two["note"] == "Not recorded: gone."
    assert [chart["title"] for chart in data["others"]] == ["spare"]
    assert data["measures"][0] == ["cases", 117, 0, 0, 117, 39, 30, 2]
    assert data["outcomes"] == {
        "outcomes": ["acted", "invalid"],
        "rows": [
            ["people", "move", "rule", 200, 120, 80, 10.0],
            ["people", "move", EVIL, 200, 200, 0, 10.0],
        ],
    }


def test_what_interventions_did_is_marked_and_listed(tmp_path: Path) -> None:
    found = payload(read(record(tmp_path / "run")))["events"]
    assert found["marks"] == [[20, "closure"], [21, "closure"]]
    assert found["rows"] == [[20, "closure", EVIL], [21, "closure", EVIL]]
    assert found["total"] == 2


def test_panel_rasters_show_every_decision(folder: Path) -> None:
    move, speak, spend = payload(read(folder))["panels"]
    assert move["labels"] == sorted([EVIL, "no", "yes"])
    codes = {label: str(i) for i, label in enumerate(move["labels"])}
    assert move["agents"] == [[3, "rule"], [8, "rule"]]
    assert move["cells"][0] == codes["no"] * TICKS
    assert move["cells"][1] == (codes[EVIL] + codes["yes"]) * (TICKS // 2)
    assert (spend["low"], spend["high"]) == (0.0, 19.5)
    assert spend["cells"] == ["".join(str(min(8, int(t / 39 * 9))) for t in range(TICKS))]
    assert speak["texts"][0] == [0, 3, "rule", f"I say 0 {EVIL}"]
    assert len(speak["texts"]) == 12


def test_long_runs_are_thinned_and_many_labels_become_small_multiples(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 1e9)
    recorder.begin({"world": {"name": "long"}, "seed": 0, "ticks": {"asked": 5001}})
    labels = [f"area {i}" for i in range(9)]
    for t in range(5001):
        recorder.tick(t, {"x": t}, [("y", "area", labels, [1.0] * 9)] if t % 100 == 0 else [])
    recorder.finish()
    data = payload(read(tmp_path))
    assert data["stride"] == 3
    assert data["ticks"] == [*range(0, 5001, 3), 5000][: len(data["ticks"])]
    assert data["ticks"][-1] == 5000
    assert len(data["ticks"]) <= MAX_TICKS
    assert [(c["title"], c["kind"]) for c in data["charts"]] == [("x", "line"), ("y", "multiples")]


# -- one safe file -----------------------------------------------------------------------------


def test_page_is_one_file_that_loads_nothing_and_labels_stay_text(folder: Path) -> None:
    path = write_report(folder)
    assert path == folder / "report.html"
    page = path.read_text(encoding="utf-8")
    parsed = Parsed(page)
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert "link" not in tags
    for _, attributes in parsed.tags:
        assert not {"src", "href", "onerror", "action"} & set(attributes)
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)|@import|url\((?!#)", page)
    assert parsed.texts["title"] == [f"A town {EVIL} · populace"]
    assert json.loads(parsed.texts["script"][0]) == payload(read(folder))
    policy = next(a["content"] for t, a in parsed.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for text in (parsed.texts["style"][0], parsed.texts["script"][1]):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_embedded_json_is_the_same_data() -> None:
    text = embedded({"a": [EVIL, 1.5, None]})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": [EVIL, 1.5, None]}


def test_report_goes_where_told_and_says_where_it_cannot(folder: Path, tmp_path: Path) -> None:
    assert write_report(folder, tmp_path / "a.html") == tmp_path / "a.html"
    with pytest.raises(RecordError, match="is a directory"):
        write_report(folder, tmp_path)
    with pytest.raises(RecordError, match="cannot write"):
        write_report(folder, tmp_path / "no" / "a.html")
    with pytest.raises(RecordError, match="no run is here"):
        write_report(tmp_path)


# -- a browser draws it ------------------------------------------------------------------------

BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)

PROBE = Path(__file__).with_name("report_probe.js").read_text(encoding="utf-8")


def browse(page: Path, width: int, profile: Path) -> str:
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", f"--user-data-dir={profile}", f"--window-size={width},900",
        "--virtual-time-budget=2000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


NOTE = """addEventListener("load", () => {
  for (const { name, value } of frames[0].document.body.attributes)
    document.body.setAttribute(name, value);
});"""


def probed(folder: Path, width: int, tmp_path: Path, probe: str = PROBE) -> dict[str, Any]:
    page = write_report(folder).read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    catch = "window.errors = []; addEventListener('error', (e) => errors.push(e.message));"
    page = page.replace("<style>", f"<script>{catch}</script><style>", 1)
    page = page.replace("</body>", f"<script>{probe}</script></body>")
    # A frame may be as narrow as a phone; a window of the browser may not.
    frame = f'<iframe style="border:0" width="{width}" height="900" srcdoc="{html.escape(page)}">'
    copy = tmp_path / "probe.html"
    copy.write_text(f"<!doctype html><body>{frame}</iframe><script>{NOTE}</script>", "utf-8")
    tags = Parsed(browse(copy, 1300, tmp_path / "profile")).tags
    body = next(a for t, a in tags if t == "body")
    return {name[5:]: json.loads(v or "") for name, v in body.items() if name != "data-drawn"}


SPANS = [
    (0, 12.4), (0, 0.003), (-7, 3), (0, 2.4e6), (990, 1000), (0, 123456), (5, 5), (0, 0), (-3, -3),
    (0, 1e18), (0, 3e-6),
]  # fmt: skip

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")


@needs_browser
@pytest.mark.parametrize("width", [1200, 360])
def test_a_browser_draws_the_charts_and_reads_them_out(
    folder: Path, tmp_path: Path, width: int
) -> None:
    found = probed(folder, width, tmp_path)
    assert found["errors"] == []
    assert found["banner"] == ""
    assert found["images"] == 0
    assert found["width"] == width
    assert found["overflow"] <= 0
    assert found["titles"] == ["Cases", "By age", "Map", "Two"]
    assert found["lines"] == [1, 0, 1, 1]  # the map's chosen area is a line
    assert found["points"] == TICKS
    assert found["real"] == 3
    assert found["events"] == [["closure"] * 2] * 2
    assert found["bars"] == [TICKS, TICKS - 1, TICKS - 1]  # a column of zero is not drawn
    assert found["height"] is True
    assert found["tip-right"].split() == [
        "6", "Apr", "2020", "cases", "117", "(mean", "108)",
    ]  # fmt: skip  # the last seven are 99, 102, ..., 117
    assert found["tip-left"].split() == [
        "27", "Feb", "2020", "cases", "0", "(mean", "0)", "real", "0.5", "(mean", "0.5)",
    ]  # fmt: skip
    assert found["cross"] == 2
    assert found["tip-key"].startswith("29 Feb 2020")
    assert found["tip-gone"] is None
    assert found["hidden"] == ["false", 2]
    assert found["peak"] == "6 Apr 2020"
    assert found["tiles"] == [3, True, "27 Feb 2020"]
    assert found["map-tip"].split() == ["The", "North", "0", "27", "Feb", "2020"]
    assert found["area"] == "The North"
    assert found["raster"] is True
    assert found["csv"] == [
        "tick,time,cases,cases (real)", "0,27 Feb 2020,0,0.5", "1,28 Feb 2020,3,1",
    ]  # fmt: skip
    assert found["picture"] == "svg"
    for (low, high), marks in zip(SPANS, found["marks"], strict=True):
        assert marks[0][0] <= low <= high <= marks[-1][0]
        for value, text in marks:  # what stands at a mark is its value, not a rounded one
            number = text.replace("−", "-").replace(",", "")
            scale = {"k": 1e3, "M": 1e6}.get(number[-1], 1)
            assert float(number.rstrip("kM")) * scale == pytest.approx(value, rel=1e-9, abs=1e-18)


@needs_browser
def test_a_failed_run_without_ticks_opens_under_its_own_policy(tmp_path: Path) -> None:
    error = ValueError(f"it broke {EVIL}")
    folder = record(tmp_path / "run", ticks=0, status="failed", error=error)
    parsed = Parsed(browse(write_report(folder), 800, tmp_path / "profile"))
    body = next(a for t, a in parsed.tags if t == "body")
    assert body.get("data-drawn") == "yes"
    page = browse(write_report(folder), 800, tmp_path / "profile")
    assert "This run failed." in page
    assert "No tick was recorded." in page
    assert "img" not in [t for t, _ in parsed.tags]


@needs_browser
def test_charts_are_drawn_under_the_policy(folder: Path, tmp_path: Path) -> None:
    page = browse(write_report(folder), 800, tmp_path / "profile")
    parsed = Parsed(page)
    paths = [a for t, a in parsed.tags if t == "path" and "sim" in (a.get("class") or "").split()]
    assert len(paths) >= 5
    assert all(a["d"] for a in paths if a.get("data-series"))
    assert 'data-drawn="yes"' in page
