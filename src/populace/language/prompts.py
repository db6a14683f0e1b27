"""Prompts: TOML files that say, for each kind of decision, how columns become messages.

What all agents share stands first, the agent last, so that a model evaluates the shared part once.
Rendering is pure: a function of the file, the columns and the order of the options.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import PromptError, nearest
from populace.kernel.observation import Observation
from populace.kernel.schema import json_schema, own_bounds
from populace.kernel.spaces import Choice, Record, Space, Text
from populace.language.distinct import rows
from populace.language.kinds import (
    MADE,
    RECALLED,
    KindPrompt,
    check_known,
    read_kind,
    read_remembered,
)
from populace.language.model import Message
from populace.language.reading import raw_column, read
from populace.language.template import joined
from populace.language.wording import Wording

_WHOLE = 1_000_000  # characters: memories are cut to the window by tokens, not here


@dataclass(frozen=True)
class Distinct:
    """The distinct agents of an observation, as their prompt sees them.

    Attributes
    ----------
    index : integer array of shape (n,)
        Which distinct agent each agent is.
    first : intp array of shape (m,)
        A position of each.
    columns : dict of str to str or list of str
        What each one's columns are called; one text where it is the same for all.
    common : dict
        What the shared columns are called.
    rendered : dict
        Prompts made of these so far, for whoever renders them more than once.
    """

    index: NDArray[Any]
    first: NDArray[np.intp]
    columns: dict[str, str | list[str]]
    common: dict[str, str]
    rendered: dict[Any, Rendered] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def words(self) -> list[dict[str, str]]:
        """What each one's columns are called, one by one."""
        n = len(self)
        said = [repeat(c, n) if isinstance(c, str) else c for c in self.columns.values()]
        rows = zip(*said, strict=True) if said else repeat((), n)
        return [dict(zip(self.columns, row, strict=True)) for row in rows]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many agents each one stands for."""
        return np.bincount(self.index, minlength=len(self)).astype(np.int64)


@dataclass(frozen=True)
class Rendered:
    """Distinct prompts, the shared part once.

    Attributes
    ----------
    shared : tuple of Message
        What stands before every agent.
    texts : tuple of str
        The agent's part of each distinct prompt.
    index, first : arrays
        As in `Distinct`.
    """

    shared: tuple[Message, ...]
    texts: tuple[str, ...]
    index: NDArray[Any]
    first: NDArray[np.intp]
    format: Literal["chat", "text"] = "chat"

    def __len__(self) -> int:
        return len(self.texts)

    def messages(self, i: int) -> tuple[Message, ...]:
        """Return all messages of distinct prompt `i`."""
        if self.format == "text":
            return (Message("text", self.shared[0].content + self.texts[i]),)
        return (*self.shared, Message("user", self.texts[i]))


class Prompts:
    """The prompts of a policy, one a kind of decision.

    Parameters
    ----------
    source : mapping
        A parsed prompt file; `Prompts.load` reads one. Table ``[kind.NAME]``:

        - ``system``, ``shared``: templates of what all agents read: rules, the state of the world;
          their fields are scalars of the world, or columns with one value for all.
        - ``agent``: template of what one agent reads, over its columns. Required.
        - ``persona``: columns said as ``{persona}``, as "age: 34; job: teacher".
        - ``examples``: worked examples in the shared part: the columns of `agent`, and ``answer``.
        - ``options``: words for the options of a `Choice`.
        - ``format``: "chat", or "text" for one text that the model continues, the examples before
          it in the same form; for models that follow a pattern better than an instruction.
        - ``stop``, ``max_tokens``: of generated replies.

        ``{options}`` lists the options of a choice and ``{schema}`` is the JSON schema of the
        answer. Table ``[wording.COLUMN]``: see `Wording`. Table ``[memory.KIND]``: what agents with
        a memory keep of an ask or tell, see `populace.language.kinds.Remembered`.

    Attributes
    ----------
    digest : str
        SHA-256 of the content, whatever its comments and layout.

    Raises
    ------
    PromptError
        For an unknown setting (with the nearest known one), a malformed template, an example
        without a column or answer, a wording of a column that no template names.
    """

    def __init__(self, source: Mapping[str, Any], where: str = "prompts") -> None:
        self.where = where
        check_known(source, ("kind", "wording", "memory", "about"), where)
        kinds = source.get("kind")
        if not isinstance(kinds, Mapping) or not kinds:
            raise PromptError(
                "expected a table [kind.NAME] for every kind of decision, got none", where=where
            )
        wordings = source.get("wording", {})
        if not isinstance(wordings, Mapping):
            raise PromptError("expected tables [wording.COLUMN]", where=where)
        self.wording = {name: Wording.read(name, table) for name, table in wordings.items()}
        self.kinds = {name: read_kind(name, table, where) for name, table in kinds.items()}
        memory = source.get("memory", {})
        if not isinstance(memory, Mapping):
            raise PromptError("expected tables [memory.KIND]", where=where)
        self.memory = {name: read_remembered(name, table, where) for name, table in memory.items()}
        used = {n for kind in self.kinds.values() for n in (*kind.own, *kind.common)}
        used = used.union(*(kept.columns for kept in self.memory.values()))
        for name in self.wording:
            if name not in used:
                raise PromptError(
                    f"no template names the column {name!r}; {nearest(name, used)}",
                    where=f"{where}, [wording.{name}]",
                )
        self.digest = _digest(source, where)

    @classmethod
    def load(cls, source: Prompts | Mapping[str, Any] | str | Path) -> Prompts:
        """Return prompts from a TOML file, or from what such a file holds.

        Raises
        ------
        PromptError
            As the class, and if the file cannot be read.
        """
        if isinstance(source, Prompts):
            return source
        if isinstance(source, Mapping):
            return cls(source)
        try:
            return cls(tomllib.loads(Path(source).read_text(encoding="utf-8")), str(source))
        except (OSError, ValueError) as error:
            raise PromptError(f"cannot be read: {error}", where=str(source)) from error

    def __contains__(self, kind: object) -> bool:
        return kind in self.kinds

    def __repr__(self) -> str:
        return f"Prompts({', '.join(self.kinds)}, sha256 {self.digest[:12]})"

    def kind(self, name: str) -> KindPrompt:
        """Return the prompt of a kind, or raise PromptError with the nearest match."""
        if name not in self.kinds:
            raise PromptError(
                f"no prompt for the kind {name!r}; {nearest(name, self.kinds)}", where=self.where
            )
        return self.kinds[name]

    def validate(self, kind: str, columns: Iterable[str], space: Space) -> None:
        """Check the prompt of a kind against what a world shows and asks, before it is used.

        Raises
        ------
        PromptError
            If there is no such kind, a name is not shown (with the nearest match), an option or
            an example's answer is not of the space.
        """
        prompt, shown = self.kind(kind), list(columns)
        where = f"{self.where}, [kind.{kind}]"
        for name in RECALLED:
            if name in (*prompt.own, *prompt.common) and name not in shown:
                raise PromptError(
                    f"{{{name}}} is filled in by a memory, and this mind has none",
                    where=where,
                    mend="Language(..., memory=Memory(...)), in a cast file memory = true",
                )
        prompt.agent.check([*shown, *MADE], f"{where} agent")
        for part in ("system", "shared"):
            getattr(prompt, part).check([*shown, "options", "schema"], f"{where} {part}")
        for name in prompt.persona:
            if name not in shown:
                raise PromptError(
                    f"the world does not show {name!r}; {nearest(name, shown)}",
                    where=f"{where} persona",
                )
        self._validate_options(prompt, space, where)
        if own_bounds(space) and "schema" in prompt.made:
            raise PromptError(
                "{schema} is not one: the world's bounds differ between agents",
                where=where,
                mend="show the bounds as columns, and name those",
            )
        for i, example in enumerate(prompt.examples, 1):
            answer = self._answer(space, prompt, example["answer"], False, f"{where} example {i}")
            if not (isinstance(space, Choice) or own_bounds(space)):
                _, good = space.check(raw_column(space, [read(answer, space)]), 1, where)
                if good is not None and not good.all():
                    raise PromptError(
                        f"the answer {example['answer']!r:.80} is not {space.describe()}",
                        where=f"{where} example {i}",
                    )
            self._words(prompt, example, f"{where} example {i}")

    def _validate_options(self, prompt: KindPrompt, space: Space, where: str) -> None:
        if isinstance(space, Choice):
            for option in prompt.options or {}:
                if option not in space.options:
                    raise PromptError(
                        f"no option {option!r}; {nearest(option, space.options)}",
                        where=f"{where} options",
                    )
            said = prompt.wordings(space.options)
            if len(set(said)) < len(said) or not all(w.strip() for w in said):
                raise PromptError(
                    f"expected different words for the options, got {said}", where=where
                )
        elif prompt.options or "options" in prompt.made:
            raise PromptError(
                f"options are said, but the world asks for {space.describe()}",
                where=where,
                mend="leave out options and {options}; {schema} says what an answer may be",
            )

    # -- rendering -------------------------------------------------------------------------------

    def distinct(
        self, observation: Observation, apart: Sequence[tuple[NDArray[Any], int]] = ()
    ) -> Distinct:
        """Find which agents read the same prompt, by their columns as worded.

        Parameters
        ----------
        apart : sequence of (codes of shape (n,), number of codes)
            What else keeps agents apart, as bounds that the world gives each agent.

        Raises
        ------
        PromptError
            If a value has no word, or a column of the shared part differs between agents.
        """
        prompt, n = self.kind(observation.kind), len(observation)
        columns: dict[str, tuple[NDArray[Any] | None, list[str]]] = {}
        for name in prompt.own:
            value = observation[name]
            if isinstance(value, np.ndarray) and value.ndim:
                columns[name] = self.wording_of(name).code(value)
            else:
                columns[name] = None, [self.wording_of(name).one(value)]
        coded = [(codes, len(words)) for codes, words in columns.values() if codes is not None]
        index, first = rows([*coded, *apart], n)
        said: dict[str, str | list[str]] = {
            name: words[0] if codes is None else [words[c] for c in codes[first].tolist()]
            for name, (codes, words) in columns.items()
        }
        common = {name: self._common(name, observation) for name in prompt.common}
        return Distinct(index, first, said, common)

    def render(
        self,
        observation: Observation,
        distinct: Distinct | None = None,
        *,
        order: Sequence[int] | None = None,
        blank: str | None = None,
        as_json: bool = False,
    ) -> Rendered:
        """Return the distinct prompts of an observation.

        Parameters
        ----------
        distinct : Distinct, optional
            From `distinct`, to render several orders without finding it anew.
        order : permutation of the options, optional
            In which ``{options}`` lists them.
        blank : str, optional
            Said in place of every column of the agent: a content-free input.
        as_json : bool
            Write the examples' answers in JSON, for replies held to the schema.
        """
        prompt, space = self.kind(observation.kind), observation.space
        found = self.distinct(observation) if distinct is None else distinct
        made = self._made(prompt, space, order)
        common = {**found.common, **made}
        where = f"[kind.{prompt.name}]"
        pairs = [
            (
                prompt.agent.fill(self._words(prompt, example, where) | made),
                self._answer(space, prompt, example["answer"], as_json, where),
            )
            for example in prompt.examples
        ]
        said, n = found.columns, len(found)
        if blank is not None:
            said, n = dict.fromkeys(prompt.own, blank), 1
        persona = self.personas(prompt, said, n)
        texts: Sequence[str] = prompt.agent.fill_all({**said, **made, "persona": persona}, n)
        head = [t.fill(common) for t in (prompt.system, prompt.shared) if t.text]
        if prompt.format == "text":
            blocks = [*head, *(f"{text.rstrip()} {answer}" for text, answer in pairs)]
            shared: tuple[Message, ...] = (
                Message("text", "".join(f"{block}\n\n" for block in blocks)),
            )
            texts = [text.rstrip() for text in texts]
        else:
            turns = [Message("system", "\n\n".join(head))] if head else []
            for text, answer in pairs:
                turns += [Message("user", text), Message("assistant", answer)]
            shared = tuple(turns)
        index, first = found.index, found.first
        if blank is not None:
            index, first = np.zeros(len(index), np.uint8), first[:1]
        return Rendered(shared, tuple(texts), index, first, prompt.format)

    def wording_of(self, name: str) -> Wording:
        """Return how a column is said, as declared or by default."""
        if name in RECALLED:
            return self.wording.get(name) or Wording(lines=True, limit=_WHOLE)
        return self.wording.get(name) or Wording(where=f"column {name!r}")

    def _common(self, name: str, observation: Observation) -> str:
        value = observation[name]
        if not (isinstance(value, np.ndarray) and value.ndim):
            return self.wording_of(name).one(value)
        _, words = self.wording_of(name).code(value)
        if len(words) > 1:
            raise PromptError(
                f"the shared part names {{{name}}}, which differs between agents",
                where=f"{self.where}, [kind.{observation.kind}]",
                mend="name it in agent = ... instead",
            )
        return words[0] if words else ""

    def _words(self, prompt: KindPrompt, example: Mapping[str, Any], where: str) -> dict[str, str]:
        try:
            words = {name: self.wording_of(name).one(example[name]) for name in prompt.own}
        except PromptError as error:
            raise PromptError(error.what, where=f"{where}: {error.where}") from error
        return {**words, "persona": self.personas(prompt, words, 1)[0]}

    def personas(
        self, prompt: KindPrompt, words: Mapping[str, str | Sequence[str]], n: int
    ) -> list[str]:
        """Return what is said as ``{persona}``, for `n` agents with these words."""
        parts: list[str | Sequence[str]] = []
        if "persona" in prompt.agent.names:
            for name in prompt.persona:
                label = self.wording_of(name).label or name
                parts += [f"{'; ' if parts else ''}{label}: ", words[name]]
        return joined(parts, n)

    def _made(
        self, prompt: KindPrompt, space: Space, order: Sequence[int] | None
    ) -> dict[str, str]:
        made = {"options": ""}
        if isinstance(space, Choice):
            said = prompt.wordings(space.options)
            said = [said[i] for i in order] if order is not None else said
            made["options"] = " or ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)
        if "schema" in prompt.made:
            made["schema"] = json.dumps(json_schema(space, options=prompt.options))
        return made

    def _answer(
        self, space: Space, prompt: KindPrompt, answer: Any, as_json: bool, where: str
    ) -> str:
        """Return an example's answer as the model is to give it."""
        if isinstance(space, Choice):
            if answer not in space.options:
                raise PromptError(
                    f"the answer {answer!r} is no option; {nearest(str(answer), space.options)}",
                    where=where,
                )
            said = prompt.wordings([answer])[0]
            return json.dumps({"answer": said}) if as_json else said
        if isinstance(space, Text):
            return str(answer)
        try:
            return json.dumps(answer if isinstance(space, Record) else {"answer": answer})
        except (TypeError, ValueError) as error:
            raise PromptError(f"the answer is no JSON: {error}", where=where) from error


def _digest(source: Mapping[str, Any], where: str) -> str:
    try:
        text = json.dumps(source, sort_keys=True, ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PromptError(
            f"expected texts, numbers, lists and tables: {error}", where=where
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()
