"""Words for columns: numbers and codes said as a prompt says them, one word a distinct value.

A column of millions of values is coded by numpy; only its few distinct values become words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import PromptError, nearest
from populace.language.distinct import factorise, merged

_CONTROL = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_SPACES = re.compile(r"\s+")
_LIMIT = 1000  # characters of a text column


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How a column is said: a table ``[wording.COLUMN]`` of a prompt file.

    Parameters
    ----------
    words : list or table, optional
        Words for codes: ``["no", "yes"]`` for 0 and 1, or ``{1 = "low", 5 = "high"}``. A code
        without a word is an error.
    below : list of [bound, word], optional
        Bins: the word of the first bound that the value is below, else `above`.
    above : str
        The word from the last bound on.
    round : float, optional
        Say the nearest multiple of this.
    scale : float
        Multiply by this before `below` and `round`.
    unit : str
        Said after the number or word.
    missing : str, optional
        Said for NaN and None; without it they are errors.
    label : str
        What a persona calls the column; by default its name.
    limit : int
        Most characters of a text; a longer one is cut, with an ellipsis.
    lines : bool
        Keep the line breaks of a text. By default all white space becomes one space, so that a
        text of an agent stays on the line where the template puts it.

    Raises
    ------
    PromptError
        For an impossible or contradictory table.

    Notes
    -----
    Texts are data: control characters are removed and the marks ``<|`` and ``|>``, by which chat
    templates delimit messages, are spaced out.
    """

    words: Sequence[str] | Mapping[str, str] | None = None
    below: Sequence[Sequence[Any]] | None = None
    above: str = ""
    round: float | None = None
    scale: float = 1.0
    unit: str = ""
    missing: str | None = None
    label: str = ""
    limit: int = _LIMIT
    lines: bool = False
    where: str = field(default="wording", compare=False)

    @classmethod
    def read(cls, name: str, table: Any) -> Wording:
        """Return the wording of column `name` from its table."""
        where = f"[wording.{name}]"
        known = [f.name for f in fields(cls) if f.name != "where"]
        if not isinstance(table, Mapping):
            raise PromptError(f"expected a table, got {table!r:.80}", where=where)
        for key in table:
            if key not in known:
                raise PromptError(f"no setting {key!r}; {nearest(key, known)}", where=where)
        return cls(**table, where=where)

    def __post_init__(self) -> None:
        def expect(good: bool, what: str, got: Any) -> None:
            if not good:
                raise PromptError(f"expected {what}, got {got!r:.80}", where=self.where)

        if self.words is not None:
            words = self.words.values() if isinstance(self.words, Mapping) else self.words
            texts = not isinstance(words, str) and all(isinstance(w, str) for w in words)
            expect(texts and len(words) > 0, "words as a list or table of texts", self.words)
        if self.below is not None:
            pairs = all(
                isinstance(p, Sequence) and len(p) == 2 and _real(p[0]) and isinstance(p[1], str)
                for p in self.below
            )
            expect(pairs and len(self.below) > 0, 'below = [[bound, "word"], ...]', self.below)
            bounds = [p[0] for p in self.below]
            expect(bounds == sorted(set(bounds)), "rising bounds", bounds)
            expect(bool(self.above), 'above = "the word from the last bound on"', self.above)
        said = [k for k in ("words", "below", "round") if getattr(self, k) is not None]
        expect(len(said) < 2, "one of words, below and round", said)
        expect(self.below is not None or not self.above, "below = [...] beside above", None)
        expect(
            self.round is None or (_real(self.round) and self.round > 0), "round > 0", self.round
        )
        expect(_real(self.scale) and self.scale != 0, "a scale other than 0", self.scale)
        for key in ("above", "unit", "label"):
            expect(isinstance(getattr(self, key), str), f"{key} as a text", getattr(self, key))
        expect(self.missing is None or isinstance(self.missing, str), "a text", self.missing)
        expect(type(self.limit) is int and self.limit > 0, "a limit of 1 or more", self.limit)
        expect(isinstance(self.lines, bool), "lines = true or false", self.lines)

    def level(self, value: Any) -> float | None:
        """Return the number that a value's words stand for, the same for all with these words.

        None for codes and texts, and for what is missing.
        """
        if self.words is not None or not isinstance(value, (int, float, np.number, np.bool_)):
            return None
        number = float(value)
        if number != number:
            return None
        if self.below is not None:
            return float(np.searchsorted([b for b, _ in self.below], number * self.scale, "right"))
        if self.round is not None:
            return float(np.rint(number * self.scale / self.round) * self.round)
        return number * self.scale

    def code(self, values: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
        """Return codes (n,) of a column, and the words of each code, all different.

        Parameters
        ----------
        values : array of shape (n,), numbers, booleans or texts

        Raises
        ------
        PromptError
            If a value has no word.
        """
        if values.ndim != 1:
            raise PromptError(
                f"expected one value an agent, got shape {values.shape}",
                where=self.where,
                mend="show the world's columns one by one",
            )
        if values.dtype.kind in "OUSV" and self.words is None and (self.below or self.round):
            values = self._as_numbers(values)
        if values.dtype.kind == "f" and self.words is None:
            codes, keys = self._real_codes(values)
        else:
            try:
                codes, keys = factorise(values)
            except TypeError as error:
                raise PromptError(f"cannot be put into words: {error}", where=self.where) from None
        if keys.dtype.kind in "biu" and self.words is None and (self.below or self.round):
            own, keys = self._real_codes(keys.astype(np.float64))
            codes = own[codes]
        return merged(codes, [self._word(key) for key in keys.tolist()])

    def one(self, value: Any) -> str:
        """Return the words for one value; a tuple or list is said with commas."""
        if isinstance(value, (tuple, list)):
            return ", ".join(map(self.one, value))
        held = np.empty(1, object) if isinstance(value, str) or value is None else None
        if held is not None:
            held[0] = value
        codes, words = self.code(np.asarray([value]) if held is None else held)
        return words[int(codes[0])]

    def _as_numbers(self, values: NDArray[Any]) -> NDArray[np.float64]:
        given = [np.nan if v is None else v for v in values.tolist()]
        if not all(isinstance(v, (int, float)) for v in given):
            raise PromptError(
                "expected numbers for below and round, got texts",
                where=self.where,
                mend='use words = {code = "word"}',
            )
        return np.array(given, np.float64)

    def _real_codes(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Code numbers, and return a key for each: its bin, its rounded value, or itself."""
        if self.below is None and self.round is None:
            return factorise(values * values.dtype.type(self.scale) if self.scale != 1 else values)
        scaled = values.astype(np.float64) * self.scale if self.scale != 1 else values
        missing = np.isnan(scaled)
        if self.below is not None:
            bins = np.searchsorted([b for b, _ in self.below], scaled, side="right")
            keys = np.arange(len(self.below) + 2, dtype=np.float64)
            keys[-1] = np.nan
            bins[missing] = len(keys) - 1
            used, keys_used = factorise(bins)
            return used, keys[keys_used]
        assert self.round is not None
        codes, steps = factorise(np.rint(np.divide(scaled, self.round)))
        return codes, steps

    def _word(self, key: Any) -> str:
        if key is None or key != key:
            if self.missing is None:
                raise PromptError(
                    "a value is missing (NaN or None)", where=self.where, mend='set missing = "..."'
                )
            return self.missing
        if self.words is not None:
            said = self._coded(key)
        elif isinstance(key, str):
            said = self.clean(key)
        elif isinstance(key, bool):
            said = "yes" if key else "no"
        elif self.below is not None:
            said = [*(word for _, word in self.below), self.above][int(key)]
        elif self.round is not None:
            if not np.isfinite(key):
                raise PromptError(f"expected finite numbers, got {key}", where=self.where)
            said = f"{int(key) * Decimal(str(self.round)):f}"
            said = said.rstrip("0").rstrip(".") if "." in said else said
        elif isinstance(key, int):
            said = str(key) if self.scale == 1 else _plain(key * self.scale)
        elif isinstance(key, float):
            said = _plain(key)
        else:
            raise PromptError(f"a {type(key).__name__} cannot be put into words", where=self.where)
        return f"{said} {self.unit}" if self.unit else said

    def _coded(self, key: Any) -> str:
        assert self.words is not None
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if isinstance(self.words, Mapping):
            name = key if isinstance(key, str) else str(int(key) if isinstance(key, bool) else key)
            if name in self.words:
                return self.words[name]
            known = ", ".join(self.words)
        else:
            if isinstance(key, int) and 0 <= key < len(self.words):
                return self.words[key]
            known = f"0 to {len(self.words) - 1}"
        raise PromptError(f"there is no word for {key!r:.80}; known: {known}", where=self.where)

    def clean(self, text: str) -> str:
        """Return a text as data: no control characters, no chat marks, cut at `limit`."""
        if not self._tidy(text):
            text = _CONTROL.sub(" ", text)
            if self.lines:
                text = "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))
            else:
                text = _SPACES.sub(" ", text).strip()
        text = text.replace("<|", "< |").replace("|>", "| >")
        return text if len(text) <= self.limit else text[: max(0, self.limit - 1)].rstrip() + "…"

    def _tidy(self, text: str) -> bool:
        """Whether there is nothing to remove but chat marks: most texts, told fast."""
        if self.lines:
            if " \n" in text or "\n " in text:
                return False
            plain = text.replace("\n", "")
        else:
            plain = text
        # of what is printable, the space alone is white, and no character is one of control
        return plain.isprintable() and "  " not in text and text[:1] != " " != text[-1:]


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _plain(value: float) -> str:
    value += 0.0  # no negative zero
    return np.format_float_positional(np.float32(value) if _short(value) else value, trim="-")


def _short(value: float) -> bool:
    """Whether a number came from float32: its shortest decimal is then that of float32."""
    return float(np.float32(value)) == value
