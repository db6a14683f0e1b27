"""Memories into prompts, by priority, so that no request can be longer than the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.observation import Observation
from populace.kernel.spaces import Choice
from populace.language.coalesce import rotations
from populace.language.distinct import factorise, rows
from populace.language.model import Message
from populace.language.prompts import Rendered
from populace.language.texts import Texts

if TYPE_CHECKING:
    from populace.language.policy import Language


@dataclass(frozen=True)
class Filled:
    """An observation with as much of the memories as its prompts can hold.

    Attributes
    ----------
    observation : Observation
        With the columns ``memories`` and, if one was given, ``plan``.
    kept : bool array of shape (n, k)
        Which memories are shown.
    fits : bool array of shape (n,)
        False where the prompt is too long even without any.
    left_out : int
        Memories and plans that had no room.
    too_long : list of (tokens, messages, agents)
        The prompts that do not fit.
    """

    observation: Observation
    kept: NDArray[np.bool_]
    fits: NDArray[np.bool_]
    left_out: int
    too_long: list[tuple[int, tuple[Message, ...], int]]


class Filler:
    """Fills prompts of one language mind, in the window of its memory.

    Parameters
    ----------
    texts : Texts
    window : int
        Most tokens of a request, the reply included.
    """

    def __init__(self, texts: Texts, window: int) -> None:
        self.texts, self.window = texts, window
        self._tokens: dict[tuple[int, bool], int] = {}

    def __call__(
        self,
        language: Language,
        observation: Observation,
        codes: NDArray[np.int32],
        order: NDArray[np.int32],
        plan: NDArray[np.int32] | None = None,
        numbered: bool = False,
    ) -> Filled:
        """Fill the prompts of an observation.

        Parameters
        ----------
        language : Language
            Whose prompts and model are used.
        observation : Observation
            Without the columns that are filled in.
        codes : int32 array of shape (n, k)
            Texts of the memories, the most important for the prompt first; -1 for none.
        order : int32 array of shape (n, k)
            By which those that are shown are listed, ascending.
        plan : int32 array of shape (n,), optional
            Codes of the agents' plans, -1 for none, which come before all memories.
        numbered : bool
            List them with numbers from 1.

        Notes
        -----
        Texts are first taken as long as the model counts each, one after the other while they fit;
        then the prompts themselves are counted, and what came last is taken out again until they
        hold. So the window is kept whatever the model's tokenizer makes of their joints.
        """
        n, k = codes.shape
        everyone = np.arange(n)
        plans = np.full(n, -1, np.int32) if plan is None else plan
        blank = {"memories": ""} if plan is None else {"memories": "", "plan": ""}
        base = observation.asked(everyone, "", None, **blank)
        language.validate(base)
        reply = _reply(language, base)
        order = np.argsort(np.argsort(order, axis=1), axis=1).astype(np.int32)
        found = language.prompts.distinct(base)
        lengths = self._lengths(language, base)
        wanted = np.column_stack([plans, codes, order]) if k else plans[:, None]
        index, first = _groups(found.index, len(found), wanted)
        taken = []
        for g in first.tolist():
            room = self.window - reply - lengths[found.index[g]]
            items = []
            for j, code in enumerate((int(plans[g]), *codes[g].tolist())):
                if code >= 0:
                    cost = self._count(language, code, numbered and j > 0)
                    if cost <= room:
                        items.append(j)
                        room -= cost
            taken.append(items)
        while True:
            memories, said = self._said(first, taken, codes, order, plans, numbered)
            columns = {"memories": memories[index]}
            if plan is not None:
                columns["plan"] = said[index]
            filled = observation.asked(everyone, "", None, **columns)
            shown = language.prompts.distinct(filled)
            lengths = self._lengths(language, filled)
            over = [i for i, length in enumerate(lengths) if length + reply > self.window]
            long = np.isin(shown.index[first], over)
            shrink = [g for g in np.flatnonzero(long).tolist() if taken[g]]
            if not shrink:
                break
            for g in shrink:
                taken[g].pop()
        kept = np.zeros((len(first), k + 1), np.bool_)
        for g, items in enumerate(taken):
            kept[g, items] = True
        kept = kept[index]
        had = np.column_stack([plans, codes]) >= 0
        rendered = language._asker._rendered(filled, shown, None)
        sizes = shown.sizes
        too_long = [(lengths[i] + reply, rendered.messages(i), int(sizes[i])) for i in over]
        return Filled(
            filled, kept[:, 1:], ~np.isin(shown.index, over), int((had & ~kept).sum()), too_long
        )

    def _said(
        self, first: Any, taken: Any, codes: Any, order: Any, plans: Any, numbered: bool
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the memories and the plan, in words, that each group of agents is shown."""
        memories, said = np.empty(len(first), object), np.empty(len(first), object)
        for g, (who, items) in enumerate(zip(first.tolist(), taken, strict=True)):
            rank = order[who].tolist()
            listed = sorted((j - 1 for j in items if j), key=rank.__getitem__)
            memories[g] = "\n".join(
                self._line(int(codes[who, j]), i if numbered else 0)
                for i, j in enumerate(listed, 1)
            )
            said[g] = self.texts[plans[who]] if 0 in items else ""
        return memories, said

    def _line(self, code: int, number: int) -> str:
        return f"{number}. {self.texts[code]}" if number else f"- {self.texts[code]}"

    def _count(self, language: Language, code: int, numbered: bool) -> int:
        key = code, numbered
        if key not in self._tokens:
            line = self._line(code, 999 if numbered else 0) + "\n"
            self._tokens[key] = language.model.count_tokens([Message("user", line)])
        return self._tokens[key]

    def _lengths(self, language: Language, observation: Observation) -> list[int]:
        """Return the tokens of each distinct prompt, the most of all orders of the options."""
        found = language.prompts.distinct(observation)
        orders = rotations(observation.space, language.orders)
        count, longest = language.model.count_tokens, [0] * len(found)
        for order in orders:
            rendered: Rendered = language._asker._rendered(observation, found, order)
            longest = [max(a, count(rendered.messages(i))) for i, a in enumerate(longest)]
        return longest


def _reply(language: Language, observation: Observation) -> int:
    """Return the most tokens that a reply takes."""
    prompt, space = language.prompts.kind(observation.kind), observation.space
    if isinstance(space, Choice) and language.model.capabilities.score:
        options = prompt.wordings(space.options)
        return max(language.model.count_tokens([Message("user", f" {o}")]) for o in options)
    return prompt.max_tokens


def _groups(index: Any, size: int, columns: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find who would read the same, memories and plan included."""
    coded: list[tuple[NDArray[Any], int]] = [(index, size)]
    for column in columns.T:
        codes, keys = factorise(np.ascontiguousarray(column))
        coded.append((codes, len(keys)))
    return rows(coded, len(index))
