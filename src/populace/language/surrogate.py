"""Adaptive fidelity: a learnt stand-in for a language model, audited by the model itself."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import ParameterError
from populace.kernel.observation import Observation
from populace.kernel.spaces import Choice
from populace.language.asking import Failure
from populace.language.policy import Language, Probabilities
from populace.language.prompts import Distinct
from populace.language.regression import (
    Cell,
    Regression,
    cross_validated,
    distance,
    interval,
)

_GROWTH = 1.1  # learn anew when there are this many times as many prompts
_LATEST = 4000  # prompts that are learnt from, the latest ones
_WINDOW = 200  # audits that the reported error is the mean of
_ALARM = 5  # audits from which their mean can end the trust


@dataclass(frozen=True)
class Fidelity:
    """Who decided in one ask, and how far the stand-in was off.

    Attributes
    ----------
    tick : int
    kind : str
    agents, distinct : int
        Agents asked, and the distinct prompts that they read.
    predicted : int
        Distinct prompts that the stand-in answered: calls saved.
    known : int
        Distinct prompts whose exact answer was remembered.
    asked, audits : int
        Distinct prompts that the model was asked, and how many of them as audits.
    share : float
        Share of the agents that the stand-in decided for.
    error, low, high : float
        Audited error since it was last trusted (latest 200 audits), with a 95 % interval: the mean
        over its agents of the total variation distance to the model's probabilities. NaN, 0 and 1
        as long as nothing was audited.
    expected : float
        Its cross-validated error's upper limit, infinite before it is known.
    trusted : bool
        Whether it may answer from the next ask on.
    """

    tick: int
    kind: str
    agents: int
    distinct: int
    predicted: int
    known: int
    asked: int
    audits: int
    share: float
    error: float
    low: float
    high: float
    expected: float
    trusted: bool


@dataclass
class _Memory:
    """What is known of one kind of decision."""

    place: dict[str, int] = field(default_factory=dict)  # digest of a prompt -> row
    cells: list[Cell] = field(default_factory=list)
    p: list[tuple[float, ...]] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    since: int = 0  # rows before this one are of a model that has drifted
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    learnt: int = 0  # rows at the last fit
    fitted: Regression | None = None
    expected: float = math.inf
    trusted: bool = False
    options: tuple[str, ...] = ()


class Surrogate:
    """Answer for a language model where its choices can be foretold, and keep checking.

    It learns the model's choice probabilities from the answers so far, by a regression on the
    columns that the prompt names. While the upper 95 % limit of its cross-validated error is within
    `bound`, it answers prompts inside the range that it has learnt from; all others go to the
    model. In every ask it audits: it draws some of its agents at random, asks the model what they
    were asked, and reports how far it was off. If the audited error passes `bound`, it steps back:
    the model answers everything, what was learnt before is discarded, and trust begins anew.

    Agents sample from the foretold probabilities with the same draws as from the model's.

    Parameters
    ----------
    of : Language
    bound : float
        Largest error, a total variation distance: no set of options is off by more on average.
    audit : float
        Share of the foretold prompts that are audited, at least one an ask.
    min_train : int
        Distinct prompts to learn from before it may answer.

    Raises
    ------
    ParameterError
        For an impossible bound, share or number.

    Notes
    -----
    Only a `Choice` is foretold; other spaces go to the model. Answers depend on what was asked
    before, of whomever: not row by row, as other policies' do.
    """

    def __init__(
        self, of: Language, *, bound: float = 0.03, audit: float = 0.02, min_train: int = 60
    ) -> None:
        if not isinstance(of, Language):
            raise ParameterError(f"expected of=Language(...), got {of!r:.80}", where="Surrogate")
        for name, value in (("bound", bound), ("audit", audit)):
            if not 0 < value <= 1:  # NaN fails too
                raise ParameterError(f"expected 0 < {name} <= 1, got {value}", where="Surrogate")
        if min_train < 10:
            raise ParameterError(f"expected min_train >= 10, got {min_train}", where="Surrogate")
        self.of, self.bound, self.audit, self.min_train = of, bound, audit, min_train
        self._kinds: dict[str, _Memory] = {}
        self._reports: list[Fidelity] = []

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of this policy."""
        own = {"bound": self.bound, "audit": self.audit, "min_train": self.min_train}
        return {"of": self.of.describe(), **own}

    def equip(self, resources: Any) -> None:
        """Pass on what the simulation gives."""
        self.of.equip(resources)

    async def close(self) -> None:
        """Close the model's connections."""
        await self.of.close()

    def report(self) -> list[Fidelity]:
        """Return who decided in each ask since the last call of this."""
        taken, self._reports = self._reports, []
        return taken

    def failed(self) -> list[Failure]:
        """Return the failures of the model since the last call of this."""
        return self.of.failed()

    async def act(self, observation: Observation) -> Answers:
        space, kind = observation.space, observation.kind
        if not isinstance(space, Choice) or kind not in self.of.prompts:
            return await self.of.act(observation)
        self.of.validate(observation)
        memory = self._kinds.setdefault(kind, _Memory())
        if memory.options != space.options:
            memory = self._kinds[kind] = _Memory(options=space.options)
        found = self.of.prompts.distinct(observation)
        digests = self.of._asker.digests(observation, found)
        cells = self._cells(observation, found)
        table = np.full((len(found), len(space.options)), np.nan)
        outcome = np.zeros(len(found), np.uint8)
        known = self._recall(memory, digests, table)
        foretold = self._foretell(memory, cells, ~known, table)
        audited = self._audits(observation, found, foretold)
        asked = np.union1d(np.flatnonzero(~known & ~foretold), audited).astype(np.intp)
        errors: list[float] = []
        tokens = np.zeros(len(found), np.int64)
        if len(asked):
            answer = await self.of.probabilities(observation, found, asked)
            good, tokens = answer.outcome == Outcome.ACTED, answer.tokens
            hit = [i for i in audited.tolist() if good[i]]  # an agent drawn twice counts twice
            errors = distance(table[hit], answer.table[hit]).tolist() if hit else []
            table[good] = answer.table[good]
            failed = ~known & ~foretold & ~good
            outcome[failed] = answer.outcome[failed]
            for i in np.flatnonzero(good).tolist():
                self._remember(memory, digests[i], cells[i], answer.table[i], found.sizes[i])
        self._learn(memory, errors)
        left = foretold.copy()
        left[asked] = False
        mean, low, high = interval(memory.errors)
        self._reports.append(
            Fidelity(
                tick=observation.tick,
                kind=kind,
                agents=len(observation),
                distinct=len(found),
                predicted=int(left.sum()),
                known=int(known.sum()),
                asked=len(asked),
                audits=len(np.unique(audited)),
                share=float(found.sizes[left].sum() / max(1, len(observation))),
                error=mean,
                low=low,
                high=high,
                expected=memory.expected,
                trusted=memory.trusted,
            )
        )
        if memory.errors and not memory.trusted:
            memory.errors.clear()
        return Probabilities(found, table, outcome, tokens).draw(observation)

    # -- steps of an ask -------------------------------------------------------------------------

    def _cells(self, observation: Observation, found: Distinct) -> list[Cell]:
        """Return each distinct prompt's columns: the numbers that its words stand for, or them."""
        prompt = self.of.prompts.kind(observation.kind)
        columns: dict[str, list[float | str]] = {}
        for name in (*prompt.common, *prompt.own):
            value, wording = observation[name], self.of.prompts.wording_of(name)
            each = isinstance(value, np.ndarray) and value.ndim
            values = value[found.first].tolist() if each else [value] * len(found)
            levels = [wording.level(v) for v in values]
            if any(level is None for level in levels):
                columns[name] = [
                    found.words[i].get(name, found.common.get(name, "")) for i in range(len(found))
                ]
            else:
                columns[name] = [float(level) for level in levels if level is not None]
        if not columns:
            return [{} for _ in range(len(found))]
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _recall(
        self, memory: _Memory, digests: Sequence[str], table: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Fill in what is known exactly: equal prompts have equal scores."""
        known = np.zeros(len(digests), np.bool_)
        if self.of.model.capabilities.exact and self.of.model.capabilities.score:
            for i, digest in enumerate(digests):
                if (row := memory.place.get(digest, -1)) >= memory.since:
                    known[i], table[i] = True, memory.p[row]
        return known

    def _foretell(
        self,
        memory: _Memory,
        cells: Sequence[Cell],
        open_: NDArray[np.bool_],
        table: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Fill in what the regression may answer."""
        foretold = np.zeros(len(cells), np.bool_)
        places = np.flatnonzero(open_)
        if memory.trusted and memory.fitted is not None and len(places):
            inside = memory.fitted.surface.covers([cells[i] for i in places.tolist()])
            places = places[inside]
            if len(places):
                table[places] = memory.fitted.predict([cells[i] for i in places.tolist()])
                foretold[places] = True
        return foretold

    def _audits(
        self, observation: Observation, found: Distinct, foretold: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Draw agents among those foretold, and return their prompts (one may come twice)."""
        places = np.flatnonzero(foretold)
        if not len(places):
            return places
        count = math.ceil(self.audit * len(places))
        stream = observation.random.named("audit")
        draws = stream.uniform(count)
        ends = np.cumsum(found.sizes[places])
        return np.asarray(places[np.searchsorted(ends, np.floor(draws * ends[-1]), side="right")])

    def _remember(
        self, memory: _Memory, digest: str, cell: Cell, p: NDArray[np.float64], size: int
    ) -> None:
        row = memory.place.get(digest, -1)
        if row >= memory.since:
            memory.p[row] = tuple(p.tolist())
            memory.weight[row] += float(size)
            return
        memory.place[digest] = len(memory.p)
        memory.cells.append(cell)
        memory.p.append(tuple(p.tolist()))
        memory.weight.append(float(size))

    def _learn(self, memory: _Memory, errors: Sequence[float]) -> None:
        """Take in the audits, and fit again if there is enough that is new."""
        memory.errors.extend(errors)
        rows = len(memory.p)
        audits = memory.errors
        if memory.trusted and len(audits) >= _ALARM and interval(audits)[0] > self.bound:
            memory.trusted, memory.fitted, memory.expected = False, None, math.inf
            memory.since = memory.learnt = rows
        new = rows - memory.since
        if new < self.min_train or new < _GROWTH * (memory.learnt - memory.since):
            return
        start = max(memory.since, rows - _LATEST)
        cells, weight = memory.cells[start:], np.array(memory.weight[start:])
        p = np.array(memory.p[start:])
        digests = list(memory.place.items())
        fold = np.zeros(rows, np.int64)
        for digest, row in digests:
            fold[row] = int(digest[:8], 16)
        error, covered = cross_validated(cells, p, weight, fold[start:])
        memory.learnt = rows
        memory.fitted = Regression.fit(cells, p, weight)
        memory.expected = _upper(error[covered], weight[covered])
        memory.trusted = memory.expected <= self.bound

    @property
    def failures(self) -> deque[Failure]:
        """The last 100 requests without a decision."""
        return self.of.failures

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that was learnt, as JSON text by kind, and the state of the language mind."""
        kinds = {kind: json.dumps(_as_json(memory)) for kind, memory in self._kinds.items()}
        return {"kinds": kinds, "of": self.of.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        kinds = state["kinds"].items()
        self._kinds = {kind: _from_json(json.loads(str(text))) for kind, text in kinds}
        self.of.restore(state["of"])


def _upper(error: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the upper 95 % limit of the weighted mean error; infinite without any."""
    if len(error) < 2:
        return math.inf
    w = weight / weight.sum()
    mean = float(w @ error)
    return mean + 1.6448536269514722 * math.sqrt(float((w**2) @ (error - mean) ** 2))


def _as_json(memory: _Memory) -> dict[str, Any]:
    fitted = memory.fitted
    plain = {name: getattr(memory, name) for name in _PLAIN}
    return {
        **plain,
        "errors": list(memory.errors),
        "expected": None if math.isinf(memory.expected) else memory.expected,
        "fitted": None if fitted is None else fitted.as_json(),
    }


def _from_json(record: Mapping[str, Any]) -> _Memory:
    memory = _Memory(**{name: record[name] for name in _PLAIN})
    memory.p = [tuple(row) for row in memory.p]
    memory.options = tuple(memory.options)
    memory.errors.extend(record["errors"])
    memory.expected = math.inf if record["expected"] is None else record["expected"]
    memory.fitted = None if record["fitted"] is None else Regression.from_json(record["fitted"])
    return memory


_PLAIN = ("place", "cells", "p", "weight", "since", "learnt", "trusted", "options")
