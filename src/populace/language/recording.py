"""A recording: what models really answered to the items of an exam, in one SQLite file.

Four tables: ``models`` and ``items`` (question, gold, family, category), ``answers`` keyed by
(model, item, sample), and ``texts``, the full replies as zlib of UTF-8, read one by one. Whatever a
source did not say is NULL; nothing is filled in.
"""

from __future__ import annotations

import math
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from populace.kernel.errors import RecordError, nearest

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
CHARACTERS_PER_TOKEN = 4.0
"""Used where a source counts no tokens: the usual rule of thumb for English text (OpenAI, "What are
tokens and how to count them?"). Such counts are marked as estimated wherever they are shown."""

RIGHT = 0.99
"""The score from which an answer counts as right; a source's partial credit lies below."""

_APPLICATION = 0x706F7072  # "popr", SQLite's application_id: tells our files from others'
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE items (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    question TEXT, gold TEXT, family TEXT, category TEXT
);
CREATE TABLE answers (
    model INTEGER NOT NULL, item INTEGER NOT NULL, sample INTEGER NOT NULL,
    answer TEXT, score REAL, tokens_in INTEGER, tokens_out INTEGER, characters INTEGER,
    text INTEGER, PRIMARY KEY (model, item, sample)
) WITHOUT ROWID;
CREATE TABLE texts (id INTEGER PRIMARY KEY, text BLOB NOT NULL);
"""
_COST = """
SELECT answer, score, tokens_in, tokens_out, characters, NULL
FROM answers WHERE model = ? AND item = ? AND sample = ?
"""
_FIND = """
SELECT answer, score, tokens_in, tokens_out, characters, texts.text
FROM answers LEFT JOIN texts ON texts.id = answers.text
WHERE model = ? AND item = ? AND sample = ?
"""
_TABLE = """
SELECT model, item, sample, answer, score, tokens_in, tokens_out, characters FROM answers
WHERE ? IS NULL OR model = ? ORDER BY model, item, sample
"""


def estimated_tokens(characters: int) -> int:
    """Return the tokens that so many characters are taken for (`CHARACTERS_PER_TOKEN`)."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


class Row(NamedTuple):
    """One recorded answer; None where the source did not say.

    Attributes
    ----------
    answer : str or None
        As the source parsed it; None where it found none.
    score : float or None
    tokens_in, tokens_out : int or None
        Counted, not estimated.
    characters : int or None
        Length of the full reply.
    text : str or None
        The full reply.
    """

    answer: str | None
    score: float | None
    tokens_in: int | None
    tokens_out: int | None
    characters: int | None
    text: str | None


class Recording:
    """A file of recorded answers, read only; texts are read when asked for.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    models : list of str
    items : dict of str to int
        Numbers of the items by name, in the order of the source.
    fingerprint : str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    RecordError
        If there is no such file, or it is no recording.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            mend = "make one with `populace recorded import`"
            raise RecordError("there is no such file", where=str(path), mend=mend)
        self._base: sqlite3.Connection | None = None
        found = self.path.stat()
        self.fingerprint = _digest(str(self.path.resolve()), found.st_mtime_ns, found.st_size)
        self._ids = {str(n): int(i) for i, n in self._rows("SELECT id, name FROM models")}
        self.models = list(self._ids)
        self.items = {str(n): int(i) for i, n in self._rows("SELECT id, name FROM items")}

    def find(self, model: str, item: str, sample: int, text: bool = True) -> Row | None:
        """Return what `model` answered to `item` in draw `sample`, or None.

        Parameters
        ----------
        text : bool
            Read the full reply, too.
        """
        number = self.items.get(item)
        if number is None:
            return None
        query = _FIND if text else _COST
        found = self._open().execute(query, (self._ids[model], number, sample)).fetchone()
        if found is None:
            return None
        *known, packed = found
        words = None if packed is None else zlib.decompress(packed).decode("utf-8", "surrogatepass")
        return Row._make((*known, words))

    def samples(self, model: str, item: str) -> int:
        """Return how many answers of `model` to `item` are recorded."""
        query = "SELECT count(*) FROM answers WHERE model = ? AND item = ?"
        number = self.items.get(item, -1)
        return int(self._open().execute(query, (self._ids[model], number)).fetchone()[0])

    def known(self, model: str) -> str:
        """Return `model`.

        Raises
        ------
        RecordError
            If the recording does not have it.
        """
        if model not in self._ids:
            mend = nearest(model, self.models)
            raise RecordError(f"no answers of a model {model!r}", where=str(self.path), mend=mend)
        return model

    def questions(self) -> pl.DataFrame:
        """Return the items: item, question, gold, family, category (null where not known)."""
        import polars as pl

        columns = ["item", "question", "gold", "family", "category"]
        query = "SELECT name, question, gold, family, category FROM items ORDER BY id"
        schema = dict.fromkeys(columns, pl.String)
        return pl.DataFrame(self._rows(query), schema=schema, orient="row")

    def table(self, model: str | None = None) -> pl.DataFrame:
        """Return all answers, or one model's, without their texts.

        Returns
        -------
        polars.DataFrame
            Columns model, item, sample, answer, score, tokens_in, tokens_out, characters,
            estimated; a row an answer, by model, item and sample. Where `estimated` is true a count
            of tokens is one of `estimated_tokens`: of the question, of the reply, or both. It is
            null where nothing is known to estimate it from.
        """
        import polars as pl

        number = None if model is None else self._ids[self.known(model)]
        kinds = {"model": pl.Int32, "item": pl.Int32, "sample": pl.Int32, "answer": pl.String}
        kinds |= {"score": pl.Float64, "tokens_in": pl.Int64, "tokens_out": pl.Int64}
        kinds |= {"characters": pl.Int64}
        found = pl.DataFrame(self._rows(_TABLE, (number, number)), schema=kinds, orient="row")
        kinds = {"model": pl.Int32, "name": pl.String}
        names = [(number, name) for name, number in self._ids.items()]
        models = pl.DataFrame(names, schema=kinds, orient="row")
        asked = "SELECT id, name, length(question) FROM items"
        kinds = {"item": pl.Int32, "item_name": pl.String, "asked": pl.Int64}
        items = pl.DataFrame(self._rows(asked), schema=kinds, orient="row")
        found = found.join(models, on="model", how="left", maintain_order="left")
        found = found.join(items, on="item", how="left", maintain_order="left")

        def guess(characters: str) -> pl.Expr:
            return (pl.col(characters) / CHARACTERS_PER_TOKEN).ceil().cast(pl.Int64)

        counted = pl.col("tokens_in").is_not_null() & pl.col("tokens_out").is_not_null()
        return found.select(
            pl.col("name").alias("model"),
            pl.col("item_name").alias("item"),
            *["sample", "answer", "score"],
            pl.coalesce("tokens_in", guess("asked")).alias("tokens_in"),
            pl.coalesce("tokens_out", guess("characters")).alias("tokens_out"),
            "characters",
            estimated=~counted,
        )

    def summary(self) -> pl.DataFrame:
        """Return a row a model: what there is, and how good it is.

        Returns
        -------
        polars.DataFrame
            Columns model, items, answers, unparsed (no answer found in the reply), right (share of
            the scored answers with score >= `RIGHT`), tokens_out (mean) and estimated.
        """
        import polars as pl

        return (
            self.table()
            .group_by("model", maintain_order=True)
            .agg(
                pl.col("item").n_unique().alias("items"),
                pl.len().alias("answers"),
                pl.col("answer").null_count().alias("unparsed"),
                (pl.col("score") >= RIGHT).mean().alias("right"),
                pl.col("tokens_out").mean(),
                pl.col("estimated").any(),
            )
        )

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        if self._base is not None:
            self._base.close()
            self._base = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Recording, (str(self.path),)

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r})"

    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            address = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
            base = sqlite3.connect(address, uri=True, check_same_thread=False)
            try:
                kind = base.execute("PRAGMA application_id").fetchone()[0]
                version = base.execute("PRAGMA user_version").fetchone()[0]
            except sqlite3.DatabaseError:
                kind = version = None
            if (kind, version) != (_APPLICATION, FORMAT):
                base.close()
                what = "this is no recording"
                if kind == _APPLICATION:
                    what = f"expected a recording of format {FORMAT}, got {version}"
                mend = "make one with `populace recorded import`"
                raise RecordError(what, where=str(self.path), mend=mend)
            self._base = base
        return self._base

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._open().execute(query, values).fetchall()


class Writer:
    """Writes a recording; see `writing`.

    Every method raises `RecordError` if what is given cannot be recorded.
    """

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        self._models: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._texts = 0

    def item(
        self,
        name: str,
        *,
        question: str | None = None,
        gold: str | None = None,
        family: str | None = None,
        category: str | None = None,
    ) -> None:
        """Add an item, before the answers to it."""
        _named("item", name)
        if name in self._items:
            raise RecordError(f"item {name!r} comes twice")
        self._items[name] = number = len(self._items)
        fields = {"question": question, "gold": gold, "family": family, "category": category}
        for field, value in fields.items():
            if value is not None and not isinstance(value, str):
                raise RecordError(f"expected {field} as text, got {value!r}")
        row = (number, name, *fields.values())
        self._base.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", row)

    def answer(
        self,
        model: str,
        item: str,
        sample: int,
        *,
        answer: str | None = None,
        text: str | None = None,
        score: float | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        characters: int | None = None,
    ) -> None:
        """Add an answer; `characters` is the length of a reply whose text is not there."""
        _named("model", model)
        _named("item", item)
        _count("sample", sample, needed=True)
        for name, count in (
            *(("tokens_in", tokens_in), ("tokens_out", tokens_out)),
            *(("characters", characters),),
        ):
            _count(name, count)
        if score is not None and not (_number(score) and math.isfinite(score)):
            raise RecordError(f"expected score as a finite number, got {score!r}")
        for name, words in (("answer", answer), ("text", text)):
            if words is not None and not isinstance(words, str):
                raise RecordError(f"expected {name} as text, got {words!r}")
        if item not in self._items:
            self.item(item)
        if model not in self._models:
            self._models[model] = len(self._models)
            self._base.execute("INSERT INTO models VALUES (?, ?)", (self._models[model], model))
        kept = None
        if text is not None:
            kept, self._texts, characters = self._texts, self._texts + 1, len(text)
        elif characters is None and answer is not None:
            characters = len(answer)
        key = (self._models[model], self._items[item], sample)
        row = (*key, answer, score, tokens_in, tokens_out, characters, kept)
        try:
            self._base.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            what = f"{model!r}, item {item!r}, sample {sample} comes twice"
            raise RecordError(what, mend="number the samples of an item 0, 1, 2, ...") from None
        if text is not None:
            packed = zlib.compress(text.encode("utf-8", "surrogatepass"))
            self._base.execute("INSERT INTO texts VALUES (?, ?)", (kept, packed))

    def finish(self) -> Self:
        """Check that there is something to record."""
        if not self._models:
            raise RecordError("there is no answer in it")
        return self


@contextmanager
def writing(path: str | Path) -> Iterator[Writer]:
    """Write a recording to `path`, which is replaced only when all is written.

    Raises
    ------
    RecordError
        If the file cannot be written, or nothing was.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with closing(sqlite3.connect(part)) as base:
                base.execute("PRAGMA synchronous = OFF")  # a file cut short is thrown away
                base.executescript(_SCHEMA)
                writer = Writer(base)
                yield writer
                writer.finish()
                base.commit()
            os.replace(part, path)
        except (sqlite3.Error, OSError) as error:
            raise RecordError(f"cannot be written: {error}", where=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
        part.with_name(part.name + "-journal").unlink(missing_ok=True)


@lru_cache(maxsize=64)
def _digest(path: str, modified: int, size: int) -> str:
    """Return the SHA-256 of a file; `modified` and `size` tell its versions apart."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _named(field: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise RecordError(f"expected {field} as a non-empty text, got {value!r}")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(field: str, value: Any, needed: bool = False) -> None:
    if value is None and not needed:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RecordError(f"expected {field} as a count of 0 or more, got {value!r}")
