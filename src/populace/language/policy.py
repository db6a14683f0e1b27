"""`Language`: a language model as one kind of mind, for any world and kind of decision."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import ParameterError, PolicyError, PromptError
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.spaces import Choice
from populace.language.asking import Asker, Estimate, Failure
from populace.language.calibrate import (
    BLANKS,
    Calibration,
    Fitted,
    check_calibration,
    content_free,
    tempered,
)
from populace.language.coalesce import (
    Deal,
    deal,
    every_sample,
    kept_apart,
    rotations,
    sampled,
    samples_for,
)
from populace.language.model import LanguageModel, Message
from populace.language.prompts import Distinct, Prompts

if TYPE_CHECKING:
    from populace.kernel.resources import Resources
    from populace.language.memory.mind import Mind


@dataclass(frozen=True)
class Probabilities:
    """The model's probabilities of the options, one row a distinct prompt.

    Attributes
    ----------
    distinct : Distinct
    table : float64 array of shape (m, k)
        Rows sum to 1; a row without an answer holds NaN.
    outcome : uint8 array of shape (m,)
    tokens : int64 array of shape (m,)
        What each took, read and written, in all orders or samples; 0 for those not asked.
    """

    distinct: Distinct
    table: NDArray[np.float64]
    outcome: NDArray[np.uint8]
    tokens: NDArray[np.int64]

    def draw(self, observation: Observation) -> Answers:
        """Return an answer an agent, drawn from its row by its own stream."""
        table = np.where(np.isnan(self.table), 1.0, self.table)  # drawn, and then not used
        index = self.distinct.index
        values = sampled(observation.random, table, index)
        return Answers(values, self.outcome[index], tokens=self.tokens[index])


class Language(Parametric):
    """A language model decides, through prompts over the columns that the world shows.

    Agents that read the same prompt share its calls and never its answer (see
    `populace.language.coalesce`). A call that fails is an outcome (``timeout``, ``refused``,
    ``failed``, ``over_budget``, and ``invalid`` for a reply outside the space), not a decision.
    From a kind without a prompt the policy abstains.

    Parameters
    ----------
    model : LanguageModel or str
        A name is opened as by `populace.language.opening.open_model`, for instance ``embedded``.
    prompts : path, mapping or Prompts
    orders : int or "all"
        In how many orders a choice's options are listed; the probabilities are averaged, which is
        the law of an agent who is shown one of these orders at random.
    calibration : None, "content-free", Fitted, or a mapping of kind to one of these
        Correction of scored choices, see `populace.language.calibrate`.
    draws : int or "auto"
        Most samples that a group of agents with one prompt shares where the model gives no scores;
        "auto" takes as many as `precision` needs.
    precision : float
        Largest standard error that sharing samples may give a group's share of any answer.
    temperature : float
        1 is the model's own distribution, 0 its likeliest answer.
    timeout : float, optional
        Seconds until a call is cancelled.
    name : str
        In the ledger.
    memory : Memory, mapping of its settings, or bool, optional
        Agents remember what the prompts' tables ``[memory.KIND]`` say; prompts may name
        ``{memories}`` and ``{plan}``.
    reflect : Reflect, mapping or bool, optional
    plan : Plan, mapping or bool, optional
    without : sequence of "observation", "reflection", "planning"
        Parts of the memory that are switched off.

    Raises
    ------
    PromptError
        When made, for malformed prompts; at the first ask of a kind, before any call, for prompts
        that do not fit what the world shows and asks.
    ParameterError
        For an impossible setting.
    """

    def __init__(
        self,
        model: Annotated[LanguageModel | str, Parameter("who answers, for instance embedded")],
        prompts: Annotated[
            Prompts | Mapping[str, Any] | str | Path, Parameter("TOML file of prompts")
        ],
        *,
        orders: Annotated[
            int | Literal["all"], Parameter("orders in which options are listed")
        ] = 1,
        calibration: Annotated[
            Calibration | Mapping[str, Calibration], Parameter("correction of scored choices")
        ] = None,
        draws: Annotated[
            int | Literal["auto"], Parameter("most samples that a group shares, without scores")
        ] = "auto",
        precision: Annotated[
            float, Parameter("standard error that sharing samples may give", high=0.5)
        ] = 0.05,
        temperature: Annotated[float, Parameter("1: the model's own distribution", low=0)] = 1.0,
        timeout: Annotated[
            float | None, Parameter("until a call is cancelled", unit="s", low=0)
        ] = None,
        name: Annotated[str, Parameter("in the ledger")] = "language",
        memory: Annotated[Any, Parameter("what agents remember")] = None,
        reflect: Annotated[Any, Parameter("when they reflect")] = None,
        plan: Annotated[Any, Parameter("when they plan")] = None,
        without: Annotated[Sequence[str], Parameter("parts switched off")] = (),
    ) -> None:
        if isinstance(model, str):
            from populace.language.opening import open_model

            model = open_model(model)
        self.model, self.prompts = model, Prompts.load(prompts)
        _check(orders == "all" or _count(orders), "orders", "1 or more, or 'all'", orders)
        _check(draws == "auto" or _count(draws), "draws", "1 or more, or 'auto'", draws)
        _check(_number(temperature) and temperature >= 0, "temperature", ">= 0", temperature)
        _check(timeout is None or (_number(timeout) and timeout > 0), "timeout", "> 0", timeout)
        self.orders, self.temperature = orders, float(temperature)
        self.calibration = check_calibration(calibration, self.prompts.kinds)
        self.most = samples_for(precision) if draws == "auto" else int(draws)
        self._asker = Asker(model, self.prompts, timeout, name)
        self._fitting: set[tuple[Any, ...]] = set()
        self._settings = {
            "orders": orders,
            "calibration": calibration,
            "draws": draws,
            "precision": precision,
            "temperature": temperature,
            "timeout": timeout,
        }
        self.mind: Mind | None = None
        if memory is not None and memory is not False:
            from populace.language.memory.mind import Mind

            self.mind = Mind(self, memory, reflect, plan, without)
        elif reflect or plan or without:
            raise ParameterError("reflect, plan and without need memory=Memory(...)")

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of this policy: model, digest of the prompts, settings."""
        model = asdict(self.model.identity)
        told = {"model": model, "prompts": {"sha256": self.prompts.digest}, **self._settings}
        return told if self.mind is None else {**told, **self.mind.describe()}

    def equip(self, resources: Resources | None) -> None:
        """Take what the simulation gives: stored answers, budget, ledger and prices."""
        if resources is not None:
            resources.prices.require([self.model.identity.model], resources.budget)
        self._asker.resources = resources
        if self.mind is not None:
            self.mind.thinker.equip(resources)

    async def close(self) -> None:
        """Close the model's connections; it opens them again when asked again."""
        await self.model.close()

    @property
    def failures(self) -> deque[Failure]:
        """The last 100 requests without a decision."""
        return self._asker.failures

    def report(self) -> list[Any]:
        """Return what each ask took since the last call of this (`Asked`), and of the memory."""
        taken, self._asker.asked = self._asker.asked, []
        return taken if self.mind is None else [*taken, *self.mind.report()]

    def failed(self) -> list[Failure]:
        """Return failures since the last call of this: the first 100 of the run."""
        taken, self._asker.untold = self._asker.untold, []
        return taken if self.mind is None else taken + self.mind.thinker.failed()

    def state(self) -> dict[str, Any]:
        """Return what changes in a run: fitted corrections, and how many failures were told."""
        kept = {"calibration": dict(self.calibration), "told": self._asker.told}
        return kept if self.mind is None else {**kept, "mind": self.mind.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.calibration = dict(state["calibration"])
        self._asker.told = state["told"]
        if self.mind is not None:
            self.mind.restore(state["mind"])

    # -- deciding --------------------------------------------------------------------------------

    def hear(self, observation: Observation) -> None:
        """Remember what agents are told."""
        if self.mind is not None:
            self.mind.hear(observation)

    async def act(self, observation: Observation) -> Answers:
        if observation.kind not in self.prompts:
            none = np.zeros(len(observation), np.int64)
            return Answers(None, Outcome.ABSTAINED, tokens=none)
        if self.mind is not None:
            return await self.mind.act(observation)
        return await self.decide(observation)

    async def decide(self, observation: Observation) -> Answers:
        """Return the model's decisions on what is shown; `act` without the memory."""
        self.validate(observation)
        if isinstance(observation.space, Choice) and self.model.capabilities.score:
            return (await self.probabilities(observation)).draw(observation)
        space = observation.space
        found, dealt, orders = self._dealt(observation)
        values, outcome, tokens = await self._asker.samples(
            observation, found, dealt, orders, self.temperature
        )
        return Answers(space.take(values, dealt.of), outcome[dealt.of], tokens=tokens[dealt.of])

    def _dealt(self, observation: Observation) -> tuple[Distinct, Deal, list[tuple[int, ...]]]:
        found = self.prompts.distinct(observation, kept_apart(observation.space))
        digests = self._asker.digests(observation, found)
        dealt = deal(observation, found.index, digests, self.most)
        return found, dealt, rotations(observation.space, self.orders)

    def estimate(self, observation: Observation) -> Estimate:
        """Return what `act` on this observation would take, without a call, memories empty.

        Raises
        ------
        PromptError
            As `act`.
        """
        if observation.kind not in self.prompts:
            return Estimate(len(observation), 0, 0, 0, 0)
        if self.mind is not None:
            observation = observation.asked(np.arange(len(observation)), "", memories="", plan="")
        self.validate(observation)
        space, asker = observation.space, self._asker
        if isinstance(space, Choice) and self.model.capabilities.score:
            found = self.prompts.distinct(observation)
            which, orders = np.arange(len(found)), rotations(space, self.orders)
            blanks = self._blanks(observation.kind)
            requests, choices = asker.score_requests(observation, found, which, orders, blanks)
            most = sum(self.model.count_tokens([Message("user", c)]) for c in choices)
        else:
            found, dealt, orders = self._dealt(observation)
            requests = asker.sample_requests(observation, found, dealt, orders, self.temperature)
            most = self.prompts.kind(observation.kind).max_tokens
        return Estimate(
            agents=len(observation),
            distinct=len(found),
            calls=len(requests),
            tokens_in=sum(self.model.count_tokens(r.messages) for r in requests),
            tokens_out=most * len(requests),
        )

    def _blanks(self, kind: str) -> tuple[str, ...]:
        return BLANKS if self.calibration.get(kind) == "content-free" else ()

    async def probabilities(
        self,
        observation: Observation,
        distinct: Distinct | None = None,
        which: NDArray[Any] | None = None,
    ) -> Probabilities:
        """Return the model's probabilities of a choice for each distinct prompt.

        Where the model gives no scores, they are the frequencies of `most` samples each.

        Parameters
        ----------
        distinct : Distinct, optional
            From ``prompts.distinct(observation)``.
        which : integer array, optional
            Distinct prompts to ask for; the others' rows are NaN and their outcome ABSTAINED.

        Raises
        ------
        PolicyError
            If the space is no `Choice`.
        """
        space = observation.space
        if not isinstance(space, Choice):
            raise PolicyError(
                f"expected a Choice, got {type(space).__name__}",
                where=f"Language, {observation.kind!r}",
            )
        self.validate(observation)
        found = self.prompts.distinct(observation) if distinct is None else distinct
        which = np.arange(len(found)) if which is None else np.asarray(which)
        orders = rotations(space, self.orders)
        if self.model.capabilities.score:
            some, went, took = await self._scored(observation, found, which, orders)
        else:
            some, went, took = await self._counted(observation, found, which, orders)
        table = np.full((len(found), len(space.options)), np.nan)
        outcome = np.full(len(found), Outcome.ABSTAINED, np.uint8)
        good = went == Outcome.ACTED
        table[which[good]], outcome[which] = some[good], went
        tokens = np.zeros(len(found), np.int64)
        tokens[which] = took
        return Probabilities(found, table, outcome, tokens)

    async def fit(self, observation: Observation, target: ArrayLike) -> Fitted:
        """Fit slope and level to known decisions (see `Fitted.fit`), and use them from now on.

        Parameters
        ----------
        observation : Observation
            Agents whose decisions are known, for instance from `populace.testing.observe`.
        target : integer array of shape (n,) or float array of shape (n, k)
            The option that each decided for, or shares of the options.

        Raises
        ------
        PolicyError
            If the model gave no answer for some of them, or no scores.
        """
        kind, before = observation.kind, self.calibration.get(observation.kind)
        self.calibration[kind] = None
        try:
            found = await self.probabilities(observation)
        finally:
            self.calibration[kind] = before
        if (found.outcome != Outcome.ACTED).any() or not self.model.capabilities.score:
            raise PolicyError(
                "expected scores for every agent", where=f"fit {kind!r}", mend="see failures"
            )
        fitted = Fitted.fit(found.table[found.distinct.index], target)
        self.calibration[kind] = fitted
        return fitted

    async def _scored(
        self,
        observation: Observation,
        found: Distinct,
        which: NDArray[Any],
        orders: list[tuple[int, ...]],
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:
        calibration = self.calibration.get(observation.kind)
        blanks = self._blanks(observation.kind)
        tables, empty, went, tokens = await self._asker.scores(
            observation, found, which, orders, blanks
        )
        if blanks:
            tables = np.stack([content_free(t, b) for t, b in zip(tables, empty, strict=True)])
        table = tables.mean(axis=0)
        table /= table.sum(axis=1, keepdims=True)
        if isinstance(calibration, Fitted):
            table = calibration.apply(table)
        return tempered(table, self.temperature), went, tokens

    async def _counted(
        self,
        observation: Observation,
        found: Distinct,
        which: NDArray[Any],
        orders: list[tuple[int, ...]],
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]]:
        """Return frequencies among the samples that came to a decision; without any, why not."""
        assert isinstance(observation.space, Choice)
        digests = self._asker.digests(observation, found)
        dealt = every_sample(found.first, found.sizes, digests, which, self.most)
        values, went, tokens = await self._asker.samples(
            observation, found, dealt, orders, self.temperature
        )
        tokens = tokens.reshape(len(which), self.most).sum(axis=1)
        counts = np.zeros((len(which), len(observation.space.options)))
        acted = went == Outcome.ACTED
        np.add.at(counts, (np.repeat(np.arange(len(which)), self.most)[acted], values[acted]), 1.0)
        none = counts.sum(axis=1) == 0
        counts[none] = 1.0
        first = went.reshape(len(which), self.most)[:, 0]
        outcome = np.where(none, first, np.uint8(Outcome.ACTED))
        return counts / counts.sum(axis=1, keepdims=True), outcome, tokens

    def validate(self, observation: Observation) -> None:
        """Check the prompt of this kind against what is shown and asked, once for each form of it.

        Raises
        ------
        PromptError
        """
        kind, space = observation.kind, observation.space
        form = (kind, observation.columns, type(space), getattr(space, "options", None))
        if form in self._fitting:
            return
        self.prompts.validate(kind, observation.columns, space)
        where = f"{self.prompts.where}, [kind.{kind}]"
        if isinstance(space, Choice):
            if self.orders != 1 and "options" not in self.prompts.kind(kind).made:
                raise PromptError(
                    f"orders={self.orders!r}, but the prompt does not list the options",
                    where=where,
                    mend="put {options} where they are to be listed, or leave orders at 1",
                )
            if self.calibration.get(kind) == "content-free" and not self.prompts.kind(kind).own:
                raise PromptError(
                    "content-free calibration leaves nothing of a prompt without columns of agents",
                    where=where,
                    mend="name what matters in agent, or use Fitted",
                )
            if self.calibration.get(kind) is not None and not self.model.capabilities.score:
                raise PromptError(
                    "calibration needs scores, which this model does not give",
                    where=where,
                    mend="use a model that scores, or calibration=None",
                )
        self._fitting.add(form)


def _check(good: bool, name: str, expected: str, got: Any) -> None:
    if not good:
        raise ParameterError(f"expected {name} {expected}, got {got!r}", where="Language")


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
