"""An infection that spreads over a contact network: SI, SIS, SIR and SEIR."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.measures import Chart
from populace.kernel.minds import Minds
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Stream, Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.networks import DRAWN, MADE, NetworkName, make_network, unweighted

S, E, I, R = range(4)  # noqa: E741 - the field's names of the states
PROTECT = Choice(("no", "yes"))


class Contagion(World):
    """An infection spreads over the contacts of a network, while the susceptible may protect.

    Discrete-time, synchronous compartmental model on a network (Newman 2018, *Networks*, ch. 16).
    Each tick every susceptible agent with k infectious neighbours is infected with probability

        ``1 - (1 - transmission)**k``,

    where protection multiplies `transmission` by ``1 - efficacy``. The latent and the infectious
    period are geometric with means `latent` and `infectious` ticks: the law of a constant hazard
    each tick, drawn once on entering the state. After it comes recovery for good (SIR, SEIR),
    susceptibility again (SIS), or nothing ever (SI).

    Each tick the susceptible are asked ``protect`` (no or yes, for this tick). They see
    ``exposure``, how many of their contacts are infectious now, and the ``prevalence`` in the
    population. Who does not decide is not protected.

    Attributes
    ----------
    people : Population
        Columns ``state`` (0 S, 1 E, 2 I, 3 R), ``exposure`` (means something for the susceptible
        only) and ``until``, the tick at whose end the present state ends (-1: never).
    network : Network
        Row i holds those whom i may infect; undirected unless a directed one is given.
    """

    ticks = 150
    charts = (
        Chart(
            "The epidemic",
            ["susceptible", "exposed", "infectious", "recovered"],
            unit="agents",
            note="Agents in each state at the end of the tick.",
        ),
        Chart("New infections", ["infections"], unit="agents a tick"),
        Chart(
            "Protection",
            ["protecting", "attack_rate"],
            unit="share",
            note="Of the susceptible, who protect themselves; of all, who were ever infected.",
            labels={"attack_rate": "ever infected"},
        ),
    )

    def __init__(
        self,
        people: Annotated[
            int, Parameter("agents, where no network is given", low=2, fixed=MADE)
        ] = 10_000,
        disease: Annotated[
            Literal["SI", "SIS", "SIR", "SEIR"],
            Parameter("what follows on infection", fixed="the states are laid out at the start"),
        ] = "SEIR",
        network: Annotated[
            NetworkName | Network, Parameter("who meets whom", fixed=DRAWN)
        ] = "erdos-renyi",
        degree: Annotated[
            float, Parameter("mean number of contacts", "agents", low=0, fixed=DRAWN)
        ] = 10.0,
        transmission: Annotated[
            float, Parameter("chance that a contact infects", "1/tick", low=0, high=1)
        ] = 0.05,
        latent: Annotated[float, Parameter("mean latent period (SEIR)", "ticks", low=1)] = 3.0,
        infectious: Annotated[float, Parameter("mean infectious period", "ticks", low=1)] = 7.0,
        seeds: Annotated[
            float, Parameter("infectious at the start", "share", 0, 1, fixed="the start is over")
        ] = 0.002,
        efficacy: Annotated[
            float, Parameter("part of susceptibility that protection takes away", "share", 0, 1)
        ] = 0.8,
        direction: Annotated[
            Literal["auto", "push", "pull"],
            Parameter("whose edges are walked; changes the speed, never the outcome"),
        ] = "auto",
    ) -> None:
        n = people
        if isinstance(network, Network):
            n = unweighted(network, "Contagion").n
        self.people = Population(n, state=np.uint8, until=(np.int32, -1))
        self.network: Network
        self._network, self._degree, self._seeds = network, degree, seeds
        self.direction, self.transmission, self.efficacy = direction, transmission, efficacy
        self.latent, self.infectious = latent, infectious
        self._entry = E if disease == "SEIR" else I
        self._after = {E: I} | {"SI": {}, "SIS": {I: S}}.get(disease, {I: R})
        self._chance = np.zeros((2, 1))
        self.infections = self.ever_infected = 0
        self.protecting: float | None = None

    def start(self, streams: Streams) -> None:
        """Draw the network and the first infectious agents, their number exact."""
        n = len(self.people)
        self.network = make_network(self._network, n, self._degree, streams.named("network"))
        self._back = self.network.transpose()
        highest = int(self._back.degree.max(initial=0))
        self.people.add_column("exposure", np.min_scalar_type(highest))
        self._chance = self._chances(highest)
        order = streams.stream("seeds").permutation(n)
        first = np.sort(order[: round(self._seeds * n)])
        self._enter(first, I, 0, streams.stream("first"))
        self.ever_infected = len(first)

    def _chances(self, highest: int) -> NDArray[np.float64]:
        """Return the chance of infection, (unprotected, protected) by infectious contacts."""
        contacts = np.arange(highest + 1)
        rates = (self.transmission, self.transmission * (1.0 - self.efficacy))
        return np.array([1.0 - (1.0 - rate) ** contacts for rate in rates])

    def changed(self, names: frozenset[str]) -> None:
        """Take over new rates; new mean periods hold for those who enter a state from now on."""
        self._chance = self._chances(self._chance.shape[1] - 1)

    async def step(self, minds: Minds) -> None:
        from populace.worlds.contagion.kernels import catch, count_infectious

        people, tick = self.people, minds.tick + 1  # tick 0 is the start
        state = people.state
        infectious = state == I
        susceptible = people[state == S]
        count_infectious(
            self.network,
            self._back,
            infectious,
            susceptible.rows,
            people.exposure,
            self.direction,
        )
        prevalence = np.count_nonzero(infectious) / len(people)
        answers = await minds.ask(
            "protect", susceptible, PROTECT, see=["exposure"], missing="no", prevalence=prevalence
        )
        key = minds.stream("transmission").key2()
        hit = catch(
            susceptible.rows, people.exposure, answers.values, self._chance, minds.tick, key
        )
        wary = int(np.count_nonzero(answers.values))
        self.protecting = wary / len(susceptible) if len(susceptible) else None

        infected = susceptible.rows[np.flatnonzero(hit)]
        due = np.flatnonzero(people.until == tick)
        before = state[due]
        self._enter(infected, self._entry, tick, minds.stream("entry"))
        for now, then in self._after.items():
            self._enter(due[before == now], then, tick, minds.stream(f"period/{then}"))
        self.infections = len(infected)
        self.ever_infected += len(infected)

    def _enter(self, rows: NDArray[np.intp], state: int, tick: int, stream: Stream) -> None:
        """Put agents into a state at the end of `tick`, and draw when they leave it."""
        self.people.state[rows] = state
        if state not in self._after:
            self.people.until[rows] = -1
            return
        # ceil(Exp(1) / -log(1 - 1/mean)) is geometric on 1, 2, ... with that mean
        mean = self.latent if state == E else self.infectious
        scale = -1.0 / math.log1p(-1.0 / mean) if mean > 1 else 0.0
        wait = 1 + np.floor(stream.exponential(rows, scale)).astype(np.int64)
        self.people.until[rows] = np.minimum(tick + wait, np.iinfo(np.int32).max)

    def measure(self) -> Mapping[str, float | None]:
        names = ("susceptible", "exposed", "infectious", "recovered")
        return {
            **dict(zip(names, self._counts(), strict=True)),
            "infections": self.infections,
            "attack_rate": self.ever_infected / len(self.people)
            if self._after.get(I) != S
            else None,
            "protecting": self.protecting,
        }

    @property
    def done(self) -> bool:
        """Whether nobody is infected, or (SI) everybody is for good."""
        _, exposed, infectious, _ = self._counts()
        return exposed + infectious == 0 or (
            I not in self._after and infectious == len(self.people)
        )

    def _counts(self) -> list[int]:
        return [int(np.count_nonzero(self.people.state == s)) for s in (S, E, I, R)]

    def policies(self) -> Mapping[str, Policy]:
        return {"careless": Rule(protect=_never), "watchful": Rule(protect=_when_exposed)}


def _never(o: Observation) -> object:
    """Never protect."""
    return False


def _when_exposed(o: Observation) -> object:
    """Protect whenever a contact is infectious."""
    return o["exposure"] > 0
