"""Every typed error of populace, for ``except`` clauses and outside authors."""

from populace.kernel.errors import (
    AnswerError,
    CastError,
    MissingDecision,
    ParameterError,
    PolicyError,
    PopulaceError,
    PopulationError,
    RecordError,
    RegistryError,
    SpaceError,
    StreamError,
    WorldError,
)

__all__ = [
    "AnswerError",
    "CastError",
    "MissingDecision",
    "ParameterError",
    "PolicyError",
    "PopulaceError",
    "PopulationError",
    "RecordError",
    "RegistryError",
    "SpaceError",
    "StreamError",
    "WorldError",
]
