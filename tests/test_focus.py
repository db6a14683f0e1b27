"""What a run keeps is what it was told to keep, never changes what happens, and is foretold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from populace import Cast, Intervention, Number, Population, Records, Simulation, World
from populace.cli import main
from populace.errors import ParameterError, PopulationError
from populace.worlds.contagion import Contagion
from populace.worlds.opinion import Opinion


def contagion(records: Records | None = None, **given: Any) -> Simulation:
    world = Contagion(people=300, seeds=0.1)
    minds = world.policies()
    return Simulation(world, Cast(minds, dict.fromkeys(minds, 1)), seed=3, records=records, **given)


def test_thinned_and_chosen_records_are_rows_of_the_full_ones() -> None:
    full = contagion(Records(panel=50, columns=["state"])).run(20)
    keep = Records(panel=50, columns=["state"], measures=["infectious"], every=6)
    some = contagion(keep).run(20)
    kept = pl.col("tick") % 6 == 0
    assert_frame_equal(some.metrics, full.metrics.filter(kept).select("tick", "infectious"))
    assert_frame_equal(some.panel, full.panel.filter(kept))
    assert_frame_equal(some.states, full.states.filter(kept))
    assert_frame_equal(some.asks.drop("seconds"), full.asks.drop("seconds"))
    assert some.manifest["outcomes"] == full.manifest["outcomes"]
    assert some.manifest["records"]["every"] == 6


def test_states_are_the_columns_at_the_end_of_the_tick() -> None:
    simulation = contagion(Records(panel=40, columns=["state", "until"]))
    for tick in range(3):
        run = simulation.run(1)
        people = simulation.world.people
        assert run.states["tick"].unique().to_list() == [tick]
        for name in ("state", "until"):
            rows = run.states.filter(pl.col("column") == name)
            assert rows.height == 40
            assert rows["value"].to_list() == people[name][rows["id"].to_numpy()].tolist()


@pytest.mark.parametrize(
    ("panel", "ids"),
    [
        ([7, 3], [3, 7]),
        (np.arange(300) % 100 == 5, [5, 105, 205]),
        ("until == -1 and state == 0", None),
        ({"people": [9]}, [9]),
        ({}, []),
        (0, []),
    ],
)
def test_who_is_in_the_panel(panel: Any, ids: list[int] | None) -> None:
    simulation = contagion(Records(panel=panel))
    if ids is None:
        ids = np.flatnonzero(simulation.world.people.state == 0).tolist()
    run = simulation.run(3)
    assert set(run.panel["id"]) <= set(ids)
    assert run.manifest["records"]["panel"] == {"people": len(ids)}
    assert_frame_equal(run.metrics, contagion().run(3).metrics)


class Mixed(World):
    """Two kinds of decision, births and deaths, and a text in a column."""

    def __init__(self) -> None:
        self.people = Population(6, word=np.array(["a", "b", "c"] * 2), x=np.float64)

    async def step(self, minds: Any) -> None:
        await minds.ask("one", self.people, Number(0, 1))
        await minds.ask("two", self.people, Number(0, 1))
        if minds.tick == 1:
            self.people.remove([0])
            self.people.add(1, word="z")
        self.late = minds.tick

    def measure(self) -> dict[str, int]:
        return {"late": self.late}


def mixed(records: Records) -> Simulation:
    return Simulation(Mixed(), Cast({"half": lambda o: 0.5}, {"half": 1}), records=records)


def test_a_panel_of_everybody_takes_in_who_is_born() -> None:
    """The dead are no more, newborns take their places; a panel of some stays as it was drawn."""
    run = mixed(Records(panel=6, columns=["x"])).run(3)
    for table in (run.panel, run.states):
        seen = table.group_by("tick").agg(pl.col("id").unique().sort()).sort("tick")["id"]
        assert seen.to_list()[0] == [0, 1, 2, 3, 4, 5]
        assert seen.to_list()[2] == [1, 2, 3, 4, 5, 6]
    assert 6 not in mixed(Records(panel=[0, 1, 2])).run(3).panel["id"]


def test_kinds_texts_and_the_dead() -> None:
    run = mixed(Records(panel=[0, 2], columns=["word", "x"], kinds="two", measures="late")).run(3)
    assert set(run.panel["kind"]) == {"two"}
    words = run.states.filter(pl.col("column") == "word").select("tick", "id", "label", "value")
    alive = [(0, 0, "a", None), (0, 2, "c", None), (1, 2, "c", None), (2, 2, "c", None)]
    assert words.rows() == alive


@pytest.mark.parametrize(
    ("error", "says", "given"),
    [
        (PopulationError, "did you mean 'state'", {"columns": ["stat"]}),
        (ParameterError, "did you mean 'infections'", {"measures": ["infection"]}),
        (PopulationError, "no population 'cats'", {"panel": {"cats": 3}}),
        (PopulationError, "no living agent has id 999", {"panel": [999]}),
        (PopulationError, "did you mean 'state'", {"panel": "sttate == 1"}),
        (ParameterError, "expected comparisons", {"panel": "many"}),
        (ParameterError, "0 or more", {"panel": -1}),
        (ParameterError, "every >= 1", {"every": 0}),
    ],
)
def test_impossible_records(error: type[Exception], says: str, given: dict[str, Any]) -> None:
    with pytest.raises(error, match=says):
        contagion(Records(**given))


def test_an_unknown_measure_of_a_world_that_cannot_measure_yet_is_told_at_its_first_tick() -> None:
    with pytest.raises(ParameterError, match="did you mean 'late'"):
        mixed(Records(measures=["lat"])).run(2)
    with pytest.raises(ParameterError, match="panel is given twice"):
        contagion(Records(), panel=3)


def test_conditions_of_interventions_see_measures_that_are_not_kept() -> None:
    keep = Records(measures=["recovered"], every=50)
    change = Intervention(when="infectious > 0", set={"transmission": 0.0})
    run = contagion(keep, interventions=change).run(4)
    assert run.events["tick"].to_list() == [1]


def cli(*arguments: str) -> Any:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_estimated_sizes_are_those_of_the_run(tmp_path: Path) -> None:
    """Opinion asks everybody at every tick: rows are exact, and bytes near, whatever is kept."""
    world = f"{Opinion.__module__}:Opinion"
    options = [world, "--set", "people=500", "--ticks", "40", "--panel", "30", "--columns"]
    options += ["opinion,heard", "--measures", "mean,agents", "--keep-every", "3"]
    told = json.loads(cli("estimate", *options, "--json"))
    assert told["rehearsed"] == 10
    to = tmp_path / "run"
    cli("run", *options, "--to", str(to), "--quiet", "--no-report")
    sizes = {one["table"]: one for one in told["records"]}
    assert sizes["panel"]["rows"] == 14 * 30
    assert sizes["states"]["rows"] == 14 * 60
    for name, one in sizes.items():
        frame = pl.read_parquet(to / name / "*.parquet")
        assert one["rows"] == frame.height, name
        frame.write_parquet(tmp_path / "one.parquet")
        size = (tmp_path / "one.parquet").stat().st_size
        assert 0.6 * size < one["bytes"] < 1.7 * size, (name, one["bytes"], size)
    said = cli("estimate", *options)
    assert "nothing is called" in said
    assert f"{14 * 60} rows" in said
