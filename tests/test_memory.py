"""Texts held once, memories bounded, and what comes to mind, against the formula by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Population, Streams
from populace.errors import ParameterError
from populace.kernel.overlay import overlay
from populace.kernel.state import capture
from populace.kernel.threads import threads
from populace.language.embedding import Hashed
from populace.language.memory import Memory, retrieval
from populace.language.memory.retrieval import retrieve
from populace.language.memory.store import Store
from populace.language.memory.vectors import Vectors, lengths, quantised
from populace.language.texts import Texts


@given(st.lists(st.text(max_size=6), max_size=30))
def test_texts_are_held_once_and_come_back(given_texts):
    texts = Texts()
    codes = texts.add(given_texts)
    assert texts[codes].tolist() == given_texts
    assert len(texts) == len(set(given_texts))
    again = Texts()
    again.restore(texts.state())
    assert again.add(given_texts).tolist() == codes.tolist()
    assert len(again) == len(texts)


def test_codes_that_were_never_given():
    with pytest.raises(IndexError, match="codes from 0 to"):
        Texts()[[0]]
    with pytest.raises(TypeError, match="expected a text"):
        Texts().add([3])


# -- retrieval -------------------------------------------------------------------------------------


def made(agents, capacity, texts, d, seed=0, ticks=40):
    """Return a population's store filled at random, with vectors that are random too."""
    draws = np.random.default_rng(seed)
    people, store, known = Population(agents, name="people"), Store(capacity), Texts()
    store.meet(people)
    known.add(map(str, range(texts)))
    vectors = Vectors(known)
    vectors.table = quantised(draws.standard_normal((texts, d)))
    vectors.length, vectors.used = lengths(vectors.table), texts
    vectors.at = draws.permutation(texts).astype(np.int32)
    for tick in range(ticks):
        who = people[draws.random(agents) < 0.5]
        rated = draws.integers(1, 11, len(who)).astype(np.float32)
        rated[draws.random(len(who)) < 0.1] = np.nan
        store.add(who, "observation", draws.integers(0, texts, len(who)), tick, rated)
    store.last[:] = draws.integers(0, ticks, store.last.shape)
    return people, store, vectors, draws


def naive(store, vectors, row, query, now, k, decay, weights):
    """The formula for one agent, in plain Python."""
    n = int(store.count[row])
    importance = [float(x) for x in store.importance[row, :n]]
    rated = [x for x in importance if not math.isnan(x)]
    importance = [(min(rated) if rated else 0.0) if math.isnan(x) else x for x in importance]
    recency = [decay ** (now - int(x)) for x in store.last[row, :n]]
    relevance = []
    for code in store.text[row, :n]:
        told = [int(x) for x in vectors.table[vectors.at[code]]]
        asked = [int(x) for x in query]
        dot = sum(a * b for a, b in zip(told, asked, strict=True))
        size = math.sqrt(sum(a * a for a in told)) * math.sqrt(sum(b * b for b in asked))
        relevance.append(dot / size)
    scores = [0.0] * n
    for weight, part in zip(weights, (recency, importance, relevance), strict=True):
        low, high = min(part, default=0), max(part, default=0)
        if high > low:
            scores = [
                s + weight * (x - low) / (high - low) for s, x in zip(scores, part, strict=True)
            ]
    best = sorted(range(n), key=lambda j: (-scores[j], -j))[:k]
    return best, [scores[j] for j in best]


@given(
    st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 8), st.integers(1, 40),
    st.floats(0.5, 1), st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 2.0])] * 3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_retrieval_is_the_formula(seed, capacity, k, d, decay, weights):
    people, store, vectors, draws = made(7, capacity, 9, d, seed, ticks=1 + seed % 30)
    queries = quantised(draws.standard_normal((2, d)))
    query = draws.integers(0, 2, 7)
    slots, scores = retrieve(
        store, vectors, people.everyone.rows, queries, query, 50, k, decay, weights
    )
    for i in range(7):
        best, told = naive(store, vectors, i, queries[query[i]], 50, k, decay, weights)
        found = [s for s in slots[i].tolist() if s >= 0]
        np.testing.assert_allclose(scores[i][: len(told)], told, rtol=1e-12, atol=1e-15)
        assert np.isnan(scores[i][len(told) :]).all()
        # sums may be rounded otherwise: where scores tie to that, either may come first
        gaps = np.diff([*told, -9.0])
        if (np.abs(gaps[np.nonzero(gaps)]) > 1e-12).all():
            whole, marks = naive(store, vectors, i, queries[query[i]], 50, 99, decay, weights)
            near = [j for j, m in zip(whole, marks, strict=True) if abs(m - told[-1]) < 1e-12]
            assert found == best or set(found) ^ set(best) <= set(near)
        assert len(found) == len(best) == len(set(found))


def test_the_formula_by_hand():
    """Three memories, last retrieved 0, 1 and 2 ticks ago, with decay 1/2.

    Recency 1, 1/2, 1/4 is scaled to 1, 1/3, 0; importance 2, 10, 6 to 0, 1, 1/2; relevance
    (cosines 0, 1, -1 with the query) to 1/2, 1, 0. Sums: 1.5, 2 1/3, 0.5.
    """
    vector = {"a": [0, 1], "b": [1, 0], "c": [-1, 0], "q": [1, 0]}
    memory = Memory(
        k=2, decay=0.5, importance=lambda texts: [{"a": 2, "b": 10, "c": 6}[t] for t in texts],
        embed=lambda texts: [vector[t] for t in texts],
    )  # fmt: skip
    people = Population(1, name="people")
    for tick, text in enumerate("cba"):
        memory.remember(people.everyone, [text], tick)
    found = memory.recall(people.everyone, ["q"], np.array([0]), 2)
    assert memory.texts[found.text[0]].tolist() == ["b", "a"]
    np.testing.assert_allclose(found.score[0], [1 / 3 + 1 + 1, 1 + 0 + 1 / 2], rtol=1e-12)
    table = memory.table(people)
    assert table["last"].to_list() == [0, 2, 2]  # what came to mind is fresh again
    assert table["number"].to_list() == [0, 1, 2]


def test_threads_do_not_matter():
    people, store, vectors, draws = made(60_000, 4, 50, 16, ticks=6)
    queries, query = quantised(draws.standard_normal((5, 16))), draws.integers(0, 5, 60_000)
    found = []
    for n in (1, 2, 5):
        with threads(n):
            found.append(retrieve(store, vectors, people.everyone.rows, queries, query, 9, 3))
    for slots, scores in found[1:]:
        assert (slots == found[0][0]).all()
        assert scores.tobytes() == found[0][1].tobytes()


@pytest.mark.parametrize(("block", "pairs"), [(1, 1), (64, 7), (2_000, 1 << 22)])
def test_the_order_in_which_vectors_are_read_does_not_matter(monkeypatch, block, pairs):
    people, store, vectors, draws = made(300, 6, 211, 16, ticks=6)
    queries, query = quantised(draws.standard_normal((5, 16))), draws.integers(0, 5, 300)
    args = store, vectors, people.everyone.rows, queries, query, 9, 3
    slots, scores = retrieve(*args)
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    monkeypatch.setattr(retrieval, "_PAIRS", pairs)
    found = retrieve(*args)
    assert (found[0] == slots).all()
    assert found[1].tobytes() == scores.tobytes()


def test_bytes_stand_for_cosines():
    """A component is off by at most 1/254 of the largest, so a cosine by little (see the text).

    For unit vectors u, v and errors e, f: |cos - cos'| <= 2 (|e| + |f|) to first order; |e| is at
    most sqrt(d)/254 times the largest component.
    """
    draws = np.random.default_rng(3)
    for d in (2, 64, 512):
        rows = draws.standard_normal((200, d))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        small = quantised(rows).astype(float)
        small /= np.linalg.norm(small, axis=1, keepdims=True)
        error = np.sqrt(d) / 254 * np.abs(rows).max(axis=1)
        off = np.abs(rows @ rows.T - small @ small.T)
        assert (off <= 2 * (error[:, None] + error) + 1e-12).all()


# -- bounds, births and deaths ---------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(1, 10), min_size=3, max_size=3), max_size=25), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_full_memory_forgets_as_stated(rounds, least):
    capacity = 4
    memory = Memory(
        capacity=capacity, forget="least important" if least else "oldest", importance=1.0
    )
    people = Population(3, name="people")
    held = [[], [], []]
    for tick, rated in enumerate(rounds):
        for i, importance in enumerate(rated):
            memory.remember(people[[i]], [f"{tick}"], tick, importance=importance)
            if len(held[i]) == capacity:
                gone = min(held[i], key=lambda m: (m[1], m[0])) if least else held[i][0]
                held[i].remove(gone)
            held[i].append((tick, importance))
    table = memory.table(people)
    for i in range(3):
        mine = table.filter(table["agent"] == i)
        assert mine["number"].to_list() == [tick for tick, _ in held[i]]
        assert mine["importance"].to_list() == [importance for _, importance in held[i]]


def test_the_dead_are_forgotten_and_their_row_begins_anew():
    memory, people = Memory(importance=1.0), Population(3, name="people")
    memory.remember(people.everyone, ["a", "b", "c"], 0)
    people.remove(people[[1]])
    assert memory.table(people)["agent"].to_list() == [0, 2]
    child = people.add(2)
    assert child.ids.tolist() == [3, 4]
    assert memory.table(people)["agent"].to_list() == [0, 2]
    assert memory.remember(child, ["d", "e"], 1).tolist() == [0, 0]
    assert sorted(memory.table(people)["agent"].to_list()) == [0, 2, 3, 4]


def test_several_memories_of_one_agent_come_in_order():
    memory, people = Memory(importance=1.0, capacity=20), Population(2, name="people")
    texts = [f"{i}" for i in range(30)]
    numbers = memory.remember(people.everyone, texts, 0, which=np.array([1] * 29 + [0]))
    assert numbers.tolist() == [*range(29), 0]
    assert memory.table(people)["text"].to_list() == ["29", *texts[9:29]]


def test_each_text_is_embedded_once():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return Hashed(32)(texts)

    memory, people = Memory(importance=1.0, embed=embed), Population(50, name="people")
    for tick in range(6):
        memory.remember(people.everyone, ["the lake is full"] * 25 + ["talk"] * 25, tick)
        memory.recall(people.everyone, ["fish"], np.zeros(50, int), tick)
    assert sorted(asked) == ["fish", "talk", "the lake is full"]


def test_state_comes_back_to_the_bit():
    def lived(memory, people, ticks):
        for tick in ticks:
            draws = Streams(1).stream("live", tick)
            words = [f"word {w}" for w in draws.integers(people, 0, 9)]
            memory.remember(people.everyone, words, tick)
            memory.of(people).rest_on(0, int(memory.of(people).next[0]) - 1, (0, tick))
            found = memory.recall(people.everyone, ["word 3"], np.zeros(5, int), tick)
        return found

    def fresh():
        return Memory(capacity=6, k=3, importance=len_of, embed=Hashed(16))

    people = Population(5, name="people")
    whole, part, again = fresh(), fresh(), fresh()
    lived(whole, people, range(12))
    lived(part, people, range(7))
    kept = capture({"memory": part})
    kept_arrays = {name: array.copy() for name, array in kept.arrays.items()}
    lived(part, people, range(7, 9))  # the state is of the moment it was taken
    state = type(kept)(kept.tree, kept_arrays)
    overlay({"memory": again}, state)
    found = lived(again, people, range(7, 12))
    assert again.table(people).equals(whole.table(people))
    assert found.score.tobytes() == lived(fresh(), people, range(12)).score.tobytes()


def len_of(texts):
    return [float(len(text)) for text in texts]


@pytest.mark.parametrize(
    "setting",
    [
        {"capacity": 0}, {"forget": "newest"}, {"k": 0}, {"decay": 0.0}, {"decay": 1.5},
        {"weights": (1, 1)}, {"weights": (1, 1, -1)}, {"importance": "high"}, {"window": 0},
    ],
)  # fmt: skip
def test_impossible_settings(setting):
    with pytest.raises(ParameterError, match=next(iter(setting))):
        Memory(**setting)
