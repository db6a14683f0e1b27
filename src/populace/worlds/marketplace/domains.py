"""What is bought and sold: the words of a domain, from which goods and businesses are named."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from populace.kernel.streams import Stream

DomainName = Literal["restaurants", "contractors"]


@dataclass(frozen=True)
class Domain:
    """Words of a domain, a table of ``domains.toml``.

    Attributes
    ----------
    business : str
        What a business is called.
    request, having : str
        How a request begins; the goods follow, then `having` and the amenities.
    first, second, third : list of str
        A good is named by a word of each.
    amenities : list of str
    prices : (float, float)
        Lowest and highest mean price of a good.
    """

    business: str
    request: str
    having: str
    first: list[str]
    second: list[str]
    third: list[str]
    amenities: list[str]
    prices: tuple[float, float]

    @property
    def goods(self) -> int:
        """How many goods can be named."""
        return len(self.first) * len(self.second) * len(self.third)

    def good(self, number: int) -> str:
        """Return the name of a good, `number` from 0.

        >>> domain("restaurants").good(0)
        'smoked pumpkin soup'
        """
        rest, third = divmod(number, len(self.third))
        first, second = divmod(rest, len(self.second))
        return f"{self.first[first]} {self.second[second]} {self.third[third]}"


@cache
def _words() -> dict[str, dict[str, Any]]:
    file = Path(__file__).with_name("domains.toml")
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    lists = ("first", "second", "third")
    return {
        name: {key: value.split() if key in lists else value for key, value in table.items()}
        for name, table in read.items()
    }


def domain(name: DomainName) -> Domain:
    """Return the domain of that name."""
    return Domain(**_words()[name])


def business_names(n: int, stream: Stream) -> list[str]:
    """Return n different names of businesses; where the words do not suffice, numbered."""
    words = _words()["names"]
    width, names = len(words["second"]), []
    places = len(words["first"]) * width
    for number in stream.permutation(max(n, places))[:n].tolist():
        lap, place = divmod(number, places)
        first, second = divmod(place, width)
        names.append(f"{words['first'][first]} {words['second'][second]}")
        if lap:
            names[-1] += f" {lap + 1}"
    return names
