"""What a comparison of teams found: tables, and the directory that keeps them.

::

    manifest.json       what was compared and how, the pilot, versions, spend
    items.parquet       a row a split, budget, arm and item
    transcript.parquet  who said what about the judged items, and whether it was right
    table.parquet       differences from the baseline
    arms.parquet, oracle.parquet, dropped.parquet
    answers.sqlite      what the models said, unless another file was named
    report.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.kernel.errors import RecordError
from populace.records.files import MANIFEST, claim
from populace.studies import shelf

if TYPE_CHECKING:
    import polars as pl

FORMAT = "populace exam comparison 1"
TABLES = ("items", "transcript", "table", "arms", "oracle", "dropped")


class ExamComparison:
    """Teams against a baseline, on one exam and at the same budgets.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        As the attributes of these names.
    manifest : mapping
    path : Path, optional

    Attributes
    ----------
    table : polars.DataFrame
        A row a budget and arm (but the baseline): level (place of the budget), arm, against, n
        (items), clusters, accuracy, other (the baseline's), difference with low, high and method,
        gained and lost (items that only the arm, or only the baseline, has right), mcnemar (exact
        p), p (permutation over clusters), both with ``_holm``; score_difference with its ends.
    arms : polars.DataFrame
        A row a budget and arm: n, accuracy with low and high, score, answered (share with an
        answer), reached (share where some answer on the way was right), cut (share that the budget
        ended), and mean spend an item in tokens, calls, usd, seconds with ends and unspent share.
    oracle : polars.DataFrame
        A row a budget: share of the items that some arm solved (``arms``), and for which some
        member gave a right answer at some time (``answers``), with their ends.
    items, transcript, dropped : polars.DataFrame
        See `populace.studies.sitting.Sat`; dropped counts the items left out, by arm and reason.
    """

    def __init__(
        self,
        tables: Mapping[str, pl.DataFrame],
        manifest: Mapping[str, Any],
        path: Path | None = None,
    ) -> None:
        self.items, self.transcript, self.table, self.arms, self.oracle, self.dropped = (
            tables[name] for name in TABLES
        )
        self.manifest, self.path = dict(manifest), path

    @property
    def baseline(self) -> str:
        return str(self.manifest["against"])

    @property
    def limits(self) -> list[str]:
        """The budgets an item, in words."""
        return list(self.manifest["limits"])

    def write(self, path: str | Path) -> Path:
        """Write the tables, then the manifest; return the directory.

        Equal results give equal bytes of every table.

        Raises
        ------
        RecordError
            If the disk refuses.
        """
        self.path = shelf.put(path, {name: getattr(self, name) for name in TABLES}, self.manifest)
        return self.path

    def __repr__(self) -> str:
        names = [name for name in self.manifest["names"] if name != self.baseline]
        return f"ExamComparison({', '.join(names)} against {self.baseline})"


def begun(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Begin a comparison in a directory, or go on with the same one.

    Raises
    ------
    RecordError
        If it holds something else.
    """
    try:
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        claim(folder, {**manifest, "status": "running"})
        return folder
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot be read: {error}", where=str(folder)) from error
    if not isinstance(known, dict) or known.get("identity") != manifest["identity"]:
        raise RecordError(
            "holds another run or comparison", where=str(folder), mend="choose another directory"
        )
    return folder


def read_exam_comparison(path: str | Path) -> ExamComparison:
    """Return the comparison that is kept in a directory.

    Raises
    ------
    RecordError
        If there is none, or a file of it cannot be read.
    """
    manifest = shelf.manifest_of(path, FORMAT)
    if not manifest or manifest.get("status") != "finished":
        raise RecordError("no finished comparison of teams is here", where=str(path))
    return ExamComparison(shelf.take(path, TABLES), manifest, Path(path))
