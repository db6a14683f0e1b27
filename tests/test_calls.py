"""Calls of a model: one after the other and side by side come to the same, to the last account."""

import asyncio
import json
import sqlite3
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import AnswerStore
from populace.errors import AnswerMissError, RecordError
from populace.kernel.answers import Outcome
from populace.kernel.budget import Budget
from populace.kernel.ledger import Ledger
from populace.kernel.prices import Price, Prices
from populace.kernel.resources import Resources
from populace.kernel.spend import SCALE, Spend, Total, amounts, exact
from populace.language import calls as calls_module
from populace.language.calls import Calls
from populace.language.errors import CapabilityError, ModelRefused, ModelTimeout
from populace.language.model import Identity, Message, Reply, Request, user
from populace.language.naming import Names, named
from populace.language.scripted import Scripted
from populace.records.requests import canonical


class Alone(Scripted):
    """Does not say that it answers at once: its calls are tasks."""

    capabilities = replace(Scripted.capabilities, at_once=False)


def said(word):
    """A script's answer to a request: by what it is asked."""
    kind, _, rest = word.partition(" ")
    tokens = len(rest)
    if kind == "late":
        return ModelTimeout("late", tokens_in=tokens)
    if kind == "no":
        return ModelRefused("no", raw=rest, tokens_in=1, tokens_out=tokens)
    return Reply(text=word, tokens_in=3, tokens_out=tokens, model="script", seconds=tokens / 8)


def answered(model, words, *, budget=None, store=None, agents=None, prices=True, score=False):
    """Return what becomes of requests, and all that is written down of them."""
    requests = [user(word, sample=len(word), max_tokens=40) for word in words]
    given = Prices({"script": Price(0.37, 2.1)}) if prices else Prices()
    resources = Resources(
        budget=Budget(**(budget or {})), answers=store, ledger=Ledger(), prices=given
    )
    own = Calls(model, resources, "kind", "policy", clock=lambda: 0.0)
    agents = agents or [1] * len(words)
    if score:
        results = asyncio.run(own.score(requests, ["yes", "no"], agents))
    else:
        results = asyncio.run(own.generate(requests, agents))
    spent, held = resources.budget.spent, resources.budget.held
    assert (held.tokens, held.calls, held.usd, held.seconds) == (0, 0, 0, 0)
    told = [(r.outcome, str(r.error), r.paid, r.tokens_in, r.tokens_out, r.answer) for r in results]
    totals = [(s.calls, s.tokens_in, s.tokens_out, s.usd) for s in resources.ledger.totals()]
    states = [row[4:] for row in resources.ledger.state()["rows"]]
    account = (spent.calls, spent.tokens, spent.usd, resources.budget.refusals)
    return told, totals, states, account, resources.budget.stopping


words = st.lists(
    st.tuples(st.sampled_from(["say", "late", "no", "ask"]), st.text("ab é\ud800", max_size=9)).map(
        " ".join
    ),
    max_size=25,
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "tokens": st.integers(0, 600),
        "calls": st.integers(0, 20),
        "usd": st.floats(0, 2e-3),
    },
)


@settings(max_examples=60, deadline=None)
@given(words, limits, st.booleans(), st.booleans(), st.integers(1, 7), st.randoms())
def test_in_turn_is_as_side_by_side(words, limits, kept, priced, part, draws):
    priced |= "usd" in limits  # or it is an error before the first call
    if limits:
        words = list(dict.fromkeys(words))  # who shares a refused call is counted differently
    agents = [draws.randint(1, 3) for _ in words]
    found, before = [], calls_module._PART
    calls_module._PART = part
    try:
        for kind in (Scripted, Alone):
            store = AnswerStore(None) if kept else None
            model = kind(lambda r: said(r.messages[-1].content))
            came = answered(model, words, budget=limits, store=store, agents=agents, prices=priced)
            found.append((*came, store and rows(store), len(model.asked)))
    finally:
        calls_module._PART = before
    assert found[0] == found[1]


def rows(store):
    store.stats()  # whatever waits in memory is in the base from now on
    return sorted(store._base.execute("SELECT key, request, answer FROM answers").fetchall())


@pytest.mark.parametrize("kind", [Scripted, Alone])
def test_a_call_above_its_bound_counts_in_full_and_as_an_overrun(kind):
    def say(request):
        return Reply(text="so", tokens_in=1, tokens_out=50 if request.sample else 5, seconds=0.0)

    budget = Budget(tokens=1000, usd=1.0)
    prices = Prices({"script": Price(1, 1)})
    own = Calls(kind(say), Resources(budget=budget, prices=prices), "k", "p")
    asyncio.run(own.generate([user("?", sample=i, max_tokens=9) for i in (0, 1, 2)], [1] * 3))
    assert (budget.overruns, budget.spent.tokens, budget.spent.usd) == (2, 108, 108e-6)


@pytest.mark.parametrize("kind", [Scripted, Alone])
def test_scores_are_kept_and_shared_too(kind):
    store = AnswerStore(None)
    script = kind(lambda r: [len(r.messages[-1].content), 1])
    first = answered(script, ["a", "bbb", "a"], store=store, score=True, agents=[2, 1, 1])
    assert [r[2] for r in first[0]] == [True, True, False]
    assert first[1][0][0] == 4
    assert first[1][1][0] == 2
    again = answered(kind(lambda r: 1 / 0), ["bbb"], store=store, score=True)
    assert again[0][0][5].probabilities == pytest.approx((0.75, 0.25))


def test_a_failure_is_shared_by_all_that_ask_the_same_and_is_asked_again_later():
    late, store = Scripted(lambda r: ModelTimeout("late", tokens_in=2)), AnswerStore(None)
    told, totals, *_ = answered(late, ["late"] * 3, store=store)
    assert [(r[0], r[2]) for r in told] == [
        (Outcome.TIMEOUT, True), (Outcome.TIMEOUT, False), (Outcome.TIMEOUT, False)
    ]  # fmt: skip
    assert len(late.asked) == 1
    assert (totals[0][0], totals[1][0]) == (3, 1)
    answered(late, ["late"], store=store)
    assert len(late.asked) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError(), CapabilityError("cannot")])
def test_a_call_that_breaks_leaves_the_answers_before_it_on_file_and_nothing_held(error):
    def say(request):
        if request.sample == 3:
            raise error
        return "so"

    store, budget, ledger = AnswerStore(None), Budget(tokens=1000), Ledger()
    own = Calls(Scripted(say), Resources(answers=store, budget=budget, ledger=ledger), "k", "p")
    requests = [user("?", sample=i, max_tokens=9) for i in range(6)]
    with pytest.raises(type(error)):
        asyncio.run(own.generate(requests, [1] * 6))
    assert store.stats().answers == store.paid == 3
    assert (budget.held.tokens, budget.held.calls) == (0, 0)
    assert ledger.totals().billed.calls == 3
    store.mode = "strict"
    with pytest.raises(AnswerMissError):
        asyncio.run(own.generate(requests, [1] * 6))


def test_a_cancelled_round_ends_at_the_next_part_with_nothing_held(monkeypatch):
    monkeypatch.setattr(calls_module, "_PART", 4)

    def say(request):
        if request.sample == 5:
            asyncio.current_task().cancel()
        return "so"

    store, budget = AnswerStore(None), Budget(calls=100)
    model = Scripted(say)
    own = Calls(model, Resources(answers=store, budget=budget), "k", "p")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(own.generate([user("?", sample=i) for i in range(20)], [1] * 20))
    assert len(model.asked) == store.stats().answers == budget.spent.calls == 8
    assert budget.held.calls == 0


def test_a_store_that_only_fetches_is_asked_one_by_one():
    class Plain:
        """A store of a stranger's: `fetch` and nothing else."""

        def __init__(self):
            self.held = {}

        async def fetch(self, key, request, call):
            name = json.dumps(request, sort_keys=True)
            paid = name not in self.held
            if paid:
                self.held[name] = dict(await call())
            return dict(self.held[name]), paid

    plain = answered(Scripted(lambda r: "so"), ["a", "b", "a"], store=Plain())
    own = answered(Scripted(lambda r: "so"), ["a", "b", "a"], store=AnswerStore(None))
    assert plain[0] == own[0]
    assert plain[1] == own[1]


# -- names -----------------------------------------------------------------------------------------

contents = st.text(st.characters(), max_size=12)  # lone surrogates and all
schemas = st.none() | st.dictionaries(
    contents, st.integers() | st.floats(allow_nan=False, allow_infinity=False) | contents,
    max_size=3,
)  # fmt: skip
requests = st.builds(
    lambda system, text, schema, stop, most, heat, seed, sample: Request(
        messages=(*((Message("system", system),) if system else ()), Message("user", text)),
        schema=schema, stop=stop, max_tokens=most, temperature=heat, seed=seed, sample=sample,
    ),
    contents, contents, schemas, st.sampled_from([(), ("\n",), ("see https://x?key=abcdefgh",)]),
    st.integers(1, 3), st.sampled_from([0, 0.0, 1, 1.0, 0.7]), st.integers(0, 2**70),
    st.integers(0, 2**70),
)  # fmt: skip
endpoints = st.sampled_from(["scripted", "https://x.org/v1", "https://me:longsecret@x.org/v1"])


@settings(deadline=None)
@given(st.lists(requests, max_size=6), endpoints, st.none() | st.just(["a", "b"]))
def test_names_are_the_canonical_form_of_what_a_request_asks(asked, endpoint, choices):
    identity = Identity(endpoint, "small", "longsecret")
    names = Names(identity, choices)
    for request in asked:
        whole, fast = canonical(named(identity, request, choices)), names(request)
        assert (fast.text, fast.key, fast.labels) == (whole.text, whole.key, whole.labels)
        assert fast.secrets == whole.secrets


# -- the store, many at a time ---------------------------------------------------------------------


def form(text):
    return canonical(named(Identity("scripted", "script"), user(text), None))


@pytest.mark.parametrize("file", [True, False])
def test_what_is_kept_together_is_what_is_kept_one_by_one(file, tmp_path):
    asked = [form(text) for text in "abc"]
    answers = [{"text": "é\ud83d\ude00", "seconds": 0.1}, {"x": [1, None]}, {}]
    one = AnswerStore(tmp_path / "one.sqlite" if file else None, now=lambda: "then")
    many = AnswerStore(tmp_path / "many.sqlite" if file else None, now=lambda: "then")

    async def call(answer):
        return answer

    fetched = [
        asyncio.run(one.fetch(None, name, lambda answer=answer: call(answer)))[0]
        for name, answer in zip(asked, answers, strict=True)
    ]
    assert many.known(asked) == [None] * 3
    assert many.keep(asked, answers) == fetched
    assert many.known(asked[::-1]) == fetched[::-1]
    assert (many.paid, many.hits) == (3, 3)
    for store, name in ((one, "one"), (many, "many")):
        assert store.export(tmp_path / name) == 3
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_the_answer_first_on_file_is_the_one_that_all_return(tmp_path):
    path, asked = tmp_path / "a.sqlite", [form("a"), form("b")]
    ours, theirs = AnswerStore(path), AnswerStore(path)
    theirs.keep(asked[:1], [{"text": "first"}])
    assert ours.keep(asked, [{"text": "late"}, {"text": "b"}]) == [{"text": "first"}, {"text": "b"}]


def test_answers_in_memory_are_there_for_whatever_needs_the_base(tmp_path):
    asked = [form(text) for text in "abcd"]
    store = AnswerStore(None)
    store.keep(asked[:2], [{"text": "a"}, {"text": "b"}])
    assert store.keep(asked[:1], [{"text": "other"}]) == [{"text": "a"}]
    store.move(tmp_path / "a.sqlite")
    assert store.known(asked) == [{"text": "a"}, {"text": "b"}, None, None]
    store.keep(asked[2:3], [{"text": "c"}])
    with sqlite3.connect(tmp_path / "a.sqlite") as base:
        assert base.execute("SELECT count(*) FROM answers").fetchone() == (3,)
    gone = AnswerStore(None)
    gone.keep(asked[:1], [{"text": "a"}])
    assert gone.stats().answers == 1
    assert gone.keep(asked[:1], [{"text": "other"}]) == [{"text": "a"}]
    gone.close()
    with pytest.raises(RecordError):
        gone.known(asked)


def test_refreshing_buys_anew_once_together_too(tmp_path):
    asked = [form("a"), form("b")]
    for path in (None, tmp_path / "a.sqlite"):
        if path is not None:
            with AnswerStore(path) as old:
                old.keep(asked, [{"text": "old"}, {"text": "old"}])
        store = AnswerStore(path, "refresh")
        assert store.known(asked) == [None, None]
        assert store.keep(asked, [{"text": "new"}] * 2) == [{"text": "new"}] * 2
        assert store.known(asked) == [{"text": "new"}] * 2
        assert store.keep(asked[:1], [{"text": "newer"}]) == [{"text": "new"}]


# -- amounts ---------------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.sampled_from(["usd", "seconds"]))
def test_amounts_are_rounded_as_decimals_are(value, measure):
    scaled = Decimal(repr(value)) * SCALE[measure]
    assert exact(value, measure, measure) == int(scaled.to_integral_value(ROUND_HALF_EVEN))


@pytest.mark.parametrize("half", ["0.5", "1.5", "2.5", "1234567.5", "0.4999", "0.49999999"])
def test_halves_of_a_unit_are_rounded_as_decimals_are(half):
    value = float(Decimal(half) / SCALE["seconds"])
    scaled = Decimal(repr(value)) * SCALE["seconds"]
    assert exact(value, "seconds", "s") == int(scaled.to_integral_value(ROUND_HALF_EVEN))


spends = st.builds(
    Spend, st.integers(0, 5), st.integers(0, 99), st.integers(0, 99),
    st.none() | st.floats(0, 9), st.floats(0, 9),
)  # fmt: skip


@given(st.lists(spends, max_size=6))
def test_sums_booked_in_units_and_included_are_those_of_spends(given):
    one, many = Total(), Total()
    for spend in given:
        one.add(spend)
        units = amounts(spend)
        part = Total()
        part.book(
            spend.calls, spend.tokens_in, spend.tokens_out,
            None if spend.usd is None else units["usd"], units["seconds"],
        )  # fmt: skip
        many.include(part)
    assert one.state() == many.state()
