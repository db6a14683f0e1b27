"""Cascade and router: cheap members first, or the one that the question calls for.

Cascade: L. Chen, M. Zaharia and J. Zou, "FrugalGPT" (2023): ask models from cheap to dear and stop
at the first whose answer is accepted; agreement among samples as the gate: M. Yue et al., "Large
Language Model Cascades with Mixture of Thoughts Representations" (ICLR 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from populace.kernel.spaces import Choice
from populace.teams.interface import Members, Question, Said, Verdict
from populace.teams.settings import expect, position, shown
from populace.teams.votes import plurality

Gate = Callable[[Question, Sequence[Said]], bool]


async def cascade(
    members: Members,
    question: Question,
    *,
    gate: str | Gate = "agreement",
    threshold: float | Sequence[float] = 1.0,
    samples: int = 3,
) -> Verdict:
    """Ask members in order, cheap to dear, until an answer passes the gate; the last one's stands.

    Parameters
    ----------
    gate : "agreement", "confidence" or callable
        Agreement: the share of a member's `samples` that give its leading answer (unparsed ones
        count against it). Confidence: what the member states, from 0 to 1. A function of the
        question and what the member said (a fitted scorer) returns whether to accept.
    threshold : float, or one for each member but the last
        Least agreement or confidence that passes.
    samples : int
        Of every member but the last, where the gate is agreement.

    Returns
    -------
    Verdict
        ``reason`` names who answered, as ``stage 0``.
    """
    expect(
        callable(gate) or gate in ("agreement", "confidence"),
        "agreement, confidence or a function",
        gate,
        "gate",
    )
    expect(samples >= 1, "1 or more samples", samples, "samples")
    last = len(members) - 1
    bars = [threshold] * last if isinstance(threshold, (int, float)) else list(threshold)
    expect(len(bars) == last, f"{last} thresholds, one a member but the last", bars, "threshold")
    for stage, bar in enumerate(bars):
        if gate == "confidence":
            said = await members.ask("sure", to=stage)
        else:
            times = samples if gate == "agreement" else 1
            who = [stage] * times
            said = await members.ask(to=who, sample=list(range(times)), fresh=True)
        verdict = plurality(said, members.random)
        if callable(gate):
            good = gate(question, said)
        elif gate == "agreement":
            good = max(verdict.votes.values(), default=0.0) / len(said) >= bar
        else:
            good = (said[0].confidence or 0.0) >= bar
        if good and verdict.answer is not None:
            return replace(verdict, reason=f"stage {stage}")
    verdict = plurality(await members.ask(to=last), members.random)
    return replace(verdict, reason=f"stage {last}")


async def router(
    members: Members,
    question: Question,
    *,
    column: str | None = None,
    routes: Mapping[Any, int | str] | None = None,
    default: int | str | None = None,
    by: int | str | None = None,
) -> Verdict:
    """Send the question to one member, by a column of the world or by a member that routes.

    Parameters
    ----------
    column : str, optional
        What the world shows of the question, as its category.
    routes : mapping, optional
        From a value of `column` to the member's name or position, as the best of each category on
        a validation split.
    default : position or name, optional
        Whom a value without a route, or a router that names nobody, leads to. Without one there
        is then no answer.
    by : position or name, optional
        The member that reads the question and names one of the others.

    Raises
    ------
    ParameterError
        Unless exactly one of `column` and `by` is given; for a column that is not shown.
    """
    expect(
        (column is None) != (by is None), "a column or a member to route by", [column, by], "router"
    )
    otherwise = None if default is None else position(members, default, "default")
    ways = {value: position(members, who, "routes") for value, who in (routes or {}).items()}
    if column is not None:
        to = ways.get(shown(question.columns, column, "column"), otherwise)
        if to is None:
            return replace(plurality([]), reason="no route")
    else:
        guide = position(members, by, "by") if by is not None else 0
        names = [name for i, name in enumerate(members.names) if i != guide]
        (way,) = await members.ask("route", to=guide, space=Choice(names), names=", ".join(names))
        to = list(members.names).index(way.answer) if way.answer in names else otherwise
        if to is None:
            return replace(plurality([way]), answer=None, reason="no route")
    return replace(plurality(await members.ask(to=to)), reason=f"to {members.names[to]}")
