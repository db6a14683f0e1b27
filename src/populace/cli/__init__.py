"""The command line: ``populace run | list | show | report``."""

from populace.cli.commands import main

__all__ = ["main"]
