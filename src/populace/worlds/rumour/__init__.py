"""A false claim that is passed on along a network, by some who were made to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.geometry import Network
from populace.kernel.columns import column
from populace.kernel.errors import ParameterError
from populace.kernel.measures import By, Chart
from populace.kernel.minds import Minds
from populace.kernel.parameters import Parameter
from populace.kernel.policy import Policy
from populace.kernel.population import Part, Population
from populace.kernel.spaces import Choice, Text
from populace.kernel.streams import Streams
from populace.kernel.world import World
from populace.worlds.networks import NetworkName, make_network, side_by_side, unweighted
from populace.worlds.rumour.chat import QUIET, Chat, heard_words
from populace.worlds.rumour.codes import BENIGN, CLAIM, GUARDIAN, MANIPULATED, NOBODY, TRUTH
from populace.worlds.rumour.rules import minds as rule_minds
from populace.worlds.seats import names
from populace.worlds.speaking import Speaking

PROMPTS = Path(__file__).parent / "prompts" / "rumour.toml"
"""Prompts with which a language model takes any seat: ``Language(model, PROMPTS)``."""
REMEMBERING = Path(__file__).parent / "prompts" / "rumour_memory.toml"
"""The same for a mind with a memory, ``remembering``."""

BELIEF = Choice(("unsure", "claim", "truth"))
PASS = Choice(("nothing", "claim", "truth"))
Codes = NDArray[np.uint8]
Rows = NDArray[np.intp]

_SEEN = ("role", "belief", "claims", "truths", "for_claim", "for_truth")
_NO_ANSWERS: Codes = np.empty(0, np.uint8)
_MADE = "the communities are made at the start"


class Rumour(World):
    """Some of a community were made to believe a false claim; does it flood the rest?

    After Ju et al. 2024, *Flooding Spread of Manipulated Knowledge in LLM-Based Multi-Agent
    Communities* (arXiv:2407.07791). A tick is a round, in each of `communities` networks of
    `people` agents, of whom some are ``manipulated``, some ``guardians``, the rest ``benign``.

    (1) Who has heard of the matter is asked ``pass``: to say nothing, the claim or the truth. The
    manipulated take part for the first `attack` rounds. With `talk`, who says something is asked
    ``speak`` for its words. A message reaches each neighbour with chance `transmission`. (2) Who
    has something new to go on (messages of this round; where memories fade, or the talk is over,
    whatever was heard) is asked ``believe``: unsure, the claim or the truth. Guardians are asked
    ``check`` instead, and see a ``finding``, which is right with chance `detection`. The
    manipulated believe the claim for good. After `rounds` rounds, or a round after the attack in
    which nobody said anything, the talk is over; for `later` rounds more agents are asked what they
    believe, of what they remember alone.

    Agents see their ``role`` and ``belief``, ``since`` (rounds since it last changed), the messages
    of the last round (``claims``, ``truths``) and those they remember of all (``for_claim``,
    ``for_truth``), which fade to `retention` a round; with `talk` also their ``name`` and the
    conversation as they know it (``said``). What reached them is told as ``heard``. Who does not
    decide says nothing and believes what it believed.

    Attributes
    ----------
    people : Population
        Columns ``community``, ``role`` (0 benign, 1 manipulated, 2 guardian), ``belief`` (0 unsure,
        1 claim, 2 truth), ``changed`` (round), ``heard``, ``convinced`` (ever believed the claim),
        ``attacked`` (believed it when the attack ended), ``finding``, ``claims``, ``truths``,
        ``for_claim``, ``for_truth``, and how the claim came at first: ``cascade`` (number; 2**32
        - 1: never heard it) and ``depth`` (steps).
    network : Network
        Row i holds those whom i tells.
    """

    ticks = 30
    axes = {"role": ["benign", "manipulated", "guardian"]}
    charts = (
        Chart(
            "Who believes the claim",
            ["believing"],
            unit="share",
            by="role",
            note="Of each role, at the end of the round.",
        ),
        Chart(
            "The benign",
            ["heard", "reach", "truth"],
            unit="share",
            labels={"heard": "heard of it", "reach": "believe the claim", "truth": "the truth"},
        ),
        Chart("Messages", ["sent", "arrived"], unit="messages a round"),
        Chart(
            "After the attack",
            ["persistence"],
            unit="share",
            note="Of the benign who believed the claim when the attack ended, who do so now.",
        ),
        Chart("The largest cascade", ["largest"], unit="agents", note="From one who spoke first."),
        Chart("The deepest cascade", ["depth"], unit="steps"),
    )

    def __init__(
        self,
        people: Annotated[int, Parameter("agents of a community", low=2, fixed=_MADE)] = 10_000,
        network: Annotated[
            Literal["complete", "ring"] | NetworkName | Network,
            Parameter("who tells whom", fixed=_MADE),
        ] = "erdos-renyi",
        degree: Annotated[
            float, Parameter("mean number of neighbours", "agents", low=0, fixed=_MADE)
        ] = 10.0,
        manipulated: Annotated[
            int, Parameter("in each community", "agents", low=0, fixed=_MADE)
        ] = 5,
        guardians: Annotated[float, Parameter("who check", "share", 0, 1, fixed=_MADE)] = 0.1,
        informed: Annotated[
            float, Parameter("of the benign, know the truth at first", "share", 0, 1, fixed=_MADE)
        ] = 0.0,
        transmission: Annotated[
            float, Parameter("chance that a message reaches a neighbour", "share", 0, 1)
        ] = 0.25,
        detection: Annotated[
            float, Parameter("chance that a check is right", "share", 0, 1, fixed=_MADE)
        ] = 0.9,
        retention: Annotated[
            float, Parameter("what a round leaves of what is remembered", "share", 0, 1)
        ] = 0.9,
        attack: Annotated[int, Parameter("in which the manipulated speak", "rounds", low=0)] = 3,
        rounds: Annotated[int, Parameter("longest talk", "rounds", low=1)] = 25,
        later: Annotated[int, Parameter("asked after it", "rounds", low=0)] = 5,
        talk: Annotated[bool, Parameter("messages have words", fixed=_MADE)] = False,
        claim: Annotated[
            str, Parameter("what is false")
        ] = "The wreck of the steamer Orla lies in Blackwater Bay.",
        truth: Annotated[
            str, Parameter("what is true")
        ] = "The wreck of the steamer Orla lies off Cape Sander.",
        letters: Annotated[int, Parameter("longest text", "characters", low=10)] = 600,
        lines: Annotated[int, Parameter("of the talk that an agent sees", low=1, fixed=_MADE)] = 40,
        communities: Annotated[int, Parameter("side by side", low=1, fixed=_MADE)] = 1,
    ) -> None:
        if isinstance(network, Network):
            people = unweighted(network, "Rumour").n
        watching = round(guardians * people)
        if manipulated + watching > people:
            raise ParameterError(
                f"expected at most {people} manipulated and guardians, got {manipulated} and "
                f"{watching}",
                where="Rumour",
                mend="lower one of them, or raise people",
            )
        total = people * communities
        self.people = Population(
            total,
            community=np.repeat(np.arange(communities, dtype=np.int32), people),
            role=np.uint8,
            belief=np.uint8,
            changed=np.int32,
            heard=bool,
            convinced=bool,
            attacked=bool,
            finding=np.uint8,
            claims=np.uint16,
            truths=np.uint16,
            for_claim=np.float32,
            for_truth=np.float32,
            cascade=np.full(total, NOBODY, np.uint32),
            depth=np.uint16,
        )
        self.network: Network
        self._graph, self._degree, self._size = network, degree, people
        self._manipulated, self._watching, self._informed = manipulated, watching, informed
        self._detection = detection
        self.communities, self.talk = communities, talk
        self.transmission, self.retention = transmission, retention
        self.attack, self.rounds, self.later = attack, rounds, later
        self.claim, self.truth, self.letters = claim, truth, letters
        self.chat = Chat(names(people) * communities if talk else (), lines)
        self.round = 0
        self.ended = self.over = 0  # rounds in which the attack and the talk ended; 0 until then
        self.sent = self.arrived = 0
        self._roots = np.empty(0, np.int64)
        self._sizes, self._depths = np.empty(0, np.int64), np.empty(0, np.int64)

    def start(self, streams: Streams) -> None:
        """Draw the networks, who is manipulated, a guardian or informed, and the findings."""
        people, size = self.people, self._size
        self.network = self._networks(streams.named("network"))
        keys = streams.stream("roles").uniform(people)
        order = np.lexsort((keys, people.community)).reshape(self.communities, size)
        ends = np.cumsum([self._manipulated, self._watching])
        bad, guards, rest = np.split(order, ends, axis=1)
        people.role[bad.ravel()] = MANIPULATED
        people.role[guards.ravel()] = GUARDIAN
        people.finding[:] = np.where(
            streams.stream("findings").bernoulli(people, self._detection), TRUTH, CLAIM
        )
        for rows, belief in (
            (bad.ravel(), CLAIM),
            (rest[:, : round(self._informed * rest.shape[1])].ravel(), TRUTH),
        ):
            people.belief[rows], people.heard[rows] = belief, True
        self._begin(np.sort(bad.ravel()))
        self._count(np.flatnonzero(people.belief == CLAIM))
        people.for_truth[:] = people.belief == TRUTH

    def _networks(self, streams: Streams) -> Network:
        graph, n = self._graph, self._size
        if isinstance(graph, Network) or graph in ("complete", "ring"):
            if graph == "complete":
                graph = Network.complete(n)
            elif graph == "ring":
                graph = Network.ring(n, max(2, 2 * round(self._degree / 2)))
            return side_by_side([graph] * self.communities)
        drawn = (make_network(graph, n, self._degree, streams, c) for c in range(self.communities))
        return side_by_side(list(drawn))

    @property
    def done(self) -> bool:
        """Whether the talk is over, and the rounds after it."""
        return bool(self.over) and self.round >= self.over + self.later

    async def step(self, minds: Minds) -> None:
        from populace.worlds.rumour.kernels import remember

        people = self.people
        self.round += 1
        part, says = people[[]], _NO_ANSWERS
        words: list[str] = []
        if not self.over:
            part, says, words = await self._spoken(minds)
        people.claims[:], people.truths[:] = 0, 0
        reached = self._send(minds, part.rows, says, words)
        remember(
            people.claims,
            people.truths,
            self.retention,
            people.for_claim,
            people.for_truth,
            people.heard,
        )
        if self.over or self.retention < 1:  # what was heard before may weigh otherwise now
            reached = np.flatnonzero(people.heard)
        await self._conclude(minds, reached)
        silent = not self.sent and self.round >= self.attack
        if not self.over and (silent or self.round >= self.rounds):
            self.over = self.round
            self.chat.clear()
        if not self.ended and (self.over or self.round >= self.attack):
            self.ended = self.round
            people.attacked[:] = (people.belief == CLAIM) & (people.role == BENIGN)

    # -- the two halves of a round ---------------------------------------------------------------

    async def _spoken(self, minds: Minds) -> tuple[Part, Codes, list[str]]:
        """Return who says something, what (1 the claim, 2 the truth), and in what words."""
        people = self.people
        there = people.heard.copy()
        if self.round > self.attack:
            there &= people.role != MANIPULATED
        part = people[there]
        if not len(part):
            return part, _NO_ANSWERS, []
        found = await minds.ask(
            "pass", part, PASS, see=_SEEN, missing="nothing", **self._shown(part)
        )
        spoken = np.flatnonzero(found.values)
        speakers, says = part[spoken], found.values[spoken]
        rows = speakers.rows
        self._begin(rows[(says == CLAIM) & (people.cascade[rows] == NOBODY)])
        if self.talk and len(rows):
            return speakers, says, await self._words(minds, speakers, says)
        return speakers, says, []

    async def _words(self, minds: Minds, speakers: Part, says: Codes) -> list[str]:
        told = ("", self.claim, self.truth)
        sentence = column([told[code] for code in says.tolist()])
        found = await minds.ask(
            "speak",
            speakers,
            Text(self.letters),
            see=_SEEN,
            missing="",
            sentence=sentence,
            **self._shown(speakers),
        )  # who has no words of its own passes on the bare sentence
        return [text or bare for text, bare in zip(found.values, sentence, strict=True)]

    def _send(self, minds: Minds, rows: Rows, says: Codes, words: list[str]) -> Rows:
        """Let what these rows say reach their neighbours, tell these, and return their rows."""
        from populace.worlds.rumour.kernels import arrivals, spread

        people, tick = self.people, minds.tick
        self.sent, self.arrived = len(rows), 0
        if not len(rows):
            return rows
        key = minds.stream("arrival").key2()
        columns = (people.claims, people.truths, people.cascade, people.depth)
        self.arrived = spread(self.network, rows, says, self.transmission, tick, key, columns)
        heard: dict[int, list[str]] = {}
        if words:
            sender, row = arrivals(self.network, rows, self.transmission, tick, key)
            heard = self.chat.deliver(words, rows.tolist(), sender, row)
        reached = np.flatnonzero(people.claims | people.truths)
        part = people[reached]
        if len(part):
            minds.tell(
                "heard",
                part,
                words=heard_words(heard, reached) if self.talk else "",
                claims=part["claims"],
                truths=part["truths"],
                round=self.round,
            )
        return reached

    async def _conclude(self, minds: Minds, rows: Rows) -> None:
        """Ask these rows, who have something new to go on, what they believe now."""
        people = self.people
        role = people.role[rows]
        for kind, code, more in (("believe", BENIGN, ()), ("check", GUARDIAN, ("finding",))):
            part = people[rows[role == code]]
            if not len(part):
                continue
            before = part["belief"]
            found = await minds.ask(
                kind, part, BELIEF, see=(*_SEEN, *more), missing=before, **self._shown(part)
            )
            new = np.flatnonzero(found.values != before)
            turned = part.rows[new]
            people.belief[turned], people.changed[turned] = found.values[new], self.round
            self._count(turned[(found.values[new] == CLAIM) & ~people.convinced[turned]])

    def _begin(self, rows: Rows) -> None:
        """Begin a cascade with each of these, who have the claim from nobody."""
        number = len(self._roots) + np.arange(len(rows))
        self.people.cascade[rows] = number
        self._roots = np.concatenate([self._roots, rows])
        self._sizes = np.concatenate([self._sizes, np.zeros(len(rows), np.int64)])
        self._depths = np.concatenate([self._depths, np.zeros(len(rows), np.int64)])

    def _count(self, rows: Rows) -> None:
        """Count these, who believe the claim for the first time, to their cascades."""
        from populace.worlds.rumour.kernels import tally

        people = self.people
        people.convinced[rows] = True
        tally(rows, people.cascade, people.depth, self._sizes, self._depths)

    def _shown(self, part: Part) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "since": self.round - part["changed"],
            "round": self.round,
            "over": bool(self.over),
            "claim": self.claim,
            "truth": self.truth,
            "name": "anonymous",
            "said": QUIET,
        }
        if self.talk:
            shown["name"] = column(self.chat.names)[part.rows]
            shown["said"] = self.chat.shown(part)
        return shown

    # -- results ---------------------------------------------------------------------------------

    def cascades(self) -> dict[str, NDArray[Any]]:
        """Return columns of a row a cascade: whom the claim came from, and how far it got.

        ``root`` (row), ``community``, ``size`` (agents who ever believed it, the root included) and
        ``depth`` (most steps from the root to one of them).
        """
        return {
            "root": self._roots.copy(),
            "community": self.people.community[self._roots],
            "size": self._sizes.copy(),
            "depth": self._depths.copy(),
        }

    def results(self) -> dict[str, NDArray[Any]]:
        """Return columns of a row a community, as shares of its benign agents.

        ``heard``, ``reach`` (believe the claim), ``truth``, ``convinced`` (ever believed the claim)
        and ``persistence`` (of those who did when the attack ended, who do so now).
        """
        people, size = self.people, self.communities
        benign = people.role == BENIGN

        def count(mask: NDArray[np.bool_]) -> NDArray[Any]:
            return np.bincount(people.community[mask & benign], minlength=size)

        believes = people.belief == CLAIM
        with np.errstate(invalid="ignore"):
            all_ = count(benign)
            return {
                "community": np.arange(size),
                "heard": count(people.heard) / all_,
                "reach": count(believes) / all_,
                "truth": count(people.belief == TRUTH) / all_,
                "convinced": count(people.convinced) / all_,
                "persistence": count(believes & people.attacked) / count(people.attacked),
            }

    def measure(self) -> Mapping[str, float | By | None]:
        from populace.worlds.rumour.kernels import census

        people = self.people
        found = census(people.role, people.belief, people.heard, people.attacked)
        with np.errstate(invalid="ignore"):
            share = found.sum(axis=(2, 3)) / found.sum(axis=(1, 2, 3))[:, None]
        benign = found[BENIGN]
        then, still = benign[:, :, 1].sum(), benign[CLAIM, :, 1].sum()
        return {
            "heard": benign[:, 1].sum() / benign.sum() if benign.sum() else None,
            "reach": share[BENIGN, CLAIM],
            "truth": share[BENIGN, TRUTH],
            "believing": By("role", share[:, CLAIM]),
            "sent": self.sent,
            "arrived": self.arrived,
            "persistence": still / then if then else None,
            "largest": int(self._sizes.max(initial=0)),
            "depth": int(self._depths.max(initial=0)),
        }

    def policies(self) -> Mapping[str, Policy]:
        return {
            **rule_minds(),
            "language": Speaking(PROMPTS),
            "remembering": Speaking(REMEMBERING, memory=True),
        }

    def shares(self) -> Mapping[str, float]:
        return {"gullible": 1.0, "sceptic": 1.0, "warner": 1.0}
