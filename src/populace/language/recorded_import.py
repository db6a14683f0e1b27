"""Making recordings: of anyone's own logs, and of two public sets of real models' answers."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from populace.kernel.errors import RecordError
from populace.language.recording import Recording, writing

_TAG = re.compile(r"<answer>(.*?)</answer>", re.S)
_ITEM = ("item", "question", "gold", "family", "category")
_ANSWER = ("model", "item", "sample", "text", "answer", "score", "tokens_in", "tokens_out")


def import_jsonl(answers: Path, to: Path, items: Path | None = None) -> Recording:
    """Import JSON Lines, a line an answer.

    Parameters
    ----------
    answers : path
        Lines of ``{"model", "item", "sample", "text", "answer", "score", "tokens_in",
        "tokens_out"}``. Model, item (names) and one of text and answer are needed; sample is 0
        where it is left out; an answer may be a text, a number or null (none was found in the
        text). Packed with gzip if the name ends in ``.gz``.
    to : path
        The recording to write.
    items : path, optional
        Lines of ``{"item", "question", "gold", "family", "category"}``; all but item may lack.

    Raises
    ------
    RecordError
        Naming file and line of what cannot be taken; nothing is written then.
    """
    with writing(to) as writer:
        for where, line in () if items is None else _lines(items):
            with _At(where):
                _known(line, _ITEM)
                writer.item(line.pop("item", None), **line)
        for where, line in _lines(answers):
            with _At(where):
                _known(line, _ANSWER)
                if "text" not in line and "answer" not in line:
                    raise RecordError("expected text or answer, got neither")
                model, item = line.pop("model", None), line.pop("item", None)
                line["answer"] = _as_text(line.get("answer"))
                writer.answer(model, item, line.pop("sample", 0), **line)
    return Recording(to)


def import_reasoning_gym(answers: Path, to: Path, items: Path | None = None) -> Recording:
    """Import answers to reasoning-gym questions (open-thought/reasoning-gym-eval).

    Parameters
    ----------
    answers : path
        Lines ``{"q", "m": model, "j": sample, "a": parsed answer, "s": score, "o": full text}``.
    to : path
    items : path, optional
        Lines ``{"q", "task", "category", "question", "gold"}``; by default the file beside
        `answers` that has "questions" in its name in its place. Family is the task.

    Notes
    -----
    Where the generator gave one question several times, the source has several runs of three
    samples under one q: they are further draws of the same question, and are numbered on (3, 4, 5,
    ...). "ERROR" in place of an answer means that the source's scorer failed, with score 0; the
    answer is then the content of the text's last ``<answer>`` tag, as everywhere else in it.
    """
    items = items or _beside(answers, "questions")
    with writing(to) as writer:
        for where, line in _lines(items):
            with _At(where):
                about = {"family": line["task"], "category": line["category"]}
                writer.item(str(line["q"]), question=line["question"], gold=line["gold"], **about)
        drawn: dict[tuple[str, int], int] = defaultdict(int)
        runs: dict[tuple[str, int], list[tuple[int, int, dict[str, Any], str]]] = {}
        again: dict[tuple[str, int, int], int] = defaultdict(int)
        for where, line in _lines(answers):
            with _At(where):
                key = line["m"], line["q"]
                run = again[*key, line["j"]]
                again[*key, line["j"]] += 1
                runs.setdefault(key, []).append((run, line["j"], line, where))
        for (model, q), found in runs.items():
            for _, _, line, where in sorted(found, key=lambda one: one[:2]):
                with _At(where):
                    answer = _tagged(line["o"]) if line["a"] == "ERROR" else line["a"]
                    said = {"answer": answer, "text": line["o"], "score": float(line["s"])}
                    writer.answer(model, str(q), drawn[model, q], **said)
                    drawn[model, q] += 1
    return Recording(to)


def import_mmlu_pro(answers: Path, to: Path, items: Path | None = None) -> Recording:
    """Import choices on MMLU-Pro (TIGER-AI-Lab/MMLU-Pro).

    Parameters
    ----------
    answers : path
        A line a model: ``{"model", "pred": {question: letter or null}, "chars": {question: length
        of the reply in characters}}``.
    to : path
    items : path, optional
        Lines ``{"q", "gold", "category"}``; by default the file beside `answers` that has "gold"
        in its name in the place of "answers". Family is the category; the questions' texts are not
        in the source. The score is 1 for the gold letter, else 0; no letter is no answer.
    """
    items = items or _beside(answers, "gold")
    gold: dict[str, str] = {}
    with writing(to) as writer:
        for where, line in _lines(items):
            with _At(where):
                q = str(line["q"])
                gold[q] = line["gold"]
                about = {"family": line["category"], "category": line["category"]}
                writer.item(q, gold=line["gold"], **about)
        for where, line in _lines(answers):
            with _At(where):
                for q, letter in line["pred"].items():
                    score = float(letter == gold[q])
                    said = {"answer": letter, "score": score, "characters": line["chars"][q]}
                    writer.answer(line["model"], q, 0, **said)
    return Recording(to)


Importer = Callable[[Path, Path, Path | None], Recording]
IMPORTERS: dict[str, Importer] = {
    "jsonl": import_jsonl,
    "rg": import_reasoning_gym,
    "mmlu-pro": import_mmlu_pro,
}


class _At:
    """Puts the place in a file on what is wrong there."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, _: Any) -> None:
        if isinstance(error, RecordError):
            raise RecordError(error.what, where=self.where, mend=error.mend) from None
        if isinstance(error, KeyError):
            raise RecordError(f"expected a field {error}", where=self.where) from None
        if isinstance(error, (TypeError, AttributeError, ValueError)):
            raise RecordError(f"of another form: {error}", where=self.where) from None


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and content of each line that is not empty."""
    if not path.is_file():
        raise RecordError("there is no such file", where=str(path))
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        number = 0
        try:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield f"{path}:{number}", _object(text, f"{path}:{number}")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise RecordError(f"cannot be read: {error}", where=f"{path}:{number + 1}") from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RecordError(f"expected a line of JSON: {error}", where=where) from None
    if not isinstance(found, dict):
        raise RecordError(f"expected an object, got {type(found).__name__}", where=where)
    return found


def _known(line: dict[str, Any], names: tuple[str, ...]) -> None:
    if unknown := [name for name in line if name not in names]:
        mend = f"the fields are {', '.join(names)}"
        raise RecordError(f"unknown field {unknown[0]!r}", mend=mend)


def _as_text(answer: Any) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return cast("str | None", answer)  # the writer refuses what is no text
    return str(int(answer) if float(answer).is_integer() else answer)


def _tagged(text: str) -> str | None:
    found = _TAG.findall(text)
    return found[-1].strip() if found else None


def _beside(answers: Path, name: str) -> Path:
    if "answers" not in answers.name:
        mend = "name the file of the items, too"
        raise RecordError("expected a name with 'answers' in it", where=str(answers), mend=mend)
    return answers.with_name(answers.name.replace("answers", name))
