"""Watching a run from outside: entropy drawn, global generators used, files written."""

from __future__ import annotations

import os
import random
import secrets
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# Compiled code and its caches are written wherever Python and numba keep them.
_CACHES = ("__pycache__", ".pyc", ".nbi", ".nbc", "numba_cache")
_STANDARD = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_EXEMPT = tuple(f"{os.sep}{name}{os.sep}" for name in ("numba", "llvmlite", "polars"))
_MOVES = {"os.rename": 2, "os.link": 2, "os.symlink": 2}  # the second path is the one written
_PATHS = {"os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.chmod", "os.chown"}

_hooked = False
_watchers: list[Callable[[str, tuple[Any, ...]], None]] = []


@contextmanager
def global_generators(seed: int) -> Iterator[list[str]]:
    """Seed numpy's legacy generator and `random` with `seed`; list which of them were used.

    Their states before are restored.
    """
    used: list[str] = []
    before = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    started = _plain(np.random.get_state()), random.getstate()
    try:
        yield used
        if _plain(np.random.get_state()) != started[0]:
            used.append("numpy's global generator (np.random.*)")
        if random.getstate() != started[1]:
            used.append("the global generator of the module random")
    finally:
        np.random.set_state(before[0])
        random.setstate(before[1])


def _plain(state: Any) -> str:
    name, words, place, has_gauss, gauss = state
    return repr((name, words.tobytes(), place, has_gauss, gauss))


@contextmanager
def entropy() -> Iterator[list[str]]:
    """List where entropy of the operating system was drawn from Python.

    Seen are ``os.urandom`` and what is built on it (``uuid4``, ``secrets``) and numpy's generators
    made without a seed (``np.random.default_rng()``); not seen is ``random.Random()``, which asks
    the system directly.
    """
    drawn: list[str] = []

    def spied(function: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any) -> Any:
            if (where := _caller()) is not None:
                drawn.append(where)
            return function(*args)

        return spy

    spots: list[tuple[Any, str]] = [
        (os, "urandom"),
        (random, "_urandom"),
        (secrets, "randbits"),
        (np.random.bit_generator, "randbits"),
    ]
    original = [getattr(module, name) for module, name in spots]
    for (module, name), function in zip(spots, original, strict=True):
        setattr(module, name, spied(function))
    try:
        yield drawn
    finally:
        for (module, name), function in zip(spots, original, strict=True):
            setattr(module, name, function)


def _caller() -> str | None:
    """Return file and line of the innermost code that is no library's; None for exempt ones."""
    for frame in reversed(traceback.extract_stack()[:-2]):
        if any(part in frame.filename for part in _EXEMPT):
            return None
        library = frame.filename.startswith(("<frozen", *_STANDARD))
        if not library or "site-packages" in frame.filename:
            if Path(frame.filename).parent.name == "asyncio":
                return None
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return None


@contextmanager
def writes(allowed: Path | None) -> Iterator[list[str]]:
    """List files written, made, moved or deleted outside `allowed`.

    Python's own file operations are seen wherever they go (by an audit hook); those of compiled
    libraries only if they change the current directory. Caches of compiled code are exempt.
    """
    found: dict[str, None] = {}
    inside = None if allowed is None else allowed.resolve()

    def watch(event: str, args: tuple[Any, ...]) -> None:
        for path in _written(event, args):
            if not _is_allowed(path, inside):
                found[str(path)] = None

    _hook()
    here = Path.cwd()
    before = _listing(here)
    _watchers.append(watch)
    seen: list[str] = []
    try:
        yield seen
    finally:
        _watchers.remove(watch)
        after = _listing(here)
        changed = [here / name for name in sorted(after.keys() | before.keys())
                   if after.get(name) != before.get(name)]  # fmt: skip
        for path in changed:
            covered = inside is not None and inside.is_relative_to(path.resolve())
            if not covered and not _is_allowed(path, inside):
                found[str(path)] = None
        seen.extend(found)


def _hook() -> None:
    """Install the audit hook, once: Python offers no way to take one off."""
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(lambda event, args: [w(event, args) for w in _watchers] and None)


def _written(event: str, args: tuple[Any, ...]) -> list[Path]:
    """Return the paths that an audit event writes."""
    targets: list[Any] = []
    if event == "open" and args:
        path, mode, flags = args
        writing = isinstance(mode, str) and set(mode) & set("wax+")
        if writing or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            targets = [path]
    elif event in _MOVES:
        targets = list(args[: _MOVES[event]])
    elif event in _PATHS:
        targets = [args[0]]
    return [
        Path(os.fsdecode(t)).absolute() for t in targets if isinstance(t, (str, bytes, os.PathLike))
    ]


def _is_allowed(path: Path, inside: Path | None) -> bool:
    text = str(path)
    if text == os.devnull or any(mark in text for mark in _CACHES):
        return True
    return inside is not None and Path(os.path.realpath(path)).is_relative_to(inside)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of the files in a folder, and which folders there are.

    Hidden ones are left out: tools beside the run keep their notes there.
    """
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            status = entry.stat(follow_symlinks=False)
            is_folder = entry.is_dir(follow_symlinks=False)
            found[entry.name] = (0, 0) if is_folder else (status.st_size, status.st_mtime_ns)
    return found
