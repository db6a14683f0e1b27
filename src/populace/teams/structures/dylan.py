"""Card 5, DyLAN: layers of agents that score one another, and teams chosen by those scores.

Z. Liu, Y. Zhang, P. Li, Y. Liu and D. Yang, "A Dynamic LLM-Powered Agent Network for Task-Oriented
Agent Collaboration" (2023; COLM 2024).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from populace.kernel.spaces import Pick, Record, Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.reading import marked
from populace.teams.settings import expect, position, texts
from populace.teams.transcript import VERDICT
from populace.teams.votes import plurality

Key = TypeVar("Key", int, str)
Reply = tuple[Any, Mapping[Key, float]]  # an answer, and the weight it gives each it has seen

FIRST, LATER, RANK = "open", "layer", "rank"  # prompts
ASIDE = 1
_WHOLE = re.compile(r"-?\d+(?:\.\d+)?")


async def dylan(
    members: Members,
    question: Question,
    *,
    layers: int = 3,
    top: int = 2,
    rank_from: int = 3,
    roles: Mapping[str, str] | Sequence[str] | None = None,
    ranker: int | str | None = None,
) -> Verdict:
    """Answer in layers, each reading and scoring the one before; stop at two thirds.

    Parameters
    ----------
    layers : int
        At most (3 in the released code).
    top : int
        How many go on from layer `rank_from`, chosen by a ranker (2 and 3 in the paper).
    roles : sequence, or mapping of name to text, optional
        What each member is told of its role.
    ranker : position or name, optional
        A member that only ranks. By default the first one does, apart from its own conversation.

    Returns
    -------
    Verdict
        ``reason`` is ``consensus``, ``done`` or ``budget``: the plurality of the last whole layer.

    Notes
    -----
    Of n active members more than floor(2 n / 3) must have replied, and that many must agree, for a
    layer to end at once: the others are then not asked. A ranking names members; the released code
    compares them with places of a shuffled order, so that others act than those chosen. A ranking
    that cannot be read leaves everybody in.
    """
    expect(layers >= 1, "1 or more layers", layers, "layers")
    expect(top >= 1, "1 or more to go on", top, "top")
    chief = None if ranker is None else position(members, ranker, "ranker")
    active = [i for i in range(len(members)) if i != chief]
    expect(bool(active), "a member beside the ranker", members.names, "ranker")
    told = texts(members, roles, "You work on a problem together with others.", "roles")
    last: list[Said] = []
    said: list[Said] = []
    reason = "done"
    try:
        for layer in range(1, layers + 1):
            if layer >= rank_from and len(active) > top and len(last) > top:
                active = await _ranked(members, last, top, chief)
            said, agreed = await _layer(members, active, last, told)
            last = said
            if agreed:
                reason = "consensus"
                break
    except OutOfBudget:
        if not last:
            raise
        reason = "budget"
    return replace(plurality(last, members.random), reason=reason)


async def _layer(
    members: Members, active: Sequence[int], before: Sequence[Said], told: Mapping[int, str]
) -> tuple[list[Said], bool]:
    """Ask the active members in a drawn order, until more than two thirds agree."""
    bar = math.floor(2 * len(active) / 3)
    order = [active[i] for i in _drawn(members, len(active), "dylan/order")]
    seen = [before[i] for i in _drawn(members, len(before), "dylan/shown")] if before else []
    said: list[Said] = []
    while order:
        batch = order[: bar + 1] if not said else order[:1]
        order = order[len(batch) :]
        sees = {i: [one for one in seen if one.member != i and one.text] for i in batch}
        if before:
            said += await members.ask(LATER, to=batch, sees=sees, role=told)
        else:
            said += await members.ask(FIRST, to=batch, role=told)
        counts = Counter(one.answer for one in said if one.votes)
        if max(counts.values(), default=0) > bar:
            return sorted(said, key=_member), True
    return sorted(said, key=_member), False


async def _ranked(members: Members, last: Sequence[Said], top: int, chief: int | None) -> list[int]:
    """Return the members whose replies a ranker puts first."""
    shown = [last[i] for i in _drawn(members, len(last), "dylan/ranked") if last[i].text]
    if len(shown) <= top:
        return [one.member for one in last]
    listed = "\n\n".join(f"Reply {i}:\n{one.text}" for i, one in enumerate(shown, 1))
    best = Record(reason=Text(2000), best=Pick(range(1, len(shown) + 1), top))
    (choice,) = await members.ask(
        RANK,
        to=0 if chief is None else chief,
        space=best,
        sample=ASIDE,
        fresh=True,
        replies=listed,
        count=top,
    )
    if "best" not in choice.fields:
        return [one.member for one in last]
    picked = choice.fields["best"]
    places = picked if isinstance(picked, tuple) else (picked,)
    return sorted(shown[place - 1].member for place in places)


def _drawn(members: Members, n: int, name: str) -> list[int]:
    return [int(i) for i in np.argsort(members.random(name).bits(size=n)[0])]


def _member(said: Said) -> int:
    return said.member


# -- team selection --------------------------------------------------------------------------------


def weights(text: str, peers: Sequence[Key]) -> dict[Key, float]:
    """Return the share of each peer in the scores, 1 to 5, that a reply gives; equal if unread.

    Examples
    --------
    >>> weights("Scores: 4, 1", ["a", "b"])
    {'a': 0.8, 'b': 0.2}
    >>> weights("Both are fine.", ["a", "b"])
    {'a': 0.5, 'b': 0.5}
    """
    said = marked(text, {"scores": None}).get("scores", "")
    scores = [float(number) for number in _WHOLE.findall(str(said))]
    if len(scores) != len(peers) or not all(1 <= score <= 5 for score in scores):
        scores = [1.0] * len(peers)
    return {peer: score / sum(scores) for peer, score in zip(peers, scores, strict=True)}


def importance(layers: Sequence[Mapping[Key, Reply[Key]]], result: Any) -> dict[Key, float]:
    """Return the Agent Importance Score of each member on one item.

    Parameters
    ----------
    layers : sequence of mapping of member to (answer, weights of those it saw)
        In order; whoever did not act in a layer is left out.
    result : answer
        What the team decided.

    Returns
    -------
    dict
        The sum over layers: 1/m in the last one for each of the m whose answer is the result, and
        before it the importance that flows back, I_i = sum_j w_ij I_j. All 0 where m = 0 (the
        released code divides by it).
    """
    scores = {member: 0.0 for layer in layers for member in layer}
    if not layers:
        return scores
    right = [member for member, (answer, _) in layers[-1].items() if answer == result]
    if result is None or not right:
        return scores
    held = dict.fromkeys(right, 1 / len(right))
    for depth in range(len(layers) - 1, -1, -1):
        for member, amount in held.items():
            scores[member] += amount
        back: dict[Key, float] = {}
        for member, (_, weighed) in layers[depth].items():
            for peer, share in weighed.items():
                back[peer] = back.get(peer, 0.0) + share * held.get(member, 0.0)
        held = back
    return scores


def team_importance(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean Agent Importance Score of each member over the items of a transcript.

    Parameters
    ----------
    rows : iterable of mapping
        The table ``transcript`` of a run of `dylan` on a development set. The members of greatest
        score are the team to keep (section 3.2 of the paper).
    """
    items: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        items.setdefault((row["tick"], row["policy"], row["agent"]), []).append(row)
    totals: dict[str, float] = {}
    for said in items.values():
        layers: list[dict[str, Reply[str]]] = []
        spoken: Counter[str] = Counter()
        result = None
        for row in said:
            if row["prompt"] == VERDICT:
                result = row["answer"]
            elif row["prompt"] in (FIRST, LATER):
                depth = spoken[row["member"]]  # a member that is left out does not come back
                spoken[row["member"]] += 1
                if depth == len(layers):
                    layers.append({})
                share = weights(row["text"], list(row["sees"]))
                layers[depth][row["member"]] = row["answer"], share
        for member, score in importance(layers, result).items():
            totals[member] = totals.get(member, 0.0) + score / len(items)
    return totals
