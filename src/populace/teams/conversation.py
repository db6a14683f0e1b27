"""One question at work: who is asked what, each member's conversation, and what was committed.

This is the `Members` that a structure sees. It prepares asks and keeps what came of them; sending
them is the runtime's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import Outcome
from populace.kernel.errors import ParameterError, PolicyError
from populace.kernel.schema import json_schema
from populace.kernel.spaces import Choice, Record, Space, Text
from populace.kernel.streams import Stream
from populace.language.forms.choice import Choice as OneOf
from populace.language.model import Label, Message, Request
from populace.teams.calling import Heard, Tally
from populace.teams.interface import Question, Said
from populace.teams.prompting import Peers, Prompt, safe, words
from populace.teams.reading import Form, SpaceForm, as_json, confidence, marked, typed

if TYPE_CHECKING:
    from populace.kernel.budget import Budget
    from populace.teams.runtime import Work

_EMPTY: Mapping[str, Any] = {}


@dataclass(slots=True)
class Ask:
    """One member asked once: what is sent, and what came back."""

    member: int
    turn: int
    sample: int
    space: Space | None
    prompt: Prompt
    sees: tuple[int, ...]
    peers: str
    columns: Mapping[str, Any]
    temperature: float | None = None
    asked: str = ""
    request: Request | None = None
    times: int = 0  # how often before in this conversation
    nth: int = 0  # how often before at all, of this sample
    said: Said | None = None
    choices: tuple[str, ...] = ()  # scored by the model, where its words are not asked for


class Item:
    """The members of a team at work on one question (see `Members`).

    Parameters
    ----------
    work : Work
    index : int
        Place of the agent in the observation.
    question : Question
    form : Form
        Of the question's answer.
    seed : int
        Of all draws by models for this question.
    budget : Budget or None
    """

    __slots__ = (
        "_answers",
        "_asked",
        "_forms",
        "_histories",
        "_rounds",
        "_streams",
        "_turns",
        "_words",
        "budget",
        "form",
        "index",
        "inner",
        "known",
        "pending",
        "question",
        "rounds",
        "seed",
        "tally",
        "work",
    )

    def __init__(
        self,
        work: Work,
        index: int,
        question: Question,
        form: Form,
        seed: int,
        budget: Budget | None,
    ) -> None:
        self.work, self.index, self.question = work, index, question
        self.form, self.seed, self.budget = form, seed, budget
        self.tally = Tally()
        self.known: dict[Any, Heard] = {}  # what models said, where no store keeps it
        self.inner: list[Any] = []  # transcript rows of members that are teams
        self.pending = 0  # asks that wait for the runtime's next wave
        self.rounds = 0
        self._rounds: dict[int, list[Ask]] = {}
        self._histories: dict[tuple[int, int], tuple[Message, ...]] = {}
        self._turns: dict[tuple[int, int], int] = {}
        self._asked: dict[tuple[int, int], int] = {}
        self._answers: dict[Any, Any] = {}
        self._streams: dict[str, Stream] = {}
        self._words: dict[str, str] | None = None
        self._forms: dict[int, tuple[Space, str]] = {}

    # -- what a structure uses -------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.work.seats)

    @property
    def names(self) -> Sequence[str]:
        """Name of each member."""
        return self.work.names

    async def ask(
        self,
        prompt: str = "answer",
        *,
        to: Sequence[int] | int | None = None,
        space: Space | None = None,
        sees: Sequence[Said] | Mapping[int, Sequence[Said]] = (),
        sample: int | Sequence[int] = 0,
        fresh: bool = False,
        temperature: float | None = None,
        **columns: Any,
    ) -> list[Said]:
        """See `Members.ask`."""
        number, self.rounds = self.rounds, self.rounds + 1
        asks = self._prepared(prompt, number, to, space, sees, sample, fresh, temperature, columns)
        if not asks:
            return []
        await self.work.carry_out(self, number, asks)
        self._commit(number, asks)
        return [ask.said for ask in asks if ask.said is not None]

    def hand_over(self, old: int, new: int) -> None:
        """See `Members.hand_over`."""
        for kept in (self._histories, self._turns):
            held: dict[tuple[int, int], Any] = kept
            own = {sample: held[m, sample] for m, sample in held if m == old}
            for key in [key for key in held if key[0] == new]:
                del held[key]
            held.update({(new, sample): what for sample, what in own.items()})

    def random(self, name: str) -> Stream:
        """See `Members.random`."""
        if name not in self._streams:
            self._streams[name] = self.work.stream(name, self.index)
        return self._streams[name]

    def left(self) -> Mapping[str, float]:
        """See `Members.left`."""
        if self.budget is None:
            return {}
        left = self.budget.left
        amounts = {m: getattr(left, m) for m in ("tokens", "calls", "usd", "seconds")}
        return {measure: held for measure, held in amounts.items() if held is not None}

    def said(self) -> Sequence[Said]:
        """See `Members.said`."""
        return [ask.said for asks in self.committed() for ask in asks if ask.said is not None]

    def committed(self) -> list[list[Ask]]:
        """Return the asks of every committed round, in order."""
        return [self._rounds[number] for number in sorted(self._rounds)]

    def answers(self, ask: Ask) -> bool:
        """Whether an ask is for an answer to the question itself."""
        if isinstance(ask.space, Record) and "answer" in ask.space.fields:
            return True
        return ask.space is None or ask.space is self.question.space

    # -- asking ----------------------------------------------------------------------------------

    def _prepared(
        self,
        name: str,
        number: int,
        to: Sequence[int] | int | None,
        space: Space | None,
        sees: Sequence[Said] | Mapping[int, Sequence[Said]],
        sample: int | Sequence[int],
        fresh: bool,
        temperature: float | None,
        columns: Mapping[str, Any],
    ) -> list[Ask]:
        n = len(self.work.seats)
        who = range(n) if to is None else (to,) if isinstance(to, int) else to
        samples = [sample] * len(who) if isinstance(sample, int) else list(sample)
        if (
            len(samples) != len(who)
            or any(not 0 <= m < n for m in who)
            or min(samples, default=0) < 0
        ):
            raise ParameterError(
                f"expected members of 0..{n - 1} and a sample >= 0 for each, "
                f"got to={list(who)}, sample={samples}",
                where=f"ask {name!r}",
            )
        if space is None and isinstance(self.question.space, Record):
            space = self.question.space
        own = self._own_columns(columns)
        plain = columns if own is None else {}
        names = self.work.columns if not columns else self.work.columns.union(columns)
        prompt = self.work.wordings.prompt(name, names, bool(sees))
        fill = self._fields(space, plain)
        told: dict[int, str] = {}
        heard = Peers(self.names, prompt)
        everyone = None if isinstance(sees, Mapping) else tuple(sees)
        asks, turns, times = [], self._turns, self._asked
        for turn, (member, one) in enumerate(zip(who, samples, strict=True)):
            others = everyone
            if others is None:
                assert isinstance(sees, Mapping)
                others = tuple(sees.get(member, ()))
            peers = told.get(member)
            if peers is None:
                peers = told[member] = heard.shown(others, member)
            extra = plain if own is None else {**plain, **own[member]}
            ask = Ask(
                member,
                turn,
                one,
                space,
                prompt,
                tuple(s.member for s in others if s.member != member),
                peers,
                extra,
                temperature,
                times=0 if fresh else turns.get((member, one), 0),
                nth=times.get((member, one), 0),
            )
            self._word(ask, fill if own is None else self._fields(space, extra), number, fresh)
            asks.append(ask)
        for ask in asks:
            turns[ask.member, ask.sample] = ask.times + 1
            times[ask.member, ask.sample] = ask.nth + 1
        return asks

    def _own_columns(self, columns: Mapping[str, Any]) -> dict[int, dict[str, Any]] | None:
        """Return each member's columns, if some are given by member."""
        if not any(isinstance(value, Mapping) for value in columns.values()):
            return None
        own: dict[int, dict[str, Any]] = {}
        for member in range(len(self)):
            own[member] = {
                column: value.get(member, "") if isinstance(value, Mapping) else value
                for column, value in columns.items()
            }
        return own

    def _fields(self, space: Space | None, columns: Mapping[str, Any]) -> dict[str, str]:
        """Return the words of all fields but the peers."""
        if self._words is None:
            self._words = {
                **self.work.words(self.index),
                "question": self.question.text,
                "instruction": self.form.instruction,
            }
        if space is None and not columns:
            return dict(self._words)
        fields = {**self._words, **{c: safe(words(v, 1, c)[0]) for c, v in columns.items()}}
        if space is not None:
            fields["instruction"] = self._instruction(space)
        return fields

    def _instruction(self, space: Space) -> str:
        kept = self._forms.get(id(space))
        if kept is None or kept[0] is not space:
            said = SpaceForm(space).instruction
            if (
                isinstance(space, Record)
                and isinstance(space.fields.get("answer"), Text)
                and not isinstance(self.form, SpaceForm)
            ):
                said += f" In the field answer: {self.form.instruction}"
            kept = self._forms[id(space)] = space, said
        return kept[1]

    def _word(self, ask: Ask, fields: dict[str, str], number: int, fresh: bool) -> None:
        """Put the ask into words, and into a request where the member is a model."""
        seat, prompt = self.work.seats[ask.member], ask.prompt
        if not seat.reads:
            return
        fields["peers"] = ask.peers
        ask.asked = prompt.text.fill(fields)
        key = ask.member, ask.sample
        if fresh:
            self._histories.pop(key, None)
        history = self._histories.get(key, ())
        if not history and prompt.system.text:
            history = (Message("system", prompt.system.fill(fields)),)
            self._histories[key] = history
        messages = (*history, Message("user", ask.asked))
        if seat.model is None:
            ask.asked = "\n\n".join(message.content for message in messages)
            return
        team = self.work.team
        if team.scored and seat.model.capabilities.score:
            ask.choices = self._options(ask.space)
        typed_schema = ask.space is not None and seat.model.capabilities.schema
        heats = (ask.temperature, prompt.temperature, team.temperature)
        ask.request = Request(
            messages=messages,
            stop=prompt.stop,
            max_tokens=prompt.max_tokens or team.max_tokens,
            temperature=next(heat for heat in heats if heat is not None),
            schema=json_schema(ask.space)
            if typed_schema and isinstance(ask.space, Record)
            else None,
            seed=self.seed,
            sample=ask.sample * seat.copies + seat.copy,
            label=Label(
                self.question.agent,
                prompt.name,
                self.question.tick,
                number,
                None if len(messages) > 2 else self._exam_item(ask),
            ),
        )

    def _options(self, space: Space | None) -> tuple[str, ...]:
        """Return what a closed answer may be, nothing where it is open."""
        closed = self.form if space is None else space
        if isinstance(closed, SpaceForm):
            closed = closed.space
        return closed.options if isinstance(closed, (Choice, OneOf)) else ()

    def _exam_item(self, ask: Ask) -> str | None:
        """Return the exam item whose question is asked, if that is all that is asked."""
        item = self.question.columns.get("item")
        alone = ask.prompt.name == "answer" and not (ask.peers or ask.columns or ask.space)
        return str(item) if alone and isinstance(item, str) else None

    # -- what came of it -------------------------------------------------------------------------

    def read(
        self,
        ask: Ask,
        number: int,
        text: str,
        tokens_in: int = 0,
        tokens_out: int = 0,
        sure: float | None = None,
    ) -> Said:
        """Return what a member wrote as an answer, or as an invalid one; `sure` if it is known."""
        space, prompt = ask.space, ask.prompt
        answer: Any
        fields: Mapping[str, Any] = _EMPTY
        if isinstance(space, Record):
            found = typed(text, space)
            answer = None
            if found is not None:
                fields = found
                answer = self._typed_answer(found, space)
                sure = _stated(found, space)
        else:
            whole = text
            if prompt.fields:
                fields = marked(text, prompt.fields)
                whole = str(fields.get("answer", text))
                told = confidence(fields.get("confidence"), prompt.fields.get("confidence"))
                sure = told if sure is None else sure
            form = self.form if space is None else SpaceForm(space)
            answer = form.extract(whole)
            if space is None:
                answer = self._first_of(answer)
        outcome = Outcome.INVALID if answer is None else Outcome.ACTED
        return Said(ask.member, number, text, answer, outcome, sure, fields, tokens_in, tokens_out)

    def silent(
        self,
        ask: Ask,
        number: int,
        outcome: Outcome,
        text: str = "",
        tokens_in: int = 0,
        tokens_out: int = 0,
    ) -> Said:
        """Return that a member gave no answer, and why."""
        return Said(
            ask.member, number, text, None, outcome, tokens_in=tokens_in, tokens_out=tokens_out
        )

    def _typed_answer(self, found: Mapping[str, Any], space: Record) -> Any:
        if "answer" not in found or space is self.question.space:
            return as_json(found)
        answer = found["answer"]
        if isinstance(space.fields["answer"], Text) and isinstance(self.question.space, Text):
            return self._first_of(self.form.extract(answer))
        return as_json(answer) if isinstance(answer, Mapping) else answer

    def _first_of(self, answer: Any) -> Any:
        """Return the first answer to this question that is the same, so that votes can use ==."""
        if answer is not None and answer not in self._answers:
            same = (one for one in self._answers if self.form.same(one, answer))
            self._answers[answer] = next(same, answer)
        return self._answers.get(answer, answer)

    def _commit(self, number: int, asks: list[Ask]) -> None:
        """Keep a round: conversations go on in the members' order."""
        self._rounds[number] = asks
        for ask in asks:
            said = ask.said
            if said is None:
                raise PolicyError("a member was not asked", where=f"round {number}")
            spoke = said.outcome in (Outcome.ACTED, Outcome.INVALID)
            if not (spoke and self.work.seats[ask.member].reads):
                continue  # what was not answered is not said again either
            key = ask.member, ask.sample
            before = (
                ask.request.messages
                if ask.request is not None
                else (*self._histories.get(key, ()), Message("user", ask.asked))
            )
            self._histories[key] = (*before, Message("assistant", said.text))


def _stated(found: Mapping[str, Any], space: Record) -> float | None:
    stated = space.fields.get("confidence")
    if stated is None:
        return None
    low, high = getattr(stated, "low", None), getattr(stated, "high", None)
    bounds = None if low is None or high is None else (float(low), float(high))
    return confidence(found["confidence"], bounds)


def put(asks: Sequence[Ask]) -> tuple[list[Request], list[tuple[str, ...]]]:
    """Return what is put to a model: requests, and the choices that are scored for each."""
    return [ask.request for ask in asks if ask.request], [ask.choices for ask in asks]
