"""The process in which expressions are parsed and compared (see `populace.language.worker`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import sympy
from math_verify import LatexExtractionConfig, parse, verify
from sympy.core.relational import Equality

from populace.language.worker import serve

_ATOMS = 400  # in an expression; larger ones are compared, not simplified


def _parsed(text: str) -> Any:
    found = parse(f"${text}$", [LatexExtractionConfig()], "no_fallback", parsing_timeout=None)
    return found[0] if found else None


def canonical(text: str) -> str | None:
    """Return LaTeX of an expression, the same however it is written; None if there is none."""
    expression = _parsed(text)
    if expression is None:
        return None
    if isinstance(expression, Equality) and isinstance(expression.lhs, sympy.Symbol):
        expression = expression.rhs
    if isinstance(expression, sympy.Expr) and expression.count_ops() < _ATOMS:
        expression = sympy.expand(sympy.simplify(expression))
    if expression.has(sympy.nan, sympy.zoo):
        return None
    written: str = sympy.latex(expression)
    if written.isalpha() and len(written) > 1:
        return f"\\text{{{written}}}"
    return written if _parsed(written) is not None else text


def equal(a: str, b: str) -> bool:
    """Return whether math-verify finds two expressions equal, whichever is taken for the gold."""
    one, other = _parsed(a), _parsed(b)
    if one is None or other is None:
        return False
    return bool(
        verify(one, other, timeout_seconds=None) or verify(other, one, timeout_seconds=None)
    )


def _handle(request: Mapping[str, Any]) -> Any:
    return (canonical if request["what"] == "read" else equal)(*request["texts"])


def main() -> None:
    logging.disable()
    serve(_handle)


if __name__ == "__main__":
    main()
