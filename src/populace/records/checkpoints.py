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
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import CheckpointError
from populace.kernel.state import State, dtype_name, named_dtype
from populace.kernel.threads import thread_count
from populace.records.cadence import Cadence, Checkpoints
from populace.records.files import sync_folder

FORMAT = 1
FOLDER = "checkpoints"
_BIG = 1 << 16  # bytes from which an array has a file of its own
_MEND = "an earlier checkpoint, if there is one, is still good"


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
    cadence : Cadence
        When one is due.
    seconds : float
        What checkpoints have taken so far: the time that the run waited, and the processor time of
        the thread that forces files to disk.
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
        self.cadence = Cadence(self.settings, clock)
        self._clock = clock
        self._sound: dict[str, int] = {}  # arrays on disk, written or checked by us: size
        self._held: dict[str, set[str]] = {}  # by checkpoint, the arrays that it needs
        self._thread: ThreadPoolExecutor | None = None
        self._pending: Future[float] | None = None
        self.seconds, self.written = 0.0, 0

    def due(self, tick: int) -> bool:
        """Whether a checkpoint is to be written before `tick`.

        Raises
        ------
        CheckpointError
            If the disk refused the last one.
        """
        if self._pending is not None and self._pending.done():
            self.finish()
        return self.cadence.due(tick)

    # -- writing ---------------------------------------------------------------------------------

    def write(self, name: str, tick: int, state: State, about: Mapping[str, Any]) -> None:
        """Write a checkpoint; those before stay until it is safely there.

        The files are written at once, so that the state may change afterwards; a thread forces them
        to disk and moves the checkpoint into place, which `finish` waits for.

        Raises
        ------
        CheckpointError
            If the disk refuses (full, read-only): this one, of which nothing is left, or the one
            before.
        """
        self.finish()
        begun = self._clock()
        beside = self.folder / f"{name}.tmp"
        new: list[Path] = []
        self.written = 0
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            (self.folder / "arrays").mkdir(exist_ok=True)
            table, small = self._arrays(state, new)
            header = {
                "format": FORMAT,
                "tick": tick,
                "about": dict(about),
                "arrays": table,
                "packed": hashlib.sha256(small).hexdigest(),
            }
            lines = _line(header) + _line(state.tree)
            last = hashlib.sha256(lines).hexdigest().encode() + b"\n"
            (beside / "arrays.bin").write_bytes(small)
            (beside / "state.json").write_bytes(lines + last)
        except OSError as error:
            raise self._refused(error, name, new) from error
        self.written += len(small)
        held = {entry["file"] for entry in table.values() if "file" in entry}
        taken = self._clock() - begun
        self.seconds += taken
        if name == tick_name(tick):
            self.cadence.wrote(taken)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="populace checkpoints")
        self._pending = self._thread.submit(self._commit, name, new, held)

    def finish(self) -> None:
        """Wait until the last checkpoint is safely there.

        Raises
        ------
        CheckpointError
            If the disk refused it.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            spent = pending.result()
            self.seconds += spent
            self.cadence.took_more(spent)

    def close(self) -> None:
        """Wait as `finish` does, and give back the thread."""
        try:
            self.finish()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None

    def _commit(self, name: str, new: list[Path], held: set[str]) -> float:
        """Force files to disk and move them into place; return the processor time it took."""
        begun = time.thread_time()
        beside, arrays = self.folder / f"{name}.tmp", self.folder / "arrays"
        try:
            for path in new:
                _force(path)
                os.replace(path, path.with_suffix(""))
            sync_folder(arrays)
            for path in (beside / "arrays.bin", beside / "state.json"):
                _force(path)
            sync_folder(beside)
            _replace(beside, self.folder / name)
            self._held[name] = held
            self._drop_old()
        except OSError as error:
            raise self._refused(error, name, new) from error
        return time.thread_time() - begun

    def _refused(self, error: OSError, name: str, new: list[Path]) -> CheckpointError:
        """Remove what there is of a checkpoint, and say why."""
        shutil.rmtree(self.folder / f"{name}.tmp", ignore_errors=True)
        for path in new:
            path.unlink(missing_ok=True)
            path.with_suffix("").unlink(missing_ok=True)
            self._sound.pop(path.stem, None)
        return CheckpointError(
            f"cannot be written: {error.strerror or error}",
            where=str(self.folder / name),
            mend=f"make room and resume: {_MEND}",
        )

    def _arrays(self, state: State, new: list[Path]) -> tuple[dict[str, Any], bytearray]:
        """Write the arrays that are not on disk yet; return where each is, and the small ones."""
        big = {p: _raw(a) for p, a in state.arrays.items() if a.nbytes >= _BIG}
        digests = dict(zip(big, _digests(list(big.values())), strict=True))
        table, small = {}, bytearray()
        for path, array in state.arrays.items():
            entry = {"dtype": dtype_name(array.dtype), "shape": list(array.shape)}
            entry["bytes"] = array.nbytes
            if path in big:
                entry["file"] = digest = digests[path]
                if self._sound.get(digest) != array.nbytes:
                    target = self.folder / "arrays" / f"{digest}.tmp"
                    new.append(target)
                    target.write_bytes(big[path].data)
                    self._sound[digest] = array.nbytes
                    self.written += array.nbytes
            else:
                entry["start"] = len(small)
                small += array.tobytes()
            table[path] = entry
        return table, small

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


def _raw(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _digests(arrays: list[NDArray[np.uint8]]) -> list[str]:
    """Return the checksum of each array, several at a time where threads may be used."""
    workers = min(thread_count(), len(arrays))
    if workers < 2:
        return list(map(_digest, arrays))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(_digest, arrays))


def _force(path: Path) -> None:
    """Force a file to disk."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
