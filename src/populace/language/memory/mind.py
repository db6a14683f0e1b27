"""Memory, reflection and plans around a language mind's decisions."""

from __future__ import annotations

import inspect
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError, PromptError, nearest
from populace.kernel.observation import Observation
from populace.kernel.schema import json_schema
from populace.kernel.spaces import Choice, Number, Text
from populace.language.calls import Calls
from populace.language.distinct import rows
from populace.language.kinds import Remembered
from populace.language.memory.filling import Filled, Filler
from populace.language.memory.memory import Memory
from populace.language.memory.plan import Plan
from populace.language.memory.reflect import Reflect, insights_in, questions_in
from populace.language.model import Label, Message, Request
from populace.language.noting import note_recalled
from populace.language.reading import read
from populace.language.template import Template

if TYPE_CHECKING:
    from populace.language.policy import Language

PARTS: Final = ("observation", "reflection", "planning")
_RATING: Final = Number(1, 10)
_SAID: Final = Text(100_000)


Part = TypeVar("Part", Memory, Reflect, Plan)


def made(part: type[Part], given: Any) -> Part | None:
    """Return a part of the mind, made of its settings if those are given, as in a cast file.

    Raises
    ------
    ParameterError
        For an unknown setting, or anything else.
    """
    if given is None or given is False:
        return None
    if isinstance(given, part):
        return given
    name = part.__name__.lower()
    if given is not True and not isinstance(given, Mapping):
        raise ParameterError(
            f"expected {name} as true, settings or a {part.__name__}, got {given!r:.80}",
            where="Language",
        )
    settings = {} if given is True else dict(given)
    known = list(inspect.signature(part).parameters)
    for key in settings:
        if key not in known:
            raise ParameterError(
                f"{name} has no setting {key!r}; {nearest(key, known)}", where="Language"
            )
    return part(**settings)


class Mind:
    """What a `Language` with a memory does before and after it decides.

    Before: rate what is new, reflect, plan, retrieve, and show what fits as the columns
    ``{memories}`` and ``{plan}``. After: remember what was decided.

    Parameters
    ----------
    language : Language
    memory : Memory, mapping of its settings, or True for the defaults
    reflect : Reflect, mapping, bool or None
    plan : Plan, mapping, bool or None
    without : sequence of str
        Parts switched off, of `PARTS`: without observation, neither what agents hear nor what they
        do is remembered.

    Raises
    ------
    ParameterError
        For an unknown part.
    PromptError
        If the prompts say nothing of what is to be remembered.
    """

    def __init__(
        self, language: Language, memory: Any, reflect: Any, plan: Any, without: Sequence[str]
    ) -> None:
        kept = made(Memory, memory)
        assert kept is not None
        for name in without:
            if name not in PARTS:
                raise ParameterError(
                    f"no part {name!r}; {nearest(name, PARTS)}", where="Language, without"
                )
        if not any(kept.text for kept in language.prompts.memory.values()):
            raise PromptError(
                "the prompts say nothing of what is to be remembered",
                where=language.prompts.where,
                mend='add a table [memory.KIND] with text = "..." for an ask or tell',
            )
        self.language, self.memory, self.without = language, kept, tuple(without)
        self.observes = "observation" not in without
        self.reflect = None if "reflection" in without else made(Reflect, reflect)
        self.plan = None if "planning" in without else made(Plan, plan)
        self.fill = Filler(kept.texts, kept.window)
        self.thinker = _thinker(language, kept.prompts)
        self.counts: Counter[str] = Counter()

    def report(self) -> list[Any]:
        """Return what was done since the last call of this, and what thoughts took."""
        counts, self.counts = self.counts, Counter()
        told: list[Any] = [{"kind": "memory", **counts}] if counts else []
        return told + self.thinker.report()

    # -- hearing and remembering -----------------------------------------------------------------

    def hear(self, observation: Observation) -> None:
        """Remember what agents are told, if the prompts say how."""
        kept = self.language.prompts.memory.get(observation.kind)
        if self.observes and kept is not None and kept.text is not None:
            self._remember(observation, kept, "observation")

    def _remember(self, observation: Observation, kept: Remembered, kind: str) -> None:
        assert kept.text is not None
        index, texts = self._said(observation, kept.text)
        full = np.array([bool(text) for text in texts], np.bool_)
        codes = self.memory.texts.add(texts)
        who = np.flatnonzero(full[index])
        self.memory.remember(
            observation.agents[who], codes[index[who]], observation.tick, kind, kept.importance
        )
        self.counts["remembered"] += len(who)
        for i in observation.noted.tolist():
            if full[index[i]]:
                observation.note(i, "remembered", texts[index[i]])

    def _said(self, observation: Observation, template: Template) -> tuple[NDArray[Any], list[str]]:
        """Return who says the same in the words of a template, and the texts."""
        prompts, n = self.language.prompts, len(observation)
        template.check(observation.columns, f"{prompts.where}, [memory.{observation.kind}]")
        columns: dict[str, tuple[NDArray[Any], list[str]]] = {}
        for name in template.names:
            value = observation[name]
            if isinstance(value, np.ndarray) and value.ndim:
                columns[name] = prompts.wording_of(name).code(value)
            else:
                columns[name] = np.zeros(n, np.uint8), [prompts.wording_of(name).one(value)]
        index, first = rows([(codes, len(words)) for codes, words in columns.values()], n)
        texts = [
            template.fill({name: words[codes[i]] for name, (codes, words) in columns.items()})
            for i in first.tolist()
        ]
        return index, [text.strip() for text in texts]

    def _own(self, observation: Observation, answers: Answers) -> None:
        """Remember what agents decided, if the prompts say how."""
        kept = self.language.prompts.memory.get(observation.kind)
        who = np.flatnonzero(np.asarray(answers.outcome) == Outcome.ACTED)
        if not self.observes or kept is None or kept.text is None or not len(who):
            return
        space = observation.space
        numbers, labels = space.part(who).record(space.take(answers.values, who))
        if isinstance(space, Choice):
            said = dict(zip(space.options, self._options(observation), strict=True))
            labels = [said[label] for label in labels if label is not None]
        answer = column([a if b is None else b for a, b in zip(numbers, labels, strict=True)])
        self._remember(observation.asked(who, "", answer=answer), kept, "action")

    def _options(self, observation: Observation) -> list[str]:
        space = observation.space
        assert isinstance(space, Choice)
        return self.language.prompts.kind(observation.kind).wordings(space.options)

    # -- deciding --------------------------------------------------------------------------------

    async def act(self, observation: Observation) -> Answers:
        """Decide with what comes to mind."""
        for name in ("memories", "plan"):
            if name in observation:
                raise PromptError(
                    f"the world shows a column {name!r}, which is what the memory fills in",
                    where=f"Language, {observation.kind!r}",
                    mend="call the world's column otherwise",
                )
        language, n = self.language, len(observation)
        if not n:
            return await language.decide(observation.asked(np.arange(0), "", memories="", plan=""))
        store, agents = self.memory.of(observation.agents.population), observation.agents
        await self._rate(observation)
        query, queries, people = self._queries(observation)
        if self.reflect is not None:
            due = np.flatnonzero(store.unthought[agents.rows] >= self.reflect.threshold)
            if len(due):
                await self._reflect(observation, due, people, self.reflect)
        if self.plan is not None:
            due = np.flatnonzero(self._must_plan(observation, self.plan))
            if len(due):
                await self._plan(observation, due, people, queries, query)
        shows = language.prompts.kind(observation.kind).own
        none = np.zeros((n, 0), np.int32)
        codes, order = none, none
        if "memories" in shows:
            found = self.memory.recall(agents, queries, query, observation.tick)
            codes, order = found.text, found.number
            self.counts["retrieved"] += int((codes >= 0).sum())
        plans = store.plan[agents.rows] if "plan" in shows else np.full(n, -1, np.int32)
        filled = self.fill(language, observation, codes, order, plans)
        self._note(filled)
        note_recalled(observation, self.memory.texts, plans, codes, order, filled.kept)
        answers = await self._decided(filled)
        self._own(observation, answers)
        return answers

    async def _decided(self, filled: Filled) -> Answers:
        """Ask those whose prompt fits; the others fail."""
        if filled.fits.all():
            return await self.language.decide(filled.observation)
        space, fits = filled.observation.space, np.flatnonzero(filled.fits)
        values, outcome = space.empty(len(filled.fits)), np.full(len(filled.fits), Outcome.FAILED)
        tokens = np.zeros(len(filled.fits), np.int64)
        if len(fits):
            some = await self.language.decide(filled.observation.part(fits))
            space.put(values, fits, some.values)
            outcome[fits] = some.outcome
            tokens[fits] = 0 if some.tokens is None else some.tokens
        return Answers(values, outcome, tokens=tokens)

    def _note(self, filled: Filled, language: Language | None = None) -> None:
        self.counts["left_out"] += filled.left_out
        asker, observation = (language or self.language)._asker, filled.observation
        for tokens, messages, agents in filled.too_long:
            self.counts["too_long"] += agents
            why = f"{tokens} tokens with the reply, more than the window of {self.memory.window}"
            request = Request(messages=messages)
            asker._fail(observation, Outcome.FAILED, agents, request, "", why)

    def _queries(self, observation: Observation) -> tuple[NDArray[Any], list[str], list[str]]:
        """Return whose query is which, the queries, and each agent's persona in words."""
        prompts = self.language.prompts
        prompt, kept = prompts.kind(observation.kind), prompts.memory.get(observation.kind)
        blank = observation.asked(np.arange(len(observation)), "", memories="", plan="")
        self.language.validate(blank)
        found = prompts.distinct(blank)
        people = prompts.personas(prompt, found.columns, len(found))
        whose = [people[i] for i in found.index.tolist()] if any(people) else [""] * len(blank)
        if kept is not None and kept.query is not None:
            return *self._said(observation, kept.query), whose
        rendered = prompts.render(blank, found)
        return found.index, [" ".join(text.split()) for text in rendered.texts], whose

    # -- thinking --------------------------------------------------------------------------------

    async def _rate(self, observation: Observation) -> None:
        """Have the model rate what is new to these agents, each text once."""
        memory, store = self.memory, self.memory.of(observation.agents.population)
        if memory.importance != "model":
            return
        row, slot = store.unrated(observation.agents.rows)
        codes = store.text[row, slot]
        new = [code for code in np.unique(codes).tolist() if code not in memory.rated]
        if new:
            thinker, kind = self.thinker, "importance"
            prompts, model = thinker.prompts, thinker.model
            prompt = prompts.kind(kind)
            schema = json_schema(_RATING)
            head = prompt.shared.fill({"schema": json.dumps(schema), "options": ""})
            requests = [
                Request(
                    messages=(
                        Message("system", head),
                        Message("user", prompt.agent.fill({"memory": memory.texts[code]})),
                    ),
                    max_tokens=prompt.max_tokens,
                    temperature=0.0,
                    schema=schema if model.capabilities.schema else None,
                    label=Label(None, kind, observation.tick),
                )
                for code in new
            ]
            room = memory.window - prompt.max_tokens
            asked = [i for i, r in enumerate(requests) if model.count_tokens(r.messages) <= room]
            asker = thinker._asker
            calls = Calls(model, asker.resources, kind, asker.booked_as, asker.timeout)
            replies = await calls.generate([requests[i] for i in asked], [1] * len(asked))
            found = dict.fromkeys(new, math.nan)
            for i, answered in zip(asked, replies, strict=True):
                text = "" if answered.answer is None else answered.answer.text
                told: Any = read(text, _RATING)
                if type(told) in (int, float) and 1 <= told <= 10:
                    found[new[i]] = float(told)
            memory.rated.update(found)
            self.counts["rated"] += len(new)
            self.counts["unrated"] += sum(math.isnan(x) for x in found.values())
        rated = np.array([memory.rated[code] for code in codes.tolist()], np.float64)
        good = ~np.isnan(rated)
        store.rate(row[good], slot[good], rated[good])

    def _asked(
        self, observation: Observation, who: NDArray[Any], kind: str, draws: str, **columns: Any
    ) -> Observation:
        """Return what some agents are asked beside the world's question."""
        asked = observation.asked(who, draws, _SAID, **columns)
        asked.kind = kind
        return asked

    async def _thought(self, filled: Filled) -> list[str]:
        """Return what the model answered each agent, nothing where it did not."""
        self._note(filled, self.thinker)
        said, fits = [""] * len(filled.fits), np.flatnonzero(filled.fits)
        if len(fits):
            answers = await self.thinker.decide(filled.observation.part(fits))
            for i, text, outcome in zip(
                fits.tolist(), answers.values, np.asarray(answers.outcome).tolist(), strict=True
            ):
                said[i] = text if outcome == Outcome.ACTED else ""
        return said

    async def _reflect(
        self, observation: Observation, who: NDArray[Any], people: list[str], reflect: Reflect
    ) -> None:
        memory, agents = self.memory, observation.agents[who]
        store = memory.of(agents.population)
        store.unthought[agents.rows] = 0
        self.counts["reflecting"] += len(who)
        persona = column([people[i] for i in who.tolist()])
        width = store.number.shape[1]
        slot = store.count[agents.rows, None] - 1 - np.arange(min(reflect.recent, width))
        there, place = slot >= 0, (agents.rows[:, None], np.maximum(slot, 0))
        codes = np.where(there, store.text[place], -1).astype(np.int32)
        order = np.where(there, store.number[place], -1).astype(np.int32)
        asked = self._asked(
            observation, who, "questions", "reflect", person=persona, count=reflect.questions
        )
        replies = await self._thought(self.fill(self.thinker, asked, codes, order))
        raised = [questions_in(reply, reflect.questions) for reply in replies]
        drawn: list[tuple[int, str, tuple[int, ...]]] = []  # kept when all questions are through
        for q in range(reflect.questions):
            here = np.array([i for i, lines in enumerate(raised) if len(lines) > q], np.intp)
            if not len(here):
                break
            question = [raised[i][q] for i in here.tolist()]
            queries = list(dict.fromkeys(question))
            place_of = {text: i for i, text in enumerate(queries)}
            found = memory.recall(
                agents[here], queries, np.array([place_of[text] for text in question]),
                observation.tick, reflect.evidence,
            )  # fmt: skip
            asked = self._asked(
                observation, who[here], "insights", f"reflect/{q}", person=persona[here],
                question=column(question), count=reflect.insights,
            )  # fmt: skip
            filled = self.fill(self.thinker, asked, found.text, found.number, numbered=True)
            for i, reply in enumerate(await self._thought(filled)):
                shown = np.sort(found.number[i][filled.kept[i]]).tolist()
                insights, unfounded = insights_in(reply, len(shown), reflect.insights)
                self.counts["unfounded"] += unfounded
                for text, places in insights:
                    observation.note(int(who[here[i]]), "insight", text)
                    drawn.append((int(here[i]), text, tuple(shown[p] for p in places)))
        drawn.sort(key=lambda told: told[0])
        if drawn:
            clean = self.thinker.prompts.wording_of("insight").clean
            whose = np.array([i for i, _, _ in drawn], np.intp)
            numbers = memory.remember(
                agents, [clean(text) for _, text, _ in drawn], observation.tick, "reflection",
                which=whose,
            )  # fmt: skip
            ids = agents.ids[whose].tolist()
            for id, number, (_, _, of) in zip(ids, numbers.tolist(), drawn, strict=True):
                store.rest_on(id, number, of)
            self.counts["reflections"] += len(drawn)
            await self._rate(observation)

    def _must_plan(self, observation: Observation, plan: Plan) -> NDArray[np.bool_]:
        store, rows_ = self.memory.of(observation.agents.population), observation.agents.rows
        due = store.plan[rows_] < 0
        if plan.every is not None:
            due |= observation.tick - store.planned[rows_] >= plan.every
        if plan.surprise is not None:
            due |= store.surprised(rows_, plan.surprise)
        return due

    async def _plan(
        self, observation: Observation, who: NDArray[Any], people: list[str],
        queries: list[str], query: NDArray[Any],
    ) -> None:  # fmt: skip
        memory, agents = self.memory, observation.agents[who]
        store = memory.of(agents.population)
        before = store.plan[agents.rows]
        found = memory.recall(agents, queries, query[who], observation.tick)
        asked = self._asked(
            observation, who, "plan", "plan", person=column([people[i] for i in who.tolist()]),
            before=column([memory.texts[c] if c >= 0 else "none" for c in before.tolist()]),
            situation=column([queries[i] for i in query[who].tolist()]),
        )  # fmt: skip
        replies = await self._thought(self.fill(self.thinker, asked, found.text, found.number))
        clean = self.language.prompts.wording_of("plan").clean
        said = [clean(reply) for reply in replies]
        made = np.array([bool(text) for text in said], np.bool_)
        rows_ = agents.rows[made]
        store.plan[rows_] = memory.texts.add([text for text in said if text])
        store.planned[rows_], store.knew[rows_] = observation.tick, store.next[rows_]
        self.counts["planned"] += len(rows_)

    # -- keeping ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what is remembered, and what the thinking part keeps."""
        return {"memory": self.memory.state(), "thinker": self.thinker.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.memory.restore(state["memory"])
        self.thinker.restore(state["thinker"])

    def describe(self) -> dict[str, Any]:
        """Return the settings, for a manifest."""
        return {
            "memory": {**self.memory.describe(), "prompts": self.thinker.prompts.digest},
            "reflect": None if self.reflect is None else vars(self.reflect),
            "plan": None if self.plan is None else vars(self.plan),
            "without": list(self.without),
        }


def _thinker(language: Language, prompts: Any) -> Language:
    """Return a language mind with other prompts that samples as this one does."""
    names = ("draws", "precision", "temperature", "timeout")
    settings: dict[str, Any] = {name: language._settings[name] for name in names}
    return type(language)(language.model, prompts, name=language._asker.name, **settings)
