"""The command line: ``populace run | resume | fork | list | show | report | compare``, and more."""

from populace.cli import (  # noqa: F401 - they add their commands to main
    auction_commands,
    comparing,
    model_commands,
    recorded_commands,
    resume_commands,
    sweep_commands,
)
from populace.cli.commands import main

__all__ = ["main"]
