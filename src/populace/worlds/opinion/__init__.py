"""Opinions that agents form by listening to each other: DeGroot, Hegselmann-Krause, Deffuant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Number
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.networks import DRAWN, MADE, NetworkName, make_network, unweighted

REVISE = Number(0.0, 1.0)
BINS = 20


class Opinion(World):
    """Agents hold opinions in [0, 1], hear others and revise.

    What an agent *hears* is the world's; what it *concludes* is its own decision. Each tick every
    agent i that heard somebody is asked ``revise``: its new opinion, a number in [0, 1]. It sees
    its ``opinion``, its ``initial`` one, and ``heard``, which is the published update of the model:

    - ``degroot`` (DeGroot 1974): ``own * x_i + (1 - own) * mean of the neighbours' x_j``, weighted
      by trust if the network has weights;
    - ``hegselmann-krause`` (Hegselmann and Krause 2002): the mean over i and those neighbours with
      ``|x_j - x_i| <= confidence``;
    - ``deffuant`` (Deffuant, Neau, Amblard and Weisbuch 2000): agents meet in random disjoint
      pairs; within `confidence`, each hears ``x_i + convergence * (x_j - x_i)``. Others hear
      nobody. (The paper draws one pair at a time; in a tick here each agent meets at most once.)

    The default mind concludes what it heard, which makes the world the published model exactly. A
    mind that answers its own opinion is stubborn; one that mixes in the initial opinion is that of
    Friedkin and Johnsen (1990). Who does not decide keeps its opinion. All revise at once.

    Attributes
    ----------
    people : Population
        Columns ``opinion``, ``heard`` and ``initial``, float64.
    network : Network or None
        Row i holds those whom i hears; None is the complete graph.
    """

    ticks = 60
    axes = {"opinion": [f"{b / BINS:.2f}–{(b + 1) / BINS:.2f}" for b in range(BINS)]}
    charts = (
        Chart(
            "Clusters",
            ["clusters", "major_clusters"],
            note="Groups of opinions more than the confidence apart; major ones hold over 1 %.",
            labels={"clusters": "all", "major_clusters": "major"},
        ),
        Chart("Where opinions lie", ["agents"], unit="agents", kind="bar", by="opinion"),
        Chart("Disagreement", ["spread"], note="Standard deviation of opinions."),
        Chart("Opinions", ["mean", "lowest", "highest"], note="On the scale from 0 to 1."),
    )

    def __init__(
        self,
        people: Annotated[
            int, Parameter("agents, where no network is given", low=2, fixed=MADE)
        ] = 10_000,
        model: Annotated[
            Literal["degroot", "hegselmann-krause", "deffuant"],
            Parameter("what agents hear", fixed="it says what network there may be"),
        ] = "hegselmann-krause",
        network: Annotated[
            Literal["complete"] | NetworkName | Network, Parameter("who hears whom", fixed=DRAWN)
        ] = "complete",
        degree: Annotated[
            float, Parameter("mean number of neighbours", "agents", low=0, fixed=DRAWN)
        ] = 10.0,
        confidence: Annotated[
            float, Parameter("largest difference that is listened to", low=1e-3, high=1)
        ] = 0.15,
        convergence: Annotated[
            float, Parameter("part of the difference that a meeting closes", "share", 0, 0.5)
        ] = 0.5,
        own: Annotated[float, Parameter("weight on one's own opinion (DeGroot)", "", 0, 1)] = 0.5,
    ) -> None:
        n = people
        if isinstance(network, Network):
            n = (network if model == "degroot" else unweighted(network, f"Opinion: {model}")).n
        self.people = Population(n, opinion=np.float64, heard=np.float64, initial=np.float64)
        self.network: Network | None = None
        self._network, self._degree = network, degree
        self._model, self.own = model, own
        self.confidence, self.convergence = confidence, convergence

    def start(self, streams: Streams) -> None:
        """Draw opinions uniform on [0, 1), and the network."""
        people = self.people
        people.opinion[:] = people.initial[:] = streams.stream("opinion").uniform(people)
        if self._network != "complete":
            self.network = make_network(
                self._network, len(people), self._degree, streams.named("network")
            )

    async def step(self, minds: Minds) -> None:
        people = self.people
        heard = people[self._deffuant(minds)] if self._model == "deffuant" else people.everyone
        if self._model == "degroot":
            self._degroot()
        elif self._model == "hegselmann-krause":
            self._hegselmann_krause()
        answers = await minds.ask(
            "revise",
            heard,
            REVISE,
            see=["opinion", "heard", "initial"],
            missing=heard.gather("opinion"),
        )
        heard["opinion"] = answers.values

    def _degroot(self) -> None:
        from populace.worlds.opinion.kernels import average

        x, heard = self.people.opinion, self.people.heard
        if self.network is not None:
            average(self.network, x, self.own, heard)
        else:
            others = (x.sum() - x) / (len(x) - 1)
            heard[:] = np.clip(self.own * x + (1 - self.own) * others, 0.0, 1.0)

    def _hegselmann_krause(self) -> None:
        from populace.worlds.opinion.kernels import average_near, average_near_all

        x, heard = self.people.opinion, self.people.heard
        if self.network is not None:
            average_near(self.network, x, self.confidence, heard)
        else:
            heard[:] = average_near_all(x, self.confidence)

    def _deffuant(self, minds: Minds) -> NDArray[np.bool_]:
        """Let pairs meet; return who heard somebody."""
        from populace.worlds.pairs import matched

        x, heard = self.people.opinion, self.people.heard
        partner = matched(len(x), self.network, minds.stream("meetings"))
        theirs = np.where(partner >= 0, x[partner], np.inf)
        listens: NDArray[np.bool_] = np.abs(theirs - x) <= self.confidence
        heard[listens] = x[listens] + self.convergence * (theirs - x)[listens]
        return listens

    def measure(self) -> Mapping[str, float | By]:
        from populace.worlds.opinion.kernels import clusters, histogram

        x = self.people.opinion
        sizes = clusters(x, self.confidence)
        return {
            "mean": x.mean(),
            "lowest": x.min(),
            "highest": x.max(),
            "spread": x.std(),
            "clusters": len(sizes),
            "major_clusters": int(np.count_nonzero(sizes > 0.01 * len(x))),
            "largest_cluster": sizes.max() / len(x),
            "agents": By("opinion", histogram(x, BINS)),
        }

    def policies(self) -> Mapping[str, Policy]:
        return {
            "conformist": Rule(revise=_heard),
            "stubborn": Rule(revise=_own),
            "anchored": Rule(revise=_anchored),
        }


def _heard(o: Observation) -> object:
    """Conclude what was heard: the published model."""
    return o["heard"]


def _own(o: Observation) -> object:
    """Keep one's opinion whatever is heard."""
    return o["opinion"]


def _anchored(o: Observation) -> object:
    """Stay halfway to one's first opinion (Friedkin and Johnsen 1990, susceptibility 1/2)."""
    return 0.5 * (o["heard"] + o["initial"])
