"""Code by name: functions, classes, modules and compiled kernels, which no file ever holds."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Collection
from typing import Any

import numpy as np

from populace.kernel.errors import StateError

_CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    np.ufunc,
    type,
)
_TYPES = {  # classes that need no package of the program's own
    "int", "float", "str", "bool", "bytes", "complex", "list", "dict", "set", "tuple", "frozenset",
    "object", "range",
}  # fmt: skip
_LIBRARIES = {"collections", "datetime", "numpy", "decimal", "fractions", "pathlib"}


def is_code(value: Any) -> bool:
    """Whether a value is named, not stored; a compiled kernel has its function as ``py_func``."""
    if isinstance(value, _CODE) or hasattr(type(value), "py_func"):
        return True
    return callable(value) and "py_func" in getattr(value, "__dict__", {})


def code_name(value: Any) -> str:
    """Return ``module:qualname`` of code."""
    value = getattr(value, "py_func", value)
    if isinstance(value, types.ModuleType):
        return value.__name__
    module = getattr(value, "__module__", None) or "builtins"
    return f"{module}:{getattr(value, '__qualname__', getattr(value, '__name__', '?'))}"


def find_code(name: str, packages: Collection[str]) -> Any:
    """Return the code of a name that a file holds, if it may be looked up and is there.

    Parameters
    ----------
    name : str
        As `code_name` gives it.
    packages : collection of str
        Top-level packages whose code may be looked up; of numpy and some of the standard library
        only classes and ufuncs are.

    Raises
    ------
    StateError
    """
    module, _, path = name.partition(":")
    top = module.split(".")[0]
    found: Any = None
    if top in packages or top in _LIBRARIES or (module == "builtins" and path in _TYPES):
        try:
            found = sys.modules.get(module) or importlib.import_module(module)
            for part in path.split(".") if path else ():
                found = vars(found)[part]
        except (ImportError, KeyError, TypeError, ValueError):
            found = None
    found = getattr(found, "__func__", found)
    if is_code(found) and (top in packages or isinstance(found, (type, np.ufunc))):
        return found
    raise StateError(
        f"{name} is not there any more, or may not be looked up",
        mend="define it in the world's own module, outside of functions",
    )
