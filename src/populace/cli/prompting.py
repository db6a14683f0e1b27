"""``populace prompt check``: which way does each column move a prompt's choice?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from populace.kernel.errors import PromptError, nearest
from populace.language.check import PromptCheck, check_prompt
from populace.language.opening import open_model
from populace.language.prompts import Prompts


def checked(
    file: Path,
    kind: str | None,
    model: str,
    grid: Sequence[str],
    options: str | None,
    **settings: Any,
) -> PromptCheck:
    """Score a prompt file on a grid given as ``NAME=VALUE,VALUE...``.

    Raises
    ------
    PromptError
        For a file, kind or grid that does not do.
    """
    prompts = Prompts.load(file)
    if kind is None:
        if len(prompts.kinds) > 1:
            raise PromptError(
                f"there are prompts for {', '.join(prompts.kinds)}",
                where=str(file),
                mend="choose one with --kind",
            )
        kind = next(iter(prompts.kinds))
    prompt = prompts.kind(kind)
    wanted = [*prompt.common, *prompt.own]
    values: dict[str, list[Any]] = {}
    for given in grid:
        name, is_, text = given.partition("=")
        if not is_ or not text:
            raise PromptError(f"expected NAME=VALUE,VALUE..., got {given!r}", where="--grid")
        if name not in wanted:
            raise PromptError(
                f"the prompt names no column {name!r}; {nearest(name, wanted)}", where="--grid"
            )
        values[name] = [_value(one) for one in text.split(",")]
    if missing := [name for name in wanted if name not in values]:
        raise PromptError(
            f"no values for {', '.join(missing)}",
            where=str(file),
            mend=f"give them, for instance --grid {missing[0]}=0,10,100",
        )
    space = None if options is None else options.split(",")

    async def check() -> PromptCheck:
        opened = open_model(model)
        try:
            return await check_prompt(prompts, kind, opened, values, space, **settings)
        finally:
            await opened.close()

    return asyncio.run(check())


def as_json(check: PromptCheck) -> dict[str, Any]:
    """Return the check as plain data; what is not defined is None."""
    effects = [
        {k: None if v != v else v for k, v in vars(effect).items()} for effect in check.effects
    ]
    return {"cells": check.table.to_dicts(), "effects": effects, "distinct": check.distinct}


def _value(text: str) -> Any:
    text = text.strip()
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
