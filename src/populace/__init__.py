"""populace: one runtime for societies of heterogeneous agents.

A world asks, a policy acts, in batches; who acts is data.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public names, each imported when first used, so that `import populace` stays light.
_HOME = {
    "World": "kernel.world",
    **dict.fromkeys(["By", "Chart", "Calendar"], "kernel.measures"),
    **dict.fromkeys(["Population", "Part"], "kernel.population"),
    "Cast": "kernel.cast",
    **dict.fromkeys(
        ["Choice", "Number", "Text", "Record", "Pick", "Call", "ToolCall"], "kernel.spaces"
    ),
    **dict.fromkeys(["Answers", "Outcome"], "kernel.answers"),
    "Observation": "kernel.observation",
    "Policy": "kernel.policy",
    "Minds": "kernel.minds",
    **dict.fromkeys(["Parameter", "Parametric"], "kernel.parameters"),
    **dict.fromkeys(["Stream", "Streams"], "kernel.streams"),
    "threads": "kernel.threads",
    "Budget": "kernel.budget",
    "Prices": "kernel.prices",
    "AnswerStore": "records.answers",
    "Checkpoints": "records.cadence",
    **dict.fromkeys(
        ["Simulation", "Intervention", "Records", "Survey", "read_interventions"], "simulation"
    ),
    "compare_orders": "testing",
    "Run": "records",
    **dict.fromkeys(["Network", "Groups", "Grid"], "geometry"),
    "Language": "language.policy",
    "Prompts": "language.prompts",
    "Fitted": "language.calibrate",
    "Surrogate": "language.surrogate",
    "check_prompt": "language.check",
    **dict.fromkeys(["Memory", "Plan", "Reflect"], "language.memory"),
    "Team": "teams",
    **dict.fromkeys(["Rule", "Habit", "Utility", "Learned", "Human", "Fallback"], "policies"),
    **dict.fromkeys(["Bandit", "QLearning", "Imitate", "Uniform"], "policies"),
    **dict.fromkeys(["FastSlow", "Ticks", "Tokens", "Seconds"], "policies"),
    **dict.fromkeys(["LookAhead", "Forked", "Imagined", "TreeSearch"], "policies.lookahead"),
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'populace' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"populace.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
