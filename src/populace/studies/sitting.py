"""A team sits an exam: a budget of its own for every item, and what each item took is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from populace.kernel.answers import Answers
from populace.kernel.budget import Budget
from populace.kernel.cast import Cast
from populace.kernel.observation import Observation
from populace.kernel.prices import Prices
from populace.kernel.resources import Resources, Store
from populace.simulation import Simulation
from populace.studies.matching import scope
from populace.teams.interface import Verdict
from populace.teams.team import Team, answered
from populace.teams.transcript import COLUMNS, VERDICT
from populace.worlds.exam import Exam
from populace.worlds.exam.item import Item

if TYPE_CHECKING:
    import polars as pl

ANSWERED = ("acted", "fallback")
RAN = (*ANSWERED, "abstained", "invalid", "refused", "unparsed")
"""Outcomes of an item that the arm ran: it answered, or came to no answer, which is not right."""
BROKEN = ("failed", "timeout")
"""Outcomes of a member's call that leave the arm another one than it says."""


class Given:
    """Items that are there already, as a source."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = list(items)

    def items(self) -> Sequence[Item]:
        """Return the items."""
        return self._items


class Sitter:
    """A team as a policy that keeps to a budget an item, whatever budget it has of its own.

    Parameters
    ----------
    team : Team
    limits : mapping
        Of tokens, calls, usd, seconds; what the method costs where nothing is stored.

    Attributes
    ----------
    verdicts : dict of int to Verdict
        By agent.
    budgets : dict of int to Budget
        By agent, with what was spent.
    """

    def __init__(self, team: Team, limits: Mapping[str, float]) -> None:
        self.team, self.limits = team, dict(limits)
        self.verdicts: dict[int, Verdict] = {}
        self.budgets: dict[int, Budget] = {}
        self._path = team.name
        self._rows: list[tuple[Any, ...]] = []

    def equip(self, resources: Resources) -> None:
        """Take budget, ledger, answers and prices; refuse a limit that lacks a price."""
        self._path = resources.policy or self._path
        models = [seat.model.identity.model for seat in self.team.seats if seat.model is not None]
        resources.prices.require(models, scope(self.limits))
        self.team.equip(resources)

    def start(self, population: Any, streams: Any) -> None:
        """Start the members that are policies."""
        self.team.start(population, streams)

    async def act(self, observation: Observation) -> Answers:
        """Decide for every item; see `Policy.act`."""
        agents = observation.ids.tolist()
        budgets = [scope(self.limits, f"{self._path}/{agent}") for agent in agents]
        work = await self.team.decide(observation, budgets, self._path, len(agents))
        for rows in work.rows:
            self._rows += rows
        self.verdicts |= dict(zip(agents, work.decided, strict=True))
        self.budgets |= dict(zip(agents, budgets, strict=True))
        return answered(work.decided, observation.space)

    def transcript(self) -> list[dict[str, Any]]:
        """Return what was said since the last call of this."""
        taken, self._rows = self._rows, []
        return [dict(zip(COLUMNS, row, strict=True)) for row in taken]

    def failed(self) -> list[Any]:
        """Return calls without an answer since the last call of this."""
        return self.team.failed()

    def describe(self) -> dict[str, Any]:
        """Return the team for the manifest."""
        return self.team.describe()

    async def close(self) -> None:
        """Close the members."""
        await self.team.close()


@dataclass(frozen=True)
class Sat:
    """What came of one arm at one budget.

    Attributes
    ----------
    items : polars.DataFrame
        A row an item, in the exam's order: item, family, category, answer, score, correct, outcome
        (of the exam), status (``ran``, or why not), reason (why the structure ended), rounds,
        calls, tokens, tokens_in, usd, seconds (what the method costs, nothing stored), and reached
        (whether some answer on the way was right).
    transcript : polars.DataFrame
        As a run's, with the item's name and ``correct``: whether an answer given is right, null
        where there is none.
    logical, billed : mapping
        The spend of the run.
    errors : list of str
        Why calls failed, each text once.
    """

    items: pl.DataFrame
    transcript: pl.DataFrame
    logical: Mapping[str, Any]
    billed: Mapping[str, Any]
    errors: list[str]


def sit(
    name: str,
    team: Team,
    items: Sequence[Item],
    limits: Mapping[str, float],
    *,
    seed: int = 0,
    threshold: float = 0.99,
    answers: Store | None = None,
    prices: Prices | None = None,
    incomplete: str = "drop",
) -> Sat:
    """Let a team answer the items, each within `limits`."""
    import polars as pl

    exam, sitter = Exam(Given(items), threshold=threshold), Sitter(team, limits)
    simulation = Simulation(
        exam, Cast({name: sitter}), seed, answers=answers, prices=prices, panel=0
    )
    run = simulation.run(1)
    said = marked(run.transcript, exam)
    spoke = pl.col("prompt") != VERDICT
    own = pl.col("policy") == name  # not of a member that is a team
    told = said.group_by("agent").agg(
        rounds=pl.col("round").filter(spoke & own).n_unique().cast(pl.Int64),
        reached=(pl.col("correct").filter(spoke)).any(),
        broken=(spoke & pl.col("outcome").is_in(BROKEN)).any(),
    )
    spent = [sitter.budgets[agent].spent for agent in range(len(items))]
    whole = pl.col("outcome").is_in(RAN)
    if incomplete == "drop":
        whole &= ~pl.col("broken")
    table = (
        exam.results()
        .with_columns(agent=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(told, on="agent", how="left", maintain_order="left")
        .with_columns(
            pl.col("rounds").fill_null(0),
            pl.col("reached", "broken").fill_null(False),
            reason=pl.Series([sitter.verdicts[i].reason for i in range(len(items))]),
            calls=pl.Series([s.calls for s in spent], dtype=pl.Int64),
            tokens=pl.Series([s.tokens for s in spent], dtype=pl.Int64),
            tokens_in=pl.Series([s.tokens_in for s in spent], dtype=pl.Int64),
            usd=pl.Series([s.usd for s in spent], dtype=pl.Float64),
            seconds=pl.Series([s.seconds for s in spent], dtype=pl.Float64),
        )
        .with_columns(
            status=pl.when(whole)
            .then(pl.lit("ran"))
            .when(pl.col("outcome").is_in(RAN))
            .then(pl.lit("a call failed"))
            .otherwise(pl.col("outcome"))
        )
        .drop("attempt", "policy", "tick", "agent", "broken")
    )
    names = {i: item.name for i, item in enumerate(items)}
    said = said.with_columns(item=pl.col("agent").replace_strict(names, return_dtype=pl.String))
    broken = run.failures.filter(pl.col("outcome").is_in(BROKEN))
    failures = broken["why"].unique(maintain_order=True).to_list()
    spend = run.manifest["spend"]
    return Sat(table, said, spend["logical"], spend["billed"], [str(f) for f in failures])


def marked(transcript: pl.DataFrame, exam: Exam) -> pl.DataFrame:
    """Return a transcript with a column ``correct``: what the exam makes of each answer."""
    import polars as pl

    known: dict[tuple[int, str], bool | None] = {}
    marks: list[bool | None] = []
    columns = ("agent", "answer", "outcome", "answering", "prompt")
    for agent, answer, outcome, answering, prompt in transcript.select(columns).iter_rows():
        mark = None
        counts = prompt == VERDICT or answering is not False
        if answer is not None and outcome in ANSWERED and counts:
            if (agent, answer) not in known:
                known[agent, answer] = exam.right(agent, answer)
            mark = known[agent, answer]
        marks.append(mark)
    return transcript.with_columns(correct=pl.Series(marks, dtype=pl.Boolean))
