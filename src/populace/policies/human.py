"""Human: a person at a seat, asked in words, with a deadline."""

from __future__ import annotations

import asyncio
import json
import math
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import AnswerError, ParameterError, PolicyError
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.spaces import Call, Choice, Number, Pick, Record, Space, Text, ToolCall
from populace.policies.rule import Rule

Ask = Callable[[str, float | None], Awaitable[str | None]]
Key = tuple[int, int, str]  # tick, agent id, kind
Script = Mapping[Key, str | Sequence[str | None] | None]
Beyond = Literal["time-out", "error", "ask"]

if TYPE_CHECKING:
    import polars as pl


class Human(Parametric):
    """A person decides, for one agent after another, by typing.

    What is asked stands in words: the kind, the agent, every column that the world shows, what the
    agent was told since, and what an answer may be. An answer that is not valid is asked for again
    until the deadline. A blank answer abstains; no answer by the deadline is the outcome
    ``TIMEOUT``; when input ends, this and every later decision is ``ABSTAINED``, with a warning.
    For a stand-in, cast ``Fallback(Human(...), to=rule)``. All replies go into the table
    ``replies`` of the run, from which it can be repeated (`script_of`).

    Parameters
    ----------
    deadline : float or None
        Seconds for each decision; None waits for ever.
    seats : int
        How many agents one person can be asked for at a time.
    ask : async function of (prompt, seconds left or None), optional
        How the person is reached: it returns the reply, or None when time is up, and raises
        EOFError when no reply can come any more. By default the terminal.
    script : mapping of (tick, agent id, kind) to reply or sequence of replies, optional
        Replies given beforehand, taken in turn; None is a time-out. `replies` of an earlier run is
        one, and repeats it exactly.
    beyond : "time-out", "error" or "ask"
        What becomes of a question to which the script holds no reply: nobody is asked, that is an
        error, or the person is asked after all.
    clock : function returning seconds, optional
        Measures the deadline over repeated questions; by default real time.

    Attributes
    ----------
    replies : dict of (tick, agent id, kind) to list of str or None
        Every reply so far, invalid ones too; None is a time-out, and a question after the end of
        input has a blank one.
    waiting : bool
        Whether the person is being asked now.

    Raises
    ------
    ParameterError
        If `deadline` is negative, `seats` below 1, or a key of `script` is malformed.
    PolicyError
        If more agents are asked at once than there are `seats`, or (with ``beyond="error"``) the
        script holds no reply.
    """

    def __init__(
        self,
        deadline: Annotated[
            float | None, Parameter("time for each decision", unit="s", low=0)
        ] = 60.0,
        seats: Annotated[int, Parameter("agents that one person is asked for", low=1)] = 5,
        *,
        ask: Annotated[Ask | None, Parameter("how the person is reached")] = None,
        script: Annotated[Script | None, Parameter("replies given beforehand")] = None,
        beyond: Annotated[Beyond, Parameter("without a reply in the script")] = "time-out",
        clock: Annotated[
            Callable[[], float] | None, Parameter("measures the deadline, in seconds")
        ] = None,
    ) -> None:
        self.deadline, self.seats, self._clock = deadline, seats, clock or time.monotonic
        self._ask = ask
        self._script: dict[Key, list[str | None]] | None = None
        self._beyond = beyond
        if script is not None:
            self.replay(script, beyond)
        self.replies: dict[Key, list[str | None]] = {}
        self._told: dict[tuple[str, int], list[str]] = {}
        self._untold: list[dict[str, Any]] = []
        self.waiting = False
        self._ended = False
        self._lock = asyncio.Lock()  # one person: asked for one agent after another

    def replay(self, script: Script, beyond: Beyond = "time-out") -> None:
        """Take replies from a script from now on, as the parameter of that name.

        Raises
        ------
        ParameterError
            If a key is malformed.
        """
        self._script, self._beyond = {k: _listed(k, v) for k, v in script.items()}, beyond

    async def act(self, observation: Observation) -> Answers:
        n, kind = len(observation), observation.kind
        if n > self.seats:
            raise PolicyError(
                f"{n} agents are cast as human, of whom {kind!r} is asked at once, but there are "
                f"{self.seats} seats",
                where="Human",
                mend='cast fewer: cast.assign("human", people[[0]]), or Human(seats=...)',
            )
        values = observation.space.empty(n)
        outcome = np.zeros(n, np.uint8)
        async with self._lock:
            for i in range(n):
                value, result = await self._seat(observation.part(np.array([i])))
                outcome[i] = result
                if result == Outcome.ACTED:
                    observation.space.put(values, slice(i, i + 1), value)
        return Answers(values, outcome)

    def describe(self) -> dict[str, Any]:
        """Return deadline and seats, and whether replies came from a script, for the manifest."""
        return {
            "deadline": self.deadline,
            "seats": self.seats,
            "scripted": self._script is not None,
        }

    def replied(self) -> list[dict[str, Any]]:
        """Return the replies since the last call of this, rows of the table ``replies``."""
        told, self._untold = self._untold, []
        return told

    def state(self) -> dict[str, Any]:
        """Return the replies so far, and what the agents were told since their last question."""
        return {"replies": self.replies, "told": self._told}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; whose input had ended is asked again."""
        self.replies, self._told = state["replies"], state["told"]

    def imagined(self) -> Rule:
        """Return who stands for a person in others' imagination: nobody, who abstains."""
        return Rule(lambda observation: Answers(None, Outcome.ABSTAINED))

    def hear(self, observation: Observation) -> None:
        """Keep what the agents are told, to be shown with the next question."""
        if len(observation) <= self.seats:
            for i in range(len(observation)):
                one = observation.part(np.array([i]))
                lines = self._told.setdefault(_person(one), [])
                lines += [f"{one.kind}: {line}" for line in _shown(one)]

    async def _seat(self, one: Observation) -> tuple[Any, Outcome]:
        """Ask one person until the reply is valid, blank or too late."""
        key = (one.tick, int(one.ids[0]), one.kind)
        begun = self._clock()
        prompt = self._prompt(one)
        while True:
            one.note(0, "asked", prompt.removesuffix("\n> "))
            given = self._scripted(key)
            reply = await self._reply(key, prompt, begun) if given is None else given[0]
            self._keep(key, reply)
            one.note(0, "reply", "(no reply in time)" if reply is None else reply)
            if reply is None:
                return None, Outcome.TIMEOUT
            if not reply.strip():
                return None, Outcome.ABSTAINED
            value = read(reply, one.space)
            if value is not None:
                return value, Outcome.ACTED
            prompt = f"{reply.strip()[:60]!r} is not {one.space.describe()}\n> "

    def _scripted(self, key: Key) -> list[str | None] | None:
        """Return the next reply of the script; None where the person is to be asked."""
        if self._script is None:
            return None
        given, used = self._script.get(key, []), len(self.replies.get(key, []))
        if used < len(given):
            return [given[used]]
        if self._beyond == "error":
            tick, agent, kind = key
            raise PolicyError(
                f"there is no reply of agent {agent} to {kind!r} at tick {tick}",
                where="Human, replies",
                mend="repeat the run that they are of: its world, parameters, cast and seed",
            )
        return None if self._beyond == "ask" else [None]

    async def _reply(self, key: Key, prompt: str, begun: float) -> str | None:
        """Ask the person: None when time is up, blank once input has ended."""
        left = None
        if self.deadline is not None:
            left = self.deadline - (self._clock() - begun)
            if left <= 0:
                return None
        if self._ended:
            return ""
        if self._ask is None:
            from populace.policies.terminal import Terminal

            self._ask = Terminal()
        try:
            self.waiting = True
            return await self._ask(prompt, left)
        except EOFError:
            self._ended = True
            warnings.warn(
                f"input ended at tick {key[0]}: the human abstains from here on",
                RuntimeWarning,
                stacklevel=2,
            )
            return ""
        finally:
            self.waiting = False

    def _keep(self, key: Key, reply: str | None) -> None:
        number = len(self.replies.setdefault(key, []))
        self.replies[key].append(reply)
        tick, agent, kind = key
        row = {"tick": tick, "id": agent, "kind": kind, "number": number, "reply": reply}
        self._untold.append(row)

    def _prompt(self, one: Observation) -> str:
        name, agent = _person(one)
        told = self._told.pop((name, agent), [])
        lines = [f"tick {one.tick}, {name} {agent}: {one.kind}?"]
        lines += [f"  (told) {line}" for line in told]
        lines += [f"  {line}" for line in _shown(one)]
        limit = "" if self.deadline is None else f", {self.deadline:g} s"
        return "\n".join([*lines, f"{_form(one.space)} (blank: abstain{limit})", "> "])


def script_of(replies: pl.DataFrame, population: str | None = None) -> dict[Key, list[str | None]]:
    """Return the table ``replies`` of a run as a script: ``Human(script=script_of(run.replies))``.

    Parameters
    ----------
    replies : polars.DataFrame
    population : str, optional
        Only those of its agents.
    """
    script: dict[Key, list[str | None]] = {}
    columns = ("tick", "population", "id", "kind", "reply")
    for tick, whose, agent, kind, reply in replies.select(columns).iter_rows():
        if population in (None, whose):
            script.setdefault((tick, agent, kind), []).append(reply)
    return script


def read(text: str, space: Space) -> Any:
    """Return a typed reply as one value of a space, of shape (1,), or None where it is not valid.

    A `Choice` is given by name (in any case) or number, a `Pick` by numbers, a `Record` as JSON, a
    `Call` as the tool's name and its arguments as JSON.
    """
    try:
        value, valid = space.check(_parsed(text, space), 1)
    except (ValueError, OverflowError, AnswerError, RecursionError):
        return None
    return value if valid is None or valid.all() else None


def _parsed(text: str, space: Space) -> Any:
    if isinstance(space, Text):
        return [text.rstrip("\r\n")]
    text = text.strip()
    if isinstance(space, Choice):
        names = [option for option in space.options if option.casefold() == text.casefold()]
        return [text] if text in space.options else names[:1] or [int(text)]
    if isinstance(space, Number):
        return [float(text)]
    if isinstance(space, Pick):
        picked = [int(word) for word in text.replace(",", " ").split()]
        return [picked] if space.count > 1 else picked
    if isinstance(space, Record):
        return [json.loads(text)]
    if isinstance(space, Call):
        name, _, arguments = text.partition(" ")
        return [ToolCall(name, json.loads(arguments or "{}"))]
    raise ValueError(text)


def _person(one: Observation) -> tuple[str, int]:
    return one.agents.population.name or "agent", int(one.ids[0])


def _shown(one: Observation) -> list[str]:
    """Return what one agent is shown, a line a column; a text of several lines stands below."""
    lines = []
    for name in one.columns:
        value = one[name]
        if isinstance(value, np.ndarray):
            value = value[0]
        if isinstance(value, (float, np.floating)):
            value = "not known" if math.isnan(value) else f"{value:g}"
        several = isinstance(value, (tuple, list, np.ndarray))
        said = ", ".join(map(str, value)) if several else str(value)
        below = said.strip().replace("\n", "\n    ")
        lines.append(f"{name}:\n    {below}" if "\n" in said.strip() else f"{name}: {said}")
    return lines


def _form(space: Space) -> str:
    """Say how to type an answer."""
    if isinstance(space, Choice):
        return ", ".join(f"{i} {option}" for i, option in enumerate(space.options))
    if isinstance(space, Record):
        return f"JSON: {space.describe()}"
    if isinstance(space, Call):
        tools = "; ".join(f"{name} {{{', '.join(r.fields)}}}" for name, r in space.tools.items())
        return f"tool and JSON arguments: {tools}"
    if isinstance(space, Pick) and space.candidates.size <= 50:
        allowed = [int(c) for c in np.unique(space.candidates) if c >= 0]
        return f"{space.describe()}: {', '.join(map(str, allowed))}"
    return space.describe()


def _listed(key: Any, given: Any) -> list[str | None]:
    tick, agent, kind = key if isinstance(key, tuple) and len(key) == 3 else (None, None, None)
    if not (isinstance(tick, int) and isinstance(agent, int) and isinstance(kind, str)):
        raise ParameterError(
            f"expected (tick, agent id, kind) as the key of a reply, got {key!r}", where="Human"
        )
    replies = [given] if given is None or isinstance(given, str) else list(given)
    if not all(reply is None or isinstance(reply, str) for reply in replies):
        raise ParameterError(f"expected texts as replies at {key}, got {given!r}", where="Human")
    return replies
