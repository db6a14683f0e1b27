"""Action spaces in the words of JSON Schema, and which agents have bounds of their own.

The schemas keep to the part of JSON Schema (draft 2020-12) that structured-output interfaces take:
an object at the root, every property required, none beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import SpaceError
from populace.kernel.spaces import Call, Choice, Number, Pick, Record, Space, Text

_LISTED = 256  # candidates that a schema lists; of more, only the range is said


def json_schema(space: Space, options: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON schema of one agent's answer.

    A `Record` is an object with its fields; any other space is ``{"answer": ...}``.

    Parameters
    ----------
    space : Space
        Bounds and candidates must be one agent's: take ``space.part([i])`` of those given per
        agent.
    options : mapping, optional
        Words in place of option names, for a `Choice`.

    Raises
    ------
    SpaceError
        For bounds of several agents, or a space without a form in JSON.

    Examples
    --------
    >>> json_schema(Number(0, 5))["properties"]["answer"]
    {'type': 'number', 'minimum': 0.0, 'maximum': 5.0}
    """
    if isinstance(space, Record):
        return _schema(space)
    if isinstance(space, Choice) and options:
        return _object({"answer": _words([options.get(o, o) for o in space.options])})
    return _object({"answer": _schema(space)})


def _schema(space: Space) -> dict[str, Any]:
    if isinstance(space, Choice):
        return _words(space.options)
    if isinstance(space, Number):
        low, high = _single(space.low), _single(space.high)
        bounds: dict[str, Any] = {"type": "integer" if space.integer else "number"}
        kind = int if space.integer else float
        if np.isfinite(low):
            bounds["minimum"] = kind(np.ceil(low) if space.integer else low)
        if np.isfinite(high):
            bounds["maximum"] = kind(np.floor(high) if space.integer else high)
        return bounds
    if isinstance(space, Text):
        return {"type": "string", "maxLength": space.limit}
    if isinstance(space, Record):
        return _object({name: _schema(field) for name, field in space.fields.items()})
    if isinstance(space, Pick):
        one = _candidates(space)
        if space.count == 1:
            return one
        return {"type": "array", "items": one, "minItems": space.count, "maxItems": space.count}
    if isinstance(space, Call):
        calls = [
            _object({"name": _words([name]), "arguments": _schema(arguments)})
            for name, arguments in space.tools.items()
        ]
        return {"anyOf": calls}
    raise SpaceError(f"{type(space).__name__} has no JSON schema", mend="answer it by a rule")


def _words(words: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _single(bound: NDArray[np.float64]) -> float:
    if bound.size != 1:
        raise SpaceError(
            f"bounds are given for {bound.size} agents", mend="take space.part([i]) of one of them"
        )
    return float(bound.reshape(-1)[0])


def _candidates(space: Pick) -> dict[str, Any]:
    if space.candidates.ndim == 2:
        if len(space.candidates) != 1:
            raise SpaceError(
                f"candidates are given for {len(space.candidates)} agents",
                mend="take space.part([i]) of one of them",
            )
        allowed = space.candidates[0][space.candidates[0] != -1]
    else:
        allowed = space.candidates
    if len(allowed) <= _LISTED:
        return {"type": "integer", "enum": sorted(set(allowed.tolist()))}
    return {"type": "integer", "minimum": int(allowed.min()), "maximum": int(allowed.max())}


def own_bounds(space: Space) -> list[NDArray[Any]]:
    """Return the arrays of shape (n, ...) in which agents' spaces differ, if they do."""
    if isinstance(space, Number):
        return [bound for bound in (space.low, space.high) if bound.ndim]
    if isinstance(space, Pick):
        return [space.candidates] if space.candidates.ndim == 2 else []
    if isinstance(space, Record):
        return [a for field in space.fields.values() for a in own_bounds(field)]
    if isinstance(space, Call):
        return [a for tool in space.tools.values() for a in own_bounds(tool)]
    return []
