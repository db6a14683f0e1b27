"""Who said what to whom: rows of the table ``transcript``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from populace.teams.conversation import Item
from populace.teams.interface import Verdict
from populace.teams.reading import as_json

VERDICT = "verdict"  # in the column prompt: the row of what the team decided

COLUMNS = (
    "tick",
    "agent",
    "policy",
    "round",
    "turn",
    "member",
    "prompt",
    "asked",
    "sees",
    "text",
    "answer",
    "outcome",
    "confidence",
    "tokens_in",
    "tokens_out",
    "votes",
    "reason",
    "answering",  # whether it answers the question itself; a judge's pick or a summary does not
)

Row = tuple[Any, ...]  # in the order of `COLUMNS`


def rows(item: Item, verdict: Verdict, team: str, names: Sequence[str]) -> list[Row]:
    """Return what was said about one question, and the verdict, in the order of `COLUMNS`."""
    tick, agent = item.question.tick, item.question.agent
    told: list[Row] = []
    number = -1
    for asks in item.committed():
        for ask in asks:
            said = ask.said
            assert said is not None
            number = said.round
            told.append(
                (
                    tick,
                    agent,
                    team,
                    number,
                    ask.turn,
                    names[ask.member],
                    ask.prompt.name,
                    ask.asked or ask.peers,
                    _named(ask.sees, tuple(names)),
                    said.text,
                    in_words(said.answer),
                    said.outcome.label,
                    said.confidence,
                    said.tokens_in,
                    said.tokens_out,
                    None,
                    None,
                    item.answers(ask),
                )
            )
    votes = as_json([[a, w] for a, w in verdict.votes.items()]) if verdict.votes else None
    told.append(
        (
            tick,
            agent,
            team,
            number + 1,
            0,
            None,
            VERDICT,
            "",
            (),
            verdict.text,
            in_words(verdict.answer),
            verdict.outcome.label,
            verdict.confidence,
            0,
            0,
            votes,
            verdict.reason,
            False,
        )
    )
    return told


@lru_cache(maxsize=1024)
def _named(members: tuple[int, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return members' names; the few different ones are kept once."""
    return tuple(names[member] for member in members)


def in_words(answer: Any) -> str | None:
    """Return an answer as the transcript has it: a text as it is, others as JSON."""
    if answer is None or isinstance(answer, str):
        return answer
    return repr(answer) if type(answer) in (int, float) else as_json(answer)
