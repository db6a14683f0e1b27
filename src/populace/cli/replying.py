"""What people replied in an earlier run, given to those of a new one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from populace.cli.seating import people
from populace.kernel.errors import RecordError
from populace.policies.human import Beyond, script_of
from populace.records import Run, read

if TYPE_CHECKING:
    import polars as pl

FILE = "replies.parquet"  # in a run's folder of inputs


@dataclass(frozen=True)
class Replies:
    """Replies of a run, and what is done where there is none.

    Attributes
    ----------
    table : polars.DataFrame
        As the table ``replies`` of a run.
    beyond : "error" or "ask"
    """

    table: pl.DataFrame
    beyond: Beyond = "error"

    @classmethod
    def of(cls, path: Path) -> Replies:
        """Return those of a run directory, which are all that there are.

        Raises
        ------
        RecordError
            If nobody was asked in that run.
        """
        table = read(path).replies
        if not table.height:
            raise RecordError("nobody was asked in this run", where=str(path))
        return cls(table)

    @classmethod
    def again(cls, run: Run, command: dict[str, Any], until: int | None = None) -> Replies:
        """Return those with which a run goes on: it asks no person twice.

        Parameters
        ----------
        run : Run
        command : dict
            As the manifest has it.
        until : int, optional
            The tick from which on people are asked anew.
        """
        import polars as pl

        assert run.path is not None
        if command.get("replies"):  # it repeats another run
            return cls(pl.read_parquet(run.path / "inputs" / FILE, hive_partitioning=False))
        table = run.replies
        return cls(table if until is None else table.filter(pl.col("tick") < until), "ask")

    def content(self) -> bytes:
        """Return the table as a file of Parquet."""
        file = io.BytesIO()
        self.table.write_parquet(file)
        return file.getvalue()

    def give(self, cast: Any) -> None:
        """Give them to the people of a cast, or of casts by population."""
        casts = cast if isinstance(cast, dict) else {None: cast}
        for population, own in casts.items():
            script = script_of(self.table, population)
            for person in {
                id(p): p for policy in own.policies.values() for p in people(policy)
            }.values():
                person.replay(script, self.beyond)
