"""A language model as a mind of Brooklyn; nothing of it is imported, or fetched, until it is cast.

Its prompt is `prompts/stay_home.toml`. What is measured of it: `docs/brooklyn-language.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.exchange import fitting
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.population import Population
from populace.kernel.streams import Streams
from populace.language.model import LanguageModel
from populace.worlds import speaking
from populace.worlds.brooklyn.survey import situations

PROMPTS: Final = Path(__file__).parent / "prompts" / "stay_home.toml"
KIND: Final = "stay_home"


class Speaking(speaking.Speaking):
    """Adults for whom a language model decides.

    The model gives the probabilities of staying for each distinct prompt, once a run; each adult
    draws by a stream of their own (`populace.language.policy.Language`). A model of this size has
    the order of situations about right and the level not, so slope and level are fitted to the
    world's survey before the first decision (`populace.language.calibrate.Fitted`), whatever model
    it is.

    Parameters
    ----------
    model : str or LanguageModel
        As `populace.language.open_model` takes it.
    prompts : str
        A prompt file in place of the world's own.
    calibration : "survey" or "none"
        "survey" has no effect on a model that gives no scores.

    Raises
    ------
    ModelUnavailable
        When agents are cast, before the first tick: an extra is missing, or the model cannot run.
    PromptError
        At the same time, for malformed prompts.
    """

    def __init__(
        self,
        model: Annotated[
            str | LanguageModel,
            Parameter("embedded, a GGUF file, URL#model, or vendor:model"),
        ] = "embedded",
        prompts: Annotated[str, Parameter("prompt file; empty for the world's own")] = "",
        calibration: Annotated[
            Literal["survey", "none"], Parameter("slope and level fitted to the survey, or none")
        ] = "survey",
    ) -> None:
        super().__init__(prompts or PROMPTS, model)
        self.calibration = calibration
        self._fitted = calibration == "none"
        self._reports: list[Any] = []

    async def act(self, observation: Observation) -> Answers:
        if not self._fitted:
            lost = await self._fit(observation)
            if lost != Outcome.ACTED:
                return Answers(None, lost)
        return await self.language.act(observation)

    async def _fit(self, observation: Observation) -> Outcome:
        """Fit slope and level to the survey; return what kept a question of it from an answer."""
        language = self.language
        if observation.kind == KIND and language.model.capabilities.score:
            shown, shares, answers = situations()
            asked = observed(observation, shown)
            found = await language.probabilities(asked)
            self._reports += [replace(told, kind="calibration") for told in language.report()]
            if (lost := found.outcome[found.outcome != Outcome.ACTED]).size:
                return Outcome(int(lost[0]))
            from populace.language.calibrate import Fitted

            p = found.table[found.distinct.index]
            fitted = Fitted.fit(p, np.column_stack((1 - shares, shares)), answers)
            language.calibration[KIND] = fitted
        self._fitted = True
        return Outcome.ACTED

    def report(self) -> list[Any]:
        """Return what the asks since the last call of this took (`populace.language`)."""
        told, self._reports = self._reports, []
        return told + super().report()

    def state(self) -> Mapping[str, Any]:
        """Return whether the survey is fitted to, and what the language mind keeps once opened."""
        return {"fitted": self._fitted, **super().state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._fitted = state["fitted"]
        super().restore(state)

    def describe(self) -> Mapping[str, Any]:
        """Return what the manifest says: once opened, the model, prompts and calibration in use."""
        if self._language is None:
            return {"model": str(self.model), "calibration": self.calibration}
        fitted = self._language.calibration.get(KIND)
        return {**self._language.describe(), "calibration": fitted or self.calibration}


def observed(observation: Observation, shown: Mapping[str, Any]) -> Observation:
    """Return an observation of people in the situations of `shown`, asked the same question."""
    n = len(next(iter(shown.values())))
    return Observation(
        observation.kind,
        observation.space,
        Population(n, name="survey").everyone,
        observation.tick,
        see=(),
        given=fitting(shown, n, observation.kind),
        streams=Streams(0).named("survey"),  # nothing is drawn
        stream=observation.kind,
    )
