"""Interventions: two ways to one change give one run, and what cannot be is said first."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from populace import (
    Calendar,
    Cast,
    Choice,
    Intervention,
    Minds,
    Parameter,
    Population,
    Run,
    Simulation,
    World,
    read_interventions,
)
from populace.errors import CastError, ParameterError, PopulaceError, PopulationError, WorldError
from populace.simulation.conditions import Condition
from populace.simulation.timing import Schedule, Timing, tick_of
from populace.worlds.brooklyn import Brooklyn
from populace.worlds.contagion import Contagion
from populace.worlds.opinion import Opinion
from populace.worlds.segregation import Segregation
from populace.worlds.wealth import Wealth

YES_NO = Choice(["no", "yes"])


class Vote(World):
    """Everybody votes each tick; who hears news remembers it."""

    calendar = Calendar(dt.date(2020, 1, 1), "day")

    def __init__(
        self,
        people: Annotated[int, Parameter("voters", low=1, fixed="they are made at the start")] = 60,
        bias: Annotated[float, Parameter("chance of yes", low=0, high=1)] = 0.5,
        until: dt.date | None = None,
    ) -> None:
        self.people = Population(people, age=np.arange(people), news=np.uint8, code=np.dtype("U3"))
        self.bias, self.until = bias, until
        self.half = bias / 2

    def changed(self, names: frozenset[str]) -> None:
        if self.bias == 0.125:
            raise ParameterError("an eighth is not wanted", where="Vote")
        self.half = self.bias / 2

    async def step(self, minds: Minds) -> None:
        got = await minds.ask(
            "vote", self.people, YES_NO, see=["news"], missing="no", bias=self.bias
        )
        self.yes = int(got.values.sum())

    def measure(self) -> dict[str, float]:
        return {"yes": self.yes, "news": int(self.people.news.sum()), "half": self.half}


class Listener:
    """Votes by the bias, and remembers the latest news."""

    def act(self, o: Any) -> Any:
        return o.random.bernoulli(p=o["bias"])

    def hear(self, o: Any) -> None:
        o.agents["news"] = o["number"]


def never(o: Any) -> Any:
    return 0


def voting(**given: Any) -> Simulation:
    cast = Cast({"listener": Listener(), "never": never}, shares={"listener": 2, "never": 1})
    return Simulation(Vote(**given.pop("world", {})), cast, seed=3, **given)


def same(a: Run, b: Run) -> None:
    for name in ("metrics", "by", "panel"):
        assert_frame_equal(getattr(a, name), getattr(b, name))
    assert_frame_equal(a.asks.drop("seconds"), b.asks.drop("seconds"))


# -- two ways to the same run ---------------------------------------------------------------------


def test_the_order_a_week_later_by_intervention_and_by_parameter_is_one_run() -> None:
    ticks, people, later = 50, 3000, dt.date(2020, 3, 29)
    parameter = Simulation(Brooklyn(people=people, order=later), seed=4).run(ticks)
    change = Intervention(at="2020-03-15", set={"order": "2020-03-29"})
    intervened = Simulation(Brooklyn(people=people), seed=4, interventions=change).run(ticks)
    same(parameter, intervened)
    assert intervened.events.rows() == [(14, "order", "order: 2020-03-22 → 2020-03-29")]
    plain = Simulation(Brooklyn(people=people), seed=4).run(ticks)
    assert_frame_equal(plain.metrics[:21], intervened.metrics[:21])  # to the eve of 22 March
    assert not plain.metrics.equals(intervened.metrics)


def test_what_is_so_already_changes_nothing() -> None:
    plain = Simulation(Brooklyn(people=2000), seed=1).run(30)
    already = Intervention(
        every=3, set={"order": dt.date(2020, 3, 22), "transmission": 0.72, "testing": 1}
    )
    again = Simulation(Brooklyn(people=2000), seed=1, interventions=already).run(30)
    same(plain, again)
    assert again.events.height == 10
    assert again.events["what"][0].startswith("order is 2020-03-22 already")


@pytest.mark.parametrize(
    ("make", "early", "name", "value"),
    [
        (
            lambda **k: Contagion(people=500, seeds=0.1, **k),
            {"transmission": 0.2},
            "transmission",
            0.05,
        ),
        (lambda **k: Contagion(people=500, seeds=0.1, **k), {"efficacy": 0.1}, "efficacy", 0.8),
        (
            lambda **k: Contagion(people=500, seeds=0.1, **k),
            {"direction": "pull"},
            "direction",
            "auto",
        ),
        (lambda **k: Opinion(people=200, **k), {"confidence": 0.3}, "confidence", 0.15),
        (lambda **k: Opinion(people=200, model="degroot", **k), {"own": 0.9}, "own", 0.5),
        (lambda **k: Segregation(side=30, **k), {"tolerance": 0.7}, "tolerance", 0.3),
        (lambda **k: Brooklyn(people=4000, **k), {"testing": 0.0}, "testing", 1.0),
        (lambda **k: Brooklyn(people=4000, **k), {"errands": 0.9}, "errands", 0.3),
    ],
)
def test_a_change_at_tick_0_is_the_parameter(
    make: Any, early: dict[str, Any], name: str, value: Any
) -> None:
    """What the change leaves behind is what the constructor would have made."""

    def run(world: World, **given: Any) -> Run:
        minds = world.policies()
        return Simulation(world, minds.get("watchful"), seed=2, **given).run(18)

    plain = run(make())
    same(plain, run(make(**early), interventions=Intervention(at=0, set={name: value})))
    if name != "direction":  # it changes the speed only
        assert not run(make(**early)).metrics.equals(plain.metrics)


@pytest.mark.parametrize(("name", "state"), [("latent", 1), ("infectious", 2)])
def test_periods_hold_for_who_enters_a_state_from_the_change_on(name: str, state: int) -> None:
    """A mean of one tick leaves no choice: who enters at the end of a tick leaves at the next."""
    world = Contagion(people=2000, seeds=0.1, transmission=0.4)
    simulation = Simulation(world, seed=2, interventions=Intervention(at=3, set={name: 1.0}))
    simulation.run(3)
    before, until = world.people.state == state, world.people.until.copy()
    simulation.run(1)
    now = world.people.state == state
    assert (now & ~before).sum() > 20
    assert (world.people.until[now & ~before] == 5).all()
    assert (world.people.until[now & before] == until[now & before]).all()


@pytest.mark.parametrize(
    ("world", "parameter"),
    [
        (Contagion(people=50), "seeds"),
        (Contagion(people=50), "network"),
        (Opinion(people=50), "model"),
        (Segregation(), "vacant"),
        (Wealth(people=50), "money"),
        (Wealth(people=50), "people"),
        (Brooklyn(people=50), "infected"),
    ],
)
def test_what_cannot_change_says_why(world: World, parameter: str) -> None:
    with pytest.raises(ParameterError, match=f"{parameter} cannot change in mid-run: .*start|net"):
        world.change(**{parameter: world._given_parameters[parameter]})


def test_a_change_that_the_world_refuses_is_undone() -> None:
    world = Vote(bias=0.25)
    with pytest.raises(ParameterError, match="an eighth"):
        world.change(bias=0.125, until="2020-02-01")
    assert (world.bias, world.until, world.half) == (0.25, None, 0.125)
    assert world.change(bias="0.75", until="2020-02-01") == {
        "bias": (0.25, 0.75),
        "until": (None, dt.date(2020, 2, 1)),
    }
    assert world.half == 0.375
    assert world.change(until="none") == {"until": (dt.date(2020, 2, 1), None)}


# -- cast, columns, advice ------------------------------------------------------------------------


def test_a_share_of_those_meant_is_recast_exactly_and_nested() -> None:
    def minds(share: float) -> Any:
        change = Intervention("recast", at=1, cast={"never": share}, where="age >= 20")
        simulation = voting(interventions=change, world={"people": 100})
        everybody = simulation.casts["people"]
        everybody.assign("listener", slice(None))
        simulation.run(2)
        return everybody.codes == 1

    some, more = minds(0.25), minds(0.5)
    assert (some.sum(), more.sum()) == (20, 40)
    assert not some[:20].any()
    assert (more & some).sum() == 20  # the same agents come first


def test_columns_are_written_for_a_share_and_advice_is_heard_by_who_can() -> None:
    give = Intervention("code", at=1, columns={"people.code": "abc"}, share=0.5)
    tell = Intervention("news", every=[2, 1], tell={"news": {"number": 7}}, where="age < 30")
    simulation = voting(interventions=[give, tell], panel=0)
    listeners = int((simulation.casts["people"].codes[:30] == 0).sum())
    run = simulation.run(4)
    people = run.world.people
    assert (people.code == "abc").sum() == 30
    assert run.metrics["news"].to_list() == [0, 7 * listeners, 7 * listeners, 7 * listeners]
    assert run.events.select("tick", "name").rows() == [(1, "code"), (1, "news"), (3, "news")]
    assert f"of whom {listeners} can hear" in run.events["what"][1]


def test_an_advice_disturbs_no_draw_of_who_does_not_mind_it() -> None:
    tell = Intervention(at=2, tell={"news": {"number": 1}})
    told, untold = voting(interventions=tell).run(6), voting().run(6)
    assert told.metrics["yes"].to_list() == untold.metrics["yes"].to_list()


def test_a_condition_fires_once_or_again_on_the_last_measures() -> None:
    more = voting(interventions=Intervention("more", when="half >= 0.3", set={"bias": 0.5}))
    more.world.change(bias=0.75)
    run = more.run(5)
    assert run.events.rows() == [(1, "more", "bias: 0.75 → 0.5")]
    again = Intervention("again", when="yes >= 0 and half > 0", again=True, set={"bias": 0.5})
    assert voting(interventions=again).run(5).events["tick"].to_list() == [1, 2, 3, 4]


def test_progress_is_state_that_another_holder_takes_over() -> None:
    def made() -> Simulation:
        return voting(
            interventions=[
                Intervention("once", when="half >= 0", set={"bias": 0.2}),
                Intervention("date", at=3, set={"bias": 0.9}),
            ]
        )

    first, second = made(), made()
    first.run(3)
    kept = first.interventions.state()
    assert kept["fired"] == {"once": [1, 1]}
    second.tick = 3
    second.world.change(bias=0.2)
    second.interventions.restore(kept)
    assert second.run(2).events.rows() == first.run(2).events.rows()
    assert first.run(0).manifest["interventions"][0]["done"] == 1


# -- what cannot be is said before the first tick -------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says", "change"),
    [
        (ParameterError, "did you mean 'bias'", {"at": 1, "set": {"bais": 1}}),
        (ParameterError, "expected bias 0 to 1, got 2", {"at": 1, "set": {"bias": 2}}),
        (ParameterError, "expected bias as float", {"at": 1, "set": {"bias": "much"}}),
        (ParameterError, "made at the start", {"at": 1, "set": {"people": 3}}),
        (ParameterError, "before the first day", {"at": "2019-12-31", "set": {"bias": 0.1}}),
        (ParameterError, "a date such as", {"at": "May", "set": {"bias": 0.1}}),
        (ParameterError, "one of at, every and when", {"set": {"bias": 0.1}}),
        (ParameterError, "one of at, every", {"at": 1, "every": 2, "set": {"bias": 0.1}}),
        (ParameterError, "nothing to change", {"at": 1}),
        (ParameterError, "expected comparisons", {"when": "yes is big", "set": {"bias": 0.1}}),
        (ParameterError, "expected every", {"every": 0, "set": {"bias": 0.1}}),
        (CastError, "did you mean 'never'", {"at": 1, "cast": {"nevr": 0.5}}),
        (ParameterError, "together at most 1", {"at": 1, "cast": {"never": 0.7, "listener": 0.5}}),
        (PopulationError, "did you mean 'age'", {"at": 1, "cast": {"never": 1}, "where": "agee>1"}),
        (PopulationError, "no column 'x'", {"at": 1, "columns": {"people.x": 1}}),
        (PopulationError, "cannot hold 300", {"at": 1, "columns": {"news": 300}}),
        (PopulationError, "cannot hold", {"at": 1, "columns": {"code": 1}}),
        (PopulationError, "cannot be compared", {"at": 1, "cast": {"never": 1}, "where": "code>1"}),
        (PopulationError, "no population", {"at": 1, "cast": {"never": 1}, "population": "cats"}),
        (ParameterError, "expected share", {"at": 1, "columns": {"news": 1}, "share": 2}),
        (ParameterError, "says nothing of", {"at": 1, "set": {"bias": 0.1}, "where": "age > 1"}),
    ],
)
def test_impossible_interventions(
    error: type[PopulaceError], says: str, change: dict[str, Any]
) -> None:
    with pytest.raises(error, match=says):
        voting(interventions=[Intervention("x", **change)])


def test_an_unknown_measure_is_told_before_the_first_tick_or_after_it() -> None:
    change = Intervention(when="caes > 3", set={"transmission": 0.5})
    with pytest.raises(ParameterError, match="did you mean 'cases'"):
        Simulation(Brooklyn(people=200), interventions=change)
    late = voting(interventions=Intervention(when="yess > 3", set={"bias": 0.5}))
    with pytest.raises(ParameterError, match="did you mean 'yes'"):  # no measures at the start
        late.run(3)


def test_dates_are_checked_together_as_the_constructor_would() -> None:
    late = Intervention(at="2020-03-10", set={"order": "2020-07-01"})
    with pytest.raises(ParameterError, match="easing on 2020-06-08 comes before the order"):
        Simulation(Brooklyn(people=200), interventions=late)
    easing = Intervention(at="2020-03-09", set={"easing": "2020-08-01"})
    Simulation(Brooklyn(people=200), interventions=[late, easing])


def test_what_is_past_or_beyond_the_run_is_an_error() -> None:
    simulation = voting(interventions=Intervention(at=2, set={"bias": 0.1}))
    simulation.tick = 3
    with pytest.raises(ParameterError, match="tick 2 has passed"):
        simulation.run(1)
    with pytest.raises(ParameterError, match="ends before tick 2"):
        simulation.interventions.schedule.check_length(2)
    simulation.interventions.schedule.check_length(3)
    twice = [Intervention("a", at=1, set={"bias": 0.1}), Intervention("a", at=2, set={"bias": 0.1})]
    with pytest.raises(ParameterError, match="two are named 'a'"):
        voting(interventions=twice)


def test_a_failing_hook_is_the_worlds_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Vote, names: frozenset[str]) -> None:
        raise KeyError("lost")

    simulation = voting(interventions=Intervention(at=1, set={"bias": 0.1}))
    monkeypatch.setattr(Vote, "changed", broken)
    with pytest.raises(WorldError, match="change at tick 1: KeyError"):
        simulation.run(2)


# -- files and conditions -------------------------------------------------------------------------


def test_a_file_says_the_same_as_python(tmp_path: Path) -> None:
    path = tmp_path / "changes.toml"
    path.write_text(
        '[order]\nat = 2020-01-03\nset = { until = "none", bias = 0.25 }\n'
        '[old]\nevery = [2, 1]\nwhere = "age >= 50"\nshare = 0.5\ncast = { never = 1 }\n',
        encoding="utf-8",
    )
    made = [
        Intervention("order", at=2, set={"until": None, "bias": 0.25}),
        Intervention("old", every=(2, 1), where="age >= 50", share=0.5, cast={"never": 1}),
    ]
    by_file, by_hand = voting(interventions=path).run(5), voting(interventions=made).run(5)
    same(by_file, by_hand)
    assert_frame_equal(by_file.events, by_hand.events)
    for text, says in (
        ("[a]\nat = 1\nsett = { bias = 1 }", "did you mean 'set'"),
        ("a = 1", r"expected a table \[a\]"),
        ("", "holds no intervention"),
        ("[a", "cannot be read"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ParameterError, match=says):
            read_interventions(path)
    with pytest.raises(ParameterError, match="cannot be read"):
        read_interventions(tmp_path / "none.toml")


@given(st.dates(dt.date(2020, 1, 15), dt.date(2031, 1, 1)), st.sampled_from(["day", "week"]))
def test_the_tick_of_a_date_starts_on_or_before_it(date: dt.date, unit: Any) -> None:
    calendar = Calendar(dt.date(2020, 1, 15), unit)
    days = 7 if unit == "week" else 1
    start = calendar.start + dt.timedelta(days=days * tick_of(date, calendar))
    assert 0 <= (date - start).days < days


def test_ticks_of_months_and_years() -> None:
    start = dt.date(2020, 11, 20)
    assert tick_of(dt.date(2021, 1, 1), Calendar(start, "month")) == 2
    assert tick_of(dt.date(2021, 1, 1), Calendar(start, "year")) == 1


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=20),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(-5, 5),
)
def test_conditions_are_those_of_polars(values: list[int], sign: str, value: int) -> None:
    people = Population(len(values), x=np.array(values))
    frame = pl.DataFrame({"x": values}).with_row_index()
    expected = frame.sql(f"SELECT * FROM self WHERE x {sign.replace('==', '=')} {value}")
    condition = Condition(f"x {sign} {value} and x < 4.5")
    found = condition.part(people).ids.tolist()
    assert found == [i for i in expected["index"].to_list() if values[i] < 4.5]
    assert [condition.holds({"x": v}) for v in values] == [i in found for i in range(len(values))]


def test_a_measure_that_is_not_defined_meets_nothing() -> None:
    assert not Condition("x != 3").holds({"x": None})
    assert not Condition("x != 3").holds({})


def test_every_is_counted_from_its_first() -> None:
    schedule = Schedule([Timing("a", every=(3, 2)), Timing("b", every=4)], Vote())
    due = [schedule.due(tick) for tick in range(9)]
    assert due == [["b"], [], ["a"], [], ["b"], ["a"], [], [], ["a", "b"]]
