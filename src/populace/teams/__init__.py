"""Teams: policies whose answer is worked out among members by a structure."""

from populace.teams.interface import Members, OutOfBudget, Question, Said, Structure, Verdict

__all__ = ["Members", "OutOfBudget", "Question", "Said", "Structure", "Verdict"]
