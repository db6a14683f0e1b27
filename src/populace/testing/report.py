"""What a conformance check found."""

from __future__ import annotations

from dataclasses import dataclass

from populace.kernel.errors import PopulaceError


class NonConformance(PopulaceError, AssertionError):
    """A world or policy breaks a rule that runs rely on."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property that was tried.

    Attributes
    ----------
    name : str
    passed : bool
    found : str
        What was compared, or what differed.
    """

    name: str
    passed: bool
    found: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Every check of one world or policy; printed, it is a table.

    Attributes
    ----------
    subject : str
    checks : tuple of Check
    """

    subject: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if not check.passed)

    def __getitem__(self, name: str) -> Check:
        return {check.name: check for check in self.checks}[name]

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        rows = (
            f"  {'pass' if check.passed else 'FAIL'}  {check.name:{width}}  {check.found}"
            for check in self.checks
        )
        return "\n".join([self.subject, *rows])

    def raise_if_failed(self) -> None:
        """Raise unless every check passed.

        Raises
        ------
        NonConformance
            With the whole report; it is an AssertionError too.
        """
        if not self.passed:
            raise NonConformance(f"{len(self.failed)} of {len(self.checks)} checks failed\n{self}")
