"""From what a model wrote to values of an action space; what cannot be read is invalid.

Replies are data: they are parsed as JSON, or compared with the options, and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from populace.kernel.columns import column
from populace.kernel.spaces import Call, Choice, Number, Pick, Record, Space, Text

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_LARGEST = 2**63


def read(text: str, space: Space, options: Sequence[str] = ()) -> Any:
    """Return the answer in a reply as JSON has it, or None if there is none.

    Parameters
    ----------
    text : str
    space : Space
    options : sequence of str
        The words for the options of a `Choice`, in the order of the options.

    Notes
    -----
    A `Text` is the reply as it is. Of a `Choice`, the reply may be an option's words alone (letter
    case, quotes and a full stop aside). Everything else must be the JSON that `json_schema` asks
    for, in a code block or not; the bare value in place of ``{"answer": value}`` is understood too.
    """
    return reading(space, options)(text)


def reading(space: Space, options: Sequence[str] = ()) -> Callable[[str], Any]:
    """Return the function that `read` is for one space and its words."""
    if isinstance(space, Text):
        return lambda text: text
    if isinstance(space, Choice):
        return _choosing(space, options)
    if isinstance(space, Record):
        return _parsed
    return lambda text: _bare(_parsed(text))


def _choosing(space: Choice, options: Sequence[str]) -> Callable[[str], Any]:
    exact = dict(zip(options, space.options, strict=True))
    said = {_plain(option): name for option, name in exact.items()}
    if len(said) < len(options):
        said = {}

    def chosen(text: str) -> Any:
        plain = _plain(text)
        if plain in said:
            return said[plain]
        found = _bare(_parsed(text))
        return exact.get(found) if isinstance(found, str) else None

    return chosen


def _bare(found: Any) -> Any:
    """Return the value in ``{"answer": value}``."""
    if isinstance(found, Mapping) and set(found) == {"answer"}:
        return found["answer"]
    return found


def raw_column(space: Space, answers: Sequence[Any]) -> Any:
    """Return answers, None where there is none, in the form that ``space.check`` takes.

    What the space could not even compare (a list where a number is due) becomes None, which is
    invalid in every space.
    """
    if isinstance(space, Record):
        rows = [
            a if isinstance(a, Mapping) and set(a) == set(space.fields) else None for a in answers
        ]
        return {
            name: raw_column(field, [None if row is None else row[name] for row in rows])
            for name, field in space.fields.items()
        }
    if isinstance(space, Pick) and space.count > 1:
        table = np.full((len(answers), space.count), None, object)
        for i, answer in enumerate(answers):
            if isinstance(answer, Sequence) and len(answer) == space.count:
                table[i] = [_integer(a) for a in answer]
        return table
    one = _CONVERT.get(type(space), lambda answer: answer)
    return column([one(answer) for answer in answers])


def _parsed(text: str) -> Any:
    fenced = _FENCED.fullmatch(text)
    try:
        return _DECODER.decode(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _plain(text: str) -> str:
    return text.strip().strip("\"'`*").rstrip(".!").strip().casefold()


def _number(answer: Any) -> Any:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return None
    return answer if abs(answer) < _LARGEST else None


def _integer(answer: Any) -> Any:
    answer = _number(answer)
    return int(answer) if answer is not None and answer == int(answer) else None


def _text(answer: Any) -> Any:
    return answer if isinstance(answer, str) else None


def _call(answer: Any) -> Any:
    good = (
        isinstance(answer, Mapping)
        and set(answer) == {"name", "arguments"}
        and isinstance(answer["name"], str)
        and isinstance(answer["arguments"], Mapping)
    )
    return answer if good else None


_CONVERT: dict[type, Any] = {
    Number: _number,
    Pick: _integer,
    Text: _text,
    Choice: _text,
    Call: _call,
}
