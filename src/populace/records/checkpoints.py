"""Checkpoints of a run on disk: whole or absent, checked when read, the last ones kept.

::

    checkpoints/
      arrays/<sha256>        large arrays by content: one that does not change is written once
      tick-000040/
        arrays.bin           small arrays, one after another
        state.json           where each array lies, with its checksum; the rest of the state; and,
                             as its last line, the sha256 of all lines before

A checkpoint is written into a folder beside, forced to disk, and moved into place. Nothing in it is
code: arrays are raw bytes, the rest is JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import CheckpointError, ParameterError
from populace.kernel.state import State, dtype_name, named_dtype
from populace.records.files import sync_folder

FORMAT = 1
FOLDER = "checkpoints"
_BIG = 1 << 16  # bytes from which an array has a file of its own
_LEAST = 10.0  # seconds between two checkpoints, at least
_TIMES = 50.0  # what a checkpoint costs, so often must have passed since: 2 % of the run
_BYTES_A_SECOND = 1e8  # guessed for the first one
_MEND = "an earlier checkpoint, if there is one, is still good"


@dataclass(frozen=True)
class Checkpoints:
    """When checkpoints are written, and how many are kept.

    Parameters
    ----------
    every_ticks : int, optional
        At every tick that this divides. These are all kept.
    every_seconds : float, "auto" or None
        At the first tick's end after so many seconds; "auto" writes as often as is cheap: when
        50 times what the last one took has passed, at least 10 seconds.
    keep : int
        How many of the latest are kept, at least 1; more than one lets a damaged one be skipped.

    Raises
    ------
    ParameterError
    """

    every_ticks: int | None = None
    every_seconds: float | Literal["auto"] | None = "auto"
    keep: int = 2

    def __post_init__(self) -> None:
        whole = [("keep", self.keep)]
        if self.every_ticks is not None:
            whole.append(("every_ticks", self.every_ticks))
        for name, value in whole:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterError(f"expected {name} >= 1, got {value!r}", where="Checkpoints")
        seconds = self.every_seconds
        if seconds not in ("auto", None) and not (
            isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds >= 0
        ):
            raise ParameterError(
                f"expected every_seconds >= 0, 'auto' or None, got {seconds!r}", where="Checkpoints"
            )

    @classmethod
    def parse(cls, text: str) -> Checkpoints:
        """Read ``auto``, ``100`` (ticks) or ``30s``.

        Raises
        ------
        ParameterError

        Examples
        --------
        >>> Checkpoints.parse("100").every_ticks, Checkpoints.parse("30s").every_seconds
        (100, 30.0)
        """
        given = text.strip()
        try:
            if given == "auto":
                return cls()
            if given.endswith("s"):
                return cls(every_seconds=float(given[:-1]))
            return cls(every_ticks=int(given), every_seconds=None)
        except ValueError:
            raise ParameterError(
                f"expected ticks, seconds or auto, got {text!r}",
                where="checkpoints",
                mend="for instance 100, 30s or auto",
            ) from None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read.

    Attributes
    ----------
    tick : int
        The next to be lived through.
    state : State
    about : dict
        What else was written: where the records stood, for instance.
    """

    tick: int
    state: State
    about: dict[str, Any]
    path: Path


class Vault:
    """The checkpoints of one run directory.

    Parameters
    ----------
    run : Path
        The run directory.
    settings : Checkpoints
    clock : callable
        Seconds that only grow.

    Attributes
    ----------
    seconds : float
        Spent on writing so far.
    written : int
        Bytes of arrays written by the last `write`.
    """

    def __init__(
        self,
        run: Path,
        settings: Checkpoints | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.settings = run / FOLDER, settings or Checkpoints()
        self._clock = clock
        self._cost: float | None = None
        self._last = clock()
        self._sound: dict[str, int] = {}  # arrays on disk, written or checked by us: size
        self._held: dict[str, set[str]] = {}  # by checkpoint, the arrays that it needs
        self.seconds, self.written = 0.0, 0

    # -- when ------------------------------------------------------------------------------------

    def expect(self, state: State) -> None:
        """Guess what a checkpoint will cost, from a first look at the state."""
        if self._cost is None:
            self._cost = state.nbytes / _BYTES_A_SECOND

    def due(self, tick: int) -> bool:
        """Whether a checkpoint is to be written before `tick`."""
        every, seconds = self.settings.every_ticks, self.settings.every_seconds
        if every is not None and tick % every == 0:
            return True
        if seconds is None:
            return False
        if seconds == "auto":
            seconds = max(_LEAST, _TIMES * (self._cost or 0.0))
        return self._clock() - self._last >= seconds

    # -- writing ---------------------------------------------------------------------------------

    def write(self, name: str, tick: int, state: State, about: Mapping[str, Any]) -> Path:
        """Write a checkpoint; those before stay until it is safely there.

        Raises
        ------
        CheckpointError
            If the disk refuses (full, read-only). Nothing of this one is left.
        """
        begun = self._clock()
        target, beside = self.folder / name, self.folder / f"{name}.tmp"
        made: list[Path] = []
        self.written = 0
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            (self.folder / "arrays").mkdir(exist_ok=True)
            table, small = {}, bytearray()
            for path, array in state.arrays.items():
                table[path] = self._array(array, small, made)
            if made:
                sync_folder(self.folder / "arrays")
            _put(beside / "arrays.bin", small)
            header = {
                "format": FORMAT,
                "tick": tick,
                "about": dict(about),
                "arrays": table,
                "packed": hashlib.sha256(small).hexdigest(),
            }
            lines = _line(header) + _line(state.tree)
            _put(beside / "state.json", lines + hashlib.sha256(lines).hexdigest().encode() + b"\n")
            sync_folder(beside)
            _replace(beside, target)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            for new in made:
                new.unlink(missing_ok=True)
                self._sound.pop(new.name, None)
            raise CheckpointError(
                f"cannot be written: {error.strerror or error}",
                where=str(error.filename or target),
                mend=f"make room and resume: {_MEND}",
            ) from error
        self.written += len(small)
        self._held[name] = {entry["file"] for entry in table.values() if "file" in entry}
        self._drop_old()
        self._last = self._clock()
        self._cost = self._last - begun
        self.seconds += self._cost
        return target

    def _array(self, array: NDArray[Any], small: bytearray, made: list[Path]) -> dict[str, Any]:
        """Put an array into its own file or into `small`, and return where it is."""
        entry = {"dtype": dtype_name(array.dtype), "shape": list(array.shape)}
        if array.nbytes < _BIG:
            start = len(small)
            small += array.tobytes()
            return {**entry, "start": start, "bytes": array.nbytes}
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        digest = _digest(data)
        if self._sound.get(digest) != data.nbytes:
            path = self.folder / "arrays" / digest
            beside = path.with_name(f"{digest}.tmp")
            made += [beside, path]
            _put(beside, data)
            os.replace(beside, path)
            self._sound[digest] = data.nbytes
            self.written += data.nbytes
        return {**entry, "file": digest, "bytes": data.nbytes}

    def _drop_old(self) -> None:
        """Remove the checkpoints beyond those to keep, then the arrays that none needs."""
        every, names = self.settings.every_ticks, self.names()
        for tick, name in names[: -self.settings.keep]:
            if every is None or tick % every:
                shutil.rmtree(self.folder / name, ignore_errors=True)
                self._held.pop(name, None)
        needed: set[str] = set()
        for path in self.folder.iterdir():
            if path.suffix == ".tmp":
                shutil.rmtree(path, ignore_errors=True)
            elif (path / "state.json").exists():
                needed |= self._needs(path.name)
        for path in (self.folder / "arrays").iterdir():
            if path.name not in needed:
                path.unlink(missing_ok=True)
                self._sound.pop(path.name, None)

    def _needs(self, name: str) -> set[str]:
        if name not in self._held:
            with suppress(CheckpointError):
                header, _ = _read(self.folder / name)
                files = {entry["file"] for entry in header["arrays"].values() if "file" in entry}
                self._held[name] = files
        return self._held.get(name, set())

    def drop_after(self, tick: int) -> None:
        """Remove checkpoints of later ticks than this, from which the run goes on."""
        for later, name in self.names():
            if later > tick:
                shutil.rmtree(self.folder / name, ignore_errors=True)

    # -- reading ---------------------------------------------------------------------------------

    def names(self) -> list[tuple[int, str]]:
        """Return the checkpoints that are there by tick, the earliest first."""
        found = []
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                number = path.name.removeprefix("tick-")
                if number != path.name and number.isdecimal():
                    found.append((int(number), path.name))
        return sorted(found)

    def latest(self, at: int | None = None) -> Checkpoint | None:
        """Return the latest sound checkpoint, of tick `at` or before; None if there is none.

        Warns
        -----
        RuntimeWarning
            Naming each damaged one that had to be passed over.
        """
        for tick, name in reversed(self.names()):
            if at is not None and tick > at:
                continue
            try:
                return self.read(name)
            except CheckpointError as error:
                warnings.warn(f"{error}; going back to the one before", RuntimeWarning, 2)
        return None

    def read(self, name: str) -> Checkpoint:
        """Return a checkpoint, every byte of it checked.

        Raises
        ------
        CheckpointError
            Naming the file that is missing, damaged or of another format.
        """
        folder = self.folder / name
        header, tree = _read(folder)
        packed = _bytes(folder / "arrays.bin", header["packed"])
        arrays = {}
        for path, entry in header["arrays"].items():
            if "file" in entry:
                data = _bytes(self.folder / "arrays" / entry["file"], entry["file"])
                self._sound[entry["file"]] = data.nbytes
            else:
                data = packed[entry["start"] : entry["start"] + entry["bytes"]]
            dtype, shape = named_dtype(entry["dtype"]), tuple(entry["shape"])
            empty = not data.nbytes
            arrays[path] = np.empty(shape, dtype) if empty else data.view(dtype).reshape(shape)
        return Checkpoint(header["tick"], State(tree, arrays), header["about"], folder)


def tick_name(tick: int) -> str:
    """Return the name of the checkpoint before a tick."""
    return f"tick-{tick:06d}"


def _digest(data: NDArray[np.uint8]) -> str:
    return hashlib.sha256(data.data).hexdigest()


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _put(path: Path, data: Any) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(beside: Path, target: Path) -> None:
    """Move a folder into place, over an earlier one of that name."""
    if target.exists():
        old = target.with_name(f"{target.name}.old.tmp")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
        os.rename(beside, target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(beside, target)
    sync_folder(target.parent)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and tree of a checkpoint whose text is as it was written."""
    path = folder / "state.json"
    with _damage(path):
        content = path.read_bytes()
        lines, _, last = content.rstrip(b"\n").rpartition(b"\n")
        if hashlib.sha256(lines + b"\n").hexdigest().encode() != last:
            raise ValueError("its checksum does not fit: it is cut short or was changed")
        top, _, rest = lines.partition(b"\n")
        header = json.loads(top)
        if header["format"] != FORMAT:
            raise ValueError(
                f"expected format {FORMAT}, got {header['format']!r}: written by another version"
            )
        return header, json.loads(rest)


def _bytes(path: Path, digest: str) -> NDArray[np.uint8]:
    with _damage(path):
        data = np.fromfile(path, np.uint8)
        if _digest(data) != digest:
            raise ValueError("its checksum does not fit: it is cut short or was changed")
        return data


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(f"cannot be used: {told}", where=str(path)) from error
