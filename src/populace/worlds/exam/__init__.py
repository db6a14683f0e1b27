"""Exams: benchmarks as worlds, whose agents are the questions."""

from pathlib import Path
from typing import Final

from populace.worlds.exam.files import JSONL
from populace.worlds.exam.gym import ReasoningGym
from populace.worlds.exam.item import Item, Source
from populace.worlds.exam.recordings import Recorded
from populace.worlds.exam.world import Exam

PROMPTS: Final = Path(__file__).parent / "prompts" / "answer.toml"

__all__ = ["JSONL", "PROMPTS", "Exam", "Item", "ReasoningGym", "Recorded", "Source"]
