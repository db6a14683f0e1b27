"""From what a member wrote to an answer that can be compared with others'.

The action space is the form of an answer; exams bring forms of their own (numbers, LaTeX, code).
What cannot be read is no answer: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from populace.kernel.schema import json_schema
from populace.kernel.spaces import Call, Choice, Number, Pick, Record, Space, Text, ToolCall
from populace.language.reading import raw_column, read

_LINE = re.compile(
    r"^\W*(?:the\s+|final\s+|my\s+)*answer\W*?(?::|=|\bis\b)\s*(.+?)\s*$", re.I | re.M
)
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Form(Protocol):
    """How an answer is asked for, found in a reply, and compared."""

    @property
    def name(self) -> str: ...

    @property
    def instruction(self) -> str:
        """One sentence that tells a model how to give it."""

    def extract(self, text: str) -> Any:
        """Return the canonical answer in a reply, or None."""

    def same(self, a: Any, b: Any) -> bool:
        """Whether two canonical answers are the same."""


class SpaceForm:
    """An action space as a form: the last line ``Answer: ...``, or the whole reply.

    A `Text` is the reply as it is. Canonical answers are an option's name, a number, a text, an id
    (a tuple of them), or the JSON of a record or call.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.name = type(space).__name__.lower()
        self._options = (
            {_plain(option): option for option in space.options}
            if isinstance(space, Choice)
            else {}
        )
        self._low, self._high = -np.inf, np.inf
        if isinstance(space, Number):
            self._low, self._high = (
                float(space.low.reshape(-1)[0]),
                float(space.high.reshape(-1)[0]),
            )

    @property
    def instruction(self) -> str:
        space = self.space
        if isinstance(space, Choice):
            return f"End with a line that says 'Answer: ' and one of: {', '.join(space.options)}."
        if isinstance(space, Number):
            kind = "a whole number" if space.integer else "a number"
            bounds = (self._low, self._high)
            told = " and ".join(f"{b:g}" for b in bounds if np.isfinite(b))
            if len(told.split(" and ")) == 2:
                kind += f" between {told}"
            elif told:
                kind += f" of {'at least' if np.isfinite(self._low) else 'at most'} {told}"
            return f"End with a line that says 'Answer: ' and {kind}."
        if isinstance(space, Text):
            return f"Answer in at most {space.limit} characters."
        return f"Answer with JSON alone, by this schema: {json.dumps(json_schema(space))}"

    def extract(self, text: str) -> Any:
        space = self.space
        if isinstance(space, Text):
            return text.strip() or None if len(text) <= space.limit else None
        if isinstance(space, (Choice, Number)):
            found = read(text, space, list(self._options.values()))
            if found is None and (lines := _LINE.findall(text)):
                return self._option(lines[-1]) if self._options else self._number(lines[-1])
            if isinstance(space, Choice):
                return found
            return self._within(found) if isinstance(found, (int, float)) else None
        return checked(read(text, space), space)

    def same(self, a: Any, b: Any) -> bool:
        return bool(a == b)

    def _option(self, said: str) -> str | None:
        if (plain := _plain(said)) in self._options:
            return self._options[plain]
        return None

    def _number(self, said: str) -> Any:
        if (found := _NUMBER.match(said.strip("*`$ "))) is None:
            return None
        return self._within(float(found[0].replace(",", "")))

    def _within(self, number: float) -> Any:
        if isinstance(number, bool) or not self._low <= number <= self._high:
            return None
        if isinstance(self.space, Number) and self.space.integer:
            return int(number) if number == int(number) else None
        return float(number)


def _plain(text: str) -> str:
    return text.strip().strip("\"'`*()[]").rstrip(".!").strip("\"'`*()[] ").casefold()


def checked(raw: Any, space: Space) -> Any:
    """Return one JSON value as a canonical answer of the space, or None."""
    if raw is None:
        return None
    values, valid = space.check(raw_column(space, [raw]), 1, "team")
    if valid is not None and not valid.all():
        return None
    return canonical(space, values)[0]


def canonical(space: Space, values: Any) -> list[Any]:
    """Return values of a space as answers that compare with ``==``, one a row."""
    if isinstance(space, Choice):
        return [space.options[code] for code in np.asarray(values).tolist()]
    if isinstance(space, Number):
        return list(np.asarray(values).tolist())
    if isinstance(space, Pick):
        rows = np.asarray(values).tolist()
        return [tuple(row) if isinstance(row, list) else row for row in rows]
    if isinstance(space, Text):
        return list(values)
    if isinstance(space, Record):
        return [as_json(row) for row in space.rows(values)]
    return [None if v is None else as_json(_plain_call(v)) for v in values]


def _plain_call(value: Any) -> Any:
    return value._asdict() if isinstance(value, ToolCall) else value  # no bare pair in JSON


def as_json(value: Any) -> str:
    """Return plain data as JSON with sorted names."""
    return json.dumps(value, sort_keys=True, default=_data)


def _data(value: Any) -> Any:
    if isinstance(value, ToolCall):
        return value._asdict()
    return value.item() if isinstance(value, np.generic) else str(value)


def raw_value(space: Space, answer: Any) -> Any:
    """Return a canonical answer as the JSON value that a space checks."""
    if isinstance(answer, np.generic):
        return answer.item()
    if isinstance(space, (Record, Call)) and isinstance(answer, str):
        try:
            return json.loads(answer)
        except ValueError:
            return None
    if isinstance(space, Call) and isinstance(answer, ToolCall):
        return {"name": answer.name, "arguments": answer.arguments}
    return answer


# -- replies ------------------------------------------------------------------------------------


def typed(text: str, space: Record) -> dict[str, Any] | None:
    """Return the fields of a typed reply, or None if it is not one.

    A `Choice` field holds the option's name, a `Pick` the id, others what JSON has.
    """
    raw = read(text, space)
    if not isinstance(raw, Mapping):
        return None
    values, valid = space.check(raw_column(space, [raw]), 1, "team")
    if valid is not None and not valid.all():
        return None
    return {name: _field(field, values[name]) for name, field in space.fields.items()}


def _field(space: Space, values: Any) -> Any:
    if isinstance(space, Record):
        return {name: _field(field, values[name]) for name, field in space.fields.items()}
    return canonical(space, values)[0]


def marked(text: str, fields: Mapping[str, tuple[float, float] | None]) -> dict[str, str | float]:
    """Return what a reply says in marks: ``<name>...</name>``, or a line ``name: ...``.

    The last one counts; a number outside its bounds is left out.
    """
    found: dict[str, str | float] = {}
    for name, bounds in fields.items():
        tag, line = _marks(name)
        said = tag.findall(text) or line.findall(text)
        if not said:
            continue
        value = said[-1].strip()
        if bounds is None:
            found[name] = value
        elif (number := _NUMBER.match(value)) is not None:
            amount = float(number[0].replace(",", ""))
            if bounds[0] <= amount <= bounds[1]:
                found[name] = amount
    return found


@lru_cache(maxsize=256)
def _marks(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    tag = re.compile(rf"<{name}>(.*?)</{name}>", re.I | re.S)
    return tag, re.compile(rf"^\W*{name}\W*?:\s*(.+?)\s*$", re.I | re.M)


def confidence(value: Any, bounds: tuple[float, float] | None) -> float | None:
    """Return a stated confidence on the scale from 0 to 1, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    low, high = bounds or (0.0, 1.0)
    if not low <= value <= high or not high > low or not np.isfinite([low, high]).all():
        return None
    return float((value - low) / (high - low))
