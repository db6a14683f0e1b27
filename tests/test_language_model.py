"""Requests, replies and scores as values; the trie of choices; the scripted model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.language import trie
from populace.language.conformance import NonConforming, check_model
from populace.language.errors import (
    BadReply,
    BadRequest,
    CapabilityError,
    ModelRefused,
    ModelTimeout,
)
from populace.language.model import Label, Message, Reply, Request, Scores, normalised, user
from populace.language.scripted import Scripted, ScriptError


@pytest.mark.parametrize(
    ("messages", "options", "says"),
    [
        ((), {}, "one message or more"),
        ((Message("robot", "x"),), {}, "role"),  # type: ignore[arg-type]
        ((Message("text", "x"), Message("user", "y")), {}, "alone"),
        ((Message("user", "x"), Message("system", "y")), {}, "system message first"),
        ((Message("user", "x"),), {"max_tokens": 0}, "max_tokens"),
        ((Message("user", "x"),), {"temperature": -1.0}, "temperature"),
        ((Message("user", "x"),), {"temperature": math.nan}, "temperature"),
        ((Message("user", "x"),), {"sample": -1}, "sample"),
        ((Message("user", "x"),), {"stop": ("",)}, "stop"),
    ],
)
def test_impossible_requests_are_refused(
    messages: tuple[Message, ...], options: dict[str, object], says: str
) -> None:
    with pytest.raises(BadRequest, match=says):
        Request(messages=messages, **options)  # type: ignore[arg-type]


def test_who_asks_is_no_part_of_what_is_asked() -> None:
    one, two = user("q", label=Label(agent=1)), user("q", label=Label(agent=2, tick=3))
    assert one == two
    assert one.canonical() == two.canonical()
    keys = [user("q", **{name: 7}).canonical() for name in ("seed", "sample", "max_tokens")]
    assert len({str(key) for key in [*keys, one.canonical()]}) == 4


def test_samples_draw_apart() -> None:
    draws = {user("q", seed=seed, sample=sample).draw for seed in range(20) for sample in range(20)}
    assert len(draws) == 400
    assert all(0 <= draw < 2**31 for draw in draws)


def test_answers_read_back_from_json_and_errors_are_not_kept() -> None:
    reply = Reply(text="x", tokens_in=3, detail={"fingerprint": "f"})
    assert Reply.from_json(reply.as_json()) == reply
    scores = Scores(logprobs=(0.0, -math.inf), mass=0.5)
    assert scores.as_json()["logprobs"] == [0.0, None]
    assert Scores.from_json(scores.as_json()) == scores
    with pytest.raises(ValueError, match="error"):
        Reply.failed(ModelTimeout("late")).as_json()


def test_a_reply_is_json_or_says_why_not() -> None:
    assert Reply(text='{"a": 1}').json() == {"a": 1}
    with pytest.raises(BadReply, match="raise max_tokens"):
        Reply(text='{"a": ', finish="length").json()
    with pytest.raises(ModelRefused):
        Reply.failed(ModelRefused("no", raw="never")).json()


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=20))
def test_normalised_sums_to_one_and_keeps_differences(logs: list[float]) -> None:
    out = normalised(logs)
    assert math.fsum(map(math.exp, out)) == pytest.approx(1.0, abs=1e-9)
    for a, b in zip(logs, out, strict=True):
        assert a - logs[0] == pytest.approx(b - out[0], abs=1e-9)


# -- the trie ------------------------------------------------------------------------------------


def chain(path: tuple[int, ...], tokens: Sequence[int]) -> list[float]:
    """A model that knows its own history: the weight of a token depends on the whole path."""
    weights = [1.0 + (7 * token + 3 * sum(path) + len(path)) % 11 for token in tokens]
    return [w / sum(weights) for w in weights]


def brute(sequences: list[tuple[int, ...]]) -> list[float]:
    """Sample constrained to the sequences, by following every allowed token step by step."""
    out = []
    for sequence in sequences:
        p = 1.0
        for k, token in enumerate(sequence):
            allowed = sorted({s[k] for s in sequences if s[:k] == sequence[:k] and len(s) > k})
            p *= chain(sequence[:k], allowed)[allowed.index(token)]
        out.append(p)
    return out


END = 99
token_lists = st.lists(st.integers(0, 3), min_size=1, max_size=5).map(lambda s: (*s, END))


@given(st.lists(token_lists, min_size=1, max_size=8, unique=True))
def test_the_trie_gives_the_law_of_constrained_sampling(sequences: list[tuple[int, ...]]) -> None:
    asked: list[tuple[int, ...]] = []

    def branch(path: tuple[int, ...], tokens: tuple[int, ...]) -> list[float]:
        asked.append(path)
        assert list(tokens) == sorted(set(tokens))
        assert len(tokens) > 1
        return chain(path, tokens)

    logs = trie.walk(sequences, branch)
    assert [math.exp(x) for x in logs] == pytest.approx(brute(sequences))
    assert math.fsum(map(math.exp, logs)) == pytest.approx(1.0)
    assert len(asked) == len(set(asked)) <= max(0, len(sequences) - 1)


def test_choices_that_begin_others_need_an_end() -> None:
    with pytest.raises(ValueError, match="begins another"):
        trie.walk([(1,), (1, 2)], chain)


# -- scripted ------------------------------------------------------------------------------------


def reply(model: Scripted, **label: object) -> Reply:
    request = user("q", label=Label(**label))  # type: ignore[arg-type]
    return asyncio.run(model.generate([request]))[0]


def test_scripts_are_keyed_by_who_asks_and_when_not_by_order() -> None:
    script = {(3, "harvest", 2): "ten", "harvest": "five", (3,): "three", (None, "speak"): "hello"}
    asked = [(3, "harvest", 2), (4, "harvest", 2), (3, "rest", 0), (1, "speak", 9)]
    for order in (asked, asked[::-1]):
        model = Scripted(script)
        texts = {key: reply(model, **dict(zip(("agent", "kind", "tick"), key, strict=True)))
                 for key in order}  # fmt: skip
        assert [texts[key].text for key in asked] == ["ten", "five", "three", "hello"]
        assert model.unused == []


def test_what_a_script_does_not_foresee_is_an_error() -> None:
    model = Scripted({"harvest": "five"})
    with pytest.raises(ScriptError, match=r"no answer for .*kind=speak"):
        reply(model, kind="speak")
    assert model.unused == [(None, "harvest", None, None)]
    with pytest.raises(BadRequest, match="expected a key"):
        Scripted({("a", "b", "c", "d", "e"): "x"})


def test_scripts_fail_and_score_as_told() -> None:
    model = Scripted(
        {"late": ModelTimeout("late"), "pick": {"b": 3.0, "a": 1.0}, "same": lambda r: [1, 1]}
    )
    assert isinstance(reply(model, kind="late").error, ModelTimeout)

    def scores(kind: str, choices: list[str]) -> Scores:
        return asyncio.run(model.score([user("q", label=Label(kind=kind))], [choices]))[0]

    assert scores("pick", ["a", "b", "c"]).probabilities == pytest.approx((0.25, 0.75, 0.0))
    assert scores("same", ["a", "b"]).probabilities == pytest.approx((0.5, 0.5))
    assert isinstance(scores("late", ["a"]).error, ModelTimeout)
    with pytest.raises(ScriptError, match="no choice"):
        scores("pick", ["a", "x"])
    with pytest.raises(ScriptError, match="expected 3 weights"):
        scores("same", ["a", "b", "c"])


# -- conformance ---------------------------------------------------------------------------------


class Sensible(Scripted):
    """Answers any request, and scores by the length of the choice."""

    def __init__(self) -> None:
        super().__init__(
            lambda r: '{"name": "pear"}' if r.schema is not None else r.messages[-1].content
        )

    async def score(
        self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
    ) -> list[Scores]:
        await super().score([], [])
        from populace.language.model import check_choices

        check_choices(requests, choices)
        return [Scores(logprobs=normalised([float(ord(c[0])) for c in some])) for some in choices]


def states(model: Scripted) -> dict[str, str]:
    report = asyncio.run(check_model(model))
    return {check.name: check.state for check in report.checks}


def test_a_good_backend_conforms() -> None:
    found = states(Sensible())
    assert found.pop("undeclared capabilities are refused") == "skipped"  # all are declared
    assert set(found.values()) == {"passed"}, found


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("reversed", "replies come one a request in order"),
        ("loose", "limits hold"),
        ("greedy", "bad choices are refused"),
        ("biased", "scores are a distribution"),
        ("wordy", "tokens are counted"),
        ("free", "schemas hold"),
        ("silent", "undeclared capabilities are refused"),
    ],
)
def test_each_breach_of_the_contract_is_found(name: str, check: str) -> None:
    from dataclasses import replace

    class Broken(Sensible):
        async def generate(self, requests: Sequence[Request]) -> list[Reply]:
            if name == "loose":
                requests = [replace(r, stop=(), max_tokens=50) for r in requests]
            if name == "free":
                requests = [replace(r, schema=None) for r in requests]
            if name == "silent":
                return [Reply(text="x") for _ in requests]
            replies = await super().generate(requests)
            return replies[::-1] if name == "reversed" else replies

        async def score(
            self, requests: Sequence[Request], choices: Sequence[Sequence[str]]
        ) -> list[Scores]:
            if name == "greedy":
                return [Scores(logprobs=(0.0,)) for _ in requests]
            if name == "biased":
                return [Scores(logprobs=normalised([-float(i) for i in range(len(c))]))
                        for c in choices]  # fmt: skip
            return await super().score(requests, choices)

        def count_tokens(self, messages: Sequence[Message]) -> int:
            return super().count_tokens(messages) * (-1 if name == "wordy" else 1)

    model = Broken()
    if name == "silent":
        model.capabilities = replace(model.capabilities, schema=False)  # type: ignore[misc]
    report = asyncio.run(check_model(model))
    assert check in {c.name for c in report.failed}
    with pytest.raises(NonConforming, match=check):
        report.demand()


def test_undeclared_scores_are_refused() -> None:
    from dataclasses import replace

    model = Sensible()
    model.capabilities = replace(model.capabilities, score=False)  # type: ignore[misc]
    with pytest.raises(CapabilityError):
        asyncio.run(Scripted.score(model, [user("q")], [["a"]]))
