"""The command line: ``populace run | list | show | report``, and what language minds need."""

from populace.cli import model_commands  # noqa: F401 - adds its commands to main
from populace.cli.commands import main

__all__ = ["main"]
