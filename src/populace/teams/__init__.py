"""Teams: policies whose answer is worked out among members by a structure."""

from populace.teams.interface import Members, OutOfBudget, Question, Said, Structure, Verdict
from populace.teams.team import Team

__all__ = ["Members", "OutOfBudget", "Question", "Said", "Structure", "Team", "Verdict"]
