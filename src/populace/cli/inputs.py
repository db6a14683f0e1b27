"""The files that a run is made from: kept with it, so that it can be made again."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from populace.cli.replying import FILE as REPLIES
from populace.cli.replying import Replies
from populace.kernel.errors import RecordError
from populace.simulation.keeping import INPUTS

_CAST = "cast.toml"


class Inputs:
    """Files by their name in the run directory's folder ``inputs``.

    Attributes
    ----------
    files : dict of str to bytes
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def command(
        self, world: str, cast: str | None, replies: Replies | None = None
    ) -> dict[str, Any]:
        """Return what the manifest tells of world and cast, and take in the cast's files.

        A file of Python is code: it is named by its whole path and stays where it is.
        """
        place, colon, name = world.rpartition(":")
        if (place or name).endswith(".py"):
            path = Path(place or name).resolve()
            world = f"{path}:{name}" if colon else str(path)
        elif world.endswith(".py"):
            world = str(Path(world).resolve())
        told: dict[str, Any] = {"world": world, "cast": cast, "inputs": {}}
        if cast is not None and (cast.endswith(".toml") or Path(cast).is_file()):
            told["cast"] = {"file": _CAST}
            self._cast(Path(cast))
        if replies is not None:
            told["replies"] = REPLIES
            self.files[REPLIES] = replies.content()
        told["inputs"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest()}
            for name, content in self.files.items()
        }
        return told

    def _cast(self, path: Path) -> None:
        """Take in a cast file and the prompts beside it."""
        try:
            content = path.read_bytes()
            tables = tomllib.loads(content.decode()).get("policies", {})
        except (OSError, ValueError, AttributeError):
            return  # reading the cast says what is wrong
        self.files[_CAST] = content
        for table in tables.values() if isinstance(tables, Mapping) else ():
            prompts = table.get("prompts") if isinstance(table, Mapping) else None
            if not isinstance(prompts, str):
                continue
            inside = PurePosixPath(prompts)
            if not inside.is_absolute() and ".." not in inside.parts and prompts != _CAST:
                file = path.parent / prompts
                if file.is_file():
                    self.files[prompts] = file.read_bytes()


def kept_cast(folder: Path, command: Mapping[str, Any]) -> str | None:
    """Return what a run's cast was made from, as `read_cast` takes it.

    Raises
    ------
    RecordError
        If a kept file is gone or was changed.
    """
    cast = command["cast"]
    for name, told in command["inputs"].items():
        path = folder / INPUTS / name
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise RecordError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if digest != told["sha256"]:
            raise RecordError(
                "is not what the run was made from",
                where=str(path),
                mend="put it back; to change a cast, fork the run",
            )
    if not isinstance(cast, Mapping):
        return cast if cast is None else str(cast)
    return str(folder / INPUTS / cast["file"])
