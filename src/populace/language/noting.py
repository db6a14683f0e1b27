"""What a language mind read and wrote, noted for those agents of whom the run keeps it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from populace.kernel.observation import Observation
from populace.language.calls import Answered
from populace.language.model import Request
from populace.language.texts import Texts


def note_samples(
    observation: Observation,
    of: NDArray[np.integer],
    requests: Sequence[Request],
    answered: Sequence[Answered],
) -> None:
    """Note the messages and the reply of the request that each agent was dealt.

    Parameters
    ----------
    of : integer array of shape (n,)
        Which request is whose; empty where none is anybody's yet.
    """
    if not len(of):
        return
    for i in observation.noted.tolist():
        note_messages(observation, i, requests[of[i]])
        answer = answered[of[i]].answer
        if answer is not None:
            observation.note(i, "reply", answer.text)


def note_scores(
    observation: Observation,
    index: NDArray[np.integer],
    which: NDArray[np.integer],
    requests: Sequence[Request],
    choices: Sequence[str],
    table: NDArray[np.float64],
) -> None:
    """Note the messages that each agent read, and the model's probabilities of the options.

    Parameters
    ----------
    index : integer array of shape (n,)
        The distinct prompt of each agent.
    which : integer array of shape (m,)
        The distinct prompts that were asked for, in the order of the first m requests.
    table : float64 array of shape (orders, m, k)
        NaN where there is no answer.
    """
    noted = observation.noted.tolist()
    if not noted:
        return
    place = {prompt: j for j, prompt in enumerate(which.tolist())}
    for i in noted:
        j = place.get(int(index[i]))
        if j is None:
            continue
        note_messages(observation, i, requests[j])
        odds = table[:, j].mean(axis=0)
        if not np.isnan(odds).any():
            told = ", ".join(
                f"{choice.strip()} {share:.3f}"
                for choice, share in zip(choices, odds / odds.sum(), strict=True)
            )
            observation.note(i, "probabilities", told)


def note_messages(observation: Observation, position: int, request: Request) -> None:
    """Note for which kind of decision or thought the model is called, and the messages by role."""
    observation.note(position, "call", observation.kind)
    for message in request.messages:
        observation.note(position, message.role, message.content)


def note_recalled(
    observation: Observation,
    texts: Texts,
    plans: NDArray[np.integer],
    codes: NDArray[np.integer],
    order: NDArray[np.integer],
    kept: NDArray[np.bool_],
) -> None:
    """Note what comes to mind: the plan, and the memories that are shown, oldest first.

    Parameters
    ----------
    texts : Texts
    plans : integer array of shape (n,)
        Codes of plans, -1 for none.
    codes, order, kept : arrays of shape (n, k)
        Codes of memories, by what they are listed, and which are shown.
    """
    for i in observation.noted.tolist():
        if plans[i] >= 0:
            observation.note(i, "plan", texts[plans[i]])
        shown = np.flatnonzero(kept[i])
        for j in shown[np.argsort(order[i][shown], kind="stable")].tolist():
            observation.note(i, "memory", texts[codes[i][j]])
