"""Language models as minds: the interface, and the backends that implement it.

Backends are imported when used; the heavy ones are extras of the package.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    **dict.fromkeys(
        [
            *["Capabilities", "Identity", "Label", "LanguageModel", "Message", "Reply", "Request"],
            *["Scores", "user"],
        ],
        "model",
    ),
    **dict.fromkeys(
        [
            *["BadReply", "BadRequest", "CapabilityError", "ModelError", "ModelRefused"],
            *["ModelTimeout", "ModelUnavailable"],
        ],
        "errors",
    ),
    "Embedded": "embedded",
    "Endpoint": "endpoint",
    "Providers": "providers",
    **dict.fromkeys(["MissingRecord", "Recorded"], "recorded"),
    "Recording": "recording",
    "Scripted": "scripted",
    "Retry": "delivery",
    **dict.fromkeys(["SharedTraffic", "Timing"], "traffic"),
    "Rate": "ratelimit",
    "Window": "aimd",
    "open_model": "opening",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'populace.language' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"populace.language.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
