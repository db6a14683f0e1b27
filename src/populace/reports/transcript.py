"""What agents saw, remembered, were asked and did, as the page tells it: tick by tick, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from populace.records import Run

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 3_000  # asks and tells on the page; the table holds all
MOST_AGENTS = 20  # of whom fewer ticks are shown rather than fewer of them
MAX_TEXT = 4_000_000  # characters of different texts
MAX_TURNS = 2_000  # of members of teams
LONGEST = 6_000  # characters of one text
NAME = "name"  # a column that the world shows, by which agents are called


def transcript(run: Run) -> dict[str, Any] | None:
    """Return the exchanges of a run for the page; None where none were kept.

    Returns
    -------
    dict
        ``agents``: [population, id, name or null]; ``kinds``, ``policies``, ``columns``, ``whats``,
        ``texts``: what the rows name by number; ``rows``: [tick, agent, told, kind, policy,
        outcome, value, text, shown, notes], with shown as [column, number or null, text or null]
        and notes as [what, text]; ``teams``: what members of teams said, by "tick/agent";
        ``among``: all agents; ``total``: all rows; ``last``: the last tick here, if that is not the
        last one kept; ``until``: the last one kept, if that is not the run's.
    """
    table = run.exchanges
    if not table.height:
        return None
    keep = _chosen(table)
    agents, kinds, policies, columns, whats = (_Codes() for _ in range(5))
    texts = _Texts()
    names: dict[int, str] = {}
    rows = []
    for row in keep.iter_rows(named=True):
        agent = agents((row["population"], row["id"]))
        shown = []
        for one in row["shown"]:
            if one["column"] == NAME and one["label"]:
                names.setdefault(agent, one["label"])
            shown.append([columns(one["column"]), _short(one["value"]), texts(one["label"])])
        rows.append(
            [
                row["tick"],
                agent,
                int(row["act"] == "told"),
                kinds(row["kind"]),
                policies(row["policy"]),
                row["outcome"],
                _short(row["value"]),
                texts(row["label"]),
                shown,
                [[whats(note["what"]), texts(note["text"])] for note in row["notes"]],
            ]
        )
    return {
        "agents": [[*key, names.get(i)] for i, key in enumerate(agents.found)],
        "kinds": list(kinds.found),
        "policies": list(policies.found),
        "columns": list(columns.found),
        "whats": list(whats.found),
        "texts": list(texts.found),
        "rows": rows,
        "teams": _teams(run),
        "among": table.select("population", "id").n_unique(),
        "total": table.height,
        "last": None if keep["tick"][-1] == table["tick"][-1] else keep["tick"][-1],
        "left_out": texts.left_out,
        "until": (run.manifest.get("exchanges") or {}).get("until"),
    }


def said_by(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table ``transcript``, what a member of a team said, for the page."""
    return {
        "round": row["round"], "turn": row["turn"], "member": row["member"],
        "prompt": row["prompt"], "asked": _cut(row["asked"]), "sees": list(row["sees"]),
        "text": _cut(row["text"]), "answer": _cut(row["answer"]), "outcome": row["outcome"],
        "confidence": row["confidence"], "correct": None,
        "tokens": row["tokens_in"] + row["tokens_out"], "reason": row["reason"],
    }  # fmt: skip


def _chosen(table: pl.DataFrame) -> pl.DataFrame:
    """Return whole agents, by id, and whole ticks: what there is room for of a talk makes sense.

    All agents that have room with all that they did, but `MOST_AGENTS` at least; of these as many
    ticks as there is room for.
    """
    import polars as pl

    if table.height <= MAX_ROWS:
        return table
    counts = table.group_by("population", "id").len().sort("population", "id")
    whole = counts.filter(pl.col("len").cum_sum() <= MAX_ROWS)
    some = counts.head(max(whole.height, MOST_AGENTS))
    here = table.join(some, on=["population", "id"], how="semi", maintain_order="left")
    if here.height <= MAX_ROWS:
        return here
    last = here["tick"][MAX_ROWS]  # of which not all has room
    ticks = here.filter(pl.col("tick") < last)
    return ticks if ticks.height else here.head(MAX_ROWS)


def _teams(run: Run) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in run.transcript.head(MAX_TURNS).iter_rows(named=True):
        key = f"{row['tick']}/{row['population']}/{row['agent']}"
        found.setdefault(key, []).append(said_by(row))
    return found


class _Codes:
    """Numbers things in the order in which they come; None stays None."""

    def __init__(self) -> None:
        self.found: dict[Any, int] = {}

    def __call__(self, thing: Any) -> Any:
        return None if thing is None else self.found.setdefault(thing, len(self.found))


class _Texts(_Codes):
    """Numbers texts, until there is no more room for new ones."""

    def __init__(self) -> None:
        super().__init__()
        self._room, self.left_out = MAX_TEXT, 0

    def __call__(self, thing: Any) -> Any:
        text = _cut(thing)
        if text is not None and text not in self.found:
            if len(text) > self._room:
                self.left_out += 1
                return super().__call__("(not on this page)")
            self._room -= len(text)
        return super().__call__(text)


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _short(value: float | None) -> float | int | None:
    if value is None or value == int(value):
        return value if value is None else int(value)
    return float(f"{value:.6g}")
