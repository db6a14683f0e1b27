"""Models by name, for command lines and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from populace.kernel.errors import nearest
from populace.kernel.registry import load, registered
from populace.language import weights
from populace.language.errors import ModelUnavailable
from populace.language.model import LanguageModel


def open_model(name: str, **options: Any) -> LanguageModel:
    """Return the model that `name` stands for.

    Parameters
    ----------
    name : str
        ``embedded`` or a name of the catalogue (`weights.CATALOG`); the path of a GGUF file;
        ``URL#model`` or ``openai:model@URL`` of an OpenAI-compatible server;
        ``recorded:FILE#model`` of a recording; a name that a package registers (entry points
        ``populace.models``); or ``vendor:model`` of a hosted vendor.
    **options
        Of `Embedded`, `Endpoint`, `Recorded` or `Providers`, or of what is registered.

    Raises
    ------
    ModelUnavailable
        If it stands for nothing, or a package or the weights are missing.
    """
    if name == "embedded" or name in weights.CATALOG:
        from populace.language.embedded import Embedded

        entry = weights.DEFAULT if name == "embedded" else name
        progress = options.pop("progress", None)
        return Embedded(weights.get(entry, progress=progress), **options)
    if name.endswith(".gguf"):
        from populace.language.embedded import Embedded

        return Embedded(Path(name), **options)
    if name.startswith("openai:") and "@http" in name:
        model, _, url = name.removeprefix("openai:").partition("@")
        name = f"{url}#{model}"
    if name.startswith(("http://", "https://")):
        from populace.language.endpoint import Endpoint

        url, _, model = name.partition("#")
        if not model:
            mend = "name the model after a #, as http://localhost:11434/v1#llama3"
            raise ModelUnavailable("expected URL#model", where=name, mend=mend)
        return Endpoint(url, model, **options)
    if name.startswith("recorded:"):
        from populace.language.recorded import Recorded

        file, _, model = name.removeprefix("recorded:").rpartition("#")
        if not file:
            mend = "name the model after a #; `populace recorded show FILE` lists them"
            raise ModelUnavailable("expected recorded:FILE#model", where=name, mend=mend)
        return Recorded(file, model, **options)
    if name in registered("model"):
        model_made: LanguageModel = load("model", name)(**options)
        return model_made
    if ":" in name:
        from populace.language.providers import Providers

        return Providers(name, **options)
    known = ["embedded", *weights.CATALOG, *registered("model")]
    mend = f"{nearest(name, known)}; or give a path to a .gguf file, URL#model, or vendor:model"
    raise ModelUnavailable("no such model", where=name, mend=mend)
