"""Seats: agents cast by hand, people at them, their stand-ins, and runs repeated from replies."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from populace import (
    Cast,
    Choice,
    Fallback,
    Habit,
    Human,
    Number,
    Population,
    Rule,
    Simulation,
    World,
)
from populace.cli import main, seating
from populace.cli.casting import read_cast
from populace.cli.replying import Replies
from populace.cli.seating import Seat, parse
from populace.errors import CastError, PolicyError
from populace.policies.deputies import Deputies
from populace.policies.human import script_of
from populace.records import Run, read
from populace.records.tables import TABLES
from populace.teams import Team
from populace.teams.structures.voting import vote
from populace.testing import observe
from populace.worlds.commons import Commons

COMMONS = "populace.worlds.commons:Commons"
DECISIONS = ["tick", "id", "kind", "value", "label"]


def play(cast: str | None, seed: int = 0, ticks: int = 3, **world: Any) -> Run:
    commons = Commons(**world)
    return Simulation(commons, read_cast(cast, commons), seed=seed).run(ticks)


def same(a: Run, b: Run) -> None:
    for name in TABLES:
        x, y = (run._table(name) for run in (a, b))
        x, y = (t.drop([c for c in t.columns if "seconds" in c]) for t in (x, y))
        assert x.equals(y), name


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these lines be typed at the terminal."""

    def typed(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return typed


# -- what stands on the command line ---------------------------------------------------------------


def test_seats_are_read() -> None:
    assert parse("human@3") == Seat("human", "", (3,))
    assert parse(" human / careful @ 0+3 ") == Seat("human", "careful", (0, 3))


@pytest.mark.parametrize(
    "text",
    ["human@", "human@x", "@3", "human@-1", "human/@1", "/a@1", "a/b/c@1", "a/a@1"],
)
def test_what_is_no_seat_is_refused(text: str) -> None:
    with pytest.raises(CastError, match=r"NAME@ID|NAME/OTHER|name=share"):
        read_cast(text, Commons())


@pytest.mark.parametrize(
    ("cast", "says"),
    [
        ("human@3,greedy@3", "agent 3 is given two seats"),
        ("humam@3", "no policy is named 'humam'; did you mean 'human'"),
        ("human/carefull@3", "no policy is named 'carefull'"),
        ("human@0+1+2+3+4+5", "6 agents for one person, who has 5 seats"),
        ("human@3,greedy=x", "expected name=share"),
    ],
)
def test_what_cannot_be_cast_is_refused(cast: str, says: str) -> None:
    with pytest.raises(CastError, match=says):
        read_cast(cast, Commons(fishers=9))


def test_an_agent_that_is_not_there_is_refused() -> None:
    world = Commons()
    with pytest.raises(Exception, match=r"rows must lie in 0\.\.4, got 9"):
        Simulation(world, read_cast("greedy@9", world))


def test_any_policy_can_have_a_seat_and_the_rest_is_the_worlds_own() -> None:
    run = play("greedy@1+3")
    asked = dict(run.panel.filter(tick=0, kind="harvest").select("id", "policy").rows())
    assert asked == {0: "careful", 1: "greedy", 2: "careful", 3: "greedy", 4: "careful"}


def test_seats_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "cast.toml"
    file.write_text(
        '[shares]\ngreedy = 1\n[seats]\n"me/careful" = [0, 3]\nplanner = 2\n'
        '[policies.me]\nuse = "human"\ndeadline = 5\nseats = 2\n'
    )
    cast = read_cast(str(file), Commons())
    assert cast.names == ("greedy", "careful", "me/careful", "planner")
    person = cast.policies["me/careful"].policy
    assert (person.deadline, person.seats) == (5, 2)
    file.write_text("[seats]\ngreedy = [-1]\n")
    with pytest.raises(CastError, match="expected ids of agents"):
        read_cast(str(file), Commons())


class Fair(World):
    """Buyers and sellers, each with minds of their own."""

    def __init__(self) -> None:
        self.buyers, self.sellers = Population(3), Population(4)

    async def step(self, minds: Any) -> None:
        await minds.ask("bid", self.buyers, Number(0, 9), missing=0)
        await minds.ask("offer", self.sellers, Number(0, 9), missing=0)

    def policies(self) -> Any:
        return {"low": Rule(bid=lambda o: 1, offer=lambda o: 1), "high": Rule(offer=lambda o: 9)}

    def shares(self) -> Any:
        return {"buyers": {"low": 1.0}, "sellers": {"low": 1.0, "high": 0.0}}


def test_seats_of_several_populations(tmp_path: Path) -> None:
    def decisions(cast: str) -> Any:
        world = Fair()
        run = Simulation(world, read_cast(cast, world)).run(1)
        return [
            run.panel.filter(population=name).sort("id")["value"].to_list()
            for name in ("buyers", "sellers")
        ]

    expected = [[1.0] * 3, [1.0, 9.0, 1.0, 9.0]]
    assert decisions("sellers.high@1+3") == expected
    assert decisions("high@1+3") == expected  # only sellers have it
    file = tmp_path / "cast.toml"
    file.write_text("[populations.sellers]\nlow = 1\n[seats.sellers]\nhigh = [1, 3]\n")
    assert decisions(str(file)) == expected
    with pytest.raises(CastError, match="of which population is 'human': buyers, sellers"):
        decisions("human@1")
    file.write_text("[populations.sellers]\nlow = 1\n[seats.buyers]\nlow = [1]\n")
    with pytest.raises(CastError, match=r"expected \[seats.POPULATION\], got 'buyers'"):
        decisions(str(file))


# -- who stands in ------------------------------------------------------------------------------


@settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seat=st.integers(0, 4), seed=st.integers(0, 99))
def test_with_nobody_there_the_run_is_that_of_the_shares(seat: int, seed: int, typing: Any) -> None:
    typing()
    shares = "greedy=1,careful=2,proportional=1"
    with pytest.warns(RuntimeWarning, match="input ended at tick 0"):
        run = play(f"human@{seat},{shares}", seed, discussion="turns")
    plain = play(shares, seed, discussion="turns")
    assert run.metrics.equals(plain.metrics)
    assert run.panel.select(DECISIONS).equals(plain.panel.select(DECISIONS))
    here, there = run.panel.filter(id=seat), plain.panel.filter(id=seat)
    assert set(here["policy"]) == {"human"}
    assert here["outcome"].to_list() == there["outcome"].replace("acted", "fallback").to_list()


def test_a_named_stand_in_decides_where_the_person_does_not(typing: Any) -> None:
    typing("99", "")  # then the input ends
    with pytest.warns(RuntimeWarning, match="input ended at tick 2"):
        run = play("human/planner@3,careful=1", months=3, capacity=1000.0)
    told = run.panel.filter(id=3).select("value", "outcome").rows()
    full = Commons(capacity=1000.0).resource
    after = full.grown(1000.0 - 4 * 100 - 99)  # full again
    assert after == 1000
    assert told[:2] == [(99.0, "acted"), (100.0, "fallback")]
    assert told[2][1] == "fallback"
    assert told[2][0] > 100  # the planner takes all it can get in the last month
    assert run.replies["reply"].to_list() == ["99", "", ""]
    assert run.manifest["cast"]["people"]["policies"]["planner"]["agents"] == 0


def test_a_stand_in_remembers_what_it_was_told_meanwhile() -> None:
    class Last:
        """Takes what it was last told to."""

        def __init__(self) -> None:
            self.told = 0.0

        def act(self, o: Any) -> Any:
            return self.told

        async def hear(self, o: Any) -> None:
            self.told = float(o["month"])

    class Lake(Commons):
        def policies(self) -> Any:
            return {"last": Last(), **super().policies()}

    world = Lake()
    cast = Cast(
        {
            "rest": (rest := Rule(harvest=lambda o: 0)),
            "last": (last := Last()),
            "human": Fallback(
                Human(script={}), to=Deputies({"rest": rest, "last": last}, {"last": 1})
            ),
        },
        shares={"rest": 1},
        assign={"human": [2]},
    )
    run = Simulation(world, cast).run(4)
    assert run.panel.filter(id=2)["value"].to_list() == [0.0, 1.0, 2.0, 3.0]


def test_newborns_have_the_deputy_that_the_shares_would_have_given() -> None:
    """Two runs by the same shares, one with everybody in the hands of a person who says nothing."""

    class Town(World):
        def __init__(self) -> None:
            self.people = Population(20, capacity=60)

        async def step(self, minds: Any) -> None:
            self.people.remove(self.people.everyone.rows[:5])
            self.people.add(5, mind=self.mind)
            asked = await minds.ask("go", self.people, Number(0, 1))
            self.went = asked.values.copy()

    rules = {"a": Rule(go=lambda o: 0), "b": Rule(go=lambda o: 1)}
    shares, went = {"a": 1, "b": 1}, []
    for person in (False, True):
        town = Town()
        town.mind = 2 if person else 255  # the person's; nobody's yet
        human = Fallback(Human(script={}, seats=20), to=Deputies(rules, shares))
        minds = {**rules, "human": human} if person else rules
        everybody = {"human": slice(None)} if person else {}
        simulation = Simulation(town, Cast(minds, shares, everybody), seed=4)
        rows = []
        for _ in range(6):
            simulation.run(1)
            rows.append(town.went.tolist())
        went.append(rows)
    assert went[0] == went[1]
    assert {0.0, 1.0} == set(went[0][-1])


def test_shares_of_deputies_must_name_policies() -> None:
    rule = Rule(go=lambda o: 0)
    for shares in ({}, {"b": 1}, {"a": 0}):
        with pytest.raises(CastError, match="expected shares of a"):
            Deputies({"a": rule}, shares)


def test_one_person_at_two_seats_is_asked_one_thing_at_a_time() -> None:
    open_now, most = 0, 0

    async def ask(prompt: str, seconds: float | None) -> str:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        for _ in range(3):
            await asyncio.sleep(0)
        open_now -= 1
        return "1"

    human = Human(ask=ask)
    rule = Rule(harvest=lambda o: 2)
    seats = {n: Fallback(human, to=rule) for n in ("human/a", "human/b")}
    world = Commons(fishers=4)
    cast = Cast({"rest": rule, **seats}, {"rest": 1}, {"human/a": [0, 2], "human/b": [1]})
    run = Simulation(world, cast).run(2)
    assert most == 1
    assert run.replies.select("tick", "id").rows() == [(t, i) for t in (0, 1) for i in (0, 2, 1)]


# -- replies are kept, and repeat the run ----------------------------------------------------------


def cli(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=typed)


def test_a_run_is_repeated_from_its_record_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["12", "I took twelve", "everything!", "50", "", "", "3"]
    options = [COMMONS, "--cast", "human@3,careful=1", "--set", "discussion=turns",
               "--ticks", "4", "--no-report"]  # fmt: skip
    first = cli("run", *options, "--to", "a", typed="\n".join(lines) + "\n")
    assert first.exit_code == 0, first.output
    assert "tick 0, people 3: harvest?" in first.output
    assert "> \nWarning: input ended at tick 3: the human abstains from here on\n" in first.output
    again = cli("run", *options, "--to", "b", "--replies", "a")
    assert again.exit_code == 0, again.output
    assert "harvest?" not in again.output
    a, b = read("a"), read("b")
    same(a, b)
    assert a.replies.filter(tick=1).select("kind", "number", "reply").rows() == [
        ("harvest", 0, "everything!"), ("harvest", 1, "50"), ("speak", 0, ""),
    ]  # fmt: skip
    assert b.manifest["command"]["replies"] == "replies.parquet"
    # what it was made from goes with it: it can be repeated, and gone on with, without the first
    longer = cli("run", *options, "--to", "c", "--replies", "b", "--ticks", "9")
    assert longer.exit_code == 1
    assert "there is no reply of agent 3 to 'harvest' at tick 4" in longer.output
    assert read("c").ticks == 4
    stuck = cli("resume", "c")
    assert stuck.exit_code == 1
    assert "there is no reply of agent 3" in stuck.output
    nobody = cli("run", COMMONS, "--ticks", "1", "--to", "d", "--no-report")
    assert nobody.exit_code == 0
    refused = cli("run", *options, "--replies", "d")
    assert refused.exit_code == 2
    assert "nobody was asked in this run" in refused.output


def test_what_people_type_is_kept_wherever_they_sit() -> None:
    def run(replies: Any = None) -> Run:
        people = [Human(ask=Person()) for _ in range(2)]
        rule = Rule(bid=lambda o: 4, offer=lambda o: 5)
        buyers = Cast(
            {
                "habit": Habit(people[0], inertia=0.0),
                "team": Team([rule, Team([people[1], people[1]], vote)], vote),
                "rule": rule,
            },
            assign={"habit": [0], "team": [1], "rule": [2]},
        )
        casts = {"buyers": buyers, "sellers": Cast({"rule": rule}, {"rule": 1})}
        found = [one for policy in buyers.policies.values() for one in seating.people(policy)]
        assert {id(one) for one in found} == {id(one) for one in people}
        if replies is not None:
            Replies(replies).give(casts)
        return Simulation(Fair(), casts).run(2)

    first = run()
    assert sorted(first.replies.select("tick", "id").rows()) == [
        (0, 0), (0, 1), (0, 1), (1, 0), (1, 1), (1, 1),
    ]  # fmt: skip
    same(run(first.replies), first)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["sweep", COMMONS, "--grid", "fishers=3,4", "--cast", "human@1"], "asked in every run"),
        (["compare", COMMONS, "--cast", "human@1", "--swap", "careful=greedy"], "in every run"),
        (["compare", COMMONS, "--swap", "careful=human"], "cannot be asked in every run"),
        (["estimate", COMMONS, "--cast", "human@1"], "a person decides in this cast"),
        (["run", COMMONS, "--cast", "human@1", "--replies", "none"], "no run is here"),
    ],
)
def test_where_nobody_can_be_asked_a_person_is_refused(
    command: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*command)
    assert done.exit_code == 2
    assert says in done.output


class Person:
    """Takes as many units as its replies so far, and leaves in the midst of a tick."""

    def __init__(self, leaves: int | None = None) -> None:
        self.count, self.leaves = 0, leaves

    async def __call__(self, prompt: str, seconds: float | None) -> str:
        if self.count == self.leaves:
            raise RuntimeError("the line is cut")
        self.count += 1
        return f"{self.count}"


def seated(person: Person, script: Any = None) -> Cast:
    human = Human(ask=person, script=script, beyond="ask")
    rule = Rule(harvest=lambda o: o["share"], speak=lambda o: o["name"])
    return Cast({"rest": rule, "human": human}, {"rest": 1}, {"human": [1, 4]})


def test_a_resumed_run_asks_nothing_twice(tmp_path: Path) -> None:
    def made() -> Commons:
        return Commons(discussion="together")

    whole = Simulation(made(), seated(Person())).run(4, to=tmp_path / "whole")
    assert whole.replies.height == 16
    for leaves in (0, 3, 6, 9, 13):
        folder = tmp_path / str(leaves)
        with pytest.raises(PolicyError, match="the line is cut"):
            Simulation(made(), seated(Person(leaves))).run(4, to=folder)
        kept = read(folder)
        assert (kept.status, kept.ticks, kept.replies.height) == (
            "failed",
            leaves // 4,
            leaves,
        )
        person = Person()
        person.count = leaves
        cast = seated(person, script_of(kept.replies))
        run = Simulation.resume(folder, made(), cast).run()
        assert person.count == 16
        same(run, whole)


def test_resume_and_fork_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [COMMONS, "--cast", "human@3", "--ticks", "3", "--no-report"]
    done = cli("run", *options, "--to", "a", "--checkpoint-every", "5", typed="1\n2\n3\n")
    assert done.exit_code == 0, done.output
    more = cli("resume", "a", "--ticks", "5", "--no-report", typed="4\n5\n")
    assert more.exit_code == 0, more.output
    assert "tick 2" not in more.output  # no checkpoint but that of the start: lived through again
    assert read("a").replies["reply"].to_list() == ["1", "2", "3", "4", "5"]
    branch = cli("fork", "a", "--at", "2", "--to", "b", "--no-report", typed="7\n8\n9\n")
    assert branch.exit_code == 0, branch.output
    assert "tick 1," not in branch.output
    assert read("b").replies["reply"].to_list() == ["1", "2", "7", "8", "9"]
    assert read("b").panel.filter(id=3)["value"].to_list() == [1.0, 2.0, 7.0, 8.0, 9.0]


def test_a_script_without_a_reply_can_be_an_error_or_a_question() -> None:
    o = observe("go", 1, Choice(["no", "yes"]))
    with pytest.raises(PolicyError, match="no reply of agent 0 to 'go' at tick 0"):
        asyncio.run(Human(script={}, beyond="error").act(o))
    human = Human(script={(0, 0, "go"): "what"}, beyond="ask", ask=Person())
    assert asyncio.run(human.act(o)).values.tolist() == [1]
    assert human.replies == {(0, 0, "go"): ["what", "1"]}


def test_a_text_of_lines_and_what_is_not_known_are_shown_readably() -> None:
    prompts = []

    async def ask(prompt: str, seconds: float | None) -> str:
        prompts.append(prompt)
        return "1"

    o = observe("go", 1, Number(0, 1), said=["one\ntwo"], before=[float("nan")], who=("a", "b"))
    asyncio.run(Human(ask=ask, deadline=None).act(o))
    assert "  said:\n    one\n    two\n  before: not known\n  who: a, b\n" in prompts[0]
