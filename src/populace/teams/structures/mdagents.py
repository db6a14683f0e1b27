"""Card 6, MDAgents: as many experts as a question is difficult.

Y. Kim et al., "MDAgents: An Adaptive Collaboration of LLMs for Medical Decision-Making" (NeurIPS
2024). The method is not bound to medicine, and the prompts here are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from populace.kernel.spaces import Choice, Number, Record, Text
from populace.teams.interface import Members, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.transcript import VERDICT
from populace.teams.votes import plurality, unanimous

LABELS = ("basic", "intermediate", "advanced")
LABEL = "complexity"  # the prompt under which labels stand in the transcript
ROLE, WORDS, REPORT = Text(200), Text(2000), Text(6000)
_TASKS = ("make the first assessment", "examine it from another side", "review all of it")


async def mdagents(
    members: Members,
    question: Question,
    *,
    complexity: str = "auto",
    otherwise: str = "basic",
    moderator: int | str = 0,
    experts: int = 5,
    rounds: int = 5,
    turns: int = 5,
    teams: int = 3,
    size: int = 3,
    examples: str = "",
) -> Verdict:
    """Label a question as basic, intermediate or advanced, and work on it accordingly.

    Parameters
    ----------
    complexity : "auto", "basic", "intermediate" or "advanced"
        The moderator labels it; or always the same: the paper's controls.
    otherwise : str
        What a label that cannot be read stands for.
    moderator : position or name
        Who labels, recruits, reports and decides. The others are the experts, in order: one model
        may hold all seats, ``Team([model] * 10, mdagents)``.
    experts, rounds, turns : int
        Of an intermediate question: how many confer, in how many rounds of how many turns (5 each
        in the paper).
    teams, size : int
        Of an advanced one (3 teams of 3 in the paper); the first of each team leads it.
    examples : str
        Solved examples that a basic question is put with; in the paper with reasons that the model
        has written itself.

    Returns
    -------
    Verdict
        ``reason`` is the label. A label, as every ask, is a row of the transcript: `by_label`.

    Raises
    ------
    ParameterError
        If there are fewer members than the hardest label possible takes.

    Notes
    -----
    The label is a typed document, as all that the moderator writes (the released code looks for
    words in its reply, and takes "not basic" for basic). All teams' reports are put before who
    decides, the review among them (the released code passes on the first alone).
    """
    expect(complexity in ("auto", *LABELS), f"auto or one of {LABELS}", complexity, "complexity")
    expect(otherwise in LABELS, f"one of {LABELS}", otherwise, "otherwise")
    sizes = [experts, turns, teams, size]
    expect(min(sizes) >= 1 and rounds >= 0, "1 or more of each", sizes, "sizes")
    chair = position(members, moderator, "moderator")
    others = [i for i in range(len(members)) if i != chair]
    most = {"basic": 1, "intermediate": experts, "advanced": teams * size}
    need = max(most.values()) if complexity == "auto" else most[complexity]
    expect(len(others) >= need, f"{need} members beside the moderator", len(others), "members")
    label = complexity
    if complexity == "auto":
        (said,) = await members.ask(LABEL, to=chair, space=Record(complexity=Choice(LABELS)))
        label = said.fields.get("complexity", otherwise)
    if label == "basic":
        verdict = plurality(await members.ask("expert", to=others[0], examples=examples))
    elif label == "intermediate":
        verdict = await _conferred(members, chair, others[:experts], rounds, turns)
    else:
        grouped = [others[t * size : (t + 1) * size] for t in range(teams)]
        verdict = await _staged(members, question, chair, grouped)
    return replace(verdict, reason=label)


# -- intermediate: experts confer ------------------------------------------------------------------


async def _conferred(
    members: Members, chair: int, experts: Sequence[int], rounds: int, turns: int
) -> Verdict:
    numbers = range(1, len(experts) + 1)
    fields: dict[str, Any] = {f"role_{n}": ROLE for n in numbers}
    fields |= {f"under_{n}": Number(0, len(experts), integer=True) for n in numbers}
    (staff,) = await members.ask("recruit", to=chair, space=Record(**fields), count=len(experts))
    roles = _roles(staff.fields, experts)
    said = await members.ask("opinion", to=experts, role=roles)
    for _ in range(rounds):
        heard = await _talked(members, experts, roles, turns)
        if heard is None:  # nobody wishes to talk
            break
        said = await members.ask("reconsider", to=experts, sees=heard)
        if unanimous(said):
            break
    opinions = [one for one in said if one.text]
    (report,) = await members.ask(
        "report", to=chair, space=REPORT, sees=opinions, sample=1, fresh=True
    )
    return plurality(
        await members.ask("decide", to=chair, sees=opinions, fresh=True, report=report.text)
    )


def _roles(fields: Mapping[str, Any], experts: Sequence[int]) -> dict[int, str]:
    roles = {}
    for n, i in enumerate(experts, 1):
        role = fields.get(f"role_{n}", "an expert")
        over = int(fields.get(f"under_{n}", 0))
        above = f" You work under {fields.get(f'role_{over}')}." if over not in (0, n) else ""
        roles[i] = f"You are {role}.{above}"
    return roles


async def _talked(
    members: Members, experts: Sequence[int], roles: Mapping[int, str], turns: int
) -> dict[int, list[Said]] | None:
    """Let experts write to one another; return what each was told last, None if nobody wrote."""
    talk = Record(
        talk=Choice(["yes", "no"]), to=Number(1, len(experts), integer=True), message=WORDS
    )
    listed = "\n".join(f"{n}. {roles[i]}" for n, i in enumerate(experts, 1))
    told: dict[int, list[Said]] = {i: [] for i in experts}
    anybody = False
    for _ in range(turns):
        said = await members.ask(
            "talk", to=experts, space=talk, sees=told if any(told.values()) else (), listed=listed
        )
        told = {i: [] for i in experts}
        for one in said:
            to = experts[int(one.fields["to"]) - 1] if one.fields.get("talk") == "yes" else None
            if to is not None and to != one.member:
                told[to].append(replace(one, text=one.fields["message"]))
        if not any(told.values()):
            break
        anybody = True
    return told if anybody else None


# -- advanced: teams in stages ---------------------------------------------------------------------


async def _staged(
    members: Members, question: Question, chair: int, teams: Sequence[Sequence[int]]
) -> Verdict:
    goals = Record(**{f"goal_{n}": WORDS for n in range(1, len(teams) + 1)})
    (plan,) = await members.ask("teams", to=chair, space=goals, count=len(teams))
    reports: list[Said] = []
    for n, team in enumerate(teams, 1):
        stage = 0 if n == 1 else 2 if n == len(teams) else 1
        goal = plan.fields.get(f"goal_{n}", _TASKS[stage])
        # the first works alone, those between know what it found, the last one reviews them all
        seen = [] if stage == 0 else reports[:1] if stage == 1 else reports
        reports.append(await _reported(members, question, team, goal, seen))
    heard = [one for one in reports if one.text]
    return plurality(await members.ask("conclude", to=chair, sees=heard))


async def _reported(
    members: Members, question: Question, team: Sequence[int], goal: str, seen: Sequence[Said]
) -> Said:
    """Return the report, and the answer, of a team's lead."""
    lead, rest = team[0], list(team[1:])
    view = Record(report=REPORT, answer=question.space)
    before = [one for one in seen if one.text]
    found: list[Said] = []
    if rest:
        tasks = Record(**{f"task_{n}": WORDS for n in range(1, len(rest) + 1)})
        (work,) = await members.ask(
            "lead", to=lead, space=tasks, sees=before, goal=goal, count=len(rest)
        )
        given = {i: work.fields.get(f"task_{n}", goal) for n, i in enumerate(rest, 1)}
        found = await members.ask("assist", to=rest, space=REPORT, task=given)
    heard = [one for one in found if one.text] if rest else before
    (report,) = await members.ask("synthesise", to=lead, space=view, sees=heard, goal=goal)
    return report


# -- accuracy by label -----------------------------------------------------------------------------


def by_label(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    """Return the label of each item of a transcript, by (tick, agent), whatever ended its work.

    Parameters
    ----------
    rows : iterable of mapping
        The table ``transcript``. Items whose label was set, and not asked for, have it from the
        verdict's ``reason``.
    """
    labels: dict[tuple[int, int], str] = {}
    for row in rows:
        key = row["tick"], row["agent"]
        if row["prompt"] == LABEL and row["answer"] is not None:
            labels[key] = json.loads(row["answer"])["complexity"]
        elif row["prompt"] == VERDICT and row["reason"] in LABELS:
            labels[key] = row["reason"]
    return labels
