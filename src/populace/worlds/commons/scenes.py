"""The four settings in words; fishery, pasture and river are the same game told thrice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SceneName = Literal["fishery", "pasture", "pollution", "house"]


@dataclass(frozen=True)
class Scene:
    """Words of one setting, for what is written to the agents month by month.

    Attributes
    ----------
    bad : bool
        What is shared is a bad, which is taken away.
    stock : str
        What there is, after its number.
    did : str
        What everybody did.
    chair : str
        Who announces what everybody did.
    universal : str
        The universalisation sentence; ``{share}`` is each one's sustainable share.
    agreed : str
        What all are told of an agreement on a ``{limit}``.
    """

    bad: bool
    stock: str
    did: str
    chair: str
    universal: str
    agreed: str

    def month(
        self, month: int, stock: float, left: float, who: Sequence[str], got: Sequence[float]
    ) -> str:
        """Return a month in one line."""
        each = ", ".join(f"{name} {amount:g}" for name, amount in zip(who, got, strict=True))
        return f"Month {month}: {stock:g} {self.stock}. {self.did}: {each}. Left: {left:g}."


SCENES: dict[SceneName, Scene] = {
    "fishery": Scene(
        False,
        "tons of fish in the lake",
        "Caught, in tons",
        "Mayor",
        "If everyone fishes more than {share} tons, there will be fewer fish next month.",
        "All agreed to catch at most {limit} tons of fish each.",
    ),
    "pasture": Scene(
        False,
        "hectares of grass on the pasture",
        "Flocks, in sheep that each eat a hectare",
        "Mayor",
        "If everyone brings more than {share} sheep, there will be less grass next month.",
        "All agreed to bring at most {limit} sheep each.",
    ),
    "pollution": Scene(
        False,
        "% of the river's water clean",
        "Produced, in pallets that each pollute 1 % of the water",
        "Mayor",
        "If everyone makes more than {share} pallets, less water will be clean next month.",
        "All agreed to make at most {limit} pallets each.",
    ),
    "house": Scene(
        True,
        "bags of rubbish in the house",
        "Taken out, in bags",
        "Landlord",
        "If everyone takes out fewer than {share} bags, the house will be overfull next month.",
        "All agreed to take out at least {limit} bags each.",
    ),
}
