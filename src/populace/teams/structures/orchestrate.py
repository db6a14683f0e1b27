"""Card 19, hierarchical orchestration: a leader with a ledger assigns, asks, replans, finishes.

After A. Fourney et al., "Magentic-One: A Generalist Multi-Agent System for Solving Complex Tasks"
(2024): a ledger of facts and plan, and a count of stalls that ends in a new plan; and the workforce
of G. Li et al., "CAMEL" (NeurIPS 2023). Limits are kept by this code and not by what prompts say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from populace.kernel.spaces import Call, Choice, Number, Record, Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality

WORDS, REPORT = Text(2000), Text(6000)
STATUS = ("done", "partial", "failed")


@dataclass
class Result:
    """What came of a subtask.

    Attributes
    ----------
    status : str
        ``done``, ``partial``, ``failed`` as the worker says, or ``cut``: its turns or the budget
        ended, and what it had by then is kept.
    said : Said or None
        Its last words.
    """

    worker: int
    subtask: str
    status: str
    said: Said | None


@dataclass
class Ledger:
    """What a leader goes by.

    Attributes
    ----------
    stalls : int
        Steps without progress since the last one with.
    """

    facts: str = ""
    plan: str = ""
    open: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stalls: int = 0

    def text(self, names: Sequence[str]) -> str:
        """Return it as a leader reads it; the words of results are shown beside it."""
        done = [f"{r.subtask} ({names[r.worker]}: {r.status})" for r in self.results]
        parts = {
            "Facts": self.facts or "none yet",
            "Plan": self.plan or "none yet",
            "Open": "; ".join(self.open) or "nothing",
            "Worked on": "; ".join(done) or "nothing",
            "Notes": "; ".join(self.notes[-3:]) or "none",
        }
        return "\n".join(f"{name}: {what}" for name, what in parts.items())


async def orchestrate(
    members: Members,
    question: Question,
    *,
    orchestrator: int | str = 0,
    steps: int = 20,
    stall: int = 3,
    depth: int = 1,
    agents: int | None = None,
    turns: int = 3,
) -> Verdict:
    """Let a leader hand out subtasks one by one, until it finishes or its limits end it.

    Parameters
    ----------
    orchestrator : position or name
    steps : int
        Most decisions of all leaders together.
    stall : int
        Steps running without progress (no readable action, one that is refused, a worker that
        failed) after which a new plan is asked for (3 in Magentic-One).
    depth : int
        Levels of leaders: from 2 on, whoever is assigned a subtask may hand out parts of it to
        those that are not at work above it.
    agents : int, optional
        Most different workers; by default all.
    turns : int
        Most calls of a worker for a subtask; a leader may grant fewer.

    Returns
    -------
    Verdict
        The leader's answer, ``reason`` ``finished`` or ``steps``. If the budget ends before it,
        ``budget`` and its last educated guess, which belongs to every plan of the first leader. A
        worker leaves calls enough for the leaders above it to finish.
    """
    expect(min(steps, stall, depth, turns) >= 1, "limits of 1 or more", [steps, depth], "limits")
    chief = position(members, orchestrator, "orchestrator")
    workers = [i for i in range(len(members)) if i != chief]
    expect(bool(workers), "a member beside the orchestrator", members.names, "orchestrator")
    expect(agents is None or agents >= 1, "1 or more agents", agents, "agents")
    most = len(workers) if agents is None else agents
    run = _Run(members, question, steps, stall, depth, most, turns)
    ledger = Ledger()
    finished = await run.led(chief, workers, "", ledger, 1)
    answer = await members.ask(
        "finish", to=chief, sees=_heard(ledger), fresh=True, ledger=ledger.text(members.names)
    )
    return replace(plurality(answer), reason="finished" if finished else "steps")


@dataclass
class _Run:
    """One question's orchestration: its limits, and what of them is used."""

    members: Members
    question: Question
    steps: int
    stall: int
    depth: int
    agents: int
    turns: int
    hired: set[int] = field(default_factory=set)

    async def led(
        self, leader: int, workers: Sequence[int], task: str, ledger: Ledger, level: int
    ) -> bool:
        """Let a leader act until it finishes; return whether it did, and no limit ended it."""
        await self._plan(leader, task, ledger, level)
        while self.steps > 0 and self._spare(level):
            self.steps -= 1
            action, details = await self._action(leader, workers, task, ledger, level)
            if action == "finish":
                return True
            progress = False
            if action in ("assign", "ask"):
                worker = workers[int(details["agent"])]
                if worker not in self.hired and len(self.hired) >= self.agents:
                    ledger.notes.append(f"refused: no more than {self.agents} may work")
                else:
                    self.hired.add(worker)
                    progress = await self._given(action, worker, workers, details, ledger, level)
            ledger.stalls = 0 if progress else ledger.stalls + 1
            stuck = action == "replan" or ledger.stalls >= self.stall
            if stuck and self._spare(level):
                await self._plan(leader, task, ledger, level)
        return False

    async def _plan(self, leader: int, task: str, ledger: Ledger, level: int) -> None:
        """Ask for facts and a plan, and of the first leader an educated guess."""
        guess = {"answer": self.question.space} if level == 1 else {}
        (said,) = await self.members.ask(
            "plan" if level == 1 else "subplan",
            to=leader,
            space=Record(facts=WORDS, plan=WORDS, **guess),
            sees=_heard(ledger),
            sample=level,
            fresh=True,
            ledger=ledger.text(self.members.names),
            task=task,
        )
        ledger.facts = said.fields.get("facts", ledger.facts)
        ledger.plan = said.fields.get("plan", ledger.plan)
        ledger.stalls = 0

    async def _action(
        self, leader: int, workers: Sequence[int], task: str, ledger: Ledger, level: int
    ) -> tuple[str, Mapping[str, Any]]:
        tools = {"replan": Record(reason=WORDS), "finish": Record(reason=WORDS)}
        if workers:
            who = Choice([self.members.names[i] for i in workers])
            grant = Number(1, self.turns, integer=True)
            tools["assign"] = Record(agent=who, subtask=WORDS, turns=grant)
            tools["ask"] = Record(agent=who, message=WORDS)
        (said,) = await self.members.ask(
            "act" if level == 1 else "subact",
            to=leader,
            space=Call(tools),
            sees=_heard(ledger),
            sample=level,
            fresh=True,
            ledger=ledger.text(self.members.names),
            task=task,
        )
        if not said.votes:
            ledger.notes.append("the last action could not be read")
            return "", {}
        call = json.loads(said.answer)
        return call["name"], call["arguments"]

    async def _given(
        self,
        action: str,
        worker: int,
        workers: Sequence[int],
        details: Mapping[str, Any],
        ledger: Ledger,
        level: int,
    ) -> bool:
        """Let a worker do what it is asked; return whether something came of it."""
        if action == "ask":
            subtask = str(details["message"])
            result = await self._worked(worker, subtask, 1, level, free=True)
        else:
            subtask = str(details["subtask"])
            if subtask not in ledger.open:
                ledger.open.append(subtask)
            free = [i for i in workers if i != worker]
            if level < self.depth:
                result = await self._delegated(worker, free, subtask, level + 1)
            else:
                result = await self._worked(worker, subtask, int(details["turns"]), level)
            if result.status == "done":
                ledger.open.remove(subtask)
        ledger.results.append(result)
        return result.status in ("done", "partial")

    async def _worked(
        self, worker: int, subtask: str, turns: int, level: int, free: bool = False
    ) -> Result:
        """Ask a worker up to `turns` times; a budget that ends cuts it, and keeps what it said."""
        space = REPORT if free else Record(status=Choice(STATUS), result=REPORT, evidence=WORDS)
        result = Result(worker, subtask, "cut", None)
        for turn in range(turns):
            if not self._spare(level):
                break
            try:
                (said,) = await self.members.ask(
                    "goon" if turn else "reply" if free else "subtask",
                    to=worker,
                    space=space,
                    task=subtask,
                )
            except OutOfBudget:
                break
            if said.text:
                result.said = said
            if said.votes and said.fields.get("status", "done") != "partial":
                result.status = said.fields.get("status", "done")
                break
            if not said.votes:
                result.status = "failed"
                break
        return result

    async def _delegated(
        self, worker: int, workers: Sequence[int], subtask: str, level: int
    ) -> Result:
        """Let a worker lead others in its subtask; what they found by then outlasts a cut."""
        ledger = Ledger()
        try:
            finished = await self.led(worker, workers, subtask, ledger, level)
            (said,) = await self.members.ask(
                "subfinish",
                to=worker,
                space=REPORT,
                sees=_heard(ledger),
                sample=level,
                fresh=True,
                ledger=ledger.text(self.members.names),
                task=subtask,
            )
            status = "failed" if not said.votes else "done" if finished else "partial"
            return Result(worker, subtask, status, said)
        except OutOfBudget:
            known = [result.said for result in ledger.results if result.said is not None]
            return Result(worker, subtask, "cut", known[-1] if known else None)

    def _spare(self, level: int) -> bool:
        """Whether calls are left beyond the one with which each leader has to finish."""
        return self.members.left().get("calls", float("inf")) > level


def _heard(ledger: Ledger) -> list[Said]:
    """Return the words of all results so far."""
    said = [result.said for result in ledger.results if result.said is not None]
    return [one for one in said if one.text]
