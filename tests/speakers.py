"""Members that say what a script says, by member and round, for tests of structures alone."""

import asyncio
import re
from dataclasses import dataclass, field, replace

from populace.kernel.answers import Outcome
from populace.kernel.spaces import Choice, Record
from populace.kernel.streams import Streams
from populace.language.reading import raw_column, read
from populace.teams import OutOfBudget, Question, Said
from populace.teams.votes import plurality


@dataclass
class Speakers:
    """Members of a team on one question.

    `script` maps (member, round) or (member, round, sample) to what is said, an `Outcome` where
    nothing is; or is a function of (member, round, sample, sees, columns). `calls` is the budget.
    """

    script: object
    question: Question
    names: list
    calls: int | None = None
    seed: int = 0
    lines: list = field(default_factory=list)
    asks: list = field(default_factory=list)
    spent: int = 0
    _streams: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.names)

    def left(self):
        return {} if self.calls is None else {"calls": self.calls - self.spent}

    def said(self):
        return list(self.lines)

    def random(self, name):
        if name not in self._streams:
            stream = Streams(self.seed).stream(name, self.question.tick)
            self._streams[name] = stream.bound([self.question.agent])
        return self._streams[name]

    async def ask(
        self, prompt="answer", *, to=None, space=None, sees=(), sample=0, fresh=False, **columns
    ):
        to = [to] if isinstance(to, int) else list(range(len(self)) if to is None else to)
        samples = [sample] * len(to) if isinstance(sample, int) else list(sample)
        if self.calls is not None and self.spent + len(to) > self.calls:
            raise OutOfBudget(f"{len(to)} calls asked, {self.calls - self.spent} left")
        self.spent += len(to)
        r = len(self.asks)
        heard = [sees.get(i, ()) if isinstance(sees, dict) else sees for i in to]
        heard = [[s for s in h if s.member != i] for i, h in zip(to, heard, strict=True)]
        shown = [{k: v[i] if isinstance(v, dict) else v for k, v in columns.items()} for i in to]
        self.asks.append((prompt, to, samples, heard, shown, fresh))
        space = space or self.question.space
        new = [
            self._line(i, r, s, h, c, space)
            for i, s, h, c in zip(to, samples, heard, shown, strict=True)
        ]
        self.lines += new
        return new

    def _line(self, member, r, sample, heard, columns, space):
        if callable(self.script):
            text = self.script(member, r, sample, heard, columns)
        else:
            text = self.script.get((member, r, sample), self.script.get((member, r)))
            assert text is not None, f"nothing scripted for member {member} in round {r}"
        if isinstance(text, Outcome):
            return Said(member, r, "", None, text)
        said = Said(member, r, text, None, Outcome.INVALID)
        sure = re.search(r"^Confidence: (\d+)", text, re.M)
        sure = None if sure is None else int(sure[1]) / 10
        said = replace(said, confidence=sure)
        text = re.sub(r"(?s).*Answer: ", "", text)
        value = read(text, space, space.options if isinstance(space, Choice) else ())
        values, good = space.check(raw_column(space, [value]), 1)
        if value is None or (good is not None and not good.all()):
            return said
        if not isinstance(space, Record):
            return replace(said, answer=_label(space, values), outcome=Outcome.ACTED)
        fields = {
            name: _label(part, space.take(values, [0])[name]) for name, part in space.fields.items()
        }
        answer = fields.get("answer", text)
        return replace(said, answer=answer, fields=fields, outcome=Outcome.ACTED)


def _label(space, values):
    found = (space.label(values) if isinstance(space, Choice) else values)[0]
    return found.item() if hasattr(found, "item") else found


@dataclass
class Played:
    """What came of it: the verdict, and what was asked of whom in each round."""

    verdict: object
    speakers: Speakers

    @property
    def prompts(self):
        return [ask[0] for ask in self.speakers.asks]

    @property
    def asked(self):
        return [ask[1] for ask in self.speakers.asks]

    @property
    def calls(self):
        return len(self.speakers.lines)

    def saw(self, member, r):
        """Whom a member heard in a round."""
        _, to, _, heard, *_ = self.speakers.asks[r]
        return [said.member for said in heard[to.index(member)]]

    def read(self, member, r):
        """All that a member was shown in a round, in words."""
        _, to, _, heard, shown, _ = self.speakers.asks[r]
        at = to.index(member)
        return "\n".join([*(s.text for s in heard[at]), *map(str, shown[at].values())])


def play(structure, script, n=3, *, options="ABC", names=None, columns=None, **more):
    """Run a structure on one question with choices `options`."""
    settings = {k: more.pop(k) for k in ("calls", "seed") if k in more}
    agent = more.pop("agent", 0)
    question = Question("answer", "Which?", Choice(list(options)), agent, 0, columns or {})
    names = names or [f"m{i}" for i in range(n)]
    speakers = Speakers(script, question, names, **settings)

    async def run():
        try:
            said = await structure(speakers, question, **more)
        except OutOfBudget:  # the last round in which anybody voted
            voted = [one.round for one in speakers.lines if one.votes]
            if not voted:
                raise
            last = [one for one in speakers.lines if one.round == max(voted)]
            return replace(plurality(last, speakers.random), reason="budget")
        return plurality([said]) if isinstance(said, Said) else said

    return Played(asyncio.run(run()), speakers)
