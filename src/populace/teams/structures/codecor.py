"""CodeCoR: prompts, tests, programs and repairs, each in several versions, the poor ones pruned.

R. Pan, H. Zhang and C. Liu, "CodeCoR: An LLM-Based Self-Reflective Multi-Agent Framework for Code
Generation" (2025, arXiv:2501.07811).
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from populace.kernel.answers import Outcome
from populace.kernel.spaces import Number, Record, Text
from populace.language.forms import form
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality

Checked = Sequence[bool]
Checker = Callable[[str, Sequence[str]], "Checked | Awaitable[Checked]"]

ROLES = ("prompter", "coder", "tester", "repairer")
FREE = Text(16_000)
_CODE = form("code")


@dataclass(frozen=True)
class Program:
    """A program, and which of the tests it passes."""

    said: Said
    passed: tuple[bool, ...]

    @property
    def score(self) -> int:
        return sum(self.passed)


async def codecor(
    members: Members,
    question: Question,
    *,
    versions: int = 2,
    rounds: int = 3,
    bar: float = 5.0,
    checker: Checker | None = None,
    roles: Mapping[str, int | str] | None = None,
) -> Verdict:
    """Write prompts, tests and programs, repair what fails, return what passes most tests.

    Parameters
    ----------
    versions : int
        Of each output, before pruning (ours).
    rounds : int
        Of repair at most (ours).
    bar : float
        Least quality, from 1 to 10, that an output keeps: its author rates all versions on
        clarity, relevance, conciseness and context, the paper's four criteria. The best is always
        kept, and all are where the rating cannot be read. Programs are pruned by their syntax and
        by the tests.
    checker : callable, optional
        ``checker(program, tests)`` says which tests pass, at once or awaited; by default they are
        run in `populace.language.sandbox`.
    roles : mapping, optional
        Who is ``prompter``, ``coder``, ``tester`` and ``repairer``; by default the members in
        order. One model may hold several seats.

    Returns
    -------
    Verdict
        ``votes`` holds how many tests each program passes; ``reason`` is ``passed`` (all of them),
        ``done`` (no round, or no test, is left) or ``budget``. Tests are the team's own: passing
        them proves nothing.
    """
    expect(versions >= 1 and rounds >= 0, "1 or more versions", [versions, rounds], "versions")
    given = {name: i for i, name in enumerate(ROLES)} | dict(roles or {})
    expect(set(given) == set(ROLES), f"roles of {', '.join(ROLES)}", roles, "roles")
    who = {name: position(members, one, name) for name, one in given.items()}
    expect(len(set(who.values())) == 4, "four members", given, "roles")
    check = sandboxed if checker is None else checker
    found: list[Program | None] = []  # None: it does not parse
    tests: list[str] = []
    reason = "done"
    try:
        plans = await _versions(members, who["prompter"], "plan", versions, bar)
        drafts = await _versions(members, who["tester"], "test", versions, bar)
        tests = list(dict.fromkeys(test for draft in drafts for test in asserts(draft.text)))
        for sample, plan in enumerate(plans):
            found.append(await _program(members, who["coder"], plan, sample, tests, check))
        for _ in range(rounds):
            best = _best(found)
            if best is None or not tests or best.score == len(tests):
                break
            failures = _failures(tests, best.passed)
            advice = await _versions(
                members, who["repairer"], "repair", versions, bar, [best.said], failures=failures
            )
            for sample, one in enumerate(advice):
                found.append(await _program(members, who["coder"], one, sample, tests, check, best))
    except OutOfBudget:
        if _best(found) is None:
            raise
        reason = "budget"
    best = _best(found)
    if best is None:
        wrote = [said for said in members.said() if said.member == who["coder"]]
        silent = plurality([said for said in wrote if not said.votes])
        if any(said.votes for said in wrote):  # words, and no program
            silent = Verdict(None, Outcome.INVALID)
        return replace(silent, unparsed=len(found), reason="no program")
    if tests and best.score == len(tests):
        reason = "passed"
    votes: dict[Any, float] = {}
    for program in filter(None, found):
        votes[program.said.answer] = max(program.score, votes.get(program.said.answer, 0))
    unparsed = sum(program is None for program in found)
    chosen = plurality([best.said])
    return replace(chosen, votes=votes, confidence=None, reason=reason, unparsed=unparsed)


def _best(found: Sequence[Program | None]) -> Program | None:
    """Return what passes most tests, the latest of equals."""
    able = [program for program in found if program is not None]
    return max(reversed(able), key=lambda program: program.score, default=None)


async def _versions(
    members: Members,
    who: int,
    prompt: str,
    n: int,
    bar: float,
    sees: Sequence[Said] = (),
    **columns: Any,
) -> list[Said]:
    """Return versions of an output, without doubles and those that their author rates low."""
    said = await members.ask(
        prompt, to=[who] * n, sample=list(range(n)), space=FREE, sees=sees, fresh=True, **columns
    )
    kept = list({one.text.strip(): one for one in said if one.votes}.values())
    if len(kept) < 2:
        return kept
    marks = {f"quality_{i}": Number(1, 10) for i in range(1, len(kept) + 1)}
    listed = "\n\n".join(f"Version {i}:\n{one.text}" for i, one in enumerate(kept, 1))
    (view,) = await members.ask(
        "prune", to=who, space=Record(**marks), sample=n, fresh=True, versions=listed
    )
    if not view.fields:
        return kept
    rated = [float(view.fields[mark]) for mark in marks]
    return [one for one, q in zip(kept, rated, strict=True) if q >= min(bar, max(rated))]


async def _program(
    members: Members,
    who: int,
    guide: Said,
    sample: int,
    tests: Sequence[str],
    check: Checker,
    before: Program | None = None,
) -> Program | None:
    """Return a program by a guide, with what it passes; None if it does not parse."""
    prompt, old = ("code", "") if before is None else ("recode", before.said.text)
    (said,) = await members.ask(
        prompt, to=who, sample=sample, fresh=True, sees=[guide], program=old
    )
    code = program_of(said)
    if code is None:
        return None
    passed: Any = check(code, tests)
    passed = tuple(await passed if inspect.isawaitable(passed) else passed)
    expect(len(passed) == len(tests), f"{len(tests)} results, one a test", passed, "checker")
    return Program(said, tuple(map(bool, passed)))


def program_of(said: Said) -> str | None:
    """Return the program in an answer: in its last code block, or all of it; None if none parses.

    It is parsed, never run.
    """
    if not said.votes:
        return None
    code = _CODE.extract(str(said.answer))
    return code if isinstance(code, str) and _parsed(code) is not None else None


def asserts(text: str) -> list[str]:
    """Return the assert statements at the top of a reply's code, each as Python source.

    Examples
    --------
    >>> asserts("```python\\nassert f(1) == 2\\nx = 3\\n```")
    ['assert f(1) == 2']
    """
    tree = _parsed(str(_CODE.extract(text) or text))
    nodes = [] if tree is None else tree.body
    return [ast.unparse(node) for node in nodes if isinstance(node, ast.Assert)]


async def sandboxed(program: str, tests: Sequence[str]) -> Checked:
    """Run tests in the sandbox, in a thread of its own."""
    from populace.language.sandbox import run_tests

    return (await asyncio.to_thread(run_tests, program, tests)).passed


def _parsed(code: str) -> ast.Module | None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if tree.body else None


def _failures(tests: Sequence[str], passed: Checked) -> str:
    return "\n".join(test for test, good in zip(tests, passed, strict=True) if not good)
