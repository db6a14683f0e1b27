"""The donor game over generations: cooperation that rests on what is known of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.cast import COLUMN as MIND
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Choice, Number, Record, Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.policies import Rule
from populace.worlds.donor import telling
from populace.worlds.donor.evolution import Selection, models, survivors, teachers
from populace.worlds.donor.norms import NORMS, assessed
from populace.worlds.donor.rounds import Pairing, at_random, moved, rotation
from populace.worlds.donor.rules import DECISIONS, RULES, Follows, Inherited, random
from populace.worlds.donor.traces import Traces
from populace.worlds.shares import counts, named_shares
from populace.worlds.speaking import Speaking

PROMPTS = Path(__file__).parent / "prompts" / "donor.toml"
"""Prompts with which a language model plays: ``Language(model, PROMPTS)``."""
REMEMBERING = Path(__file__).parent / "prompts" / "donor_memory.toml"
"""Prompts for a mind with a memory: ``Language(model, REMEMBERING, memory=Memory(...))``."""

Words = Literal["none", "strategies", "advice"]
_MADE = "games are set up at the start"


class Donor(World):
    """Agents give to others whom they may never meet again (Vallinder and Hughes 2024).

    *Cultural Evolution of Cooperation among LLM Agents*, arXiv:2412.10270: the iterated donor game
    over generations. In each of `games` games of `agents`, everybody begins a generation with the
    `endowment`. Each tick is a round of pairs: the donor gives up some of its resources, the
    recipient gets `multiplier` times as much. Donors see the recipient's resources and its trace:
    what it did as a donor last, what its partner of then had done before that, and so on, `trace`
    acts back. With `punishment` they may instead spend units, each of which takes `impact` from the
    recipient, down to nothing. After `rounds` rounds the `survivors`, the best half, go on;
    newcomers take the place of the others and get the survivors' strategies to read. All begin
    anew, with the endowment and without a past.

    Donors are asked ``donate`` (units, from 0 to all they have), ``treat`` (donate or punish, and
    units), or ``give`` (`binary`: a donation is `cost` units or none, the game of the theory); who
    has nothing, or less than the cost, is not asked. Newcomers are asked ``strategy``, a text of
    their own that they are shown from then on, and with ``words="advice"`` the survivors are asked
    ``advise`` first, which newcomers read in place of strategies. Who does not decide keeps
    everything and says nothing.

    The same evolution works without words: agents have a ``rule`` and a ``generosity`` (of its
    resources, what the rule gives), which the default mind ``inherited`` follows; newcomers take
    both from a random survivor, with noise. Selection is by ``top`` (the paper's), ``random``
    (drift) or ``imitation``: nobody goes, but each may take over the ways of one who is better off.
    For the theory of indirect reciprocity every agent has an image under each social norm
    (`populace.worlds.donor.norms`), which a donor knows, as it does the trace, with chance
    `knowledge`. `populace.worlds.donor.facts` has the closed forms.

    Attributes
    ----------
    people : Population
        Columns ``game``, ``born`` (generation), ``number``, ``rule`` (code into `names`),
        ``generosity``, ``resources``, ``given`` (share of what it had that it gave when it was last
        a donor, below 0 if it punished, NaN if it has not been), and ``scoring``, ``standing`` and
        ``judging`` (whether its image is good).
    generation, round : int
        From 1.
    traces : Traces
        Of all rows, unless nothing is put into words.
    strategies : list of str
        Each row's own words.
    finals : list of float64 arrays of shape (games,)
        Mean final resources of each finished generation.
    """

    title = "Donor game"
    ticks = 120
    charts = (
        Chart("Final resources", ["final"], unit="units", note="Of the last finished generation."),
        Chart("Resources", ["resources"], unit="units an agent"),
        Chart("Donations", ["donation"], unit="share of what donors have"),
        Chart("Who gives, who punishes", ["giving", "punishing"], unit="share of donors"),
        Chart("Rules", ["share"], unit="share of agents", by="rule"),
        Chart("Inherited generosity", ["generosity"], unit="share of resources"),
    )

    def __init__(
        self,
        games: Annotated[int, Parameter("games side by side", low=1, fixed=_MADE)] = 1,
        agents: Annotated[int, Parameter("of a game", low=2, fixed=_MADE)] = 12,
        generations: Annotated[int, Parameter("after which it ends", low=1)] = 10,
        rounds: Annotated[int, Parameter("of a generation", "ticks", low=1)] = 12,
        endowment: Annotated[float, Parameter("at first", "units", low=0)] = 10.0,
        multiplier: Annotated[float, Parameter("got for a unit given up", low=0)] = 2.0,
        binary: Annotated[bool, Parameter("give the cost or nothing", fixed=_MADE)] = False,
        cost: Annotated[float, Parameter("of a donation, if binary", "units", low=0)] = 1.0,
        punishment: Annotated[
            bool, Parameter("donors may punish instead", fixed="asks change")
        ] = False,
        impact: Annotated[float, Parameter("taken by a unit spent to punish", low=0)] = 2.0,
        trace: Annotated[int, Parameter("acts told of a recipient", low=0, fixed=_MADE)] = 3,
        knowledge: Annotated[
            float, Parameter("chance to know a recipient's past", "share", 0, 1)
        ] = 1.0,
        generous: Annotated[
            float, Parameter("from which a donation counts as giving", "share", 0, 1)
        ] = 0.25,
        pairing: Annotated[Pairing, Parameter("roles by turns, or all at random")] = "rotation",
        selection: Annotated[Selection, Parameter("who is taken after")] = "top",
        surviving: Annotated[float, Parameter("share that goes on", "share", 0, 1)] = 0.5,
        newcomers: Annotated[
            Literal["seat", "teacher"], Parameter("whose kind of mind a newcomer has")
        ] = "seat",
        rules: Annotated[
            str, Parameter("shares of the inherited rules at the start", fixed=_MADE)
        ] = "image_scoring,standing,stern_judging,mirror,give,keep",
        generosity: Annotated[
            float, Parameter("given by who gives, at the start", "share", 0, 1, fixed=_MADE)
        ] = 0.5,
        variety: Annotated[
            float, Parameter("it is drawn from so far around", "share", 0, 1, fixed=_MADE)
        ] = 0.25,
        mutation: Annotated[float, Parameter("noise of generosity, a deviation", low=0)] = 0.05,
        innovation: Annotated[
            float, Parameter("chance that a newcomer takes any rule", "share", 0, 1)
        ] = 0.0,
        words: Annotated[Words, Parameter("what is put into words", fixed=_MADE)] = "strategies",
        heard: Annotated[int, Parameter("survivors a newcomer reads, best first", low=0)] = 6,
        letters: Annotated[int, Parameter("longest text", "characters", low=10)] = 2000,
    ) -> None:
        self.games, self.agents, self.generations, self.rounds = games, agents, generations, rounds
        self.endowment, self.multiplier, self.binary, self.cost = (
            endowment,
            multiplier,
            binary,
            cost,
        )
        self.punishment, self.impact, self.knowledge = punishment, impact, knowledge
        self.generous, self.pairing, self.selection = generous, pairing, selection
        self.surviving, self.newcomers = surviving, newcomers
        self.generosity, self.variety = generosity, variety
        self.mutation, self.innovation = mutation, innovation
        self.words, self.heard, self.letters = words, heard, letters
        self.changed(frozenset())
        self._rules = named_shares(rules, RULES, "Donor, rules")
        self.names = tuple(self._rules)
        if "punisher" in self.names and not punishment:
            raise ParameterError(
                "the rule punisher needs punishment", where="Donor", mend="punishment=True"
            )
        self.axes = {"rule": list(self.names)}
        game, seat = np.divmod(np.arange(games * agents), agents)
        self.people = Population(
            games * agents,
            game=game.astype(np.int32),
            born=(np.int32, 1),
            number=(seat + 1).astype(np.int32),
            rule=np.uint8,
            generosity=(np.float64, 0.0),
            resources=(np.float64, endowment),
            given=(np.float64, np.nan),
            scoring=(np.bool_, True),
            standing=(np.bool_, True),
            judging=(np.bool_, True),
        )
        self.traces = Traces(games * agents, trace)
        self.strategies = [""] * (games * agents)
        self.generation, self.round = 1, 0
        self.finals: list[NDArray[np.float64]] = []
        self._order = np.arange(games * agents).reshape(games, agents)
        self._acts = np.empty(0)  # shares of this round's donors

    def changed(self, names: frozenset[str]) -> None:
        """Check what parameters say together."""
        if self.binary and self.punishment:
            raise ParameterError(
                "punishment spends a part of what one has; a binary game has no parts",
                where="Donor", mend="binary=False",
            )  # fmt: skip
        if self.pairing == "rotation" and self.agents % 2:
            raise ParameterError(
                f"rotation pairs two halves, got {self.agents} agents",
                where="Donor", mend="an even number of agents, or pairing='random'",
            )  # fmt: skip
        if self.selection != "imitation" and not 0 < self._keep < self.agents:
            raise ParameterError(
                f"of {self.agents} agents {self._keep} would survive; expected some, and not all",
                where="Donor", mend="surviving=0.5, or selection='imitation'",
            )  # fmt: skip

    @property
    def _keep(self) -> int:
        return round(self.surviving * self.agents)

    @property
    def done(self) -> bool:
        """Whether the last generation has played its last round."""
        return self.generation >= self.generations and self.round >= self.rounds

    def start(self, streams: Streams) -> None:
        """Deal the rules, the same number of each in every game, and draw generosities."""
        people = self.people
        draws = streams.stream("traits")
        order = np.argsort(draws.uniform(people).reshape(self.games, -1), axis=1)
        dealt = counts(self._rules, self.agents)
        codes = np.empty((self.games, self.agents), np.uint8)
        every = np.repeat(np.arange(len(dealt), dtype=np.uint8), dealt)
        np.put_along_axis(codes, order, np.tile(every, (self.games, 1)), axis=1)
        people.rule[:] = codes.ravel()
        around = (2 * draws.uniform(people) - 1) * self.variety
        people.generosity[:] = np.clip(self.generosity + around, 0, 1)

    async def step(self, minds: Minds) -> None:
        if self.round == self.rounds:
            await self._renew(minds)
        if self.round == 0:
            self._order = self._shuffled(minds, "order")
            if self.words != "none" and self.generation == 1:
                await self._form(minds, self.people.everyone, "")
        donors, recipients = self._pairs(minds)
        self.round += 1
        people = self.people
        able = people.resources[donors] >= (self.cost if self.binary else np.nextafter(0, 1))
        share = np.zeros(len(donors))
        if able.any():
            share[able] = await self._ask(minds, donors[able], recipients[able])
        have = np.full(len(donors), self.cost) if self.binary else people.resources[donors]
        units, gain = moved(share, have, people.resources[recipients], self.multiplier, self.impact)
        people.resources[donors] -= units
        people.resources[recipients] += gain
        self._judge(donors[able], recipients[able], share[able])
        telling.paid(self, minds, donors, recipients, able, share, units, gain)

    # -- a round ---------------------------------------------------------------------------------

    def _pairs(self, minds: Minds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of donors, in order, and of their recipients."""
        if self.pairing == "rotation":
            donors, recipients = rotation(self._order, self.round)
        else:
            donors, recipients = at_random(self._shuffled(minds, "pairs"))
        partner = np.full(len(self.people), -1)  # into the order of rows, without a sort
        partner[donors.ravel()] = recipients.ravel()
        rows = np.flatnonzero(partner >= 0)
        return rows, partner[rows]

    def _shuffled(self, minds: Minds, stream: str) -> NDArray[np.int64]:
        """Return each game's rows in random order, shape (games, agents)."""
        keys = minds.stream(stream).uniform(self.people).reshape(self.games, self.agents)
        first = np.arange(self.games)[:, None] * self.agents
        return np.asarray(first + np.argsort(keys, axis=1))

    async def _ask(
        self, minds: Minds, donors: NDArray[np.int64], recipients: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what share of its resources each donor gives; below 0: spends to punish."""
        part, have = self.people[donors], self.people.resources[donors]
        shown = telling.shown(self, minds, part, recipients)
        see = ["rule", "generosity"]
        if self.binary:
            answers = await minds.ask("give", part, Choice(("keep", "give")), see, "keep", **shown)
            share: NDArray[np.float64] = answers.chose("give").astype(np.float64)
        elif self.punishment:
            space = Record(act=Choice(("donate", "punish")), units=Number(0, have))
            nothing = {"act": "donate", "units": 0}
            answers = await minds.ask("treat", part, space, see, nothing, **shown)
            sign = np.where(answers.values["act"] == 1, -1.0, 1.0)
            share = sign * answers.values["units"] / have
        else:
            answers = await minds.ask("donate", part, Number(0, have), see, 0, **shown)
            share = answers.values / have
        self._acts = share
        return share

    def _judge(
        self, donors: NDArray[np.int64], recipients: NDArray[np.int64], share: NDArray[np.float64]
    ) -> None:
        """Note what donors did, and what that makes of their images."""
        people, gave = self.people, share >= max(self.generous, np.nextafter(0, 1))
        for norm in NORMS:
            image = people[norm]
            image[donors] = assessed(norm, image[donors], image[recipients], gave)
        people.given[donors] = share
        if self.words != "none":
            self.traces.record(donors, recipients, share, self.round)

    # -- between generations ---------------------------------------------------------------------

    async def _renew(self, minds: Minds) -> None:
        """Let the best go on, newcomers take after them, and all begin anew."""
        people, table = self.people, (self.games, self.agents)
        scores = people.resources.reshape(table)
        self.finals.append(scores.mean(axis=1))
        if self.selection == "imitation":
            survived = np.ones(table, np.bool_)
        else:
            keys = minds.stream("ties").uniform(people).reshape(table)
            ranked = scores if self.selection == "top" else np.zeros(table)
            survived = survivors(ranked, self._keep, keys)
        telling.ending(self, minds, survived)
        if self.selection == "imitation":
            self._imitate(minds, scores)
            newborn, advice = None, ""
        else:
            told = await self._advised(minds, survived)
            newborn = self._replace(minds, survived)
            advice = column(told)[newborn["game"]]
        people.resources[:], people.given[:] = self.endowment, np.nan
        for norm in NORMS:
            people[norm][:] = True
        self.traces.clear()
        self.generation, self.round = self.generation + 1, 0
        if newborn is not None:
            newborn["born"] = self.generation
            if self.words != "none":
                await self._form(minds, newborn, advice)

    def _imitate(self, minds: Minds, scores: NDArray[np.float64]) -> None:
        people, stream = self.people, minds.stream("imitation")
        looks = stream.uniform(people).reshape(scores.shape)
        model = models(scores, looks, stream.uniform(people).reshape(scores.shape))
        taken = model != np.arange(len(model))
        self._inherit(minds, people[taken], model[taken])
        self.strategies = [self.strategies[row] for row in model.tolist()]

    def _replace(self, minds: Minds, survived: NDArray[np.bool_]) -> Part:
        """Put a newcomer in the place of each who does not go on, and return them."""
        people = self.people
        gone = people[~survived.ravel()]
        teacher = teachers(survived, minds.stream("teachers").uniform(gone))
        mind = people[MIND][gone.rows if self.newcomers == "seat" else teacher]
        game, rows = gone["game"], gone.rows
        each = self.agents - self._keep
        people.remove(gone)
        born = people.add(
            len(rows), game=game, number=np.tile(np.arange(each) + 1, self.games), **{MIND: mind}
        )
        self._inherit(minds, born, teacher)
        for row in rows.tolist():
            self.strategies[row] = ""
        return born

    def _inherit(self, minds: Minds, heirs: Part, models: NDArray[np.int64]) -> None:
        """Give heirs the rule and the generosity of their models, with noise."""
        people, noise = self.people, minds.stream("mutation")
        generosity = people.generosity[models] + noise.normal(heirs, sd=self.mutation)
        heirs["generosity"] = np.clip(generosity, 0, 1)
        any_ = noise.integers(heirs, len(self.names))
        new = noise.bernoulli(heirs, self.innovation)
        heirs["rule"] = np.where(new, any_, people.rule[models])

    async def _advised(self, minds: Minds, survived: NDArray[np.bool_]) -> list[str]:
        """Return what newcomers read, a text a game: the best survivors' strategies or advice."""
        if self.words == "none":
            return [""] * self.games
        people = self.people
        said = list(self.strategies)
        if self.words == "advice":
            part = people[survived.ravel()]
            answers = await minds.ask(
                "advise", part, Text(self.letters), ["rule", "generosity"], "",
                **telling.game(self), **telling.own(self, part), resources=part["resources"],
                mean=self.finals[-1][part["game"]],
            )  # fmt: skip
            for row, text in zip(part.rows.tolist(), answers.values, strict=True):
                said[row] = text
        return telling.advice(self, survived, said)

    async def _form(self, minds: Minds, part: Part, advice: Any) -> None:
        """Ask newcomers for a strategy in their own words."""
        answers = await minds.ask(
            "strategy", part, Text(self.letters), ["rule", "generosity"], "",
            **telling.game(self), name=telling.own(self, part)["name"], advice=advice,
        )  # fmt: skip
        for row, text in zip(part.rows.tolist(), answers.values, strict=True):
            self.strategies[row] = text

    # -- results ---------------------------------------------------------------------------------

    def results(self) -> dict[str, NDArray[Any]]:
        """Return columns of a row a game and finished generation.

        ``final``: mean resources of its agents after the last round, the paper's measure.
        """
        finals = [*self.finals]
        if self.round == self.rounds:
            finals.append(self.people.resources.reshape(self.games, -1).mean(axis=1))
        many = len(finals)
        return {
            "game": np.tile(np.arange(self.games), many),
            "generation": np.repeat(np.arange(many) + 1, self.games),
            "final": np.concatenate(finals) if finals else np.empty(0),
        }

    def measure(self) -> Mapping[str, float | By | None]:
        people, k, acts = self.people, len(self.names), self._acts
        over = self.round == self.rounds
        final = people.resources if over else self.finals[-1] if self.finals else None
        many = np.bincount(people.rule, minlength=k)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(people.rule, people.resources, k) / many
        return {
            "resources": float(people.resources.mean()),
            "final": None if final is None else float(final.mean()),
            "donation": float(np.maximum(acts, 0).mean()) if len(acts) else None,
            "giving": float((acts >= self.generous).mean()) if len(acts) else None,
            "punishing": float((acts < 0).mean()) if len(acts) else None,
            "generosity": float(people.generosity.mean()),
            "share": By("rule", many / len(people)),
            "has": By("rule", mean),
        }

    def policies(self) -> Mapping[str, Policy]:
        rules = {name: Follows(name) for name in RULES if name != "punisher" or self.punishment}
        return {
            "inherited": Inherited(self.names),
            **rules,
            "random": Rule(**dict.fromkeys(DECISIONS, random)),
            "language": Speaking(PROMPTS),
            "remembering": Speaking(REMEMBERING, memory=True),
        }
