"""Parameters: declared by annotation, checked on construction, parsed from text."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pytest

from populace import Minds, Parameter, World
from populace.errors import ParameterError
from populace.kernel.parameters import parameters, parse


class Lake(World):
    def __init__(
        self,
        fishers: Annotated[int, Parameter("how many fish", low=1, high=100)] = 5,
        growth: Annotated[float, Parameter("growth of the stock", unit="1/month", low=0)] = 2.0,
        law: Literal["open", "quota"] = "open",
        closed: dt.date | None = None,
        loud: bool = False,
    ) -> None:
        self.fishers = fishers

    async def step(self, minds: Minds) -> None: ...


def test_what_is_declared_is_listed() -> None:
    known = parameters(Lake)
    assert list(known) == ["fishers", "growth", "law", "closed", "loud"]
    assert (known["growth"].doc, known["growth"].unit, known["growth"].range) == (
        "growth of the stock",
        "1/month",
        ">= 0",
    )
    assert known["fishers"].range == "1 to 100"
    assert known["closed"].type_name == "date or none"
    assert known["law"].type_name == "open or quota"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("fishers", "7", 7),
        ("fishers", "1e1", 10),
        ("growth", "0.25", 0.25),
        ("law", "quota", "quota"),
        ("closed", "2020-03-22", dt.date(2020, 3, 22)),
        ("closed", "none", None),
        ("loud", "yes", True),
    ],
)
def test_text_becomes_a_value(name: str, text: str, value: Any) -> None:
    assert parse(Lake, {name: text}, "lake") == {name: value}
    assert Lake(**{name: value})._given_parameters[name] == value


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("fisher", "7", "did you mean 'fishers'"),
        ("fishers", "many", "expected fishers as int, got 'many'"),
        ("fishers", "2.5", "expected fishers as int"),
        ("fishers", "-3", "expected fishers 1 to 100, got -3"),
        ("growth", "nan", r"expected growth >= 0 1/month, got nan"),
        ("law", "none", "open or quota"),
        ("closed", "March", "date or none"),
        ("loud", "perhaps", "as bool"),
    ],
)
def test_bad_text_is_a_typed_error(name: str, text: str, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        parse(Lake, {name: text}, "lake")


def test_a_value_out_of_range_is_refused_in_python_too() -> None:
    with pytest.raises(ParameterError, match="expected fishers 1 to 100, got 0"):
        Lake(fishers=0)
    with pytest.raises(ParameterError, match="did you mean 'fishers'"):
        Lake(fisher=3)  # type: ignore[call-arg]
