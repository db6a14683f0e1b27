"""Two-by-two games, played once or again and again, by all with all or on a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.dilemma.evolution import Update, imitate
from populace.worlds.dilemma.games import GAMES, GameName, Payoffs
from populace.worlds.dilemma.meetings import Encounters
from populace.worlds.dilemma.strategies import STRATEGIES, Inherited
from populace.worlds.networks import NetworkName, make_network, unweighted
from populace.worlds.pairs import matched
from populace.worlds.shares import counts, named_shares
from populace.worlds.speaking import Speaking

PROMPTS = Path(__file__).parent / "prompts" / "dilemma.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""

MOVE = Choice(("cooperate", "defect"))
Everybody = Literal["well-mixed", "complete", "ring", "tournament"]
_MADE = "players and encounters are made at the start"


class Dilemma(World):
    """Players meet in pairs and cooperate or defect, in any symmetric two-by-two game.

    An encounter is `rounds` rounds with the same partner. In a ``well-mixed`` population everybody
    meets one random partner at a time (one stays alone if their number is odd); on a network, each
    of their neighbours. In a ``tournament`` each strategy meets each, its twin included, in players
    made for that one encounter, as often as `players` allow. A tick is a round: of every encounter
    both are asked ``play`` at once. (Who has several partners is asked once for each, in sittings
    in which nobody plays twice.) They see the ``round``, both sides' past moves of this encounter
    (``own`` and ``theirs``, columns of rounds; ``mine``, ``other``, the last, 2 for none;
    ``defections``, the other's so far), and the payoffs; who does not decide cooperates. A move
    turns into its opposite with chance `noise`.

    After the last round the players may imitate (`update`, see `populace.worlds.dilemma.evolution`)
    or, with chance `mutation`, take any strategy; then they meet anew. What is copied is the column
    ``strategy``, which the default mind ``inherited`` plays; players with another mind have it in
    name only.

    Attributes
    ----------
    people : Population
        Columns ``strategy`` (code into `names`) and ``payoff`` (of the last finished encounters, a
        round).
    names : tuple of str
        Strategies in play.
    encounters : Encounters
    """

    ticks = 200
    charts = (
        Chart("Cooperation", ["cooperation"], unit="share of moves"),
        Chart("Payoff", ["payoff"], unit="a move"),
        Chart("Strategies", ["share"], unit="share of players", by="strategy"),
        Chart("What they earn", ["earns"], unit="a move", by="strategy"),
    )

    def __init__(
        self,
        players: Annotated[int, Parameter("where no network is given", low=2, fixed=_MADE)] = 1000,
        game: Annotated[GameName, Parameter("payoffs by name", fixed=_MADE)] = "prisoners",
        temptation: Annotated[
            float | None, Parameter("T, defecting alone; of the game if none", fixed=_MADE)
        ] = None,
        reward: Annotated[float | None, Parameter("R, both cooperate", fixed=_MADE)] = None,
        punishment: Annotated[float | None, Parameter("P, both defect", fixed=_MADE)] = None,
        sucker: Annotated[float | None, Parameter("S, betrayed", fixed=_MADE)] = None,
        strategies: Annotated[
            str, Parameter("shares of the strategies at the start", fixed=_MADE)
        ] = "tit_for_tat=1,cooperate=1,defect=1",
        network: Annotated[
            Everybody | NetworkName | Network, Parameter("who meets whom", fixed=_MADE)
        ] = "well-mixed",
        degree: Annotated[float, Parameter("mean number of neighbours", low=0, fixed=_MADE)] = 4.0,
        rounds: Annotated[int, Parameter("of an encounter", "ticks", low=1, fixed=_MADE)] = 10,
        noise: Annotated[float, Parameter("chance that a move turns", "share", 0, 1)] = 0.0,
        update: Annotated[Update, Parameter("who imitates whom after an encounter")] = "fermi",
        selection: Annotated[float, Parameter("steepness of fermi", "1/payoff", low=0)] = 1.0,
        mutation: Annotated[
            float, Parameter("chance to take any strategy instead", "share", 0, 1)
        ] = 0.0,
        payoff: Annotated[
            Literal["mean", "total"],
            Parameter("what is compared: a round's, or an encounters' sum"),
        ] = "mean",
    ) -> None:
        known = GAMES[game]
        given = {
            "temptation": temptation,
            "reward": reward,
            "punishment": punishment,
            "sucker": sucker,
        }
        self.payoffs: Payoffs = known._replace(
            **{name: value for name, value in given.items() if value is not None}
        )
        if not self.payoffs.span:
            raise ParameterError("expected payoffs that differ", where="Dilemma")
        n = players
        if isinstance(network, Network):
            n = unweighted(network, "Dilemma").n
            if network.directed:
                raise ParameterError("expected an undirected network", where="Dilemma")
        if update == "best" and network == "well-mixed":
            raise ParameterError(
                "update='best' needs neighbours to look at", where="Dilemma",
                mend="give a network, or update='fermi' or 'replicator'",
            )  # fmt: skip
        shares = named_shares(strategies, STRATEGIES, "Dilemma, strategies")
        self.names = tuple(shares)
        if network == "tournament":
            if update != "none" or mutation:
                raise ParameterError(
                    "in a tournament nobody imitates", where="Dilemma", mend="update='none'"
                )
            k = len(shares)
            n = max(1, players // (k * (k + 1))) * k * (k + 1)
        self._shares = shares
        self.axes = {"strategy": list(self.names)}
        self.people = Population(n, strategy=np.uint8, payoff=(np.float64, 0.0))
        self._graph, self._degree = network, degree
        self.network: Network | None = None
        self.rounds, self.noise, self.update, self.selection = rounds, noise, update, selection
        self.mutation, self.payoff = mutation, payoff
        self.encounters = Encounters(np.empty((0, 2)), rounds)
        self.round = 0
        self._code = np.zeros(n, np.int64)  # strategies at the beginning of the encounters
        self._cooperation = self._paid = np.nan

    def start(self, streams: Streams) -> None:
        """Draw the network, who has which strategy, and the first partners."""
        people, n = self.people, len(self.people)
        graph = self._graph
        if graph == "complete":
            self.network = Network.complete(n)
        elif graph == "ring":
            self.network = Network.ring(n, max(2, round(self._degree)))
        elif graph == "tournament":
            people.strategy[:] = np.resize(_each_with_each(len(self.names)).ravel(), n)
            self._meet(streams)
            return
        elif graph != "well-mixed":
            self.network = make_network(graph, n, self._degree, streams)
        dealt = counts(self._shares, n)
        order = streams.stream("strategies").permutation(people)
        people.strategy[order] = np.repeat(np.arange(len(dealt)), dealt)
        self._meet(streams.named("first"))

    def _meet(self, streams: Any) -> None:
        """Begin new encounters."""
        self._code = self.people.strategy.astype(np.int64)
        if self._graph == "tournament":
            pairs = np.arange(len(self.people)).reshape(-1, 2)
        elif self.network is None:
            partner = matched(len(self.people), None, streams.stream("partners"))
            own = np.flatnonzero(partner > np.arange(len(partner)))
            pairs = np.column_stack([own, partner[own]])
        elif len(self.encounters.player):
            self.encounters.moves[:], self.encounters.earned[:] = 0, 0.0
            self.round = 0
            return
        else:
            pairs = self.network.edges().astype(np.int64)
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]  # nobody meets oneself
        self.encounters, self.round = Encounters(pairs, self.rounds), 0

    async def step(self, minds: Minds) -> None:
        if self.round == self.rounds:
            self._meet(minds)
        met, number = self.encounters, self.round
        for arcs in met.sittings:
            part = self.people[met.player[arcs]]
            own, theirs = met.moves[arcs, :number], met.moves[met.opposite(arcs), :number]
            answers = await minds.ask(
                "play",
                part,
                MOVE,
                see=["strategy"],
                missing="cooperate",
                round=number,
                rounds=self.rounds,
                own=own,
                theirs=theirs,
                mine=own[:, -1] if number else np.full(len(arcs), 2, np.uint8),
                other=theirs[:, -1] if number else np.full(len(arcs), 2, np.uint8),
                defections=theirs.sum(axis=1, dtype=np.int64),
                **self.payoffs._asdict(),
            )
            move = answers.values
            if self.noise:
                move = move ^ minds.stream("noise").bernoulli(part, self.noise)
            met.moves[arcs, number] = move
        paid = met.play(number, self.payoffs.table)
        self.round += 1
        if len(paid):
            self._cooperation = 1 - float(met.moves[:, number].mean())
            self._paid = float(paid.mean())
        if self.round == self.rounds:
            self._finish(minds)

    def _finish(self, minds: Minds) -> None:
        """Book the encounters, and let the players imitate."""
        people, each = self.people, self.payoff == "mean"
        earned = self.encounters.means(len(people), each) / self.rounds
        people.payoff[:] = earned
        minds.tell("earned", people, reward=earned)
        if self.update != "none":
            people.strategy[:] = imitate(
                people.strategy,
                earned,
                self.update,
                self.network,
                minds.stream("imitation"),
                self.selection,
                self.payoffs.span,
                each,
            )
        if self.mutation:
            draws = minds.stream("mutation")
            any_ = draws.integers(people, len(self.names))
            mutants = draws.bernoulli(people, self.mutation)
            people.strategy[mutants] = any_[mutants]

    # -- results ---------------------------------------------------------------------------------

    def scores(self) -> NDArray[np.float64]:
        """Return what each strategy earned of each in the present encounters, a round.

        Shape (strategies, strategies), row against column, NaN where none met. The mean of a row is
        Axelrod's score of that strategy in a tournament, its twin included.
        """
        k, met = len(self.names), self.encounters
        cell = self._code[met.player] * k + self._code[met.partner]
        total = np.bincount(cell, met.earned, k * k)
        with np.errstate(invalid="ignore"):
            found = total / np.bincount(cell, minlength=k * k) / max(1, self.round)
        return np.asarray(found.reshape(k, k))

    def measure(self) -> Mapping[str, float | By | None]:
        people, k = self.people, len(self.names)
        players = np.bincount(people.strategy, minlength=k)
        with np.errstate(invalid="ignore"):
            earns = np.bincount(self._code, self._so_far(), k) / np.bincount(
                self._code, minlength=k
            )
        return {
            "cooperation": self._cooperation,
            "payoff": self._paid,
            "share": By("strategy", players / len(people)),
            "earns": By("strategy", earns),
        }

    def _so_far(self) -> NDArray[np.float64]:
        return self.encounters.means(len(self.people), each=True) / max(1, self.round)

    def policies(self) -> Mapping[str, Policy]:
        rules = {name: Rule(play=function) for name, function in STRATEGIES.items()}
        return {"inherited": Inherited(self.names), **rules, "language": Speaking(PROMPTS)}


def _each_with_each(k: int) -> NDArray[np.int64]:
    """Return all pairs of 0..k-1, a number with itself included; shape (k (k + 1) / 2, 2).

    >>> _each_with_each(2).tolist()
    [[0, 0], [0, 1], [1, 1]]
    """
    return np.column_stack(np.triu_indices(k)).astype(np.int64)
