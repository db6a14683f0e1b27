"""State as JSON and arrays: what is captured and put back is what was there, to the bit."""

from __future__ import annotations

import copy
import enum
import functools
import json
import math
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from populace import Fallback, Habit, Network, Population, Rule, Streams
from populace.errors import StateError
from populace.kernel.overlay import overlay
from populace.kernel.state import State, capture


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 5


class Right(enum.Flag):
    READ = 1
    WRITE = 2


Pair = namedtuple("Pair", "left right")


@dataclass
class Firm:
    name: str
    stock: float = 0.0
    orders: deque[Any] = field(default_factory=lambda: deque(maxlen=3))


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: float


class Slotted:
    __slots__ = ("__hidden", "left", "right")

    def __init__(self) -> None:
        self.left: Any = 1
        self.__hidden = 3

    def hidden(self) -> int:
        return self.__hidden


class Holder:
    """What a world is: attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def act_later(self, by: int) -> int:
        return by + 1


def doubled(x: float) -> float:
    return 2 * x


def halved(x: float) -> float:
    return x / 2


def through_json(state: State) -> State:
    """As a file would hold it: JSON text, and copies of the arrays."""
    arrays = {key: np.array(array, order="C") for key, array in state.arrays.items()}
    return State(json.loads(json.dumps(state.tree, allow_nan=False)), arrays)


def back(thing: Any, fresh: Any = None) -> Any:
    return overlay(fresh, through_json(capture(thing)), packages=["tests"])


def same(a: Any, b: Any) -> bool:
    """Equality to the bit and type, through containers."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        steps = zip(a.shape, a.strides, b.strides, strict=True)
        strided = a.size == 0 or all(one == two for n, one, two in steps if n > 1)
        if a.dtype.hasobject:
            return a.shape == b.shape and all(map(same, a.flat, b.flat))
        return a.dtype == b.dtype and a.shape == b.shape and strided and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or a.hex() == b.hex()
    if isinstance(a, complex):
        return same([a.real, a.imag], [b.real, b.imag])
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (Holder, Firm)):
        return same(vars(a), vars(b))
    return bool(a == b)


keys = st.one_of(
    st.text(max_size=4), st.integers(), st.tuples(st.integers(), st.text(max_size=2)), st.dates(),
    st.sampled_from(Colour), st.booleans(), st.builds(Point, st.integers(), st.just(0.5)),
)  # fmt: skip
arrays = hnp.arrays(
    st.one_of(
        hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.floating_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.datetime64_dtypes(), hnp.unicode_string_dtypes(max_len=3),
        st.just(np.dtype([("a", np.int8), ("b", np.float32, (2,))])),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(),
    st.binary(max_size=9), st.dates(), st.datetimes(), st.times(), st.timedeltas(),
    st.decimals(allow_nan=False), st.fractions(), st.uuids(), st.sampled_from(Colour),
    st.sampled_from(Level),
    st.sampled_from([Right.READ, Right.READ | Right.WRITE, range(3, 9, 2), np.dtype("f4")]),
    st.just(Path("a/b")), hnp.from_dtype(np.dtype(np.float32)),
    hnp.from_dtype(np.dtype("datetime64[D]")), hnp.from_dtype(np.dtype(bool)),
)  # fmt: skip
values = st.recursive(
    st.one_of(scalars, arrays, arrays.map(np.asfortranarray)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.sets(keys, max_size=4),
        st.sets(keys, max_size=4).map(frozenset),
        st.lists(inner, max_size=4).map(lambda items: deque(items, maxlen=5)),
        st.builds(Firm, st.text(max_size=3), inner),
        st.builds(Pair, inner, inner),
        st.dictionaries(st.from_regex(r"[a-z]\w?", fullmatch=True), inner, max_size=4).map(
            lambda held: Holder(**held)
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values)
def test_any_value_comes_back_to_the_bit_where_nothing_is_there(value):
    assert same(back(Holder(value=value)).value, value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values, values)
def test_any_value_comes_back_over_any_other(value, other):
    fresh = Holder(value=other, more=other)
    restored = back(Holder(value=value), fresh)
    assert restored is fresh
    assert same(vars(restored), {"value": value})


@settings(max_examples=60, deadline=None)
@given(values)
def test_what_fits_stays_the_same_object_and_unchanged(value):
    holder = Holder(value=value)
    was = copy.deepcopy(value)
    restored = overlay(holder, through_json(capture(holder)))
    assert restored.value is value or not isinstance(value, (list, dict, set, np.ndarray, Holder))
    assert same(restored.value, was)


def test_two_references_to_one_object_stay_two_references_to_one_object():
    firm = Firm("a")
    ring: list[Any] = [firm]
    ring.append(ring)
    restored = back(Holder(first=firm, all={"a": firm}, ring=ring))
    assert restored.first is restored.all["a"] is restored.ring[0]
    assert restored.ring[1] is restored.ring
    fresh_shared = [1]  # what the program shares at first, and the run had parted
    parted = back(Holder(a=[1], b=[2]), Holder(a=fresh_shared, b=fresh_shared))
    assert (parted.a, parted.b) == ([1], [2])


def test_a_chain_deeper_than_the_stack_comes_back():
    top: list[Any] = []
    inner = top
    for _ in range(50_000):
        inner.append([])
        inner = inner[0]
    inner.append("end")
    found = back(Holder(chain=top)).chain
    while found[0] != "end":
        found = found[0]


def test_views_go_on_showing_the_memory_of_their_array():
    cells = np.arange(12.0).reshape(3, 4)
    world = Holder(
        cells=cells, row=cells[1], back=cells[:, ::-1], flat=cells.reshape(-1).view("i8")
    )
    for fresh in (None, Holder(cells=np.zeros((3, 4)), row=None)):
        restored = back(world, fresh)
        assert same(vars(restored), vars(world))
        restored.cells[1, 2] = -5
        assert restored.row[2] == restored.back[1, 1] == -5
        assert restored.flat[6] == np.array(-5.0).view("i8")


def test_structured_views_and_scalars_come_back():
    dtype = np.dtype([("a", np.int8), ("b", [("c", "f4", (2,)), ("d", "U2")])])
    table = np.zeros(4, dtype)
    table["b"]["c"][1] = 2.5
    world = Holder(table=table, odd=table[1::2], one=table[1], b=table["b"])
    assert same(vars(back(world)), vars(world))


def test_views_of_an_array_that_nobody_holds_share_it_too():
    base = np.arange(100)
    world = Holder(a=base[10:20], b=base[15:30:3])
    restored = back(world)
    restored.a[5] = -1
    assert restored.b[0] == -1
    alone = capture(Holder(a=base[10:20]))  # no need for the ninety others
    assert alone.nbytes == base[10:20].nbytes


def test_views_of_the_program_stay_views_of_its_arrays():
    cells = np.zeros(6)
    fresh = Holder(cells=cells, table=cells.reshape(2, 3))
    ran = np.arange(6.0)
    restored = back(Holder(cells=ran, table=ran.reshape(2, 3)), fresh)
    assert restored.cells is cells
    assert restored.table is fresh.table
    assert np.shares_memory(restored.cells, restored.table)
    assert restored.table[1, 2] == 5


def test_an_array_takes_its_values_in_place_only_where_it_fits():
    fits, other, fixed = np.zeros(3), np.zeros(4), np.zeros(3)
    fixed.flags.writeable = False
    fresh = Holder(a=fits, b=other, c=fixed)
    restored = back(Holder(a=np.ones(3), b=np.ones(3), c=fixed + 1), fresh)
    assert restored.a is fits
    assert (restored.a == 1).all()
    assert restored.b is not other
    assert (other == 0).all()
    assert (fixed == 0).all()


def test_a_population_comes_back_with_births_deaths_and_new_columns():
    def made() -> Holder:
        people = Population(5, name="people", age=[1, 2, 3, 4, 5])
        return Holder(people=people, born=people.everyone)

    ran = made()
    ran.people.remove([1, 3])
    ran.people.add(4, age=9)
    ran.people.remove(ran.people.age == 1)
    ran.people.add_column("mood", (np.int8, -1))
    ran.first = ran.people[ran.people.age == 9]
    assert ran.people.row_of(7) == 5
    restored = back(ran, made())
    people = restored.people
    assert people.ids.tolist() == ran.people.ids.tolist()
    assert people.columns == ran.people.columns
    assert people.mood.tolist() == ran.people.mood.tolist()
    assert restored.first.population is people
    assert restored.born.living.ids.tolist() == ran.born.living.ids.tolist()
    added = people.add(3, age=1)
    assert added.rows.tolist() == ran.people.add(3, age=1).rows.tolist()
    assert added.ids.tolist() == [9, 10, 11]


def test_a_stream_goes_on_where_it_was():
    streams = Streams(7)
    draws = streams.stream("news", 3)
    draws.uniform(5)
    restored = back(Holder(streams=streams, draws=draws))
    assert restored.draws.uniform(5).tolist() == draws.uniform(5).tolist()
    assert restored.streams.stream("news", 3)._names is restored.draws._names


def test_networks_and_frames_come_back():
    net = Network.erdos_renyi(50, 4.0, Streams(1).stream("net"))
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    restored = back(Holder(net=net, frame=frame, column=frame["b"]))
    assert (restored.net.targets == net.targets).all()
    assert restored.net.directed is False
    assert restored.frame.equals(frame)
    assert restored.column.equals(frame["b"])


def test_subclasses_of_containers_keep_class_factory_and_length():
    counts = Counter("abca")
    grouped: defaultdict[str, list[int]] = defaultdict(list)
    grouped["a"].append(1)
    restored = back(Holder(counts=counts, grouped=grouped, last=deque([1, 2, 3], maxlen=3)))
    assert type(restored.counts) is Counter
    assert restored.counts == counts
    restored.grouped["b"].append(2)
    restored.last.append(4)
    assert (restored.grouped["b"], list(restored.last)) == ([2], [2, 3, 4])


def test_slots_private_ones_too():
    thing = Slotted()
    thing.left = [1.5]
    restored = back(Holder(thing=thing)).thing
    assert (restored.left, restored.hidden()) == ([1.5], 3)
    assert not hasattr(restored, "right")


def test_code_is_named_and_never_stored():
    world = Holder(rule=doubled, shape=Firm, tool=math.sqrt, module=math, kind=np.float32)
    state = capture(world)
    assert "return" not in json.dumps(state.tree)
    other = Holder(rule=halved, shape=None, tool=math.sqrt, module=math, kind=None)
    restored = overlay(other, through_json(state))
    assert (restored.rule, restored.shape, restored.kind) == (doubled, Firm, np.float32)
    by_heart = Holder(rule=lambda x: x)
    assert overlay(by_heart, capture(Holder(rule=by_heart.rule))).rule is by_heart.rule


def test_methods_and_partials_are_bound_to_the_restored_objects():
    world = Holder()
    world.queue = [(3, world.act_later), (4, functools.partial(doubled, x=4.0))]
    fresh = Holder(queue=[])
    restored = back(world, fresh)
    assert restored.queue[0][1].__self__ is fresh
    assert [call(1) if i == 0 else call() for i, (_, call) in enumerate(restored.queue)] == [2, 8.0]


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "builtins:exec", "posix:system", "subprocess:Popen",
             "numpy:load", "nowhere:thing", "collections:abc"]
)  # fmt: skip
def test_a_tampered_name_reaches_no_code_beyond_the_worlds(name):
    state = capture(Holder(rule=doubled))
    text = json.dumps(state.tree).replace(f"{__name__}:doubled", name)
    with pytest.raises(StateError, match="may not be looked up"):
        overlay(Holder(rule=doubled), State(json.loads(text), {}))


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (threading.Lock(), "lock"),
        ((i for i in "ab"), "generator"),
        (np.random.default_rng(1), "Generator"),
        (np.ma.array([1]), "MaskedArray"),
        (memoryview(b"a"), "memoryview"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_path(thing, told):
    with pytest.raises(StateError, match=rf"^queue\[0\]\['who'\].*{told}.*state\(\) and restore"):
        capture(Holder(queue=[{"who": thing}]))


def test_an_open_file_cannot_be_kept(tmp_path):
    with open(tmp_path / "log", "w") as file, pytest.raises(StateError, match=r"log: a .*TextIO"):
        capture(Holder(log=file))


class Account:
    """Keeps its own state."""

    def __init__(self) -> None:
        self.lock, self.money = threading.Lock(), 0

    def state(self) -> dict[str, Any]:
        return {"money": self.money, "log": [self.money]}

    def restore(self, state: dict[str, Any]) -> None:
        self.money = state["money"]


def test_an_object_may_say_itself_what_is_kept_of_it():
    ran, fresh = Account(), Account()
    ran.money = 5
    state = through_json(capture(Holder(bank=ran, also=ran)))
    restored = overlay(Holder(bank=fresh, also=None), state)
    assert restored.bank is restored.also is fresh
    assert fresh.money == 5
    with pytest.raises(StateError, match="Account keeps its own state, and is not there"):
        overlay(Holder(bank=None), state)


class Grudge:
    """A policy that remembers, with a tool that is no memory."""

    def __init__(self) -> None:
        self.betrayed: dict[int, int] = {}
        self.client = threading.Lock()
        self.worth = np.zeros(2)

    def act(self, observation: Any) -> Any:
        raise NotImplementedError


def test_of_a_policy_plain_values_are_kept_also_inside_of_others():
    ran = {"a": Habit(Grudge(), inertia=0.5), "b": Fallback(Grudge(), to=Rule(doubled))}
    ran["a"].policy.betrayed[3] = 1
    ran["a"]._options["people", "stay"] = ("no", "yes")
    ran["b"].policy.worth[1] = 2.5
    fresh = {"a": Habit(Grudge(), inertia=0.5), "b": Fallback(Grudge(), to=Rule(doubled))}
    client = fresh["a"].policy.client
    restored = back(ran, fresh)
    assert restored["a"].policy.betrayed == {3: 1}
    assert restored["a"].policy.client is client
    assert restored["a"]._options == ran["a"]._options
    assert restored["b"].policy.worth.tolist() == [0, 2.5]


def test_anchors_are_kept_by_name():
    cast, other = object(), object()
    state = through_json(capture(Holder(cast=cast, again=[cast]), {"cast": cast}))
    restored = overlay(None, state, {"cast": other}, packages=["tests"])
    assert restored.cast is restored.again[0] is other


def test_an_enum_member_that_is_gone_is_said():
    state = capture(Holder(colour=Colour.RED))
    tree = json.loads(json.dumps(state.tree).replace('"RED"', '"GREEN"'))
    with pytest.raises(StateError, match="Colour has no member 'GREEN'"):
        overlay(None, State(tree, {}), packages=["tests"])


def test_attributes_that_the_run_removed_are_gone():
    assert vars(back(Holder(a=1), Holder(a=0, b=2, c=[3]))) == {"a": 1}
