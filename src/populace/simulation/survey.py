"""What a survey asks, whom, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError
from populace.kernel.spaces import Space
from populace.simulation.timing import Timing

Questions = Mapping[str, tuple[str, Space]]
_OWN = ("id", "policy", "question", "outcome", "value", "label")


@dataclass(frozen=True, kw_only=True)
class Survey(Timing):
    """Questions to agents; as `Simulation(surveys=...)` at times of a run.

    A question is asked as the kind of its name (or as `kind`), with its text in the column
    ``question``. Policies that have nothing to say to it abstain.

    Parameters
    ----------
    name : str
        Names the draws: who is drawn, and how who draws decides.
    at, every, when, again : see `Timing`
    questions : mapping of name to (text, Space)
    who : int, Part, mask, rows or condition, optional
        A number draws so many agents at random; a text is a condition on columns, such as
        ``"age >= 65"``; by default everybody.
    population : str
        Whose agents; the world's only population by default.
    see : sequence of str
        Columns of the population that agents are shown, and that stand in the answers.
    columns : mapping
        What else they are shown: scalars, tuples, arrays with a value a row of the population.
    kind : str
        Ask every question as this kind, so that one prompt ``[kind.KIND]`` with ``{question}``
        serves any question.
    follow : bool
        An interview: questions in order, where each agent remembers the earlier ones and is shown
        its answers, as columns ``answer_NAME`` and, in words, ``interview``. Otherwise the answers
        do not depend on the other questions.
    budget : Budget, optional
        What models may spend on this survey in all; the run's own is not touched.
    answers : AnswerStore or path, optional
        Where answers of models are kept; by default in memory, apart from those of the run.

    Raises
    ------
    ParameterError
        If there is no question, or something is none.
    """

    questions: Questions = field(default_factory=dict)
    who: Any = None
    population: str = ""
    see: Sequence[str] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    follow: bool = False
    budget: Budget | None = None
    answers: Any = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", ", ".join(map(str, self.questions)) or "survey")
        super().__post_init__()
        if not isinstance(self.questions, Mapping) or not self.questions:
            raise ParameterError("expected questions by name", where=self.label)
        for name, question in self.questions.items():
            pair = isinstance(question, tuple) and len(question) == 2
            if not (pair and isinstance(question[0], str) and isinstance(question[1], Space)):
                raise ParameterError(
                    f"expected (text, space), got {question!r:.80}",
                    where=f"{self.label}, question {name!r}",
                    mend='for instance ("How much do you trust them?", Number(0, 10))',
                )
        if isinstance(self.see, str):
            object.__setattr__(self, "see", (self.see,))
        taken = {"question", "interview", *(f"answer_{name}" for name in self.questions)}
        for name in (*self.see, *self.columns):
            if name in taken or name in _OWN:
                raise ParameterError(f"{name!r} is the survey's own column", where=self.label)
        if isinstance(self.who, bool) or (isinstance(self.who, int) and self.who < 1):
            raise ParameterError(f"expected 1 or more agents, got {self.who!r}", where=self.label)

    def describe(self) -> dict[str, Any]:
        """Return time and questions as plain data."""
        asked = {
            name: {"text": text, "space": space.describe()}
            for name, (text, space) in self.questions.items()
        }
        who = self.who if isinstance(self.who, (int, str)) else None
        return {**self.timing(), "questions": asked, "who": who, "follow": self.follow}
