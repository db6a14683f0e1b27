"""`Memory`: what the agents of a language mind remember, and what of it comes to mind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from populace.kernel.errors import ParameterError
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.population import Part, Population
from populace.language.embedding import Embed, Hashed
from populace.language.memory.retrieval import retrieve
from populace.language.memory.store import FORGET, KINDS, Forget, Store
from populace.language.memory.vectors import Vectors
from populace.language.texts import Texts

PROMPTS: Final = Path(__file__).parent / "prompts" / "mind.toml"
Importance = Literal["model"] | float | Callable[[Sequence[str]], ArrayLike]


@dataclass(frozen=True)
class Recalled:
    """What came to some agents' minds, best first.

    Attributes
    ----------
    text, number : int32 arrays of shape (n, k)
        Code of the text, and the memory's number among the agent's; -1 where there are no more.
    score : float64 array of shape (n, k)
    """

    text: NDArray[np.int32]
    number: NDArray[np.int32]
    score: NDArray[np.float64]


class Memory(Parametric):
    """A memory stream for each agent, as in Generative Agents (Park et al., UIST 2023).

    Parameters
    ----------
    capacity : int
        Most memories of an agent.
    forget : "oldest" or "least important"
        What makes room in a full memory.
    k : int
        Most memories that a prompt shows.
    decay : float
        By which recency falls a tick, in (0, 1]. The paper's is 0.995 an hour: where a tick is a
        day, 0.995**24.
    weights : three floats of 0 or more
        Of recency, importance and relevance.
    importance : "model", float or callable
        "model" asks the language model for 1 to 10, once a text; a number holds for every memory;
        a function takes texts and returns numbers.
    window : int
        Most tokens of a request, the reply included. What does not fit is left out of the prompt.
    embed : callable, "sentences" or "hashed", optional
        From n texts to an array of shape (n, d); by default the sentence encoder of
        `populace.language.embedding`, else its `Hashed`. What it gives must depend on nothing
        but the text.
    prompts : path
        By which the model is asked for importance, reflections and plans.

    Attributes
    ----------
    texts : Texts
    vectors : Vectors
    stores : dict of str to Store
        By the population's name.

    Raises
    ------
    ParameterError
        For an impossible setting.
    """

    def __init__(
        self,
        *,
        capacity: Annotated[int, Parameter("most memories of an agent", low=1)] = 100,
        forget: Annotated[Forget, Parameter("what makes room in a full memory")] = "oldest",
        k: Annotated[int, Parameter("most memories that a prompt shows", low=1)] = 10,
        decay: Annotated[float, Parameter("of recency a tick", low=0, high=1)] = 0.995,
        weights: Annotated[
            tuple[float, float, float], Parameter("of recency, importance and relevance")
        ] = (1.0, 1.0, 1.0),
        importance: Annotated[Importance, Parameter("model, a number, or a function")] = "model",
        window: Annotated[int, Parameter("tokens of a request and its reply", low=1)] = 2048,
        embed: Annotated[
            Embed | Literal["sentences", "hashed"] | None, Parameter("by default sentences")
        ] = None,
        prompts: Annotated[str | Path, Parameter("file of prompts to rate and think by")] = PROMPTS,
    ) -> None:
        for name, whole in (("capacity", capacity), ("k", k), ("window", window)):
            _expect(type(whole) is int and whole >= 1, name, "1 or more", whole)
        _expect(forget in FORGET, "forget", " or ".join(map(repr, FORGET)), forget)
        _expect(_real(decay) and 0 < decay <= 1, "decay", "above 0, up to 1", decay)
        good = len(weights) == 3 and all(_real(w) and w >= 0 for w in weights)
        _expect(good, "weights", "three numbers of 0 or more", weights)
        good = importance == "model" or callable(importance) or _real(importance)
        _expect(good, "importance", "'model', a number or a function", importance)
        self.capacity, self.forget, self.k = capacity, forget, k
        self.decay, self.weights, self.window = decay, weights, window
        self.importance = importance
        self.prompts = prompts
        self.texts = Texts()
        if isinstance(embed, str):
            embed = Hashed() if embed == "hashed" else None
        self.vectors = Vectors(self.texts, embed)
        self.stores: dict[str, Store] = {}
        self.rated: dict[int, float] = {}

    def of(self, people: Population) -> Store:
        """Return the memories of a population, births and deaths followed."""
        if people.name not in self.stores:
            self.stores[people.name] = Store(self.capacity, self.forget)
        store = self.stores[people.name]
        store.meet(people)
        return store

    def remember(
        self,
        agents: Part,
        texts: Sequence[str] | NDArray[Any],
        tick: int,
        kind: str = "observation",
        importance: float | None = None,
        which: NDArray[Any] | None = None,
    ) -> NDArray[np.int32]:
        """Have agents remember a text each; return the numbers of these memories.

        Parameters
        ----------
        agents : Part
        texts : sequence of str, or codes of shape (m,)
        tick : int
        kind : "observation", "action" or "reflection"
        importance : float, optional
            In place of what the memory's own setting says.
        which : positions in `agents`, optional
            Whose each text is, where they are not one each.
        """
        codes = texts if isinstance(texts, np.ndarray) else self.texts.add(texts)
        return self.of(agents.population).add(
            agents, kind, codes, tick, self._rating(codes, importance), which
        )

    def _rating(self, codes: NDArray[Any], given: float | None) -> Any:
        if given is not None:
            return given
        if _real(self.importance):
            return self.importance
        distinct, back = np.unique(codes, return_inverse=True)
        if callable(self.importance):
            new = [code for code in distinct.tolist() if code not in self.rated]
            if new:
                found = np.asarray(self.importance(self.texts[new].tolist()), np.float64)
                good = found.shape == (len(new),) and np.isfinite(found).all()
                _expect(bool(good), "importance", f"{len(new)} finite numbers", found)
                self.rated.update(zip(new, found.tolist(), strict=True))
        known = [self.rated.get(code, math.nan) for code in distinct.tolist()]
        return np.array(known, np.float32)[back]

    def recall(
        self, agents: Part, queries: Sequence[str], query: NDArray[Any], tick: int, k: int = 0
    ) -> Recalled:
        """Retrieve memories by recency, importance and relevance, and note that they came to mind.

        Parameters
        ----------
        agents : Part
        queries : sequence of str
            Distinct texts that the memories are to be relevant for.
        query : integer array of shape (n,)
            Which of them is each agent's.
        tick : int
        k : int
            Most memories; 0: as the setting says.
        """
        store, rows, k = self.of(agents.population), agents.rows, k or self.k
        held = np.arange(store.text.shape[1]) < store.count[rows, None]
        self.vectors.need(store.text[rows][held])
        if not held.any():
            none = np.full((len(rows), k), -1, np.int32)
            return Recalled(none, none, np.full((len(rows), k), np.nan))
        slots, scores = retrieve(
            store, self.vectors, rows, self.vectors.queries(queries), query, tick, k,
            self.decay, self.weights,
        )  # fmt: skip
        there = slots >= 0
        place = np.where(there, slots, 0)
        here = rows[:, None], place
        text = np.where(there, store.text[here], -1)
        number = np.where(there, store.number[here], -1)
        store.last[np.broadcast_to(rows[:, None], slots.shape)[there], slots[there]] = tick
        return Recalled(text, number, scores)

    def table(self, people: Population) -> Any:
        """Return what the living remember as a polars frame, agent by agent, oldest first.

        Columns: agent, number, tick, last, kind, text, importance, evidence (list of numbers).
        """
        import polars as pl

        store = self.of(people)
        row, slot = store.filled()
        ids, number = store.id[row], store.number[row, slot]
        evidence = [
            list(store.evidence.get(key, ()))
            for key in zip(ids.tolist(), number.tolist(), strict=True)
        ]
        return pl.DataFrame(
            {
                "agent": ids,
                "number": number,
                "tick": store.tick[row, slot],
                "last": store.last[row, slot],
                "kind": [KINDS[code] for code in store.kind[row, slot].tolist()],
                "text": self.texts[store.text[row, slot]].tolist(),
                "importance": store.importance[row, slot],
                "evidence": pl.Series(evidence, dtype=pl.List(pl.Int64)),
            },
            schema_overrides={"kind": pl.String, "text": pl.String},
        )

    def describe(self) -> dict[str, Any]:
        """Return the settings, for a manifest."""
        embed, given = self.vectors.embed, self.importance
        name = None if embed is None else getattr(embed, "__name__", type(embed).__name__)
        importance = getattr(given, "__name__", type(given).__name__) if callable(given) else given
        return {
            **{n: getattr(self, n) for n in ("capacity", "forget", "k", "decay", "weights")},
            "importance": importance, "window": self.window, "embed": name,
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Return all that is remembered."""
        stores = {name: dict(vars(store)) for name, store in self.stores.items()}
        return {
            "texts": self.texts.state(), "vectors": self.vectors.state(), "stores": stores,
            "rated": self.rated,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what `state` returned."""
        self.texts.restore(state["texts"])
        self.vectors.restore(state["vectors"])
        self.rated = dict(state["rated"])
        self.stores = {}
        for name, kept in state["stores"].items():
            store = self.stores[name] = Store(self.capacity, self.forget)
            vars(store).update(kept)


def _real(value: Any) -> bool:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return good and math.isfinite(value)


def _expect(good: bool, name: str, expected: str, got: Any) -> None:
    if not good:
        raise ParameterError(f"expected {name} {expected}, got {got!r:.100}", where="Memory")
