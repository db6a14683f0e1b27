"""What a run leaves behind: a manifest and five tables, on disk or in memory."""

from populace.records.recorder import Recorder
from populace.records.run import Run, read

__all__ = ["Recorder", "Run", "read"]
