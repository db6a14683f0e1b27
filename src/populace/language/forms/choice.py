"""One of some options in words: Yes or No, a colour, a name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from populace.kernel.errors import ParameterError
from populace.language.forms.base import Form
from populace.language.forms.stated import said_aloud, stated
from populace.language.forms.texts import Text


class Choice(Form):
    """One of a few options, each a short text; canonical: the option as it was given.

    The stated answer, or a reply of one line, which is an option or begins with one and names no
    other. A model that scores can be asked for their probabilities (`populace.Team`, `scored`).

    Parameters
    ----------
    options : sequence of str
        Two or more, different when case and outer punctuation are left out.

    Raises
    ------
    ParameterError
        For options that cannot be told apart, or hold a line break or a bar.
    """

    def __init__(self, options: Sequence[str]) -> None:
        given = [options] if isinstance(options, str) else list(options)
        good = all(isinstance(o, str) and o.strip() and not set("|\n") & set(o) for o in given)
        plain = [Text().extract(o) for o in given] if good else []
        if not good or None in plain or len(set(plain)) != len(given) or len(given) < 2:
            raise ParameterError(
                f"expected two different options or more, got {options!r:.200}", where="choice"
            )
        self.options = tuple(o.strip() for o in given)
        self.name = f"choice: {' | '.join(self.options)}"
        self.instruction = (
            f'End your reply with a line "Answer: " followed by one of: {", ".join(self.options)}.'
        )
        self._plain = dict(zip(plain, self.options, strict=True))
        longest = sorted((re.escape(str(p)) for p in plain), key=len, reverse=True)
        self._any = re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)")

    def extract(self, text: str) -> str | None:
        found = stated(text)
        part = said_aloud(text) if found is None else found.text
        if part is None or "\n" in part:
            return None
        plain = Text(limit=10_000).extract(part)
        if plain is None or plain in self._plain:
            return None if plain is None else self._plain[plain]
        named = self._any.findall(plain)
        begins = self._any.match(plain)
        if (
            begins is None
            or len(set(named)) > 1
            or not re.match(r"[\s,;:.(–-]", plain[begins.end() :])
        ):
            return None
        return self._plain[begins[0]]
