"""The exam: a world whose agents are the items of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import OUTCOMES, Answers, Outcome
from populace.kernel.errors import WorldError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.language.forms import Letter
from populace.language.worker import WorkerFailed
from populace.policies import Rule
from populace.worlds.exam.item import Item, Marker, Source, checked, digest, forms_of, half
from populace.worlds.exam.sources import source_named

if TYPE_CHECKING:
    import polars as pl

FATES = (*OUTCOMES, "unparsed", "ungraded", "waiting")
"""What may become of an item: an outcome of the decision; or, where there was a reply, ``unparsed``
(its form read no answer in it) or ``ungraded`` (the verifier did not come to an end)."""

_UNPARSED, _UNGRADED, _WAITING = (FATES.index(name) for name in FATES[-3:])
_MARKED = (Outcome.ACTED, Outcome.FALLBACK)


class Paper:
    """The questions of an exam, with how each is marked. A checkpoint keeps only their digest."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        self.forms = forms_of(self.items)
        self.markers = [Marker(i, f) for i, f in zip(self.items, self.forms, strict=True)]
        self.digest = digest(self.items)

    def state(self) -> dict[str, str]:
        """Return the digest."""
        return {"digest": self.digest}

    def restore(self, state: Mapping[str, str]) -> None:
        """Raise WorldError unless the source still gives the items of the checkpoint."""
        if state["digest"] != self.digest:
            raise WorldError("the source has other items than the checkpoint", where="Exam")


class Exam(World):
    """A benchmark's items are put to whoever is cast, and their answers are scored.

    Each item is an agent. It is asked ``answer`` (a text) and shown ``question``, ``form`` (how
    answers are read), ``instruction`` (how to state one, in a sentence), ``item`` (its name),
    ``family`` and ``category``; never the gold answer. A reply in which the form reads no answer is
    ``unparsed``; that, an abstention and a failure are not correct in ``accuracy``, are counted
    apart, and are never scored as answers.

    Parameters
    ----------
    source : Source or str
        As `source_named` takes it.
    items : int, optional
        Ask so many, drawn by the stream ``start/items``; by default all.
    split : None, "fit" or "judge"
        Ask one half only (see `half`), the same in every run.
    attempts : int
        Agents an item: each is asked, and scored, by itself.
    per_tick : int
        Agents asked in one tick; 0: all. A long exam can be stopped and resumed between ticks.
    size, source_seed : int
        Items of each task, and the generator's seed, where `source` names reasoning-gym.
    threshold : float
        Score from which an answer is correct.
    limit : int
        Most characters of a reply; a longer one is invalid.

    Attributes
    ----------
    items : Population
        Columns ``item``, ``family``, ``category`` (codes), ``attempt``, ``fate`` (index into
        `FATES`), ``score`` (NaN without an answer) and ``asked`` (tick; -1: not yet).
    """

    title = "Exam"
    ticks = 1000  # it is done when all items are
    charts = (
        Chart("Accuracy", ["accuracy", "answered", "score"], unit="share of the items asked"),
        Chart("Accuracy by family", ["accuracy_by_family"], by="family"),
        Chart(
            "No answer",
            ["unparsed", "abstained", "failed"],
            unit="items",
            note="Failed: no valid reply for any other reason.",
        ),
    )

    def __init__(
        self,
        source: Annotated[
            str | Source,
            Parameter("reasoning-gym:TASK,..., jsonl:FILE, recorded:FILE", fixed="start"),
        ],
        items: Annotated[
            int | None, Parameter("how many to draw; all by default", low=1, fixed="start")
        ] = None,
        split: Annotated[
            Literal["fit", "judge"] | None, Parameter("one half of the items", fixed="start")
        ] = None,
        attempts: Annotated[int, Parameter("agents an item", low=1, fixed="start")] = 1,
        per_tick: Annotated[int, Parameter("asked in one tick; 0: all", low=0)] = 0,
        size: Annotated[
            int, Parameter("items of each task of reasoning-gym", low=1, fixed="start")
        ] = 50,
        source_seed: Annotated[
            int, Parameter("seed of reasoning-gym", low=0, high=2**32 - 1, fixed="start")
        ] = 0,
        threshold: Annotated[
            float, Parameter("score from which an answer is correct", low=0, high=1)
        ] = 0.99,
        limit: Annotated[int, Parameter("most characters of a reply", low=1)] = 100_000,
    ) -> None:
        self.source: Source = (
            source_named(source, size, source_seed) if isinstance(source, str) else source
        )
        self._draw, self._split, self.attempts = items, split, attempts
        self.per_tick, self.threshold, self.limit = per_tick, threshold, limit
        chosen = checked(self.source.items())
        self._chosen = half(chosen, split) if split else chosen
        if items is not None and items > len(self._chosen):
            raise WorldError(
                f"expected at most {len(self._chosen)} items, got {items}", where="Exam"
            )
        n = (len(self._chosen) if items is None else items) * attempts
        self.items = Population(
            n,
            item=np.int32,
            family=np.int32,
            category=np.int32,
            attempt=np.int32,
            fate=(np.uint8, _WAITING),
            score=(np.float64, np.nan),
            asked=(np.int32, -1),
        )
        self._paper: Paper
        self._answers: list[str | None] = [None] * n
        self._policies: list[str | None] = [None] * n
        self._next = 0

    def start(self, streams: Streams) -> None:
        """Draw the items, in the order of the source, and read their gold answers."""
        chosen = self._chosen
        if self._draw is not None:
            order = streams.stream("items").permutation(len(chosen))
            chosen = [chosen[i] for i in sorted(order[: self._draw])]
        self._chosen = []
        self._paper = Paper(chosen)
        people, k = self.items, self.attempts
        people.item = np.repeat(np.arange(len(chosen), dtype=np.int32), k)
        people.attempt = np.tile(np.arange(k, dtype=np.int32), len(chosen))
        axes = {}
        for axis in ("family", "category"):
            names = [getattr(item, axis) for item in chosen]
            axes[axis] = sorted(set(names))
            codes = {name: code for code, name in enumerate(axes[axis])}
            people[axis][:] = np.repeat([codes[name] for name in names], k)
        self.axes = axes

    @property
    def done(self) -> bool:
        """Whether every item was asked."""
        return self._next >= len(self.items)

    async def step(self, minds: Minds) -> None:
        end = min(self._next + (self.per_tick or len(self.items)), len(self.items))
        part = self.items[np.arange(self._next, end)]
        rows = part["item"].tolist()
        paper = self._paper
        items, forms = [paper.items[r] for r in rows], [paper.forms[r] for r in rows]
        answers = await minds.ask(
            "answer",
            part,
            Text(self.limit),
            missing=None,
            question=_column([item.question for item in items]),
            form=_shown([form.name for form in forms]),
            instruction=_shown([form.instruction for form in forms]),
            item=_column([item.name for item in items]),
            family=_shown([item.family for item in items]),
            category=_shown([item.category for item in items]),
        )
        self._mark(part, rows, answers)
        self.items.asked[self._next : end] = minds.tick
        self._next = end

    def _mark(self, part: Part, rows: Sequence[int], answers: Answers) -> None:
        """Read and score replies; a reply given to the same item before has the same score."""
        assert answers.policy is not None
        scored: dict[tuple[int, Any], float | None] = {}
        for place, row in enumerate(rows):
            agent, fate = self._next + place, int(answers.outcome[place])
            self._policies[agent] = answers.policies[answers.policy[place]]
            if fate in _MARKED:
                marker = self._paper.markers[row]
                answer = marker.form.extract(answers.values[place])
                if answer is None:
                    fate = _UNPARSED
                else:
                    key = (row, answer)
                    if key not in scored:
                        scored[key] = _score(marker, answer)
                    score = scored[key]
                    self._answers[agent] = str(answer)
                    fate = _UNGRADED if score is None else fate
                    self.items.score[agent] = np.nan if score is None else score
            self.items.fate[agent] = fate

    # -- what came of it -------------------------------------------------------------------------

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each item has a correct answer."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.items.score >= self.threshold)

    def right(self, agent: int, reply: str) -> bool | None:
        """Return whether a reply to an agent's item would be correct; None if none can tell."""
        marker = self._paper.markers[int(self.items.item[agent])]
        answer = marker.form.extract(reply)
        score = None if answer is None else _score(marker, answer)
        return None if score is None else score >= self.threshold

    def measure(self) -> Mapping[str, float | By | None]:
        asked = self.items.asked >= 0
        n = int(np.count_nonzero(asked))
        fates = np.bincount(self.items.fate[asked], minlength=len(FATES))
        answered = ~np.isnan(self.items.score)
        failed = n - fates[[*_MARKED, Outcome.ABSTAINED, _UNPARSED, _UNGRADED]].sum()

        def share(of: NDArray[np.bool_]) -> float | None:
            return float(np.count_nonzero(of & asked)) / n if n else None

        return {
            "asked": n,
            "accuracy": share(self.correct),
            "answered": share(answered),
            "score": float(np.nansum(self.items.score)) / n if n else None,
            "unparsed": int(fates[_UNPARSED]),
            "ungraded": int(fates[_UNGRADED]),
            "abstained": int(fates[Outcome.ABSTAINED]),
            "failed": int(failed),
            "accuracy_by_family": self._by("family", asked),
            "accuracy_by_category": self._by("category", asked),
        }

    def _by(self, axis: str, asked: NDArray[np.bool_]) -> By:
        codes, k = self.items[axis], len(self.axes[axis])
        with np.errstate(invalid="ignore"):
            right = np.bincount(codes[asked & self.correct], minlength=k)
            return By(axis, right / np.bincount(codes[asked], minlength=k))

    def results(self) -> pl.DataFrame:
        """Return a row an agent, in the order of the items.

        Returns
        -------
        polars.DataFrame
            Columns item, attempt, family, category, answer (canonical, as text; null without one),
            score (null without an answer), correct, outcome (of `FATES`), policy, tick.
        """
        import polars as pl

        people, paper = self.items, self._paper
        own = [paper.items[i] for i in people.item.tolist()]
        ticks = [None if tick < 0 else tick for tick in people.asked.tolist()]
        return pl.DataFrame(
            {
                "item": [item.name for item in own],
                "attempt": people.attempt,
                "family": [item.family for item in own],
                "category": [item.category for item in own],
                "answer": pl.Series(self._answers, dtype=pl.String),
                "score": pl.Series(people.score).fill_nan(None),
                "correct": self.correct,
                "outcome": [FATES[fate] for fate in people.fate.tolist()],
                "policy": pl.Series(self._policies, dtype=pl.String),
                "tick": pl.Series(ticks, dtype=pl.Int64),
            }
        )

    def graded(self, transcript: pl.DataFrame) -> pl.DataFrame:
        """Return a run's table ``transcript`` with ``correct``: every answer in it, as if given.

        Each different answer to an item is scored once. Null without an answer, where the verifier
        did not come to an end, and in rows that do not answer the item's question.
        """
        import polars as pl

        scored: dict[tuple[int, str], float | None] = {}
        marks: list[bool | None] = []
        ours = (pl.col("answering") | (pl.col("prompt") == "verdict")).fill_null(True)
        rows = transcript.select("agent", "answer", ours=ours).iter_rows()
        for agent, answer, counts in rows:
            key = (int(self.items.item[agent]), answer)
            if answer is not None and counts and key not in scored:
                marker = self._paper.markers[key[0]]
                read = marker.form.extract(answer)
                scored[key] = None if read is None else _score(marker, read)
            score = scored.get(key) if counts else None
            marks.append(None if score is None else score >= self.threshold)
        return transcript.with_columns(correct=pl.Series(marks, dtype=pl.Boolean))

    def data(self) -> Mapping[str, str]:
        """Return sha256 of the items: names, questions and gold answers."""
        return {"items": self._paper.digest}

    def policies(self) -> Mapping[str, Policy]:
        return {"random": Rule(answer=_any_letter(self)), "oracle": Rule(answer=_gold(self))}


def _score(marker: Marker, answer: Any) -> float | None:
    try:
        return marker.score(answer)
    except WorkerFailed:
        return None


def _any_letter(exam: Exam) -> Any:
    def draw(o: Observation) -> Answers:
        """Answer a letter, all equally likely; abstain where the answer is no letter."""
        rows = exam.items.item[o.agents.rows]
        forms = [exam._paper.forms[row] for row in rows]
        most = np.array([f.options if isinstance(f, Letter) else 0 for f in forms])
        drawn = o.random.uniform() * most
        words = [chr(ord("A") + int(code)) for code in drawn]
        return Answers(_column(words), np.where(most > 0, Outcome.ACTED, Outcome.ABSTAINED))

    return draw


def _gold(exam: Exam) -> Any:
    def know(o: Observation) -> Answers:
        """Answer the gold answer; abstain where only a verifier knows."""
        golds = [exam._paper.items[row].gold for row in exam.items.item[o.agents.rows]]
        known = [gold is not None for gold in golds]
        words = _column([gold or "" for gold in golds])
        return Answers(words, np.where(known, Outcome.ACTED, Outcome.ABSTAINED))

    return know


def _column(values: Sequence[str]) -> NDArray[Any]:
    return np.array(values, dtype=object)


def _shown(values: Sequence[str]) -> Any:
    """Return a column, or the one value that all of them are."""
    return values[0] if len(set(values)) == 1 else _column(values)
