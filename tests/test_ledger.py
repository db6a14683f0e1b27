"""Spends, ledgers and prices: sums are exact, and an unknown price is never nothing."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.errors import BudgetError, ParameterError
from populace.kernel.budget import Budget
from populace.kernel.ledger import Ledger
from populace.kernel.prices import Price, Prices
from populace.kernel.resources import Resources, parse_share
from populace.kernel.spend import MEASURES, Spend
from tests.crowds import impatient, in_threads

__all__ = ["impatient"]  # a fixture


# --- spends


def _cents(low: int = 0, high: int = 10**6) -> st.SearchStrategy[float]:
    return st.integers(low, high).map(lambda n: n / 100)


spends = st.builds(
    Spend,
    calls=st.integers(0, 5),
    tokens_in=st.integers(0, 10**6),
    tokens_out=st.integers(0, 10**6),
    usd=st.none() | _cents(),
    seconds=_cents(),
)


@given(spends, spends, spends)
def test_spends_add_in_any_order(a: Spend, b: Spend, c: Spend) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Spend() == a
    assert (a + b).tokens == a.tokens + b.tokens


@given(st.lists(_cents(1), min_size=1, max_size=50))
def test_money_adds_exactly_where_floats_do_not(prices: list[float]) -> None:
    ledger = Ledger()
    for usd in prices:
        ledger.add("k", "p", "m", Spend(calls=1, usd=usd), Spend())
    cents = sum(Fraction(str(usd)) for usd in prices)
    assert ledger.totals().logical.usd == float(cents)


def test_an_unknown_price_is_never_taken_as_nothing() -> None:
    assert (Spend(calls=1, usd=1.0) + Spend(calls=1)).usd is None
    assert (Spend(usd=1.0) + Spend(tokens_in=1)).usd is None
    assert (Spend(calls=1, usd=1.0) + Spend(seconds=2)).usd == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"calls": -1},
        {"tokens_in": 1.5},
        {"tokens_out": True},
        {"usd": float("nan")},
        {"usd": -0.01},
        {"seconds": float("inf")},
        {"seconds": "1"},
    ],
)
def test_impossible_amounts_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Spend(**wrong)


# --- ledgers


def test_ledgers_sum_what_was_added() -> None:
    ledger = Ledger()
    draws = random.Random(3)
    added: dict[tuple[Any, ...], list[tuple[Spend, Spend]]] = {}
    for tick in range(3):
        ledger.tick = tick
        for _ in range(200):
            key = (tick, draws.choice("ab"), draws.choice("xy"), "m")
            logical = Spend(1, draws.randrange(99), draws.randrange(99), draws.randrange(99) / 100)
            billed = logical if draws.random() < 0.5 else Spend()
            ledger.add(*key[1:], logical=logical, billed=billed)
            added.setdefault(key, []).append((logical, billed))
    table = ledger.table()
    assert [tuple(row[c] for c in ("tick", "kind", "policy", "model")) for row in table] == sorted(
        added
    )
    for row in table:
        pairs = added[row["tick"], row["kind"], row["policy"], row["model"]]
        for side, name in enumerate(("logical", "billed")):
            total = sum((pair[side] for pair in pairs), Spend())
            assert row[f"{name}_calls"] == total.calls
            assert row[f"{name}_tokens_in"] == total.tokens_in
            assert row[f"{name}_usd"] == (total.usd or 0.0)
    assert ledger.table(1) == [row for row in table if row["tick"] == 1]
    totals = ledger.totals()
    assert totals.logical == sum((p[0] for ps in added.values() for p in ps), Spend())
    assert totals.billed == sum((p[1] for ps in added.values() for p in ps), Spend())


@pytest.mark.usefixtures("impatient")
def test_what_threads_settle_is_what_the_ledger_totals() -> None:
    budget, ledger = Budget(tokens=10**9, usd=1000), Ledger()

    def worker(number: int) -> None:
        draws = random.Random(number)
        for _ in range(500):
            with budget.reserve(tokens=200, usd=0.02) as hold:
                spend = Spend(1, draws.randrange(100), draws.randrange(100), draws.random() / 50)
                hold.settle(spend)
                ledger.add("k", f"p{number}", "m", spend, spend)

    in_threads(worker, 4)
    assert budget.spent == ledger.totals().billed == ledger.totals().logical
    assert budget.spent.calls == 2_000


# --- prices


TOML = '["small-1"]\nin = 0.25\nout = 2\n\n["big"]\nin = 3.0\nout = 15.0\n'


def test_prices_are_read_and_multiply(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(TOML)
    prices = Prices.read(tmp_path / "prices.toml")
    assert len(prices) == 2
    assert "big" in prices
    assert prices.usd("small-1", 1_000, 500) == 0.00125
    assert prices.usd("other", 1, 1) is None
    spend = Spend(calls=1, tokens_in=10**6, tokens_out=10**6, seconds=2.0)
    assert prices.priced(spend, "big") == Spend(1, 10**6, 10**6, 18.0, 2.0)
    assert prices.priced(spend, "other").usd is None


def test_missing_prices_are_all_told_before_the_first_call() -> None:
    prices = Prices({"small-1": Price(0.25, 2)})
    prices.require(["small-1", "x", "y"], Budget(tokens=5))  # no money is limited
    with pytest.raises(BudgetError, match=r"smal-1.*did you mean 'small-1'.*'x'.*in = 0.25"):
        prices.require(["x", "smal-1", "small-1"], Budget(usd=5).scope("inner", tokens=5))
    (prices | Prices({"x": Price(0, 0)})).require(["x"], Budget(usd=5))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        '["m"]\nin = 1',
        '["m"]\nin = -1\nout = 1',
        '["m"]\nin = "1"\nout = 1',
        "[",
        "[m]\nin=nan\nout=1",
    ],
)
def test_a_prices_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ParameterError, match=r"p\.toml"):
        Prices.read(tmp_path / "p.toml")


# --- resources


def test_resources_and_shares() -> None:
    resources = Resources(abort_failures=parse_share("5%"))
    assert resources.abort_failures == 0.05
    assert not any(resources.budget.limited(measure) for measure in MEASURES)
    assert parse_share("0.25") == 0.25
    for text in ("5", "-1%", "nan", "%", "many"):
        with pytest.raises(ParameterError, match="share"):
            parse_share(text)
    with pytest.raises(ParameterError):
        Resources(abort_failures=2.0)
