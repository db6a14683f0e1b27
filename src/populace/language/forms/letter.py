"""Letters of options: stated as the answer, never picked up from prose."""

from __future__ import annotations

import re

from populace.kernel.errors import ParameterError
from populace.language.forms.base import Form
from populace.language.forms.stated import DENIED, said_aloud, stated

_AFTER = (
    r"(?=\s*$|[)\]}\"'*]|[.:;,]?\s*\n|[.:;]\s|,\s*(?:because|since|as|for|which)\b"
    r"|\s+(?:because|since|as|for|which|with)\b|\s*[-–—]\s|\s*\(|[.:;,!]\s*$|:\w|\.\))"
)
_OTHER = r"\W*(?:\b(?:and|or|nor)\b|/|&|,)\W*(?:(?:option|choice)\s+)?\W*[A-Z](?![\w'’])"


class Letter(Form):
    """The letter of an option, A to J.

    A capital that is stated as the answer ("the answer is (C)", "Answer: C", "option C is
    correct"), that opens a reply of one line as an option's mark ("C) Paris"), or that is the whole
    reply or its last line. A small letter counts in brackets or alone. Canonical: the capital.

    Parameters
    ----------
    options : int
        How many letters there are, from A; 2 to 26.
    """

    name = "letter"
    instruction = 'End your reply with a line "Answer: " followed by the letter of your choice.'

    def __init__(self, options: int = 10) -> None:
        if isinstance(options, bool) or not isinstance(options, int) or not 2 <= options <= 26:
            raise ParameterError(f"expected 2 to 26 options, got {options!r}", where="letter")
        self.options = options
        last = chr(ord("A") + options - 1)
        both = f"A-{last}a-{last.lower()}"
        big = f"A-{last}"
        self._mark = re.compile(  # an option's letter where the stated answer begins
            rf"""[\s"'*_`$]*(?:\\text\{{|\\mathrm\{{)?
            (?:(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+)?["'*_`]*
            (?:[(\[{{]\s*(?P<a>[{both}])\s*[)\]}}]
              | (?P<b>[{big}]){_AFTER}
              | (?P<c>[{both}])[\s.,:;!"'*_`$)\]}}]*$)
            (?P<rest>.*)""",
            re.VERBOSE | re.DOTALL,
        )
        self._claim = re.compile(
            rf"""(?:\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s+(?P<a>\(?[{big}]\)?)
              | (?:^|(?<=[\s*]))(?P<b>\([{big}]\)|[{big}]))
            \s+is\s+(?:the\s+)?(?:correct|right|best)(?:\s+(?:answer|option|choice|one))?\b
            |\b(?:choose|pick|select|go\ with)\s+(?:(?:option|choice|answer)\s+)?
             (?P<c>\([{both}]\)|[{big}]{_AFTER})""",
            re.VERBOSE,
        )

    def extract(self, text: str) -> str | None:
        found = stated(text)
        if found is not None and found.text is not None:
            return self._first(found.text)
        if found is not None:
            return None
        reply = said_aloud(text).strip()
        plain = reply.replace("**", "")
        claims = [
            match
            for match in self._claim.finditer(plain)
            if not DENIED.search(re.split(r"[.!?\n]", plain[: match.start()])[-1])
        ]
        if claims:
            letters = [re.sub(r"\W", "", m["a"] or m["b"] or m["c"]).upper() for m in claims]
            before, rest = plain[: claims[-1].start()], plain[claims[-1].end() :]
            several = re.match(_OTHER, rest) or re.search(r"(?:\b(?:and|or)|[,/&])\s*$", before)
            return None if several else letters[-1]
        lines = reply.splitlines()
        if len(lines) == 1:
            return self._first(reply)
        alone = self._first(lines[-1]) if lines else None
        bare = re.sub(r"[^\w]", "", lines[-1]) if lines else ""
        return alone if len(bare) == 1 else None

    def _first(self, text: str) -> str | None:
        match = self._mark.match(text)
        if match is None or re.match(_OTHER, match["rest"]):
            return None
        letter: str = match["a"] or match["b"] or match["c"]
        return letter.upper()
