"""A team of scripted models at work on one question, for tests of structures."""

import asyncio
from dataclasses import dataclass

from populace.kernel.answers import Outcome
from populace.kernel.observation import Observation
from populace.kernel.population import Population
from populace.kernel.spaces import Choice
from populace.kernel.streams import Streams
from populace.language.errors import ModelRefused, ModelTimeout, ModelUnavailable
from populace.language.scripted import Scripted
from populace.teams.team import Team
from populace.teams.transcript import COLUMNS

FAILURES = {
    Outcome.FAILED: ModelUnavailable,
    Outcome.REFUSED: ModelRefused,
    Outcome.TIMEOUT: ModelTimeout,
}


def watched(team):
    """Return a list to which the items come that a team works on, in the order of its work."""
    structure, items = team.structure, []

    async def watching(members, question, **settings):
        items.append(members)
        return await structure(members, question, **settings)

    team.structure = watching
    return items


@dataclass
class Played:
    """What came of it: the verdict, the asks of each round, and the transcript's rows."""

    verdict: object
    rounds: list
    transcript: list

    @property
    def prompts(self):
        return [asks[0].prompt.name for asks in self.rounds]

    @property
    def asked(self):
        """Positions of the members asked, a list a round."""
        return [[ask.member for ask in asks] for asks in self.rounds]

    @property
    def samples(self):
        return [[ask.sample for ask in asks] for asks in self.rounds]

    @property
    def calls(self):
        return sum(map(len, self.rounds))

    def saw(self, member, r):
        """Whom a member heard in a round."""
        return list(self._ask(member, r).sees)

    def sent(self, member, r):
        """What a member was sent in a round: roles and texts of its conversation."""
        return [(m.role, m.content) for m in self._ask(member, r).request.messages]

    def read(self, member, r):
        """What it was told last."""
        return self.sent(member, r)[-1][1]

    def _ask(self, member, r):
        return next(ask for ask in self.rounds[r] if ask.member == member)


def play(
    structure,
    script,
    n=3,
    *,
    options="ABC",
    space=None,
    columns=None,
    calls=None,
    agent=0,
    seed=0,
    **settings,
):
    """Run a structure with members m0, m1, ... on one question with choices `options`, or
    another `space`.

    `script` maps (member, round) or (member, round, sample) to what a member says, or to an
    `Outcome` where its call fails; or is a function of (member, round, sample, what it reads).
    `calls` is the budget of the item.
    """

    def model(i):
        def say(request):
            r, sample = request.label.turn, request.sample
            if callable(script):
                said = script(i, r, sample, request.messages[-1].content)
            else:
                said = script.get((i, r, sample), script.get((i, r)))
            assert said is not None, f"nothing scripted for member {i} in round {r}"
            return FAILURES[said]("no reply") if isinstance(said, Outcome) else said

        return Scripted(say, f"m{i}")

    members = {f"m{i}": model(i) for i in range(n)}
    budget = None if calls is None else {"calls": calls}
    team = Team(members, structure, budget=budget, **settings)
    observation = Observation(
        "answer",
        Choice(list(options)) if space is None else space,
        Population(agent + 1)[[agent]],
        0,
        see=(),
        given={"question": "Which?", **(columns or {})},
        streams=Streams(seed),
        stream="exam",
    )
    items = watched(team)
    work = asyncio.run(team.decide(observation, None, "team", 1))
    told = [dict(zip(COLUMNS, row, strict=True)) for rows in work.rows for row in rows]
    return Played(work.verdicts[0], items[0].committed(), told)
