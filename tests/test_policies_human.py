"""Human: what a person is shown, what is taken as an answer, and when there is none."""

import asyncio
import io

import numpy as np
import pytest

from populace import (
    Call,
    Cast,
    Choice,
    Fallback,
    Human,
    Number,
    Outcome,
    Pick,
    Population,
    Record,
    Rule,
    Simulation,
    Text,
    World,
)
from populace.errors import ParameterError, PolicyError
from populace.policies.human import read
from populace.policies.terminal import Terminal
from populace.testing import observe

YES_NO = Choice(["no", "yes"])
GO = (0, 0, "go")


class Person:
    """Replies in turn; time passes only as told."""

    def __init__(self, *replies, each=0.0):
        self.left, self.each, self.now = list(replies), each, 0.0
        self.prompts, self.deadlines = [], []

    async def __call__(self, prompt, seconds):
        self.prompts.append(prompt)
        self.deadlines.append(seconds)
        self.now += self.each
        reply = self.left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def clock(self):
        return self.now


def act(human, observation):
    return asyncio.run(human.act(observation))


def test_a_valid_reply_acts_and_is_kept():
    person = Person("yes", "1", "NO")
    human = Human(ask=person)
    reply = act(human, observe("go", 3, YES_NO, seed=1))
    assert reply.values.tolist() == [1, 1, 0]
    assert (reply.outcome == Outcome.ACTED).all()
    assert human.replies == {(0, 0, "go"): ["yes"], (0, 1, "go"): ["1"], (0, 2, "go"): ["NO"]}


def test_what_the_person_is_shown():
    people = Population(2, name="fishers", catch=np.array([1.5, 12.25]))
    person = Person("3", "3")
    human = Human(deadline=30, ask=person)
    human.hear(observe("heard", people, Text(), words=["hello", "bye"]))
    o = observe("harvest", people, Number(0, np.array([10.0, 20.0])), see=["catch"], stock=81.0,
                tick=4)  # fmt: skip
    act(human, o)
    assert person.prompts == [
        "tick 4, fishers 0: harvest?\n  (told) heard: words: hello\n  catch: 1.5\n  stock: 81\n"
        "a number in [0, 10] (blank: abstain, 30 s)\n> ",
        "tick 4, fishers 1: harvest?\n  (told) heard: words: bye\n  catch: 12.25\n  stock: 81\n"
        "a number in [0, 20] (blank: abstain, 30 s)\n> ",
    ]
    person.left = ["1", "1"]
    act(human, o)
    assert "(told)" not in person.prompts[2]  # told once


def test_an_invalid_reply_is_asked_for_again_until_the_deadline():
    person = Person("maybe", "2", "yes", each=10.0)
    human = Human(deadline=60, ask=person, clock=person.clock)
    reply = act(human, observe("go", 1, YES_NO))
    assert reply.values.tolist() == [1]
    assert person.prompts[1] == "'maybe' is not one of no, yes\n> "
    assert person.deadlines == [60, 50, 40]
    assert human.replies[GO] == ["maybe", "2", "yes"]
    late = Person("a", "b", "c", "d", each=25.0)
    human = Human(deadline=60, ask=late, clock=late.clock)
    assert act(human, observe("go", 1, YES_NO)).outcome.tolist() == [Outcome.TIMEOUT]
    assert late.deadlines == [60, 35, 10]
    assert human.replies[GO] == ["a", "b", "c", None]


def test_blank_abstains_no_reply_is_a_time_out_and_no_deadline_waits():
    person = Person("  ", None, "yes")
    reply = act(Human(deadline=None, ask=person), observe("go", 3, YES_NO))
    assert reply.outcome.tolist() == [Outcome.ABSTAINED, Outcome.TIMEOUT, Outcome.ACTED]
    assert person.deadlines == [None] * 3


def test_end_of_input_abstains_from_then_on_and_says_so():
    person = Person("yes", EOFError())
    human = Human(ask=person)
    with pytest.warns(RuntimeWarning, match="input ended at tick 0"):
        reply = act(human, observe("go", 4, YES_NO))
    abstained = Outcome.ABSTAINED
    assert reply.outcome.tolist() == [Outcome.ACTED, abstained, abstained, abstained]
    assert act(human, observe("go", 1, YES_NO, tick=1)).outcome.tolist() == [abstained]
    assert len(person.prompts) == 2


def test_a_script_replies_by_tick_agent_and_kind():
    human = Human(script={(0, 1, "go"): "yes", (1, 0, "go"): ["perhaps", "no"], (1, 1, "go"): None})
    first = act(human, observe("go", 2, YES_NO))
    assert first.outcome.tolist() == [Outcome.TIMEOUT, Outcome.ACTED]
    second = act(human, observe("go", 2, YES_NO, tick=1))
    assert second.outcome.tolist() == [Outcome.ACTED, Outcome.TIMEOUT]
    assert second.values[0] == 0


class Town(World):
    """Two asks of one kind a tick."""

    def __init__(self):
        self.people = Population(6)

    async def step(self, minds):
        self.total = 0
        for _ in range(2):
            reply = await minds.ask("go", self.people, YES_NO, missing=0)
            self.total += int(reply.values.sum())
        minds.tell("news", self.people, total=self.total)

    def measure(self):
        return {"total": self.total}


def test_a_run_with_a_person_is_repeated_from_the_replies():
    def run(human):
        world = Town()
        cast = Cast({"person": Fallback(human, to=Rule(lambda o: 1)), "rest": Rule(lambda o: 0)},
                    shares={"rest": 1}, assign={"person": [1, 4]})  # fmt: skip
        run = Simulation(world, cast).run(2)
        asks = run.asks.filter(run.asks["policy"] == "person")
        return run.metrics["total"].to_list(), asks.select("acted", "fallback").rows()

    human = Human(ask=Person("yes", "x", "no", "", "yes", "no", None, "1", "0"))
    first = run(human)
    assert first == ([1 + 0 + 1 + 1, 0 + 1 + 1 + 0], [(3, 1), (3, 1)])
    again = Human(script=human.replies)
    assert run(again) == first
    assert again.replies == human.replies
    assert sum(len(r) for r in human.replies.values()) == 9


def test_too_many_seats_are_refused():
    with pytest.raises(PolicyError, match=r"6 agents are cast as human.*there are 5 seats"):
        act(Human(ask=Person()), observe("go", 6, YES_NO))
    human = Human(seats=1)
    human.hear(observe("news", 2, Text(), x=1))  # nobody could read it all
    assert human._told == {}


def test_bad_parameters():
    for make, says in [
        (lambda: Human(deadline=-1), "deadline >= 0"),
        (lambda: Human(seats=0), "seats >= 1"),
        (lambda: Human(script={(0, "go"): "x"}), "expected .tick, agent id, kind."),
        (lambda: Human(script={GO: [3]}), "expected texts"),
    ]:
        with pytest.raises(ParameterError, match=says):
            make()


TOOLS = Call({"buy": Record(n=Number(0, 9, integer=True)), "wait": Record(why=Text(20))})


@pytest.mark.parametrize(
    ("space", "text", "value"),
    [
        (YES_NO, " Yes ", [1]),
        (YES_NO, "0", [0]),
        (Choice(["1", "0"]), "0", [1]),  # a name before an index
        (Choice(["a", "A"]), "A", [1]),  # the exact name first
        (Number(0, 5), "2.5", [2.5]),
        (Number(0, 5, integer=True), "3", [3]),
        (Text(5), "hello", ["hello"]),
        (Pick(4), "2", [2]),
        (Pick(4, count=2), "3, 1", [[3, 1]]),
        (Pick(np.array([[5, 7, -1]])), "7", [7]),
    ],
)
def test_replies_in_every_form(space, text, value):
    assert read(text, space).tolist() == value


def test_records_and_calls_are_typed_as_json():
    space = Record(n=Number(0, 9), word=Text(5))
    values = read('{"n": 3, "word": "hi"}', space)
    assert (values["n"].tolist(), values["word"].tolist()) == ([3.0], ["hi"])
    (call,) = read('buy {"n": 2}', TOOLS)
    assert (call.name, call.arguments) == ("buy", {"n": 2})


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (YES_NO, "2"),
        (YES_NO, "-1"),
        (YES_NO, "1.0"),
        (YES_NO, "9" * 40),
        (Number(0, 5), "6"),
        (Number(0, 5), "nan"),
        (Number(0, 5), "five"),
        (Number(0, 5, integer=True), "2.5"),
        (Text(5), "too long"),
        (Pick(4), "4"),
        (Pick(4), "1 2"),
        (Pick(4, count=2), "1 1"),
        (Pick(4, count=2), "1"),
        (Pick(4), "9" * 40),
        (Record(n=Number(0, 9)), "3"),
        (Record(n=Number(0, 9)), '{"n": 30}'),
        (Record(n=Number(0, 9)), "{"),
        (Record(n=Number(0, 9)), "[" * 100_000),
        (TOOLS, "sell {}"),
        (TOOLS, "buy"),
        (TOOLS, "buy [1]"),
    ],
)
def test_replies_that_are_no_answer(space, text):
    assert read(text, space) is None


def test_the_forms_of_an_answer_are_shown():
    for space, says in [
        (YES_NO, "0 no, 1 yes (blank"),
        (Pick(3), "one of 3 candidates: 0, 1, 2 (blank"),
        (Record(n=Number(0, 9)), "JSON: a record (n: a number in [0, 9]) (blank"),
        (TOOLS, "tool and JSON arguments: buy {n}; wait {why} (blank"),
    ]:
        person = Person("")
        act(Human(ask=person, deadline=None), observe("go", 1, space))
        assert says in person.prompts[0]


# -- the terminal itself, on files ----------------------------------------------------------------


def test_the_terminal_writes_the_prompt_and_reads_lines():
    shown = io.StringIO()
    human = Human(ask=Terminal(io.StringIO("what\nyes\n"), shown))
    with pytest.warns(RuntimeWarning, match="input ended"):
        reply = act(human, observe("go", 2, YES_NO))
    assert reply.outcome.tolist() == [Outcome.ACTED, Outcome.ABSTAINED]
    assert reply.values[0] == 1
    assert shown.getvalue().startswith(
        "tick 0, people 0: go?\n0 no, 1 yes (blank: abstain, 60 s)\n"
    )


def test_a_line_after_its_deadline_is_dropped_unless_the_next_prompt_stands():
    import queue

    class Keyboard:
        lines = queue.Queue()

        def readline(self):
            return self.lines.get()

    async def session():
        terminal = Terminal(Keyboard(), io.StringIO())
        assert await terminal("one? ", 0.0) is None  # nothing typed
        Keyboard.lines.put("late\n")
        while not terminal._reading.done():
            await asyncio.sleep(0)
        Keyboard.lines.put("right\n")
        assert await terminal("two? ", 30.0) == "right"
        assert await terminal("three? ", 0.0) is None
        waiting = asyncio.create_task(terminal("four? ", 30.0))
        await asyncio.sleep(0)
        Keyboard.lines.put("typed for four\n")
        assert await waiting == "typed for four"
        Keyboard.lines.put("")
        with pytest.raises(EOFError):
            await terminal("five? ", 30.0)

    asyncio.run(session())
