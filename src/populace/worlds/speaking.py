"""A language model as a mind that a world offers; nothing is opened until somebody is cast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from populace.kernel.answers import Answers
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.resources import Resources
from populace.language.errors import ModelUnavailable
from populace.language.model import LanguageModel

if TYPE_CHECKING:
    from populace.language.policy import Language


class Speaking(Parametric):
    """`Language` with a world's own prompts, opened when the first agent is cast for it.

    Parameters
    ----------
    model : str or LanguageModel
        As `populace.language.open_model` takes it.
    prompts : path
    memory, reflect, plan, without
        As `populace.Language` takes them.

    Raises
    ------
    ModelUnavailable
        When agents are cast, before the first tick: an extra is missing, or the model cannot run.
    PromptError
        At the same time, for malformed prompts.
    """

    def __init__(
        self,
        prompts: Annotated[str | Path, Parameter("prompt file")],
        model: Annotated[
            str | LanguageModel,
            Parameter("embedded, a GGUF file, URL#model, or vendor:model"),
        ] = "embedded",
        memory: Annotated[Any, Parameter("what agents remember")] = None,
        reflect: Annotated[Any, Parameter("when they reflect")] = None,
        plan: Annotated[Any, Parameter("when they plan")] = None,
        without: Annotated[Sequence[str], Parameter("parts switched off")] = (),
    ) -> None:
        self.model, self.prompts = model, prompts
        self.settings: Mapping[str, Any] = {
            "memory": memory, "reflect": reflect, "plan": plan, "without": without
        }  # fmt: skip
        self._language: Language | None = None
        self._resources: Resources | None = None

    @property
    def language(self) -> Language:
        """The policy that asks, opened when first used."""
        if self._language is None:
            from populace.language.policy import Language

            self._language = Language(opened(self.model), self.prompts, **self.settings)
            if self._resources is not None:
                self._language.equip(self._resources)
        return self._language

    def equip(self, resources: Resources | None) -> None:
        """Take what the simulation gives; open the model if anybody is cast."""
        self._resources = resources
        if resources is not None and resources.agents:
            self.language.equip(resources)

    def hear(self, observation: Observation) -> None:
        """Remember what agents are told, with a memory."""
        if self.settings["memory"]:
            self.language.hear(observation)

    async def act(self, observation: Observation) -> Answers:
        return await self.language.act(observation)

    async def close(self) -> None:
        """Close the model's connections, if it was opened."""
        if self._language is not None:
            await self._language.close()

    def report(self) -> list[Any]:
        """Return what the asks since the last call of this took (`populace.language`)."""
        return [] if self._language is None else self._language.report()

    def failed(self) -> list[Any]:
        """Return the failures since the last call of this."""
        return getattr(self._language, "failed", list)()

    def state(self) -> Mapping[str, Any]:
        """Return what the language mind keeps, once opened."""
        return {"language": None if self._language is None else self._language.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        if state["language"] is not None:
            self.language.restore(state["language"])

    def describe(self) -> Mapping[str, Any]:
        """Return what the manifest says: once opened, the model and prompts in use."""
        if self._language is None:
            return {"model": str(self.model)}
        return self._language.describe()


def opened(model: str | LanguageModel) -> LanguageModel:
    """Return the model, or say what to install before anything is fetched for it."""
    if not isinstance(model, str):
        return model
    from populace.language import open_model, weights

    if model == "embedded" or model in weights.CATALOG:
        for package in ("xllamacpp", "gguf"):
            if find_spec(package) is None:
                raise ModelUnavailable(
                    f"needs the package {package}",
                    where="a language mind on the embedded model",
                    mend="pip install 'populace[embedded]' && populace model get; "
                    "or leave language out of the cast",
                )
    found: LanguageModel = open_model(model)
    return found
