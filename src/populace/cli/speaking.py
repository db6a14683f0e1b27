"""Language minds as a cast file defines them, and models by what the command line calls them.

::

    [policies.thinker]
    use = "language"          # or a language mind that the world offers, to change it
    model = "embedded"        # or openai:NAME@https://host/v1, vendor:NAME, FILE.gguf, FILE.py:Name
    options = {context = 4096}    # of the model
    prompts = "prompts.toml"      # beside the cast file
    surrogate = {bound = 0.03}    # or true: a learnt stand-in for it
    fallback = "rule"             # who decides where the model does not
    memory = {k = 8}              # or true; so reflect and plan; without = ["reflection"]
    orders = "all"                # and other settings of `Language`
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.cli.finding import find
from populace.kernel.errors import ParameterError, nearest
from populace.language.errors import ModelUnavailable
from populace.language.model import LanguageModel
from populace.policies.around import Around
from populace.worlds.speaking import Speaking, opened

if TYPE_CHECKING:
    from populace.language.policy import Language
    from populace.language.weights import Progress


def open_named(
    name: str, options: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> LanguageModel:
    """Return the model that `name` stands for: as `open_model`, or ``file.py:Name``.

    Raises
    ------
    ModelError
        If it stands for nothing, or a package or the weights are missing.
    ParameterError
        If it does not take an option.
    """
    from populace.language import weights
    from populace.language.opening import open_model

    given = dict(options or {})
    try:
        if ".py:" in name:
            found = find("model", name)
            model = found(**given) if callable(found) else found
        elif progress is not None and (name == "embedded" or name in weights.CATALOG):
            model = open_model(name, progress=progress, **given)
        else:
            model = open_model(name, **given)
    except TypeError as error:  # an option that it does not take
        raise ParameterError(str(error), where=f"model {name!r}") from error
    if not isinstance(model, LanguageModel):
        raise ModelUnavailable(f"expected a LanguageModel, got {model!r:.80}", where=name)
    return model


def is_language(policy: Any) -> bool:
    """Whether a policy is a `Language`, a `Surrogate` of one, or a world's `Speaking`."""
    lazy = type(policy) is Speaking  # a subclass does more than a `Language` with other settings
    return lazy or any(policy is found for found in languages(policy)) or _is_surrogate(policy)


def _is_surrogate(policy: Any) -> bool:
    from populace.language.surrogate import Surrogate

    return isinstance(policy, Surrogate)


def wrapped(policy: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield a policy and those that it wraps, each once."""
    seen = set() if seen is None else seen
    if id(policy) in seen:
        return
    seen.add(id(policy))
    yield policy
    named = policy.inner() if isinstance(policy, Around) else ()
    for inner in (*getattr(policy, "__dict__", {}).values(), *named):
        if hasattr(inner, "act"):
            yield from wrapped(inner, seen)


def languages(policy: Any) -> Iterator[Language]:
    """Yield the language minds in a policy and in those that it wraps."""
    from populace.language.policy import Language

    return (each for each in wrapped(policy) if isinstance(each, Language))


def language_mind(
    name: str,
    definition: Mapping[str, Any],
    folder: Path,
    base: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Return the language mind that a section of a cast file defines.

    Parameters
    ----------
    name : str
        Of the policy.
    definition : mapping
        The section without ``use`` and ``fallback``.
    folder : Path
        What ``prompts`` is relative to.
    base : Language, Speaking or Surrogate, optional
        One that the world offers, some of whose settings are changed.

    Raises
    ------
    ParameterError
        For an unknown setting, or a missing model or prompts.
    ModelError, PromptError
        If the model cannot be had, or the prompts cannot be read.
    """
    from populace.language.policy import Language
    from populace.language.surrogate import Surrogate

    given = dict(definition)
    own = [p for p in inspect.signature(Language).parameters if p != "name"]
    known = [*own, "options", "surrogate", "fallback"]
    for key in given:
        if key not in known:
            raise ParameterError(f"there is no setting {key!r}; {nearest(key, known)}")
    stand_in = given.pop("surrogate", None)
    if stand_in is None and _is_surrogate(base):
        stand_in = {"bound": base.bound, "audit": base.audit, "min_train": base.min_train}
    language = base if isinstance(base, Speaking) else next(languages(base), None)
    model = _model(given, language, progress)
    prompts = _prompts(given.pop("prompts", None), folder, language)
    before = base.settings if isinstance(base, Speaking) else getattr(language, "_settings", {})
    if "calibration" in given:
        given["calibration"] = _calibration(given["calibration"])
    mind = Language(model, prompts, **{**before, **given}, name=name)
    if stand_in in (None, False):
        return mind
    limits = {} if stand_in is True else stand_in
    known = [p for p in inspect.signature(Surrogate).parameters if p != "of"]
    if not isinstance(limits, Mapping) or (wrong := [k for k in limits if k not in known]):
        got = repr(limits) if not isinstance(limits, Mapping) else repr(wrong[0])
        raise ParameterError(f"expected surrogate = true or {{{', '.join(known)}}}, got {got}")
    return Surrogate(mind, **limits)


def _model(
    given: dict[str, Any], base: Language | Speaking | None, progress: Progress | None
) -> Any:
    model, options = given.pop("model", None), given.pop("options", {})
    if not isinstance(options, Mapping):
        raise ParameterError(f"expected options as a table, got {options!r}")
    if model is None and base is not None and not options:
        return opened(base.model)
    if not isinstance(model, str):
        got = "none" if model is None else repr(model)
        raise ParameterError(f"expected a model, got {got}", mend='for instance model = "embedded"')
    return open_named(model, options, progress)


def _prompts(path: Any, folder: Path, base: Language | Speaking | None) -> Any:
    if path is None and base is not None:
        return base.prompts
    if isinstance(path, str):
        return folder / path
    if isinstance(path, Mapping):
        return path
    got = "none" if path is None else repr(path)
    raise ParameterError(f"expected prompts, got {got}", mend='write prompts = "file.toml"')


def _calibration(given: Any) -> Any:
    """Return a calibration, ``{slope = ..., level = [...]}`` as `Fitted`."""
    if not isinstance(given, Mapping):
        return given
    if set(given) != {"slope", "level"}:
        return {kind: _calibration(one) for kind, one in given.items()}
    from populace.language.calibrate import Fitted

    level = given["level"]
    return Fitted(given["slope"], tuple(level) if isinstance(level, list) else level)
