"""What members read: the question in words, and a structure's prompts filled in.

The question is worded once for each agent. A structure's prompts are tables ``[prompt.NAME]`` of a
TOML file; whatever members wrote is put into their fields as it is, never read as a template.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from populace.kernel.errors import PromptError, nearest
from populace.kernel.observation import Observation
from populace.language.coalesce import kept_apart
from populace.language.kinds import check_known
from populace.language.prompts import Prompts
from populace.language.template import Template
from populace.language.wording import Wording
from populace.teams.interface import Said

FOLDER = Path(__file__).parent / "prompts"
COMMON = "common"  # the file of prompts that structures share
MADE = ("question", "peers", "instruction")
"""Fields that the runtime fills; all others are columns, the world's or the ask's."""

_KEYS = ("text", "system", "peer", "fields", "max_tokens", "temperature", "stop")
_PEER_FIELDS = ("member", "index", "text", "answer", "confidence")
_PEER = "{member}:\n{text}"


@dataclass(frozen=True)
class Prompt:
    """One table ``[prompt.NAME]``.

    Attributes
    ----------
    text : Template
        What a member reads at each ask: ``{question}``, ``{peers}``, ``{instruction}``, columns.
    system : Template
        What stands before its conversation, if the conversation begins with this prompt.
    peer : Template
        One of the others' words: ``{member}``, ``{index}`` (its place among those shown, from 1),
        ``{text}``, ``{answer}``, ``{confidence}``; ``{peers}`` is all of them with an empty line
        between.
    fields : mapping of name to (low, high) or None
        What the reply says in marks, ``<name>...</name>`` or a line ``name: ...``, beside its
        answer; one called ``answer`` is where the answer is read. With bounds it is a number, and
        ``confidence`` is brought from them to 0..1.
    max_tokens, temperature : number or None
        In place of the team's.
    stop : tuple of str
    """

    name: str
    text: Template
    system: Template
    peer: Template
    fields: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """Fields of `text` and `system`."""
        return {*self.text.names, *self.system.names}


class Wordings:
    """The prompts of a structure, by name.

    Parameters
    ----------
    structure : callable
        Its prompts are in ``prompts/MODULE.toml`` beside the folder or file of its module, and,
        where that has no prompt of a name, in the package's ``prompts/common.toml``.
    own : path or mapping, optional
        Prompts that come before those.

    Attributes
    ----------
    digest : str
        SHA-256 of all of them.

    Raises
    ------
    PromptError
        For an unreadable file, an unknown setting or a malformed template.
    """

    def __init__(
        self, structure: Callable[..., Any], own: Mapping[str, Any] | str | Path | None = None
    ) -> None:
        sources: list[tuple[Mapping[str, Any], str]] = []
        if own is not None:
            sources.append((own, "wording") if isinstance(own, Mapping) else _read(Path(own)))
        sources += [_read(path) for path in _files(structure)]
        self._prompts: dict[str, Prompt] = {}
        tables: dict[str, Any] = {}
        for source, where in sources:
            check_known(source, ("prompt", "about"), where)
            for name, table in source.get("prompt", {}).items():
                if name not in self._prompts:
                    tables[name] = table
                    self._prompts[name] = _prompt(name, table, f"{where}, [prompt.{name}]")
        text = json.dumps(tables, sort_keys=True)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._checked: set[tuple[str, frozenset[str]]] = set()

    def prompt(self, name: str, columns: frozenset[str], peers: bool) -> Prompt:
        """Return a prompt, checked to name nothing but what there is.

        Raises
        ------
        PromptError
            If there is none of that name, it names a column that is not shown, or nothing is said
            of the peers that are to be put before a member.
        """
        if name not in self._prompts:
            raise PromptError(
                f"the structure has no prompt {name!r}; {nearest(name, self._prompts)}",
                where="team",
                mend="write a table [prompt.NAME] in the structure's prompts, or in wording=",
            )
        prompt = self._prompts[name]
        if (name, columns) not in self._checked:
            known = [*columns, *MADE]
            for part in (prompt.text, prompt.system):
                part.check(known, f"[prompt.{name}]")
            self._checked.add((name, columns))
        if peers and "peers" not in prompt.names:
            raise PromptError(
                "members are to see others' words, and the prompt does not name {peers}",
                where=f"[prompt.{name}]",
                mend="put {peers} where they belong",
            )
        return prompt


def _files(structure: Callable[..., Any]) -> list[Path]:
    found = []
    while hasattr(structure, "func"):  # functools.partial
        structure = structure.func
    try:
        module = Path(inspect.getfile(inspect.unwrap(structure)))
    except TypeError:  # no Python function
        module = None
    if module is not None:
        for folder in (module.parent, module.parent.parent):
            found.append(folder / "prompts" / f"{module.stem}.toml")
    found.append(FOLDER / f"{COMMON}.toml")
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _read(path: Path) -> tuple[Mapping[str, Any], str]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path.name
    except (OSError, ValueError) as error:
        raise PromptError(f"cannot be read: {error}", where=str(path)) from error


def _prompt(name: str, table: Any, where: str) -> Prompt:
    if not isinstance(table, Mapping) or not isinstance(table.get("text"), str):
        raise PromptError('expected a table with text = "..."', where=where)
    check_known(table, _KEYS, where)
    peer = Template(table.get("peer", _PEER), f"{where} peer")
    peer.check(_PEER_FIELDS, f"{where} peer")
    most, heat, stop = table.get("max_tokens"), table.get("temperature"), table.get("stop", ())
    if most is not None and (type(most) is not int or most < 1):
        raise PromptError(f"expected max_tokens of 1 or more, got {most!r}", where=where)
    if heat is not None and not (isinstance(heat, (int, float)) and heat >= 0):
        raise PromptError(f"expected a temperature of 0 or more, got {heat!r}", where=where)
    if isinstance(stop, str) or not all(isinstance(s, str) and s for s in stop):
        raise PromptError(f"expected stop as a list of texts, got {stop!r}", where=where)
    return Prompt(
        name,
        Template(table["text"], f"{where} text"),
        Template(table.get("system", ""), f"{where} system"),
        peer,
        _fields(table.get("fields", ()), where),
        most,
        heat,
        tuple(stop),
    )


def _fields(given: Any, where: str) -> dict[str, tuple[float, float] | None]:
    expected = 'expected fields = ["name", ...] or {name = [low, high]}'
    if isinstance(given, str) or not isinstance(given, (Mapping, Sequence)):
        raise PromptError(f"{expected}, got {given!r:.80}", where=where)
    pairs = given.items() if isinstance(given, Mapping) else [(name, None) for name in given]
    fields: dict[str, tuple[float, float] | None] = {}
    for name, bounds in pairs:
        if not isinstance(name, str) or not name.isidentifier():
            raise PromptError(f"{expected}, got {name!r}", where=where)
        if bounds in (None, [], {}):
            fields[name] = None
            continue
        good = isinstance(bounds, Sequence) and len(bounds) == 2 and bounds[0] < bounds[1]
        if not good:
            raise PromptError(f"{expected}, got {name} = {bounds!r}", where=where)
        fields[name] = float(bounds[0]), float(bounds[1])
    return fields


# -- the question -------------------------------------------------------------------------------


def questions(observation: Observation, prompts: Prompts | None) -> list[str]:
    """Return each agent's question in words.

    A column ``question`` is the question. Without one it is rendered from the prompts of the
    world's kind, and without those it lists what the world shows.

    Raises
    ------
    PromptError
        If the prompts do not fit what the world shows, or a column cannot be put into words.
    """
    n = len(observation)
    if "question" in observation:
        return spread(observation["question"], n)
    if prompts is not None and observation.kind in prompts:
        prompts.validate(observation.kind, observation.columns, observation.space)
        found = prompts.distinct(observation, kept_apart(observation.space))
        rendered = prompts.render(observation, found)
        texts = [
            "\n\n".join(message.content for message in rendered.messages(i))
            for i in range(len(rendered))
        ]
        return [texts[i] for i in rendered.index.tolist()]
    named = {name: words(observation[name], n, name) for name in observation.columns}
    head = f"The decision is: {observation.kind}."
    rows = zip(*named.values(), strict=True) if named else [()] * n
    return [
        "\n".join([head, *(f"{name}: {said}" for name, said in zip(named, row, strict=True))])
        for row in rows
    ]


def words(value: Any, n: int, name: str) -> list[str]:
    """Return a column in words, one an agent; NaN and None are unknown."""
    wording = Wording(where=f"column {name!r}", lines=True, limit=1_000_000, missing="unknown")
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return [wording.one(tuple(row.tolist())) for row in value]
    if isinstance(value, np.ndarray) and value.ndim:
        codes, said = wording.code(value)
        return [said[code] for code in codes.tolist()]
    return [wording.one(value)] * n


def spread(value: Any, n: int) -> list[Any]:
    """Return a column as plain Python values, one an agent."""
    if isinstance(value, np.ndarray) and value.ndim:
        return list(value.tolist())
    return [value.item() if isinstance(value, np.generic) else value] * n


class Peers:
    """``{peers}`` for the members of one ask: what others said, in the words of a prompt.

    Parameters
    ----------
    names : sequence of str
        Of the members.
    prompt : Prompt
    """

    def __init__(self, names: Sequence[str], prompt: Prompt) -> None:
        self._names, self._peer = names, prompt.peer
        self._alike = "index" not in prompt.peer.names  # the same line for all who see it
        self._lines: dict[int, str] = {}

    def shown(self, sees: Sequence[Said], member: int) -> str:
        """Return what `member` reads of those; never its own words."""
        others = [one for one in sees if one.member != member]
        if not self._alike:
            return "\n\n".join(self._line(one, str(i)) for i, one in enumerate(others, 1))
        lines = self._lines
        for one in others:
            if id(one) not in lines:
                lines[id(one)] = self._line(one, "")
        return "\n\n".join([lines[id(one)] for one in others])

    def _line(self, one: Said, index: str) -> str:
        return self._peer.fill(
            {
                "member": self._names[one.member],
                "index": index,
                "text": safe(one.text),
                "answer": "none" if one.answer is None else safe(str(one.answer)),
                "confidence": "" if one.confidence is None else f"{one.confidence:g}",
            }
        )


def safe(text: str) -> str:
    """Space out the marks by which chat templates delimit messages."""
    if "<|" in text or "|>" in text:
        return text.replace("<|", "< |").replace("|>", "| >")
    return text
