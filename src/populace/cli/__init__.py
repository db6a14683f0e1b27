"""The command line: ``populace run | list | show | report | compare``, and what models need."""

from populace.cli import (  # noqa: F401 - they add their commands to main
    comparing,
    model_commands,
    recorded_commands,
    sweep_commands,
)
from populace.cli.commands import main

__all__ = ["main"]
