"""``populace prompt check``: the grid, and what came of it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console

from populace.cli.progress import fetching
from populace.cli.speaking import open_named
from populace.kernel.errors import ParameterError, PromptError, nearest
from populace.language.check import PromptCheck, check_prompt
from populace.language.kinds import RECALLED, KindPrompt
from populace.language.prompts import Prompts
from populace.language.wording import Wording

MOST = 5000  # cells of a grid; more is a study, not a check


def check(
    path: Path,
    kind: str | None,
    model_name: str,
    settings: tuple[str, ...],
    options: str | None,
    orders: str | None,
    content_free: bool,
    quiet: bool,
) -> PromptCheck:
    """Score a prompt on the grid that the options say.

    Raises
    ------
    PromptError, ParameterError
        For prompts, kinds, columns or values that do not fit, before the model is opened.
    ModelError
        If the model cannot be had.
    PolicyError
        If it gave no answer for some cell.
    """
    prompts = Prompts.load(path)
    if kind is None:
        if len(prompts.kinds) > 1:
            raise ParameterError(f"expected --kind, one of {', '.join(prompts.kinds)}")
        kind = next(iter(prompts.kinds))
    one = prompts.kind(kind)
    grid = _grid(prompts, one, settings)
    cells = math.prod(len(values) for values in grid.values())
    if cells > MOST:
        raise ParameterError(
            f"expected a grid of at most {MOST:,} cells, got {cells:,}",
            where=f"[kind.{kind}]",
            mend="give fewer values: --set column=a,b",
        )
    space = None if options is None else [o.strip() for o in options.split(",")]
    if space is None and not one.options:
        raise PromptError(
            "does not say the options of the choice",
            where=f"[kind.{kind}]",
            mend="--options no,yes",
        )
    extra: dict[str, Any] = {"orders": _orders(orders)} if orders is not None else {}
    if content_free:
        extra["calibration"] = "content-free"
    with fetching(Console(stderr=True), quiet) as progress:
        model = open_named(model_name, progress=progress)

    async def ask() -> PromptCheck:
        try:
            return await check_prompt(prompts, kind, model, grid, space, **extra)
        finally:
            await model.close()

    return asyncio.run(ask())


def told(found: PromptCheck) -> dict[str, Any]:
    """Return a check as JSON can hold it."""
    effects = [
        {name: None if value != value else value for name, value in asdict(effect).items()}
        for effect in found.effects
    ]
    return {
        "options": list(found.options),
        "distinct": found.distinct,
        "effects": effects,
        "grid": {name: list(values) for name, values in found.grid.items()},
        "cells": found.table.to_dicts(),
    }


def _grid(prompts: Prompts, kind: KindPrompt, settings: tuple[str, ...]) -> dict[str, list[Any]]:
    columns = list(dict.fromkeys((*kind.own, *kind.common)))
    grid: dict[str, list[Any]] = {}
    where = f"[kind.{kind.name}]"
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not text:
            raise ParameterError(f"expected --set column=value,value, got {setting!r}")
        if name not in columns:
            raise ParameterError(
                f"the prompt names no column {name!r}; {nearest(name, columns)}", where=where
            )
        grid[name] = [_value(piece.strip()) for piece in text.split(",")]
    missing = []
    for name in columns:
        if name not in grid:
            nothing = name in RECALLED  # as of a mind that remembers nothing yet
            grid[name] = [""] if nothing else _told_apart(prompts.wording_of(name))
        if not grid[name]:
            missing.append(name)
    if missing:
        raise ParameterError(
            f"no values are known for {', '.join(missing)}",
            where=where,
            mend=f"--set {missing[0]}=value,value",
        )
    return {name: grid[name] for name in columns}


def _told_apart(wording: Wording) -> list[Any]:
    """Return one value of each word that a wording tells apart; none where it has no words."""
    if isinstance(wording.words, dict):
        return [_value(code) for code in wording.words]
    if wording.words is not None:
        return list(range(len(wording.words)))
    if wording.below is not None:
        bounds = [float(bound) for bound, _ in wording.below]
        inside = [(a + b) / 2 for a, b in pairwise(bounds)]
        first = 0.0 if bounds[0] > 0 else bounds[0] - 1
        return [value / wording.scale for value in (first, *inside, bounds[-1] + 1)]
    return []


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def _orders(text: str) -> Any:
    if text == "all":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise ParameterError(f"expected --orders as 1 or more, or all, got {text!r}")
    return int(text)
