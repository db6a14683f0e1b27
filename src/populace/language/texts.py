"""Texts held once: a column of texts is a column of integer codes into one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Texts:
    """A table of distinct texts; the code of a text is its place, from 0, in order of arrival.

    Texts are never taken out, so that a code means the same text for as long as the table lives.

    Examples
    --------
    >>> texts = Texts()
    >>> texts.add(["fish", "talk", "fish"])
    array([0, 1, 0], dtype=int32)
    >>> texts[[1, 0]].tolist(), texts[0], len(texts)
    (['talk', 'fish'], 'fish', 2)
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._list: list[str] = []

    def __len__(self) -> int:
        return len(self._list)

    def __contains__(self, text: object) -> bool:
        return text in self._codes

    def add(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """Return the code of each text, int32 of shape (n,), new ones entered.

        Raises
        ------
        TypeError
            For anything but a str.
        """
        codes, known = self._codes, self._list
        found = []
        for text in texts:
            code = codes.get(text)
            if code is None:
                if not isinstance(text, str):
                    raise TypeError(f"expected a text, got {text!r:.80}")
                code = codes[str(text)] = len(known)
                known.append(str(text))
            found.append(code)
        return np.array(found, np.int32)

    def __getitem__(self, codes: ArrayLike) -> Any:
        """Return the text of one code, or the texts of an array of codes as an object array.

        Raises
        ------
        IndexError
            For a code that was never given.
        """
        wanted = np.asarray(codes)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self._list):
            raise IndexError(f"expected codes from 0 to {len(self._list) - 1}, got {codes!r:.80}")
        if wanted.ndim == 0:
            return self._list[int(wanted)]
        texts = np.empty(wanted.size, object)
        texts[:] = [self._list[code] for code in wanted.ravel().tolist()]
        return texts.reshape(wanted.shape)

    def state(self) -> dict[str, Any]:
        """Return the texts as UTF-8 bytes, one after the other, and where each ends."""
        told = [text.encode("utf-8", "surrogatepass") for text in self._list]
        ends = np.cumsum([len(text) for text in told], dtype=np.int64)
        return {"bytes": np.frombuffer(b"".join(told), np.uint8), "ends": ends}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Hold what `state` returned."""
        whole, ends = np.asarray(state["bytes"]).tobytes(), np.asarray(state["ends"]).tolist()
        starts = [0, *ends[:-1]]
        self._list = [
            whole[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=False)
        ]
        self._codes = {text: code for code, text in enumerate(self._list)}
