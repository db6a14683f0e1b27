"""The table of one kind of decision in a prompt file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from populace.kernel.errors import PromptError, nearest
from populace.language.template import Template

MADE = ("persona", "options", "schema")
"""Fields that are made from the prompt and the space, not columns."""
RECALLED = ("memories", "plan")
"""Columns that no world shows: a mind with a memory fills them in."""

_KEYS = (
    "system",
    "shared",
    "agent",
    "persona",
    "examples",
    "options",
    "format",
    "stop",
    "max_tokens",
)


@dataclass(frozen=True)
class KindPrompt:
    """What is said for one kind of decision (see `Prompts`)."""

    name: str
    system: Template
    shared: Template
    agent: Template
    persona: tuple[str, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, str] | None = None
    format: Literal["chat", "text"] = "chat"
    stop: tuple[str, ...] = ()
    max_tokens: int = 256

    @property
    def own(self) -> tuple[str, ...]:
        """Columns that the agent's part reads."""
        names = [*self.agent.names, *(self.persona if "persona" in self.agent.names else ())]
        return tuple(dict.fromkeys(n for n in names if n not in MADE))

    @property
    def common(self) -> tuple[str, ...]:
        """Columns that the shared part reads: one value for all agents."""
        names = (*self.system.names, *self.shared.names)
        return tuple(dict.fromkeys(n for n in names if n not in MADE))

    @property
    def made(self) -> set[str]:
        """Which of the fields that are made the templates name."""
        names = (*self.system.names, *self.shared.names, *self.agent.names)
        return {name for name in names if name in MADE}

    def wordings(self, options: Sequence[str]) -> list[str]:
        """Return the options as the prompt says them."""
        return [(self.options or {}).get(option, option) for option in options]


def read_kind(name: str, table: Any, where: str) -> KindPrompt:
    """Return the prompt of a kind from its table."""
    where = f"{where}, [kind.{name}]"
    if not isinstance(table, Mapping):
        raise PromptError(f"expected a table, got {table!r:.80}", where=where)
    check_known(table, _KEYS, where)
    if not table.get("agent"):
        raise PromptError('expected agent = "a template of what one agent reads"', where=where)
    parts = {
        part: Template(table.get(part, ""), f"{where} {part}")
        for part in ("system", "shared", "agent")
    }
    persona = tuple(table.get("persona", ()))
    if ("persona" in parts["agent"].names) != bool(persona) or not _texts(persona):
        raise PromptError(
            "expected persona = [columns] and {persona} in agent, or neither", where=where
        )
    options = table.get("options")
    if options is not None and not (isinstance(options, Mapping) and _texts(options.values())):
        raise PromptError(f"expected options as a table of texts, got {options!r}", where=where)
    style, stop, most = table.get("format", "chat"), table.get("stop", ()), table.get("max_tokens")
    if style not in ("chat", "text"):
        raise PromptError(f"expected format 'chat' or 'text', got {style!r}", where=where)
    if isinstance(stop, str) or not _texts(stop) or not all(stop):
        raise PromptError(f"expected stop as a list of texts, got {stop!r}", where=where)
    if most is not None and (type(most) is not int or most < 1):
        raise PromptError(f"expected max_tokens of 1 or more, got {most!r}", where=where)
    if style == "text" and not stop:
        stop = ("\n",)  # where one line's answer ends
    prompt = KindPrompt(
        name, **parts, persona=persona, options=options, format=style, stop=tuple(stop),
        max_tokens=most or 256, examples=tuple(table.get("examples", ())),
    )  # fmt: skip
    for i, example in enumerate(prompt.examples, 1):
        here = f"{where} example {i}"
        wanted = (*prompt.own, "answer")
        if not isinstance(example, Mapping):
            raise PromptError(f"expected a table, got {example!r:.80}", where=here)
        check_known(example, wanted, here)
        if missing := [n for n in wanted if n not in example]:
            raise PromptError(f"expected {', '.join(missing)} as well", where=here)
    return prompt


@dataclass(frozen=True)
class Remembered:
    """What agents with a memory keep of one kind of ask or tell: a table ``[memory.KIND]``.

    Attributes
    ----------
    text : Template or None
        Over the columns and, of an ask, ``{answer}``: what is remembered of it.
    importance : float or None
        In place of what the memory's own setting says.
    query : Template or None
        Over the columns: what memories shown before this ask are to be relevant for.
    """

    text: Template | None = None
    importance: float | None = None
    query: Template | None = None

    @property
    def columns(self) -> set[str]:
        """Columns that are read."""
        parts = (part for part in (self.text, self.query) if part is not None)
        return {name for part in parts for name in part.names}


def read_remembered(name: str, table: Any, where: str) -> Remembered:
    """Return what is remembered of a kind from its table."""
    where = f"{where}, [memory.{name}]"
    if not isinstance(table, Mapping) or not table:
        raise PromptError('expected text = "a template"', where=where)
    check_known(table, ("text", "importance", "query"), where)
    importance = table.get("importance")
    if importance is not None and (
        isinstance(importance, bool) or not isinstance(importance, (int, float))
    ):
        raise PromptError(f"expected importance as a number, got {importance!r}", where=where)
    parts = {
        part: Template(table[part], f"{where} {part}")
        for part in ("text", "query")
        if part in table
    }
    return Remembered(importance=importance, **parts)


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(v, str) for v in values)


def check_known(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raise PromptError, with the nearest match, for a setting that does not exist."""
    for key in table:
        if key not in known:
            raise PromptError(f"no setting {key!r}; {nearest(str(key), known)}", where=where)
