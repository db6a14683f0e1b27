"""Answer forms: how a reply in prose becomes one canonical answer, or none.

A form reads an answer where the reply states it, and returns None where it states none, or more
than one: it never guesses. Two replies agree when their canonical answers are equal, so that votes
can group them; forms whose equality is deeper (LaTeX, code) also say who agrees with whom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from populace.kernel.errors import ParameterError, nearest
from populace.language.forms.base import Answer, Form
from populace.language.forms.choice import Choice
from populace.language.forms.letter import Letter
from populace.language.forms.number import Number
from populace.language.forms.structured import Code, Json
from populace.language.forms.texts import Text, Verbatim

__all__ = [
    "FORMS",
    "Answer",
    "Choice",
    "Code",
    "Form",
    "Json",
    "Letter",
    "Number",
    "Text",
    "Verbatim",
    "form",
]


def _latex(**options: Any) -> Form:
    from populace.language.forms.latex import Latex

    return Latex(**options)


FORMS: dict[str, Callable[..., Form]] = {
    "number": Number,
    "letter": Letter,
    "choice": Choice,
    "text": Text,
    "latex": _latex,
    "code": Code,
    "json": Json,
    "verbatim": Verbatim,
}


def form(name: str | Form, **options: Any) -> Form:
    """Return the answer form of that name.

    Parameters
    ----------
    name : str or Form
        ``number``, ``letter``, ``choice``, ``text``, ``latex``, ``code``, ``json`` or ``verbatim``;
        ``choice: Yes | No`` names its options; a form is returned as it is.
    **options
        Of that form's class.

    Raises
    ------
    ParameterError
        For an unknown form (with the nearest name) or option.

    Examples
    --------
    >>> form("number").extract("She pays 3 * 4 = 12 dollars. Answer: $1,234.50")
    1234.5
    >>> form("letter").extract("A good question. I cannot tell.")
    """
    if isinstance(name, Form):
        return name
    name, colon, rest = name.partition(":")
    if colon and name == "choice":
        options = {"options": [option.strip() for option in rest.split("|")], **options}
    if name not in FORMS:
        raise ParameterError(f"no answer form {name!r}; {nearest(str(name), FORMS)}", where="form")
    try:
        return FORMS[name](**options)
    except TypeError as error:
        raise ParameterError(str(error), where=f"form {name!r}") from error
