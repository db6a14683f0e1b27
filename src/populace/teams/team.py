"""`Team`: a policy whose answer is worked out among members by a structure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.budget import Budget
from populace.kernel.errors import ParameterError, nearest
from populace.kernel.observation import Observation
from populace.kernel.policy import closed, function_name
from populace.kernel.spaces import Space, Text
from populace.language.asking import Failure
from populace.language.prompts import Prompts
from populace.language.reading import raw_column
from populace.teams.interface import Structure, Verdict
from populace.teams.prompting import Wordings
from populace.teams.reading import Form, raw_value
from populace.teams.runtime import COUNTS, Work
from populace.teams.seats import seated
from populace.teams.transcript import COLUMNS, Row

if TYPE_CHECKING:
    from populace.kernel.resources import Resources
    from populace.language.model import LanguageModel
    from populace.teams.calling import Heard
    from populace.teams.conversation import Ask, Item
    from populace.teams.seats import Seat

_KEPT = 100  # failures kept for reading


class Team:
    """Members decide together, by a structure.

    Every agent's question is worked on by itself, all of them concurrently. A policy like any
    other: it can be cast, be a fallback, and be a member of another team.

    Parameters
    ----------
    members : sequence, or mapping of name to member
        Each a `LanguageModel` or the name of one (see `open_model`), a `Policy` or function of an
        observation, or another `Team`. Members with the same model answer by different samples.
    structure : function or str
        ``async def structure(members, question, **settings)``, or a registered name (entry points
        ``populace.structures``).
    prompts : path, mapping or Prompts, optional
        How the world's columns become the question, as for `Language`. By default the world's
        column ``question``, or a list of what it shows.
    wording : path or mapping, optional
        Tables ``[prompt.NAME]`` in place of the structure's own prompts.
    form : str or form, optional
        How answers are written and compared; by default the world's column ``form``, or the action
        space itself.
    budget : mapping, optional
        What one item may cost, of tokens, calls, usd, seconds. It counts what the method costs
        where nothing is stored, so that a replay ends where the first run ended.
    name : str
        In ledgers and transcripts where there is no cast.
    in_flight : int
        Most items at work at once.
    transcripts : int
        Of how many items of a run the transcript is kept, the first ones.
    temperature, max_tokens : number
        Of calls, where the prompt says nothing.
    timeout : float, optional
        Seconds until a call is cancelled.
    scored : bool
        Where an answer is one of some options (`Choice`, or the form ``choice``), models that score
        are asked for the probability of each instead of a reply: the answer is drawn from them at
        `temperature`, and its probability is its confidence.
    **settings
        Of the structure.

    Raises
    ------
    ParameterError
        For an impossible setting, or one that the structure does not take.
    RegistryError, PromptError, CastError, ModelError
        If the structure is not registered, prompts cannot be read, or a member is none.
    """

    def __init__(
        self,
        members: Sequence[Any] | Mapping[str, Any],
        structure: Structure | str,
        *,
        prompts: Prompts | Mapping[str, Any] | str | Path | None = None,
        wording: Mapping[str, Any] | str | Path | None = None,
        form: Form | str | None = None,
        budget: Mapping[str, float] | None = None,
        name: str = "team",
        in_flight: int = 1000,
        transcripts: int = 1000,
        temperature: float = 1.0,
        max_tokens: int = 1024,
        timeout: float | None = None,
        scored: bool = False,
        **settings: Any,
    ) -> None:
        if isinstance(structure, str):
            from populace.kernel.registry import load

            structure = load("structure", structure)
        if not callable(structure):
            raise ParameterError(f"expected a structure, got {structure!r:.80}", where="Team")
        self.structure: Callable[..., Any] = structure
        self.structure_name = function_name(structure).split(":")[0]
        self.seats: tuple[Seat, ...] = seated(members)
        self.names = tuple(seat.name for seat in self.seats)
        self.prompts = None if prompts is None else Prompts.load(prompts)
        self.wordings = Wordings(structure, wording)
        self.form, self.name = form, name
        self.limits: dict[str, Any] = dict(budget or {})
        Budget().scope(name, **self.limits)  # refuses an impossible limit
        self.in_flight = _whole(in_flight, 1, "in_flight")
        self.transcripts = _whole(transcripts, 0, "transcripts")
        self.max_tokens = _whole(max_tokens, 1, "max_tokens")
        for what, value in (("temperature", temperature), ("timeout", timeout)):
            if value is not None and not (isinstance(value, (int, float)) and value >= 0):
                raise ParameterError(f"expected {what} of 0 or more, got {value!r}", where="Team")
        self.temperature, self.timeout = float(temperature), timeout
        self.scored = bool(scored)
        self.settings = settings
        _check_settings(structure, settings, self.structure_name)
        self.resources: Resources | None = None
        self._worked: dict[str, dict[str, int]] = {}
        self._untold: list[Failure] = []
        self._told = 0
        self._rows: list[Row] = []
        self._kept = 0

    # -- deciding --------------------------------------------------------------------------------

    async def act(self, observation: Observation) -> Answers:
        """Decide for every agent; see `Policy.act`."""
        path = (self.resources.policy if self.resources is not None else "") or self.name
        keep, self._kept = self.transcripts - self._kept, self._kept + len(observation)
        work = await self.decide(observation, None, path, keep)
        for said in work.rows:
            self._rows += said
        answers = answered(work.decided, observation.space)
        answers.tokens = np.array(work.tokens, np.int64).reshape(-1, 2).sum(axis=1)
        return answers

    async def decide(
        self,
        observation: Observation,
        budgets: Sequence[Budget | None] | None,
        path: str,
        transcripts: int = 0,
    ) -> Work:
        """Work on every agent's question; the parameters are those of `Work`."""
        work = Work(self, observation, budgets, path, transcripts)
        try:
            await work.run()
        finally:
            counts = self._worked.setdefault(observation.kind, dict.fromkeys(COUNTS, 0))
            for name, count in work.counts.items():
                counts[name] += count
        return work

    def note(self, item: Item, ask: Ask, heard: Heard) -> None:
        """Keep a call without an answer for reading."""
        if self._told >= _KEPT or ask.request is None or ask.said is None:
            return
        self._told += 1
        why = f"expected {(ask.space or item.question.space).describe()}"
        if heard.cut:
            why += ", and the reply was cut off at max_tokens"
        if heard.error is not None:
            why = str(heard.error)
        question, outcome = item.question, ask.said.outcome.label
        messages = ask.request.messages
        self._untold.append(
            Failure(question.tick, question.kind, outcome, 0, messages, heard.text, why)
        )

    # -- what a policy may have ------------------------------------------------------------------

    def equip(self, resources: Resources | None) -> None:
        """Take what the simulation gives: stored answers, budget, ledger and prices."""
        self.resources = resources
        if resources is not None:
            models = [model.identity.model for model in self._models()]
            resources.prices.require(models, resources.budget)
            resources.prices.require(models, Budget().scope(self.name, **self.limits))
        for seat in self.seats:
            if equip := getattr(seat.team or seat.policy, "equip", None):
                own = resources
                if resources is not None:
                    own = replace(resources, policy=f"{resources.policy or self.name}/{seat.name}")
                equip(own)

    def start(self, population: Any, streams: Any) -> None:
        """Start the members that are policies."""
        for policy in self._policies():
            if start := getattr(policy, "start", None):
                start(population, streams)

    def hear(self, observation: Observation) -> Any:
        """Let the members that are policies hear."""
        waiting = [
            result
            for policy in self._policies()
            if (hear := getattr(policy, "hear", None)) is not None
            and inspect.isawaitable(result := hear(observation))
        ]
        return _all(waiting) if waiting else None

    async def close(self) -> None:
        """Close the members."""
        for model in self._models():
            await model.close()
        for policy in self._policies():
            await closed(policy)

    def report(self) -> list[Any]:
        """Return what each kind took since the last call of this, and what members report.

        Of a team (of a member that is one, after its name and ``/``): items, calls (answers of
        members), paid (sent to models), rounds, unparsed (answers that were none), ties (drawn
        verdicts), over_budget (items that their budget ended), tokens_in, tokens_out.
        """
        taken, self._worked = self._worked, {}
        told: list[Any] = [{"kind": kind, **counts} for kind, counts in taken.items()]
        for seat in self.seats:
            if seat.team is None:
                continue
            for row in seat.team.report():
                own = {f"{seat.name}/{name}": n for name, n in row.items() if name != "kind"}
                told.append({"kind": row["kind"], **own})
        return [*told, *self._from_members("report")]

    def failed(self) -> list[Any]:
        """Return calls without an answer since the last call of this: the first 100 of the run."""
        taken, self._untold = self._untold, []
        inner = [one for seat in self.seats if seat.team for one in seat.team.failed()]
        return [*taken, *inner, *self._from_members("failed")]

    def transcript(self) -> list[dict[str, Any]]:
        """Return what was said since the last call of this (see `populace.teams.transcript`)."""
        taken, self._rows = self._rows, []
        told = [dict(zip(COLUMNS, row, strict=True)) for row in taken]
        return [*told, *self._from_members("transcript")]

    def replied(self) -> list[Any]:
        """Return what people among the members typed since the last call of this."""
        inner = [one for seat in self.seats if seat.team for one in seat.team.replied()]
        return [*inner, *self._from_members("replied")]

    def state(self) -> dict[str, Any]:
        """Return how many items there have been, and what members keep: a state, or themselves."""
        members = {seat.name: seat.team or seat.policy for seat in self.seats}
        held = {
            name: one.state()
            for name, one in members.items()
            if one is not None and hasattr(one, "state")
        }
        others = {n: one for n, one in members.items() if one is not None and n not in held}
        return {"kept": self._kept, "told": self._told, "members": held, "others": others}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._kept, self._told = state["kept"], state["told"]
        for seat in self.seats:
            if seat.name in state["members"]:
                policy: Any = seat.team or seat.policy
                policy.restore(state["members"][seat.name])

    def describe(self) -> dict[str, Any]:
        """Return members, structure, prompts and settings for the manifest."""
        return {
            "structure": self.structure_name,
            "members": {seat.name: seat.describe() for seat in self.seats},
            "settings": self.settings,
            "prompts": None if self.prompts is None else {"sha256": self.prompts.digest},
            "wording": {"sha256": self.wordings.digest},
            "form": getattr(self.form, "name", self.form),
            "budget": self.limits or None,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "timeout": self.timeout,
            "scored": self.scored,
        }

    def __repr__(self) -> str:
        return f"Team({self.structure_name}, {', '.join(self.names)})"

    def _models(self) -> list[LanguageModel]:
        models = {id(seat.model): seat.model for seat in self.seats if seat.model is not None}
        return list(models.values())

    def _policies(self) -> list[Any]:
        """Return the members that are policies or teams, each once."""
        held = [seat.team or seat.policy for seat in self.seats if seat.model is None]
        return list({id(policy): policy for policy in held}.values())

    def _from_members(self, what: str) -> Iterable[Any]:
        for policy in {id(seat.policy): seat.policy for seat in self.seats if seat.policy}.values():
            yield from getattr(policy, what, list)()


def answered(verdicts: Sequence[Verdict], space: Space) -> Answers:
    """Return verdicts as values of a space, with outcomes; no answer stays none."""
    raws: list[Any] = []
    for verdict in verdicts:
        decided = verdict.outcome in (Outcome.ACTED, Outcome.FALLBACK)
        answer = verdict.answer if decided else None
        if answer is not None and isinstance(space, Text):
            answer = verdict.text or str(answer)
        raws.append(None if answer is None else raw_value(space, answer))
    values, valid = space.check(raw_column(space, raws), len(raws), "Team")
    outcome = np.array([verdict.outcome for verdict in verdicts], np.uint8)
    if valid is not None:
        outcome[(outcome == Outcome.ACTED) & ~valid] = Outcome.INVALID
        outcome[(outcome == Outcome.FALLBACK) & ~valid] = Outcome.INVALID
    return Answers(values, outcome)


def _check_settings(structure: Callable[..., Any], settings: Mapping[str, Any], name: str) -> None:
    signature = inspect.signature(structure)
    try:
        signature.bind(None, None, **settings)
    except TypeError as error:
        known = list(signature.parameters)[2:]
        stray = [key for key in settings if key not in known]
        hint = nearest(stray[0], known) if stray else ""
        raise ParameterError(str(error), where=f"structure {name!r}", mend=hint) from None


def _whole(value: Any, least: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"expected {name} of {least} or more, got {value!r}", where="Team")
    return value


async def _all(waiting: list[Any]) -> None:
    for one in waiting:
        await one
