"""Mathematical expressions in LaTeX: equal when math-verify finds them equal."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from typing import Any

from populace.kernel.errors import ParameterError, PopulaceError
from populace.language.forms.base import Form
from populace.language.forms.stated import said_aloud, stated
from populace.language.worker import Worker, WorkerFailed

_MATHS = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$(.+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_WORDS = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}")
_NAMES = {"sqrt", "sin", "cos", "tan", "log", "exp", "pi", "inf", "infty", "frac"}


class Latex(Form):
    r"""An expression, in a box, after "Answer:", or as the whole reply.

    Canonical: LaTeX of the expression simplified and expanded by sympy, of ``x = 5`` the value; so
    ``\frac{1}{\sqrt{2}}`` and ``\sqrt{2}/2`` are one answer. What canonical texts do not show equal
    `same` may (0.333333 and 1/3), with math-verify (Kydlíček, Math-Verify, 2025), both ways round.
    The work is done in a process of its own with a time limit, so in any thread; an expression that
    passes the limit is not read.

    Raises
    ------
    ParameterError
        Without the extra ``exams``, which brings math-verify.
    """

    name = "latex"
    instruction = r"Put your final answer, and nothing else, in \boxed{}."

    def __init__(self) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise ParameterError(
                "needs the package math-verify", where="latex", mend="pip install 'populace[exams]'"
            )

    def extract(self, text: str) -> str | None:
        found = stated(text)
        part = said_aloud(text) if found is None else found.text
        if part is None:
            return None
        inside = [next(filter(None, groups)) for groups in _MATHS.findall(part)]
        if len(inside) > 1:
            return None  # several expressions, and no word on which
        if inside:
            part = inside[0]
        elif set(_WORDS.findall(part)) - _NAMES and not part.startswith("\\text"):
            return None  # prose
        part = part.strip().rstrip(".,;")
        return _ask("read", part) if part and len(part) <= 2000 else None

    def same(self, a: Any, b: Any) -> bool:
        if not (isinstance(a, str) and isinstance(b, str)):
            return False
        return a == b or bool(_ask("same", a, b))


@cache
def _worker() -> Worker:
    return Worker("populace.language.forms.latex_worker", seconds=5.0)


def _ask(what: str, *texts: str) -> Any:
    try:
        return _worker().ask({"what": what, "texts": texts})
    except WorkerFailed:
        return None
    except PopulaceError:  # sympy cannot work with what it parsed
        return None
