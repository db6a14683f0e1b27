"""Trying a prompt on a small grid of columns: which way does each one move the choice?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Outcome
from populace.kernel.columns import column
from populace.kernel.errors import PolicyError, PromptError
from populace.kernel.exchange import fitting
from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Streams
from populace.language.model import LanguageModel
from populace.language.policy import Language
from populace.language.prompts import Prompts

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Effect:
    """How one column moves the probability of one option, over the grid.

    Attributes
    ----------
    column, option : str
    change : float
        Mean change of the probability from the column's first value to its last, the others fixed.
    least, most : float
        Smallest and largest such change.
    rising : float
        Share of the steps from a value to the next in which the probability rises.
    rank : float
        Spearman's correlation of the column's place in the grid with the probability, over the
        whole grid; NaN if either is constant.
    first, last : str
        The two values, as given.
    """

    column: str
    option: str
    change: float
    least: float
    most: float
    rising: float
    rank: float
    first: str
    last: str

    def __str__(self) -> str:
        way = "raises" if self.change > 0 else "lowers" if self.change < 0 else "does not move"
        by = f" by {abs(self.change):.3f} ({self.least:+.3f} to {self.most:+.3f})"
        return (
            f"{self.column} from {self.first} to {self.last} {way} P({self.option})"
            f"{by if self.change else ''}; rank {self.rank:+.2f}, "
            f"{self.rising:.0%} of steps rise"
        )


@dataclass(frozen=True)
class PromptCheck:
    """A prompt's probabilities on a grid.

    Attributes
    ----------
    options : tuple of str
    grid : dict of str to tuple
        The columns that were varied, and their values.
    p : float64 array of shape (cells, options)
        The first column of the grid varies slowest.
    effects : tuple of Effect
        One a varied column and option; of two options, the second only.
    distinct : int
        Distinct prompts on the grid: fewer than cells where values have the same words.
    """

    options: tuple[str, ...]
    grid: dict[str, tuple[Any, ...]]
    p: NDArray[np.float64]
    effects: tuple[Effect, ...]
    distinct: int

    @property
    def table(self) -> pl.DataFrame:
        """The grid with a column of probabilities an option, named ``P(option)``."""
        import polars as pl

        cells = list(itertools.product(*self.grid.values()))
        columns: dict[str, Any] = {
            name: [cell[i] for cell in cells] for i, name in enumerate(self.grid)
        }
        columns |= {f"P({option})": self.p[:, j] for j, option in enumerate(self.options)}
        return pl.DataFrame(columns)

    def __str__(self) -> str:
        lines = [
            f"P({option}): mean {self.p[:, j].mean():.3f}, "
            f"{self.p[:, j].min():.3f} to {self.p[:, j].max():.3f}"
            for j, option in enumerate(self.options)
        ]
        return "\n".join([*lines, *map(str, self.effects)])


async def check_prompt(
    prompts: Prompts | Mapping[str, Any] | str | Path,
    kind: str,
    model: LanguageModel,
    grid: Mapping[str, Any],
    space: Choice | Sequence[str] | None = None,
    **settings: Any,
) -> PromptCheck:
    """Score a prompt on a grid of columns, before anyone trusts it.

    Parameters
    ----------
    prompts : path, mapping or Prompts
    kind : str
    model : LanguageModel
    grid : mapping of column to values
        Every combination of the values of lists and arrays is asked; a lone value is the same for
        all. Columns of the shared part may vary too: each of their values is an ask of its own.
    space : Choice or option names, optional
        By default the options that the prompt has words for.
    **settings
        Of `Language`: orders, calibration, temperature and so on.

    Returns
    -------
    PromptCheck

    Raises
    ------
    PromptError
        If the grid lacks a column of the prompt, has an empty one, or no option is known.
    PolicyError
        If the model gave no answer for some cell.
    """
    policy = Language(model, prompts, **settings)
    prompt = policy.prompts.kind(kind)
    where = f"check of [kind.{kind}]"
    if space is None:
        if not prompt.options:
            raise PromptError("no options are known", where=where, mend="pass space=[...]")
        space = list(prompt.options)
    choice = space if isinstance(space, Choice) else Choice(space)
    given = {name: _values(values) for name, values in grid.items()}
    if empty := [name for name, values in given.items() if not values]:
        raise PromptError(f"no values for {', '.join(empty)}", where=where)
    cells = list(itertools.product(*given.values()))
    columns = {name: _column([cell[i] for cell in cells]) for i, name in enumerate(given)}
    p = np.empty((len(cells), len(choice.options)))
    distinct = 0
    for scene in _scenes(cells, [name in prompt.common for name in given]):
        shown = {
            name: columns[name][scene[0]] if name in prompt.common else columns[name][scene]
            for name in given
        }
        observation = _observation(kind, choice, len(scene), shown)
        found = await policy.probabilities(observation)
        if (found.outcome != Outcome.ACTED).any():
            why = policy.failures[-1].why if policy.failures else "no answer"
            raise PolicyError(f"the model gave no answer for every cell: {why}", where=where)
        p[scene] = found.table[found.distinct.index]
        distinct += len(found.distinct)
    shape = tuple(len(values) for values in given.values())
    cube = p.reshape(*shape, -1)
    options = range(len(choice.options)) if len(choice.options) != 2 else (1,)
    effects = tuple(
        _effect(name, i, values, cube[..., j], choice.options[j])
        for i, (name, values) in enumerate(given.items())
        if len(values) > 1
        for j in options
    )
    return PromptCheck(choice.options, given, p, effects, distinct)


def _values(values: Any) -> tuple[Any, ...]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    return tuple(values) if isinstance(values, (list, tuple, range)) else (values,)


def _column(values: list[Any]) -> NDArray[Any]:
    if all(isinstance(v, (int, float)) for v in values):
        return np.array(values)
    return column(values)


def _scenes(cells: Sequence[tuple[Any, ...]], shared: Sequence[bool]) -> list[list[int]]:
    """Return the cells that have the shared columns in common, in the order of the grid."""
    scenes: dict[tuple[Any, ...], list[int]] = {}
    for i, cell in enumerate(cells):
        key = tuple(value for value, common in zip(cell, shared, strict=True) if common)
        scenes.setdefault(key, []).append(i)
    return list(scenes.values())


def _observation(kind: str, space: Choice, n: int, shown: Mapping[str, Any]) -> Observation:
    people = Population(n, name="grid")
    streams = Streams(0).named("check")
    return Observation(
        kind,
        space,
        people.everyone,
        0,
        see=(),
        given=fitting(shown, n, kind),
        streams=streams,
        stream=kind,
    )


def _effect(
    name: str, axis: int, values: tuple[Any, ...], p: NDArray[np.float64], option: str
) -> Effect:
    along = np.moveaxis(p, axis, 0).reshape(len(values), -1)
    change = along[-1] - along[0]
    place = np.repeat(np.arange(len(values)), along.shape[1])
    return Effect(
        column=name,
        option=option,
        change=float(change.mean()),
        least=float(change.min()),
        most=float(change.max()),
        rising=float((np.diff(along, axis=0) > 0).mean()),
        rank=spearman(place, along.reshape(-1)),
        first=str(values[0]),
        last=str(values[-1]),
    )


def spearman(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; NaN for a constant."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)
