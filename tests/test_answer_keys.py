"""Keys of requests: equal where two requests ask the same, and secrets are in none of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.errors import RecordError
from populace.records.answers import AnswerStore
from populace.records.requests import canonical, key
from tests.answering import Model, never, request, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


# --- keys

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)  # lone surrogates and all
)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=6), v, max_size=4),
    max_leaves=12,
)
near = st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, False, None, "1", "", 2**53, 2.0**53, 1e300])
near |= st.lists(near, max_size=2) | st.dictionaries(st.sampled_from("ab"), near, max_size=2)
speech = st.fixed_dictionaries({"messages": values, "schema": values})


def test_a_key_is_the_sha256_of_a_text_written_by_hand() -> None:
    text = (
        '{"endpoint":"http://localhost:8080/v1","fingerprint":null,'
        '"messages":[{"content":"caf\\u00e9, \\"one\\"","role":"user"}],"model":"small-1",'
        '"op":"generate","options":{"max_tokens":20,"temperature":0.5},"sample":0,"schema":null}'
    )
    asked = request('café, "one"')
    assert canonical(asked).text == text
    assert key(asked) == hashlib.sha256(text.encode()).hexdigest()


def same(a: Any, b: Any) -> bool:
    """Whether two values of JSON ask the same, by another road than the canonical text."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b  # exact in Python, whatever their size
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@given(near | values, near | values)
def test_keys_are_equal_where_requests_ask_the_same_and_nowhere_else(a: Any, b: Any) -> None:
    assert (key(request(schema=a)) == key(request(schema=b))) == same(a, b)


@given(speech, st.randoms(use_true_random=False))
def test_keys_do_not_depend_on_the_order_of_names(a: dict[str, Any], draws: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            draws.shuffle(items)
            return {name: shuffled(held) for name, held in items}
        return tuple(shuffled(held) for held in value) if isinstance(value, list) else value

    assert key(request(**a)) == key(shuffled(request(**a)))
    text = canonical(request(**a)).text
    assert canonical(json.loads(text)).text == text


def test_what_looks_alike_has_different_keys() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    alike = [
        request("a", model="b|c"),
        request("a|b", model="c"),
        request("a", model='b","op":"generate'),
        request("1"),
        request('1"'),
        request(composed),
        request(decomposed),
        request(messages=["a", "b"]),
        request(messages=["a,b"]),
        request(messages='["a","b"]'),
        request(options={"n": True}),
        request(options={"n": 1}),
        request(options={"n": "1"}),
        request(options={"n": None}),
        request(options={}),
        request(options=None),
        request(options={"seed": 2**63}),
        request(options={"seed": 2**63 + 1}),
        *(request(sample=sample) for sample in range(1, 4)),
        request(fingerprint="f"),
        request(endpoint="http://localhost:8081/v1"),
        request(op="score", choices=["yes", "no"]),
        request(op="score", choices=["no", "yes"]),
    ]
    assert len({key(asked) for asked in alike}) == len(alike)


def test_forms_of_one_number_have_one_key() -> None:
    for forms in (
        [1, 1.0, 1e0],
        [0, 0.0, -0.0],
        [1e15, 10**15],
        [2.0**60, 2**60],
        [0.1, 1e-1, float("0.10")],
    ):
        assert len({key(request(options={"temperature": form})) for form in forms}) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({k: v for k, v in request().items() if k != "sample"}, "sample"),
        (request(options={"temperature": float("nan")}), r"options\.temperature.*finite"),
        (request(messages=[b"raw"]), "messages.*bytes"),
        (request(schema={1: "x"}), "names as text"),
        (["not", "named"], "by name"),
    ],
)
def test_what_is_no_request_is_refused_before_any_call(asked: Any, told: str) -> None:
    model = Model()
    with AnswerStore(None) as store, pytest.raises(RecordError, match=told):
        run(store, asked, model)
    assert model.calls == 0


def test_a_key_of_another_request_is_refused_before_any_call() -> None:
    model = Model()
    with AnswerStore(None) as store, pytest.raises(RecordError, match="not that of the request"):
        asyncio.run(store.fetch(key(request("a")), request("b"), model))
    assert model.calls == 0


# --- secrets

SECRETS = [
    "sk-live-4242424242",
    "hunter2hunter2",
    "pass:w0rd-in-url",
    "tok-9999-8888",
    'q"uoted\\key',
]


def with_secrets() -> dict[str, Any]:
    return request(
        f"the key is {SECRETS[0]}, keep it",
        endpoint=f"https://me:{SECRETS[2]}@host.example/v1?api_key={SECRETS[3]}&version=2",
        options={
            "temperature": 0.5,
            "max_tokens": 20,
            "api_key": SECRETS[0],
            "extra_headers": {"Authorization": f"Bearer {SECRETS[1]}", "X-Trace": "on"},
            "nested": [{"X-API-Key": SECRETS[4]}],
        },
        api_token=SECRETS[3],
    )


def test_secrets_are_in_no_file(path: Path, tmp_path: Path) -> None:
    async def model() -> dict[str, Any]:
        return {
            "text": f"bad key {SECRETS[0]} or {SECRETS[4]}",
            "headers": {SECRETS[1]: SECRETS[3]},
        }

    with AnswerStore(path) as store:
        answer, _ = run(store, with_secrets(), model)
        assert run(store, with_secrets(), never) == (answer, False)
        store.export(tmp_path / "x.jsonl")
        written = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    assert {"answers.sqlite", "answers.sqlite-wal", "x.jsonl"} <= set(written)
    assert any(b"[secret]" in content for content in written.values())
    for content in written.values():
        for secret in SECRETS:
            assert secret.encode() not in content
            assert json.dumps(secret)[1:-1].encode() not in content
    assert "X-Trace" in (tmp_path / "x.jsonl").read_text(), "only secrets are left out"


def test_a_key_does_not_depend_on_who_pays() -> None:
    plain = request(options={"temperature": 0.5})
    for name in ("api_key", "API-Key", "x-api-key", "Authorization", "access_token", "password"):
        assert key(request(options={"temperature": 0.5, name: "0123456789"})) == key(plain)
    for name in ("max_tokens", "stop_token_ids", "top_k", "keyboard", "tokenizer"):
        assert key(request(options={"temperature": 0.5, name: 5})) != key(plain)


def test_fields_of_a_schema_are_no_secrets() -> None:
    def schema(name: str) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"}}}

    assert key(request(schema=schema("password"))) != key(request(schema=schema("secret")))
    options = [{"response_format": {"json_schema": schema(n)}} for n in ("password", "secret")]
    assert key(request(options=options[0])) != key(request(options=options[1]))
