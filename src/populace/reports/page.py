"""Assembling the report: one HTML file with its style, script and data inside."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from populace.kernel.errors import RecordError
from populace.records import read
from populace.records.files import write_atomically
from populace.reports.payload import payload

RUN = (
    "draw.js", "plot.js", "map.js", "panel.js", "parts.js", "talk.js", "transcript.js", "page.js",
)  # fmt: skip


def write_report(path: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a run, from its directory alone.

    Parameters
    ----------
    path : path
        Run directory: finished, failed, or still being written.
    out : path, optional
        File to write, by default ``report.html`` in the run directory.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    RecordError
        If there is no run at `path`, or the file cannot be written.

    Notes
    -----
    The page loads nothing. A content security policy admits only its own script and style, by
    their hashes, and labels reach the page as text only, so that no name in a run can become code.
    """
    run = read(path)
    assert run.path is not None
    target = run.path / "report.html" if out is None else Path(out)
    return write_page(payload(run), RUN, target)


def write_page(data: dict[str, Any], scripts: Sequence[str], target: Path) -> Path:
    """Write the page that shows `data` by some scripts, and return where.

    Raises
    ------
    RecordError
        If the file cannot be written.
    """
    if target.is_dir():
        raise RecordError("is a directory", where=str(target), mend="name a file to write")
    page = render(data, scripts).encode("utf-8", "replace")
    write_atomically(target, lambda file: file.write(page))
    return target


def render(data: dict[str, Any], scripts: Sequence[str]) -> str:
    """Return the page that shows `data` (see `populace.reports.payload`) by some scripts."""
    folder = files("populace.reports") / "page"
    style = (folder / "report.css").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in scripts)
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    parts = {
        "policy": policy,
        "title": html.escape(data["title"]),
        "doc": html.escape(data["doc"]),
        "style": style,
        "script": script,
        "data": embedded(data),
    }
    template = (folder / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def embedded(data: Any) -> str:
    """Return `data` as JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
