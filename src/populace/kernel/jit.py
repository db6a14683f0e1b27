"""The one way that kernels are compiled here: cached, without the GIL, IEEE arithmetic kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile a kernel with numba: cached on disk, GIL released, numpy's error model, no fastmath.

    ``fastmath`` stays off, so that a kernel and its numpy reference agree to the bit.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
