"""Every Python block of the pages runs, prints what the page says, and every link leads somewhere.

A page's ```python blocks run from top to bottom in one namespace and an empty directory. A
```output block is what the block before it must have printed.
"""

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("**/*.md"), ROOT / "README.md"])
FENCE = re.compile(
    r"^(?P<mark>`{3,})(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=mark)[ ]*$", re.S | re.M
)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\"")


def named(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    """Language, text and line of every fenced block."""
    text = page.read_text(encoding="utf-8")
    return [
        (found["language"], found["text"], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


def lines(text):
    return [line.rstrip() for line in text.strip("\n").split("\n")]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_blocks_of_a_page_run_and_print_what_it_says(page, tmp_path, monkeypatch):
    found = blocks(page)
    if not any(language == "python" for language, _, _ in found):
        pytest.skip("no Python on this page")
    if "sklearn" in page.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn")
        pytest.importorskip("skl2onnx")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    printed = None
    for language, text, line in found:
        if language == "python":
            source = "\n" * line + text  # so that a traceback tells the page's line
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(source, named(page), "exec"), namespace)  # noqa: S102
            printed = out.getvalue()
        elif language == "output":
            assert printed is not None, f"{named(page)}:{line}: output of no block"
            assert lines(printed) == lines(text), f"{named(page)}:{line} prints something else"
            printed = None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_within_the_project_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        target = found[1] or found[2]
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue  # elsewhere: not ours to check without a network
        path, _, anchor = target.partition("#")
        file = page if not path else Path(os.path.normpath(page.parent / path))
        assert file.exists(), f"{named(page)} links to {target}, which is not there"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{named(page)} links to {target}: no such heading"


def anchors(page):
    """The names of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_check_itself_can_fail(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title: one\n\n```python\nprint(1)\n```\n\n```output\n2\n```\n")
    assert blocks(page) == [("python", "print(1)\n", 3), ("output", "2\n", 7)]
    assert anchors(page) == {"a-title-one"}
    assert lines("1 \n\n") != lines("2")
    assert [a or b for a, b in LINK.findall('see [x](y.md#z) and <img src="p.svg">')] == [
        "y.md#z",
        "p.svg",
    ]
