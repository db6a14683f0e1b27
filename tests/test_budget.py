"""Budgets hold to the token at every moment, whoever comes, in tasks and threads."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.errors import BudgetError, ParameterError
from populace.kernel.budget import Amounts, Budget
from populace.kernel.budget_text import parse_budget
from populace.kernel.spend import Spend
from tests.crowds import impatient, in_threads

__all__ = ["impatient"]  # a fixture

NOTHING = Amounts(0, 0, 0.0, 0.0)


# --- one scope


def test_a_limit_is_met_exactly_and_not_passed() -> None:
    budget = Budget(tokens=1_000, usd=0.7)
    holds = [budget.reserve(tokens=100, usd=0.07) for _ in range(10)]
    assert budget.left == Amounts(tokens=0, usd=0.0)
    with pytest.raises(BudgetError) as caught:
        budget.reserve(tokens=1, usd=0)
    error = caught.value
    assert (error.scope, error.measure, error.at_end) == ("run", "tokens", "stop")
    assert (error.limit, error.spent, error.held, error.asked) == (1_000, 0, 1_000, 1)
    assert budget.refusals == 1
    for hold in holds:
        assert hold.settle(Spend(calls=1, tokens_in=60, tokens_out=30, usd=0.06)) == NOTHING
    assert budget.spent == Spend(10, 600, 300, 0.6)
    assert budget.left == Amounts(tokens=100, usd=0.1)
    assert budget.held == NOTHING


def test_a_refused_reservation_reserves_nothing_in_any_scope() -> None:
    run = Budget(tokens=100)
    inner = run.scope("a", calls=10).scope("b")
    with pytest.raises(BudgetError, match="budget 'run': 101 tokens asked"):
        inner.reserve(tokens=101)
    assert run.held == inner.held == NOTHING
    assert (run.refusals, inner.refusals) == (1, 0)


def test_a_hold_is_settled_or_released_once() -> None:
    budget = Budget(tokens=10)
    with budget.reserve(tokens=4) as hold:
        assert hold.reserved == Amounts(tokens=4, calls=1)
    assert budget.held.tokens == 0
    for again in (hold.release, lambda: hold.settle(Spend())):
        with pytest.raises(BudgetError, match="already"):
            again()
    with budget.reserve(tokens=4) as hold:
        hold.settle(Spend(calls=1, tokens_in=3))
    with pytest.raises(BudgetError, match="already"):
        hold.release()
    assert budget.spent == Spend(calls=1, tokens_in=3)
    with pytest.raises(ZeroDivisionError), budget.reserve(tokens=4):
        raise ZeroDivisionError
    assert budget.left.tokens == 7


def test_a_limited_measure_needs_an_upper_bound() -> None:
    budget = Budget(seconds=60).scope("inner", tokens=5)
    with pytest.raises(BudgetError, match=r"tokens are limited.*reserve tokens="):
        budget.reserve(seconds=1)
    with pytest.raises(BudgetError, match="seconds are limited"):
        budget.reserve(tokens=1)
    with pytest.raises(BudgetError, match="usd are limited"):
        Budget(usd=1).reserve(tokens=1)
    assert (budget.limited("seconds"), budget.limited("usd")) == (True, False)


def test_an_overrun_counts_in_full_and_closes_the_budget() -> None:
    run = Budget(tokens=100)
    inner = run.scope("inner")
    hold = inner.reserve(tokens=90)
    assert hold.settle(Spend(calls=1, tokens_in=120)).tokens == 30
    assert (run.overruns, inner.overruns) == (1, 1)
    assert (run.spent.tokens, run.left.tokens) == (120, -20)
    with pytest.raises(BudgetError):
        inner.reserve(tokens=1)
    inner.reserve(tokens=0).release()  # who asks for nothing passes no limit


def test_without_a_price_what_was_reserved_counts_as_spent() -> None:
    budget = Budget(usd=1)
    budget.reserve(usd=0.4).settle(Spend(calls=1, tokens_in=5))
    assert budget.spent.usd == 0.4
    free = Budget()
    free.reserve().settle(Spend(calls=1, tokens_in=5))
    assert free.spent.usd is None


def test_the_end_is_declared_by_the_scope_that_refuses() -> None:
    run = Budget(tokens=100)
    patient = run.scope("patient", at_end="missing", tokens=1)
    with pytest.raises(BudgetError) as caught:
        patient.scope("within").reserve(tokens=2)
    assert (caught.value.scope, caught.value.at_end) == ("run/patient", "missing")
    assert not run.stopping
    strict = run.scope("strict", tokens=1)
    with pytest.raises(BudgetError):
        strict.reserve(tokens=2)
    assert run.stopping
    assert strict.stopping
    assert not patient.stopping


@pytest.mark.parametrize("wrong", [{"tokens": 1.5}, {"calls": -1}, {"usd": float("inf")}])
def test_impossible_limits_and_reservations_are_refused(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ParameterError, match=name):
        Budget(**wrong)
    with pytest.raises(ParameterError, match=name):
        Budget().reserve(**wrong)
    with pytest.raises(ParameterError, match=name):
        Budget().scope("inner", **wrong)
    with pytest.raises(ParameterError, match="did you mean 'tokens'"):
        Budget().scope("inner", token=1)


# --- many at once

STEPS = 10_000


class Watched:
    """An independent count of what is out: it counts after a grant and uncounts before a return.

    So it never shows more than the budget has granted, and a limit it sees passed was passed.
    """

    def __init__(self, limit: dict[str, int]) -> None:
        self.limit, self.out = limit, {"tokens": 0, "calls": 0}
        self.lock = threading.Lock()
        self.broken: list[str] = []

    def move(self, tokens: int, calls: int) -> None:
        with self.lock:
            self.out["tokens"] += tokens
            self.out["calls"] += calls
            for name, limit in self.limit.items():
                if self.out[name] > limit:
                    self.broken.append(f"{self.out[name]} {name} of {limit}")


def _tree() -> list[tuple[Budget, list[Watched]]]:
    """A run of three levels; limits bind at all of them."""
    told: dict[str, dict[str, int]] = {
        "run": {"tokens": 900_000, "calls": 7_000},
        "left": {"tokens": 400_000},
        "right": {"calls": 3_000},
        "deep": {"tokens": 150_000, "calls": 2_000},
    }
    watched = {name: Watched(limit) for name, limit in told.items()}
    run = Budget(**told["run"], at_end="missing")
    left, right = run.scope("left", **told["left"]), run.scope("right", **told["right"])
    deep = left.scope("deep", **told["deep"])
    return [
        (run, [watched["run"]]),
        (left, [watched["left"], watched["run"]]),
        (right, [watched["right"], watched["run"]]),
        (deep, [watched["deep"], watched["left"], watched["run"]]),
    ]


class Account:
    """What one worker did, by its own books."""

    def __init__(self) -> None:
        self.settled: list[tuple[int, Spend]] = []
        self.holds = self.refused = 0


def _work(
    draws: random.Random, tree: list[tuple[Budget, list[Watched]]], account: Account
) -> Iterator[tuple[Budget, int]]:
    """One reservation: yields its scope and size, is sent the hold (or None), settles after."""
    which = draws.randrange(len(tree))
    budget, path = tree[which]
    asked = draws.randint(1, 300)
    hold: Any = yield budget, asked
    if hold is None:
        account.refused += 1
        return
    account.holds += 1
    for watched in path:
        watched.move(asked, 1)
    yield budget, asked  # time passes
    spent = draws.randint(0, asked)
    keep = draws.random() < 0.8
    for watched in path:  # the unspent part returns; what is spent stays out for good
        watched.move(spent - asked if keep else -asked, 0 if keep else -1)
    if keep:
        spend = Spend(calls=1, tokens_in=spent // 2, tokens_out=spent - spent // 2)
        assert hold.settle(spend) == NOTHING
        account.settled.append((which, spend))
    else:
        hold.release()


def _reserving(number: int, tree: Any, account: Account, per: int) -> None:
    """Threads: reserve without waiting, several holds out at a time."""
    draws = random.Random(number)
    out: list[Any] = []
    for _ in range(per):
        work: Any = _work(draws, tree, account)
        budget, asked = next(work)
        try:
            hold = budget.reserve(tokens=asked)
        except BudgetError:
            hold = None
        try:
            work.send(hold)
            out.append(work)
        except StopIteration:
            pass
        while len(out) > 20 or (out and draws.random() < 0.3):
            next(out.pop(draws.randrange(len(out))), None)
    for work in out:
        next(work, None)


def _acquiring(number: int, tree: Any, account: Account, per: int) -> None:
    """Tasks of a loop of their own: all ask at once and wait."""
    draws = random.Random(number)

    async def one() -> None:
        work: Any = _work(draws, tree, account)
        budget, asked = next(work)
        try:
            hold = await budget.acquire(tokens=asked)
        except BudgetError:
            hold = None
        try:
            work.send(hold)
        except StopIteration:
            return
        for _ in range(draws.randrange(4)):
            await asyncio.sleep(0)
        next(work, None)

    async def everyone() -> None:
        await asyncio.gather(*(one() for _ in range(per)))

    asyncio.run(everyone())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("way", [_reserving, _acquiring, "both"])
def test_no_scope_is_ever_passed_by_a_token(way: Any) -> None:
    tree = _tree()
    accounts = [Account() for _ in range(4)]

    def worker(number: int) -> None:
        how = (_reserving, _acquiring)[number % 2] if way == "both" else way
        how(number, tree, accounts[number], STEPS // len(accounts))

    in_threads(worker, len(accounts))
    assert not [broken for _, path in tree for watched in path for broken in watched.broken]
    assert sum(a.holds + a.refused for a in accounts) == STEPS
    refused = sum(a.refused for a in accounts)
    assert 0 < refused < STEPS, "the limits must bind, and not always"
    assert sum(budget.refusals for budget, _ in tree) == refused
    for which, (budget, _) in enumerate(tree):
        within = [
            i for i, (other, _) in enumerate(tree) if f"{other.name}/".startswith(f"{budget.name}/")
        ]
        own = [s for a in accounts for i, s in a.settled if i in within]
        assert which in within
        assert budget.held == NOTHING, "every hold is settled or released, once"
        assert budget.overruns == 0
        spent = budget.spent
        assert spent.calls == len(own)
        assert spent.tokens_in == sum(s.tokens_in for s in own)
        assert spent.tokens_out == sum(s.tokens_out for s in own)


# --- waiting


class Plan:
    """Requests of a tree of two scopes, and when each call finishes."""

    def __init__(self, limits: tuple[int, int], asks: list[tuple[bool, int, int, int]]) -> None:
        self.run = Budget(tokens=limits[0], at_end="missing")
        self.inner = self.run.scope("inner", tokens=limits[1])
        self.asks = asks

    def granted(self) -> list[bool]:
        async def one(inner: bool, asked: int, spent: int, late: int) -> bool:
            try:
                hold = await (self.inner if inner else self.run).acquire(tokens=asked)
            except BudgetError:
                return False
            for _ in range(late):
                await asyncio.sleep(0)
            hold.settle(Spend(calls=1, tokens_in=min(spent, asked)))
            return True

        async def everyone() -> list[bool]:
            return await asyncio.gather(*(one(*ask) for ask in self.asks))

        return asyncio.run(everyone())

    def one_by_one(self, limits: tuple[int, int]) -> list[bool]:
        spent, granted = [0, 0], []
        for inner, asked, cost, _ in self.asks:
            scopes = (0, 1) if inner else (0,)
            fits = all(spent[s] + asked <= limits[s] for s in scopes)
            granted.append(fits or not asked)
            for s in scopes:
                spent[s] += min(cost, asked) if granted[-1] else 0
        return granted


asks = st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40), st.integers(0, 12))


@settings(max_examples=150, deadline=None)
@given(st.tuples(st.integers(0, 200), st.integers(0, 120)), st.lists(asks, max_size=25))
def test_who_is_refused_does_not_depend_on_who_finishes_first(
    limits: tuple[int, int], asked: list[tuple[bool, int, int, int]]
) -> None:
    plan = Plan(limits, asked)
    assert plan.granted() == plan.one_by_one(limits)
    assert plan.run.held == NOTHING


def test_a_waiter_that_is_cancelled_leaves_no_hold_and_no_gap() -> None:
    async def main() -> None:
        budget = Budget(tokens=10)
        first = await budget.acquire(tokens=6)
        gone, next_up = (asyncio.create_task(budget.acquire(tokens=n)) for n in (10, 4))
        await asyncio.sleep(0)
        assert budget.held.tokens == 6
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert budget.held.tokens == 10, "the next in line no longer waits for who left"
        (await next_up).release()
        first.release()
        # Cancelled between the grant and its waking up: the hold comes back.
        first = await budget.acquire(tokens=10)
        late = asyncio.create_task(budget.acquire(tokens=10))
        await asyncio.sleep(0)
        first.release()
        assert budget.held.tokens == 10
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert budget.held == NOTHING

    asyncio.run(main())


def test_a_closed_event_loop_does_not_keep_its_turn() -> None:
    budget = Budget(tokens=10)
    hold = budget.reserve(tokens=10)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(budget.acquire(tokens=10))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    hold.release()
    assert budget.held == NOTHING
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    waiting.get_coro().close()
    assert budget.held == NOTHING


# --- as text


def test_a_budget_is_read_from_text() -> None:
    budget = parse_budget("tokens=1e6, usd=5,calls=1_00,seconds=60.5,at_end=missing")
    assert budget.limits == Amounts(10**6, 100, 5.0, 60.5)
    assert budget.at_end == "missing"
    assert parse_budget(f"tokens={2**60 + 1}").limits.tokens == 2**60 + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "name=limit"),
        ("tokens", "name=limit"),
        ("tokns=1", "did you mean 'tokens'"),
        ("tokens=1,tokens=2", "twice"),
        ("tokens=many", "tokens as a number"),
        ("tokens=1.5", "whole number"),
        ("tokens=inf", "tokens"),
        ("usd=nan", "finite"),
        ("calls=-1", "calls"),
        ("at_end=panic", "'stop' or 'missing'"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        parse_budget(text)
