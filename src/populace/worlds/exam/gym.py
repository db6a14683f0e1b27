"""Live items of reasoning-gym: procedural puzzles with verifiers, as many as wanted, offline."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from populace.kernel.errors import ParameterError, PopulaceError, nearest
from populace.language.forms import Choice
from populace.language.worker import Worker, WorkerFailed
from populace.worlds.exam.item import Item


class ReasoningGym:
    """Items of reasoning-gym (Stojanovski et al. 2025), made from a seed, scored by its verifiers.

    The family of an item is its task. Answers are read verbatim, between ``<answer>`` tags as that
    package asks for them, and scored by the task's own ``score_answer`` in a process of its own;
    the global random states of this process are not touched.

    Parameters
    ----------
    tasks : sequence of str
        Names as in reasoning-gym; ``["all"]`` are all that can be built without a config.
    size : int
        Items of each task.
    seed : int
    config : mapping, optional
        Of the tasks: ``{"leg_counting": {"max_animals": 5}}``.
    choices : mapping, optional
        What the answers of a task may be, ``{"syllogism": ["Yes", "No"]}``: its items have the form
        ``choice``, so that models can be asked to score the options.

    Raises
    ------
    ParameterError
        Without the extra ``exams``; for an unknown task (with the nearest name), an impossible
        size, or a task that cannot be built.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        size: int = 50,
        seed: int = 0,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if importlib.util.find_spec("reasoning_gym") is None:
            raise ParameterError(
                "needs the package reasoning-gym",
                where="reasoning-gym",
                mend="pip install 'populace[exams]'",
            )
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ParameterError(f"expected a size of 1 or more, got {size!r}")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise ParameterError(f"expected a seed from 0 to 2**32 - 1, got {seed!r}")
        tasks = [tasks] if isinstance(tasks, str) else list(tasks)
        known = task_names()
        if tasks == ["all"]:
            tasks = [name for name in known if name != "composite"]  # which is made of others
        self.config = {name: dict(of) for name, of in (config or {}).items()}
        self.forms = {name: Choice(options) for name, options in (choices or {}).items()}
        for name in (*tasks, *self.config, *self.forms):
            if name not in known:
                raise ParameterError(
                    f"no task {name!r}; {nearest(name, known)}", where="reasoning-gym"
                )
        if not tasks or len(set(tasks)) != len(tasks):
            raise ParameterError("expected tasks, each once", where="reasoning-gym")
        self.tasks, self.size, self.seed = tasks, size, seed

    def items(self) -> Sequence[Item]:
        """Return `size` items of each task."""
        return [self._item(task, i) for task in self.tasks for i in range(self.size)]

    def _item(self, task: str, index: int) -> Item:
        about = {
            "task": task,
            "size": self.size,
            "seed": self.seed,
            "config": self.config.get(task, {}),
            "index": index,
        }
        try:
            question, gold, category = _worker().ask({"do": "item", **about})
        except WorkerFailed as error:
            raise ParameterError(
                f"item {index} could not be made: {error.what}", where=f"task {task!r}"
            ) from error
        except PopulaceError as error:
            raise ParameterError(error.what, where="reasoning-gym") from error
        return Item(
            f"{task}/{self.seed}/{index}",
            question,
            self.forms.get(task, "verbatim"),
            gold,
            task,
            category,
            partial(_score, about),
        )


def _score(about: Mapping[str, Any], answer: str) -> float:
    score: float = _worker().ask({"do": "score", **about, "answer": answer})
    return min(max(score, 0.0), 1.0)


@cache
def _worker() -> Worker:
    return Worker("populace.worlds.exam.gym_worker", seconds=20.0)


@cache
def task_names() -> tuple[str, ...]:
    """Return the names of reasoning-gym's tasks."""
    return tuple(_worker().ask({"do": "names"}))
