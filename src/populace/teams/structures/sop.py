"""A standard operating procedure: roles in order, each writing a typed document.

S. Hong et al., "MetaGPT: Meta Programming for a Multi-Agent Collaborative Framework" (2023; ICLR
2024): structured documents in place of free talk, and each role reads the documents that it
subscribes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from populace.kernel.errors import ParameterError
from populace.kernel.spaces import Record, Space, Text
from populace.teams.interface import Members, OutOfBudget, Question, Said, Verdict
from populace.teams.settings import expect, position
from populace.teams.votes import plurality


@dataclass(frozen=True, kw_only=True)
class Role:
    """One step of the procedure.

    Attributes
    ----------
    name : str
    does : str
        What it is told to do.
    document : mapping of field to Space
        What it writes.
    reads : sequence of str, optional
        Roles whose documents it is shown; by default (or if empty) all before it.
    answers : bool
        Whether its document has a field ``answer``, what the question asks for; the last one's
        always has.
    member : position or name, optional
        Who plays it; by default the members in order, again from the first.
    """

    name: str
    does: str
    document: Mapping[str, Space] = field(default_factory=dict)
    reads: Sequence[str] | None = None
    answers: bool = False
    member: int | str | None = None


LONG = Text(8000)
COMPANY = (
    Role(
        name="product manager",
        does="Say what is wanted: the goals, and the requirements that a solution must meet.",
        document={"goals": LONG, "requirements": LONG},
    ),
    Role(
        name="architect",
        does="Design how to solve it: the approach, its parts, and how they fit together.",
        document={"approach": LONG, "parts": LONG},
    ),
    Role(
        name="project manager",
        does="Break the design into tasks, in the order in which they are to be done.",
        document={"tasks": LONG},
    ),
    Role(
        name="engineer",
        does="Carry out the tasks by the design, and give the solution.",
        document={"work": LONG},
        answers=True,
    ),
    Role(
        name="quality assurance",
        does="Test the solution against the requirements; mend what fails, and give the final one.",
        document={"review": LONG},
        reads=("product manager", "engineer"),
        answers=True,
    ),
)
"""The roles of the paper's software company."""


async def sop(
    members: Members, question: Question, *, roles: Sequence[Role] = COMPANY, tries: int = 2
) -> Verdict:
    """Let each role write its document, having read those it depends on; the last one answers.

    Parameters
    ----------
    roles : sequence of Role
    tries : int
        How often a role is asked for a document that can be read.

    Returns
    -------
    Verdict
        ``reason`` is ``done``, ``budget`` (the last answer there is), or, with no answer, the name
        of a role whose document could not be read: nobody goes on from a document that is none.

    Notes
    -----
    Each member keeps one conversation: what it wrote in one role it has before it in its next.
    """
    expect(len(roles) >= 1, "1 or more roles", roles, "roles")
    expect(tries >= 1, "1 or more tries", tries, "tries")
    _check(roles)
    written: dict[str, Said] = {}
    for turn, role in enumerate(roles):
        who = turn % len(members) if role.member is None else role.member
        read = [_titled(name, written[name]) for name in role.reads or written]
        fields = dict(role.document)
        if role.answers or role is roles[-1]:
            fields["answer"] = question.space
        seat = position(members, who, role.name)
        try:
            said = await _document(members, seat, role, Record(**fields), read, tries)
        except OutOfBudget:
            answered = [one for one in written.values() if "answer" in one.fields]
            if not answered:
                raise
            return replace(plurality(answered[-1:]), reason="budget")
        if not said.votes:
            return replace(plurality([said]), answer=None, reason=role.name)
        written[role.name] = said
    return plurality([written[roles[-1].name]])


def _titled(name: str, document: Said) -> Said:
    return replace(document, text=f"Document of the {name}:\n{document.text}")


async def _document(
    members: Members, who: int, role: Role, space: Record, read: Sequence[Said], tries: int
) -> Said:
    for attempt in range(tries):
        (said,) = await members.ask(
            "again" if attempt else "document",
            to=who,
            space=space,
            sees=() if attempt else read,
            role=role.name,
            does=role.does,
        )
        if said.votes:
            break
    return said


def _check(roles: Sequence[Role]) -> None:
    names = [role.name for role in roles]
    expect(len(set(names)) == len(names), "different names", names, "roles")
    for i, role in enumerate(roles):
        if "answer" in role.document:
            raise ParameterError(
                "the field answer is the question's own", where=role.name, mend="say answers=True"
            )
        if stray := [name for name in role.reads or () if name not in names[:i]]:
            raise ParameterError(
                f"reads {stray[0]!r}, which is none of those before it: {names[:i]}",
                where=role.name,
            )
        whole = bool(role.document) or role.answers or role is roles[-1]
        expect(whole, "a document with a field", role.document, role.name)
