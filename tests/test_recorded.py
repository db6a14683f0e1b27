"""Recorded answers: what is served, what is a miss, what is booked, and what a file may hold."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import AnswerStore, Budget
from populace.cli import main
from populace.errors import (
    CapabilityError,
    MissingRecord,
    ModelUnavailable,
    ParameterError,
    RecordError,
)
from populace.kernel.answers import Outcome
from populace.kernel.ledger import Ledger
from populace.kernel.resources import Resources
from populace.language import Label, Message, Recorded, Recording, Request, open_model
from populace.language.calls import Calls
from populace.language.recorded_import import import_jsonl, import_mmlu_pro, import_reasoning_gym
from populace.language.recording import estimated_tokens, writing

ITEMS = [
    {"item": "sum", "question": "What is 2 + 2?", "gold": "4", "family": "sums"},
    {"item": "twin", "question": "What is 2 + 2?", "gold": "four", "category": "words"},
    {"item": "capital", "question": "Capital of Peru?", "gold": "Lima"},
]
ANSWERS: list[dict[str, Any]] = [
    {"model": "a", "item": "sum", "text": "It is 4.", "answer": 4, "score": 1}
    | {"tokens_in": 9, "tokens_out": 5},
    {"model": "a", "item": "sum", "sample": 1, "text": "Five!", "answer": "5", "score": 0},
    {"model": "a", "item": "twin", "text": "It is four.", "answer": "four", "score": 1},
    {"model": "b", "item": "sum", "answer": "4"},
    {"model": "b", "item": "capital", "answer": None, "text": "I would not know — Üñ \ud83d."},
]


def jsonl(path: Path, lines: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    answers, items = jsonl(tmp_path / "log.jsonl.gz", ANSWERS), jsonl(tmp_path / "i.jsonl", ITEMS)
    import_jsonl(answers, tmp_path / "log.rec", items)
    return tmp_path / "log.rec"


def ask(item: str | None, sample: int = 0, text: str = "What is 2 + 2?", **more: Any) -> Request:
    label = None if item is None else Label(item=item)
    return Request(messages=(Message("user", text),), sample=sample, label=label, **more)


def replies(model: Recorded, *requests: Request) -> list[Any]:
    return asyncio.run(model.generate(requests))


def test_each_sample_of_each_item_is_served_as_it_was_recorded(made: Path) -> None:
    first, second, twin = replies(Recorded(made, "a"), ask("sum"), ask("sum", 1), ask("twin"))
    assert [r.text for r in (first, second, twin)] == ["It is 4.", "Five!", "It is four."]
    assert [r.detail["answer"] for r in (first, second, twin)] == ["4", "5", "four"]
    assert (first.tokens_in, first.tokens_out) == (9, 5)
    assert "estimated" not in first.detail
    other = replies(Recorded(made, "b"), ask("capital"))[0]
    assert other.text == ANSWERS[-1]["text"]  # byte for byte, even half a surrogate pair


def test_what_was_not_counted_is_estimated_and_marked(made: Path) -> None:
    (reply,) = replies(Recorded(made, "a"), ask("sum", 1, text="x" * 41))
    # four characters a token, rounded up: 41 / 4 and len("Five!") / 4
    assert (reply.tokens_in, reply.tokens_out) == (11, 2)
    assert reply.detail["estimated"] == ["tokens_in", "tokens_out"]
    table = Recording(made).table()
    assert table["estimated"].to_list() == [False, True, True, True, True]
    assert table["tokens_in"].to_list()[:2] == [9, estimated_tokens(len("What is 2 + 2?"))]


def test_the_parsed_answer_can_be_served_in_place_of_the_text(made: Path) -> None:
    short = Recorded(made, "a", serve="answer")
    full = Recorded(made, "a")
    (one,), (whole,) = replies(short, ask("sum")), replies(full, ask("sum"))
    assert (one.text, one.tokens_out) == ("4", whole.tokens_out)
    assert replies(Recorded(made, "b"), ask("sum"))[0].text == "4"  # all there is
    assert replies(Recorded(made, "b", serve="answer"), ask("capital"))[0].text == ""
    with pytest.raises(ParameterError, match="expected text or answer"):
        Recorded(made, "a", serve="both")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ask(None), "answers to an item's question alone"),
        (ask("som"), "no item 'som' is recorded; did you mean 'sum'"),
        (ask("capital"), "no answer to item 'capital' is recorded"),
        (ask("sum", 2), "sample 2 of item 'sum' is not recorded; 2 are"),
        (
            Request(
                messages=(
                    Message("user", "?"),
                    Message("assistant", "4"),
                    Message("user", "Sure?"),
                ),
                label=Label(item="sum"),
            ),
            "answers to an item's question alone",
        ),
    ],
)
def test_whatever_was_not_recorded_is_a_miss_and_never_another_answer(
    made: Path, request_: Request, why: str
) -> None:
    reply, beside = replies(Recorded(made, "a"), request_, ask("sum"))
    assert isinstance(reply.error, MissingRecord)
    assert why in str(reply.error)
    assert reply.error.outcome == "failed"
    assert beside.text == "It is 4."  # one miss costs nobody else an answer
    assert Recorded(made, "a").bound(request_) == (0, 0)


def calls(model: Recorded, budget: Budget, store: AnswerStore | None) -> tuple[Calls, Ledger]:
    ledger = Ledger()
    resources = Resources(budget=budget, ledger=ledger, answers=store)
    return Calls(model, resources, "answer", "team"), ledger


def test_the_exact_cost_is_reserved_spent_and_not_billed(made: Path) -> None:
    budget = Budget(tokens=14, at_end="missing")
    asking, ledger = calls(Recorded(made, "a"), budget, None)
    # max_tokens=256 would not fit into 14 tokens; the recorded 9 + 5 do, and nothing more
    one, two = asyncio.run(asking.generate([ask("sum"), ask("sum", 1)], [1, 1]))
    assert (one.outcome, two.outcome) == (Outcome.ACTED, Outcome.OVER_BUDGET)
    assert budget.left.tokens == 0
    logical, billed = ledger.totals()
    assert (logical.calls, logical.tokens, billed.calls, billed.tokens) == (1, 14, 0, 0)


def test_items_of_equal_words_never_share_an_answer_even_with_a_store(
    made: Path, tmp_path: Path
) -> None:
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        asking, _ = calls(Recorded(made, "a"), Budget(), store)
        found = asyncio.run(asking.generate([ask("sum"), ask("twin"), ask("nobody")], [1, 1, 1]))
        assert [one.answer and one.answer.text for one in found] == [
            *["It is 4.", "It is four."],
            None,
        ]
        assert found[2].outcome == Outcome.FAILED
        assert isinstance(found[2].error, MissingRecord)
        assert store.stats().answers == 0  # they are on file already


def test_it_declares_what_it_cannot_do(made: Path) -> None:
    model = Recorded(made, "a")
    with pytest.raises(CapabilityError, match="no scores"):
        asyncio.run(model.score([ask("sum")], [["A", "B"]]))
    with pytest.raises(CapabilityError, match="JSON schema"):
        replies(model, ask("sum", schema={"type": "object"}))


def test_models_are_opened_by_name_and_travel_to_other_processes(made: Path) -> None:
    model = open_model(f"recorded:{made}#a")
    assert isinstance(model, Recorded)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - what multiprocessing does with it
    assert again.identity == model.identity == Recorded(made, "a").identity
    assert len(model.identity.fingerprint) == 64
    assert replies(again, ask("sum"))[0].text == "It is 4."
    asyncio.run(model.close())
    assert replies(model, ask("sum"))[0].text == "It is 4."  # a later call opens it again
    with pytest.raises(ModelUnavailable, match="expected recorded:FILE#model"):
        open_model(f"recorded:{made}")
    with pytest.raises(RecordError, match="known: a, b"):
        open_model(f"recorded:{made}#c")


def test_another_file_is_another_identity(made: Path, tmp_path: Path) -> None:
    other = import_jsonl(jsonl(tmp_path / "o.jsonl", ANSWERS[:2]), tmp_path / "other.rec")
    assert Recorded(other, "a").identity != Recorded(made, "a").identity


def test_tables_hold_every_answer_in_order(made: Path) -> None:
    recording = Recording(made)
    table = recording.table()
    assert table.select("model", "item", "sample").rows() == [
        *[("a", "sum", 0), ("a", "sum", 1), ("a", "twin", 0)],
        *[("b", "sum", 0), ("b", "capital", 0)],
    ]
    assert Recorded(recording, "b").table().equals(table[3:])
    assert recording.questions().row(1) == ("twin", "What is 2 + 2?", "four", None, "words")
    a, b = recording.summary().to_dicts()
    assert (a["right"], a["items"], a["answers"], a["unparsed"]) == (2 / 3, 2, 3, 0)
    assert (b["right"], b["unparsed"]) == (None, 1)  # nothing scored is not a score of 0


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("ab"), st.text(min_size=1, max_size=3), st.integers(0, 3)),
        st.tuples(st.none() | st.text(max_size=5), st.none() | st.text(max_size=50)),
        min_size=1,
    )
)
def test_what_is_written_is_what_is_read(tmp_path_factory: Any, log: dict[Any, Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "any.rec"
    with writing(path) as writer:
        for key, (answer, text) in log.items():
            writer.answer(*key, answer=answer, text=text)
    recording = Recording(path)
    for key, (answer, text) in log.items():
        row = recording.find(*key)
        assert row is not None
        assert (row.answer, row.text) == (answer, text)
        assert row._replace(text=None) == recording.find(*key, text=False)
    assert recording.table().height == len(log)
    recording.close()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"model": "a"', "expected a line of JSON"),
        ("[1]", "expected an object, got list"),
        ('{"item": "x", "text": "t"}', "expected model as a non-empty text, got None"),
        ('{"model": "a", "item": 3, "text": "t"}', "expected item as a non-empty text, got 3"),
        ('{"model": "a", "item": "x"}', "expected text or answer, got neither"),
        ('{"model": "a", "item": "x", "text": "t", "sample": -1}', "expected sample as a count"),
        ('{"model": "a", "item": "x", "text": "t", "score": NaN}', "expected score as a finite"),
        ('{"model": "a", "item": "x", "answer": ["t"]}', "expected answer as text"),
        ('{"model": "a", "item": "x", "text": "t", "tokens": 4}', "unknown field 'tokens'; the f"),
        ('{"model": "a", "item": "sum", "text": "t"}', "'a', item 'sum', sample 0 comes twice"),
    ],
)
def test_a_bad_line_is_told_with_its_place_and_nothing_is_written(
    tmp_path: Path, line: str, why: str
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(ANSWERS[0]) + f"\n\n{line}\n")
    with pytest.raises(RecordError) as told:
        import_jsonl(log, tmp_path / "log.rec")
    assert why in str(told.value)
    assert "log.jsonl:3" in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_repeated_runs_of_a_question_are_further_samples(tmp_path: Path) -> None:
    question = {"q": 7, "task": "sums", "category": "algebra", "question": "2 + 2?", "gold": "4"}
    jsonl(tmp_path / "questions.jsonl", [question])
    said = [("A", 0), ("A", 1), ("A", 0), ("A", 1), ("B", 0), ("B", 0)]
    lines = [
        {"q": 7, "m": m, "j": j, "a": str(i), "s": 0.0, "o": f"{i} <answer>{i}</answer>"}
        for i, (m, j) in enumerate(said)
    ]
    lines[5] |= {"a": "ERROR"}  # the source's scorer failed; the model did answer
    answers = jsonl(tmp_path / "answers.jsonl", lines)
    table = import_reasoning_gym(answers, tmp_path / "rg.rec").table()
    assert table.select("model", "sample", "answer").rows() == [
        *[("A", 0, "0"), ("A", 1, "1"), ("A", 2, "2"), ("A", 3, "3"), ("B", 0, "4"), ("B", 1, "5")]
    ]


def test_a_choice_that_was_not_made_is_no_answer_and_wrong(tmp_path: Path) -> None:
    gold = [{"q": "1", "gold": "A", "category": "law"}, {"q": "2", "gold": "B", "category": "law"}]
    jsonl(tmp_path / "x-gold.jsonl", gold)
    line = {"model": "m", "pred": {"1": "A", "2": None}, "chars": {"1": 9, "2": 90}}
    answers = jsonl(tmp_path / "x-answers.jsonl", [line])
    recording = import_mmlu_pro(answers, tmp_path / "x.rec")
    rows = recording.table().select("answer", "score", "tokens_in", "tokens_out").rows()
    assert rows == [("A", 1.0, None, 3), (None, 0.0, None, 23)]
    assert replies(Recorded(recording, "m"), ask("2"))[0].text == ""


def test_the_commands(tmp_path: Path, made: Path) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["recorded", *arguments])

    log, target = str(jsonl(tmp_path / "log.jsonl", ANSWERS)), str(tmp_path / "new.rec")
    done = call("import", "jsonl", log, "--to", target)
    assert done.output == f"5 answers of 2 models to 3 items: {target}\n"
    shown = json.loads(call("show", str(made), "--json").output)
    assert shown["fingerprint"] == Recording(made).fingerprint
    assert [model["answers"] for model in shown["models"]] == [3, 2]
    assert "a: 3 answers to 2 items, 0.667 right, about" in call("show", str(made)).output
    for arguments in (["show", log], ["import", "rg", log, "--to", target], ["show", "nowhere"]):
        failed = call(*arguments)
        assert failed.exit_code == 2
        assert failed.stderr.startswith("Error: ")
        assert len(failed.stderr.splitlines()) == 1
