"""The tables and the figure of docs/recorded-teams.md, from what the study found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _recorded_figure import figure

PAGE = "recorded-teams.md"
SIGNIFICANT = 0.05
CLOSE, FAR = 0.05, 0.15  # gaps in accuracy between the two models of a pair


def remake(found: Mapping[str, Any], folder: Path) -> None:
    """Write the figure, and put new tables between the page's marks ``<!-- NAME -->``."""
    exams = found["exams"]
    (folder / "recorded-teams.svg").write_text(figure({e["title"]: e for e in exams.values()}))
    blocks = {"known": _known(found["known"]), "speed": _speed(found["speed"])}
    blocks |= {f"exam {name}": _exam(told) for name, told in exams.items()}
    blocks["sixteen"] = _sixteen(exams)
    blocks["pairs"] = _pairs(exams)
    blocks["many"] = _many(exams)
    page = (folder / PAGE).read_text()
    for name, text in blocks.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        page = mark.sub(lambda m, text=text: f"{m[1]}\n{text}\n\n{m[2]}", page)
    (folder / PAGE).write_text(page)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _known(known: Mapping[str, Any]) -> str:
    def two(pair: Sequence[float]) -> str:
        return f"{pair[0]:.4f} to {pair[1]:.4f}"

    rows = [
        ["reasoning-gym: answers", "141,100", f"{known['answers']:,}"],
        ["single models", "0.26 to 0.78", two(known["single"])],
        ["best of three samples", "0.31 to 0.83", two(known["best_of_three"])],
        ["plurality over all models", "0.78", f"{known['plurality']:.4f}"],
        ["solved by at least one", "0.91", f"{known['solved']:.4f}"],
        ["MMLU-Pro: single models", "0.183 to 0.701", two(known["mmlu_pro"])],
    ]
    return _table(["figure", "known", "here"], rows)


def _exam(told: Mapping[str, Any]) -> str:
    arms = {(row["level"], row["arm"]): row for row in told["arms"]}
    against = {(row["level"], row["arm"]): row for row in told["differences"]}
    levels = range(len(told["budgets"]))
    rows = []
    for name in told["plan"]:
        line = [f"*{name}*" if name == told["verifier"] else name]
        for level in levels:
            own, other = arms.get((level, name)), against.get((level, name))
            if own is None:
                line += ["–", "", ""]
                continue
            line += [f"{own['accuracy']:.3f}", _difference(other), f"{own['tokens']:,.0f}"]
        rows.append(line)
    oracle = ["*oracle: some answer given is right*"]
    for row in told["oracle"]:
        oracle += [f"{row['answers']:.3f}", "", ""]
    head = [f"{told['judged']:,} items judged, {told['families']} families"]
    for level, budget in enumerate(told["budgets"]):
        n = told["arms"][[r["level"] for r in told["arms"]].index(level)]["n"]
        head += [f"**{budget:,} tokens**: accuracy on {n:,}", "against the baseline", "spent"]
    most = ", ".join(f"{spent:,}" for spent in told["most_spent"])
    lost = [
        told["judged"] - next(r["n"] for r in told["arms"] if r["level"] == level)
        for level in levels
    ]
    note = (
        f"Baseline: {told['baseline']} (`{told['plan'][told['baseline']]['members'][0]}`). Dropped "
        f"from all arms, since one could not run them: {', '.join(map(str, lost))} items. Most "
        f"that any arm spent on an item: {most} tokens."
    )
    return f"{_table(head, [*rows, oracle])}\n\n{note}"


def _difference(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "baseline"
    marks = "\\*" if row["mcnemar_holm"] < SIGNIFICANT else ""
    marks += "†" if row["p_holm"] is not None and row["p_holm"] < SIGNIFICANT else ""
    return f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}){marks}"


def _sixteen(exams: Mapping[str, Any]) -> str:
    rows = []
    for told in exams.values():
        for row in told["pair_and_sixteen"]:
            rows.append(
                [
                    told["title"], f"{told['budgets'][row['level']]:,}", row["arm"],
                    row["against"], _interval(row), f"{row['tokens']:,.0f}",
                    f"{row['other_tokens']:,.0f}",
                ]
            )  # fmt: skip
    head = ["exam", "budget", "pair", "sixteen", "pair − sixteen", "pair spent", "sixteen spent"]
    return _table(head, rows)


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"


def _pairs(exams: Mapping[str, Any]) -> str:
    rows = []
    for told in exams.values():
        held = told["pairs"]["rows"]
        for words, low, high in (
            ("all pairs", 0.0, 1.0),
            (f"as good as each other, within {CLOSE}", 0.0, CLOSE),
            (f"{CLOSE} to {FAR} apart", CLOSE, FAR),
            (f"more than {FAR} apart", FAR, 1.0),
        ):
            own = [row for row in held if low <= row["gap"] < high]
            if not own:
                continue
            change = np.array([row["difference"] for row in own])
            rows.append(
                [
                    told["title"], words, str(len(own)),
                    f"{change.mean():+.3f} ({change.min():+.3f} to {change.max():+.3f})",
                    str(sum(row["low"] > 0 for row in own)),
                    str(sum(row["high"] < 0 for row in own)),
                    f"{np.mean([row['two_votes'] for row in own]):+.3f}",
                ]
            )  # fmt: skip
    head = [
        "exam", "pairs of models", "pairs", "three votes: mixed − of a kind (lowest to highest)",
        "interval above 0", "below 0", "two votes: mixed − of a kind",
    ]  # fmt: skip
    notes = []
    for told in exams.values():
        own = told["pairs"]
        if own["rows"]:
            notes.append(
                f"{told['title']}: correlation of being right {own['phi_of_a_kind']:.2f} between "
                f"two samples of one model, {own['phi_of_two_kinds']:.2f} between two models; "
                f"effective channels K\\* of two answers {own['channels_of_a_kind']:.2f} and "
                f"{own['channels_of_two_kinds']:.2f} (the most is 2)."
            )
    return "\n\n".join([_table(head, rows), *notes])


def _many(exams: Mapping[str, Any]) -> str:
    rows = []
    for told in exams.values():
        many = told["many"]
        if many is None:
            rows.append([told["title"], "one sample recorded", "", "no data"])
            continue

        def ends(name: str, many: Mapping[str, Any] = many) -> str:
            return f"{many[name][0]:.3f} ({many[name][1]:.3f} to {many[name][2]:.3f})"

        least, most = many["low_interval"][0], many["high_interval"][1]
        rows.append(
            [
                told["title"], ends("one"), ends("three"),
                f"{many['low']:.3f} to {many['high']:.3f} ({least:.3f} to {most:.3f})",
            ]
        )  # fmt: skip
    head = ["exam", "one of the best", "three", "sixteen: **extrapolated** bounds"]
    return _table(head, rows)


def _speed(speed: Mapping[str, Any]) -> str:
    return (
        f"{speed['items']:,} items × {speed['members']} members = {speed['calls']:,} answers, "
        f"{speed['in_flight']:,} items in flight: **{speed['seconds']:.1f} s**, of which "
        f"{speed['cpu_seconds']:.1f} s of processor time ({speed['microseconds_a_call']:.0f} µs an "
        f"answer: asked, served, read, voted, booked and scored); peak memory "
        f"{speed['peak_memory_mib']:,.0f} MiB; {speed['machine']['cpu']}, "
        f"{speed['machine']['cores']} cores."
    )
