"""Worlds, policies and models by registered name, by module, or in a file of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from populace.kernel.errors import RegistryError, nearest
from populace.kernel.registry import load
from populace.kernel.world import World

Sort = Literal["world", "policy", "model", "structure"]


def find(sort: Sort, text: str) -> Any:
    """Return the class (or function) that `text` names.

    Parameters
    ----------
    text : str
        A registered name, ``package.module:Name``, ``file.py:Name``, or ``file.py`` if that
        defines one world.

    Raises
    ------
    RegistryError
        If nothing is found there, or importing it fails.
    """
    place, colon, name = text.rpartition(":")
    if not colon:
        if not text.endswith(".py"):
            return load(sort, text)
        return _only_world(_from_file(Path(text)), text)
    module = _from_file(Path(place)) if place.endswith(".py") else _from_module(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [each for each in vars(module) if not each.startswith("_")]
            raise RegistryError(f"there is no {name!r}; {nearest(name, public)}", where=place)
        found = getattr(found, part)
    return found


def _from_module(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules of the current directory, as for `python -m`
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise _cannot_import(name, error) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise RegistryError("there is no such file", where=str(path))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RegistryError("is not a Python file", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # where annotations are looked up
    sys.path.insert(0, str(path.resolve().parent))  # its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _cannot_import(str(path), error) from error
    return module


def _cannot_import(where: str, error: Exception) -> RegistryError:
    return RegistryError(f"cannot be imported: {type(error).__name__}: {error}", where=where)


def _only_world(module: ModuleType, where: str) -> Any:
    worlds = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, World) and each.__module__ == module.__name__
    ]
    if len(worlds) == 1:
        return worlds[0]
    raise RegistryError(
        f"defines {len(worlds)} worlds",
        where=where,
        mend=f"name one: {where}:Class",
    )
