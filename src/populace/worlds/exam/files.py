"""Items in JSON Lines: questions with gold answers, and programs with tests."""

from __future__ import annotations

import ast
import gzip
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from populace.kernel.errors import WorldError
from populace.language.forms import Letter, form
from populace.language.sandbox import Limits, run_tests
from populace.worlds.exam.item import Item

_NAMES = ("item", "task_id", "id", "q")
_KNOWN: tuple[str, ...] = (
    *_NAMES,
    "question",
    "prompt",
    "text",
    "gold",
    "answer",
    "form",
    "options",
)
_KNOWN += ("family", "task", "category", "entry_point", "test", "test_list", "test_setup_code")


class JSONL:
    """Items from a file of one JSON object a line, gzipped or not.

    Fields, others being left aside:

    - ``item`` (or ``task_id``, ``id``, ``q``): its name; by default the number of its line.
    - ``question`` (or ``prompt``, ``text``).
    - ``gold`` (or ``answer``): the right answer.
    - ``form``: how answers are read; by default `form`, ``letter`` with options, ``code`` with
      tests, else ``text``.
    - ``options``: a list of texts, put under the question as (A), (B), ...; gold is the letter.
    - ``family`` (or ``task``), ``category``.
    - ``test`` and ``entry_point``, as in HumanEval (Chen et al. 2021): the source of a function
      ``check(candidate)``. Or ``test_list``, as in MBPP (Austin et al. 2021): assertions, each a
      test, after ``test_setup_code``; they are shown under the question.

    Parameters
    ----------
    path : path
    form : str, optional
    limits : Limits, optional
        Of programs under test.

    Raises
    ------
    WorldError
        If the file cannot be read, or a line is no item; it names the line.
    """

    def __init__(
        self, path: str | Path, form: str | None = None, limits: Limits | None = None
    ) -> None:
        self.path, self.form, self.limits = Path(path), form, limits

    def items(self) -> Sequence[Item]:
        """Return the items, in the order of the file."""
        return [self._item(line, n) for n, line in self._lines()]

    def _lines(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        try:
            data = self.path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            lines = data.decode("utf-8").split("\n")
        except (OSError, EOFError, ValueError) as error:
            raise WorldError(f"cannot be read: {error}", where=str(self.path)) from error
        for n, line in enumerate(lines, 1):
            if line.strip():
                try:
                    found = json.loads(line)
                except ValueError as error:
                    raise WorldError(f"no JSON: {error}", where=f"{self.path}:{n}") from error
                if not isinstance(found, dict):
                    raise WorldError("expected a JSON object", where=f"{self.path}:{n}")
                yield n, found

    def _item(self, line: Mapping[str, Any], n: int) -> Item:
        where = f"{self.path}:{n}"
        question = _first(line, "question", "prompt", "text")
        if not isinstance(question, str) or not question:
            raise WorldError(
                f"expected a question, got the fields {', '.join(line) or 'none'}", where=where
            )
        about: dict[str, Any] = {
            "name": str(_first(line, *_NAMES, default=n)),
            "family": str(_first(line, "family", "task", default="")),
            "category": str(_first(line, "category", default="")),
        }
        if "test" in line or "test_list" in line:
            return self._program(line, question, about, where)
        gold = _first(line, "gold", "answer")
        if isinstance(gold, bool) or not isinstance(gold, (str, int, float)):
            raise WorldError(f"expected a gold answer, got {gold!r:.80}", where=where)
        name: Any = _first(line, "form", default=self.form)
        options = line.get("options")
        if options is not None:
            if not isinstance(options, list) or not 2 <= len(options) <= 26:
                raise WorldError(f"expected 2 to 26 options, got {options!r:.80}", where=where)
            listed = (f"({chr(ord('A') + i)}) {text}" for i, text in enumerate(options))
            question = "\n".join([question, "", *listed])
            name = Letter(len(options)) if name in (None, "letter") else name
        return Item(question=question, form=form(name or "text"), gold=str(gold), **about)

    def _program(
        self, line: Mapping[str, Any], question: str, about: Mapping[str, Any], where: str
    ) -> Item:
        entry, tests = line.get("entry_point"), line.get("test_list")
        before = ""
        if tests is None:
            if not isinstance(line["test"], str) or not isinstance(entry, str):
                raise WorldError("expected test and entry_point as texts", where=where)
            tests = [f"{line['test']}\n\ncheck({entry})\n"]
            before = question
        elif not tests or not all(isinstance(test, str) for test in tests):
            raise WorldError("expected test_list as a list of texts", where=where)
        else:
            setup = str(line.get("test_setup_code") or "")
            question += "\n\nThe program must pass these tests:\n" + "\n".join(tests)
            tests = [f"{setup}\n{test}" for test in tests]
        verify = partial(
            score_program, before=before, entry=entry, tests=tuple(tests), limits=self.limits
        )
        solution = _first(line, "canonical_solution", "code")
        gold = None if solution is None else f"```python\n{solution}\n```"
        return Item(question=question, form="code", gold=gold, verify=verify, **about)


def score_program(
    program: str, *, before: str, entry: str | None, tests: Sequence[str], limits: Limits | None
) -> float:
    """Return the share of tests that a program passes.

    Parameters
    ----------
    before : str
        The beginning that the question gave (imports, a signature); a program without the function
        `entry` is taken for the function's body.
    """
    if before and entry is not None:
        if f"def {entry}" not in program:
            program = before.rstrip() + "\n" + textwrap.indent(program, "    ")
        elif _parses(before):
            program = f"{before}\n\n{program}"
    return run_tests(program, tests, limits).score


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _first(line: Mapping[str, Any], *names: str, default: Any = None) -> Any:
    return next((line[name] for name in names if line.get(name) is not None), default)
