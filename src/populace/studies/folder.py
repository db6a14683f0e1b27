"""The directory of a study: what it is, and one file a finished task.

::

    runs/rates/
      study.json          what is studied: format, identity, how many tasks, their digest, versions
      runs/000000.json    what came of the first task; each file is moved into place when whole
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from populace.kernel.cast import Cast
from populace.kernel.errors import RecordError
from populace.kernel.policy import FunctionPolicy, Policy, describe_policy
from populace.records.files import as_json, read_head, write_atomically
from populace.simulation.manifest import plain, versions

STUDY, RUNS = "study.json", "runs"
ANSWERS = "answers.sqlite"  # of the study's own models, unless they are kept elsewhere
FORMAT = 1


class StudyFolder:
    """A study on disk.

    Attributes
    ----------
    path : Path
    identity : mapping
        What is studied, as plain data.
    size : int
        How many tasks it has.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self.identity: Mapping[str, Any] = head["study"]
        self.size = int(head["tasks"])

    @classmethod
    def open(cls, to: str | Path, identity: Mapping[str, Any], tasks: Sequence[Any]) -> StudyFolder:
        """Return the folder of this study, new or begun before.

        Raises
        ------
        RecordError
            If the directory holds another study or anything else, or cannot be written.
        """
        path = Path(to)
        head = {
            "format": FORMAT,
            "study": json.loads(as_json(plain(identity))),
            "tasks": len(tasks),
            "sha256": _digest(plain(tasks)),
            "versions": versions(),
        }
        try:
            path.mkdir(parents=True, exist_ok=True)
            inside = sorted(each.name for each in path.iterdir() if not _is_ours(each.name))
        except OSError as error:
            raise RecordError(
                f"cannot become the directory of a study: {error.strerror or error}",
                where=str(path),
                mend="choose another directory",
            ) from error
        if (path / STUDY).exists():
            before = _head(path)
            _check_same(path, before, head)
            return cls(path, before)
        if inside:
            raise RecordError(
                f"is not empty ({inside[0]!r} is in it) and holds no study",
                where=str(path),
                mend="choose another directory, or move this one away",
            )
        write_atomically(path / STUDY, lambda file: file.write(as_json(head)))
        (path / RUNS).mkdir(exist_ok=True)
        return cls(path, head)

    @classmethod
    def read(cls, path: str | Path) -> StudyFolder:
        """Return the study in a directory.

        Raises
        ------
        RecordError
            If there is none, or it was written in a format that this version does not know.
        """
        return cls(Path(path), _head(Path(path)))

    def results(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of every result that is there, in the order of the tasks."""
        for file in sorted((self.path / RUNS).glob("*.json")):
            try:
                text = file.read_bytes()
                json.loads(text.decode("utf-8", "surrogatepass"))["status"]
                yield int(file.stem), text
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise RecordError(
                    f"cannot be read: {error}",
                    where=str(file),
                    mend="remove that file: only its task is then done again",
                ) from error

    def finished(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and bytes of the results that need not be worked out again."""
        for n, text in self.results():
            if json.loads(text.decode("utf-8", "surrogatepass"))["status"] == "finished":
                yield n, text

    def put(self, n: int, text: bytes) -> None:
        """Write what came of a task, whole or not at all."""
        folder = self.path / RUNS
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"{n:06d}.json", lambda file: file.write(text))


def _is_ours(name: str) -> bool:
    return name in (STUDY, RUNS, f"{STUDY}.tmp") or name.startswith(ANSWERS)


def _head(path: Path) -> dict[str, Any]:
    mend = "name a directory that a sweep or comparison wrote (to=, --to)"
    return read_head(path, STUDY, FORMAT, "study", mend)


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise RecordError, with what differs, unless two heads tell of one study."""
    old, new = before["study"], now["study"]
    mend = "choose another directory, or ask for the same again"
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            raise RecordError(
                f"holds another study: {name} was {_short(old.get(name))}, "
                f"now {_short(new.get(name))}",
                where=str(path),
                mend=mend,
            )
    if (before["tasks"], before["sha256"]) != (now["tasks"], now["sha256"]):
        raise RecordError(
            f"holds another study: it had {before['tasks']} tasks, "
            f"now {now['tasks']}, and they are not the same",
            where=str(path),
            mend=mend,
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:42]}... ({_digest(value)[:8]})"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def described(thing: Any) -> Any:
    """Return what a function, class, policy or cast is, as plain data that tells it from others.

    Functions and classes are known by their source too, so that a study is not continued with
    another one of the same name.
    """
    if isinstance(thing, functools.partial):
        return {
            "partial": described(thing.func),
            "args": described(thing.args),
            "keywords": described(thing.keywords),
        }
    if isinstance(thing, Mapping):
        return {str(name): described(value) for name, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [described(each) for each in thing]
    if isinstance(thing, type) or inspect.isroutine(thing):
        return _code(thing)
    if isinstance(thing, Cast):
        told = thing.describe()
        return {
            "policies": {name: described(policy) for name, policy in thing.policies.items()},
            "shares": told["shares"],
        }
    if isinstance(thing, FunctionPolicy):
        return described(thing.function)
    if isinstance(thing, Policy):
        # of the functions that it holds it tells the names only
        functions = {name: f for name, f in _held(thing).items() if inspect.isroutine(f)}
        return described({**describe_policy(thing), "functions": functions})
    describe = getattr(thing, "describe", None)
    if describe is not None:
        return {"class": type(thing).__qualname__, **described(describe())}
    return plain(thing)


def _held(policy: Any) -> dict[str, Any]:
    """Return a policy's attributes, and what its mappings hold, by name."""
    found: dict[str, Any] = {}
    for name, value in getattr(policy, "__dict__", {}).items():
        inside = value if isinstance(value, Mapping) else {}
        found |= {name: value, **{f"{name}.{key}": each for key, each in inside.items()}}
    return found


def _code(thing: Any) -> str:
    """Return the name of a function or class, and a digest of its source and of what it holds."""
    name = f"{thing.__module__}.{thing.__qualname__}"
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError):  # built in, or typed at a prompt
        return name
    held = [plain(cell.cell_contents) for cell in getattr(thing, "__closure__", None) or ()]
    return f"{name} ({_digest([text, held])[:16]})"
