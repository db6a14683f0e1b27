"""Writing so that a reader, or a process killed at any moment, never sees half a file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from populace.kernel.errors import RecordError

MANIFEST = "manifest.json"


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside `path`, force it to disk, and move it into place.

    Raises
    ------
    RecordError
        If the disk refuses (full, read-only, folder gone).
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RecordError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            mend="make room, or choose another directory",
        ) from error


def read_head(
    folder: Path, name: str, form: int, what: str, mend: str, where: str | None = None
) -> dict[str, Any]:
    """Return the JSON file that says what a directory holds, of one format.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file.
    form : int
        The ``format`` that this version knows.
    what : str
        What the directory should hold, for errors: ``run``, ``study``.
    mend : str
        What to name instead, if there is none.
    where : str, optional
        The place as the user named it, by default `folder`.

    Raises
    ------
    RecordError
        If it is absent, cannot be read, or is of another format.
    """
    try:
        head = json.loads((folder / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"no {what} is here (it has no {name})", where=where or str(folder), mend=mend
        ) from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{name} cannot be read: {error}", where=str(folder)) from error
    known = isinstance(head, dict) and head.get("format")
    if known != form:
        raise RecordError(
            f"expected a {what} of format {form}, got {known!r}",
            where=str(folder),
            mend="read it with the version of populace that wrote it",
        )
    return dict(head)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk, where the system can."""
    with suppress(OSError):  # not on Windows
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run directory: nobody else may write to it until the block, or the process, ends.

    Raises
    ------
    RecordError
        If another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows, where two processes are not told apart
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / "lock", "ab")  # noqa: SIM115 - closed below
    except OSError as error:
        raise _unusable(folder, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RecordError(
                "a process is writing this run", where=str(folder.parent), mend="wait for its end"
            ) from error
        yield


_MEND = "choose another directory, or move this one away"


def check_free(folder: Path) -> None:
    """Raise RecordError unless `folder` is absent or an empty directory."""
    try:
        inside = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(folder, error) from error
    if MANIFEST in inside:
        raise RecordError("holds a run already", where=str(folder), mend=_MEND)
    if inside:
        raise RecordError(f"is not empty ({inside[0]!r} is in it)", where=str(folder), mend=_MEND)


def claim(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make `folder` a run directory of our own by creating its manifest.

    Raises
    ------
    RecordError
        If it holds anything already, or cannot be made.
    """
    check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # "x" fails if another process claimed the folder since we looked.
        with open(folder / MANIFEST, "xb") as file:
            file.write(as_json(manifest))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> RecordError:
    return RecordError(
        f"cannot become a run directory: {error.strerror or error}", where=str(folder), mend=_MEND
    )


def as_json(value: Any) -> bytes:
    """Return `value` as indented JSON in UTF-8; numbers that JSON lacks (inf, NaN) as text."""
    return (
        json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode("utf-8", "backslashreplace")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
