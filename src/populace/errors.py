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
from populace.language.model import (
    BadReply,
    BadRequest,
    CapabilityError,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)

__all__ = [
    "AnswerError",
    "BadReply",
    "BadRequest",
    "CapabilityError",
    "CastError",
    "MissingDecision",
    "ModelError",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnavailable",
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
