"""The two public sets of real models' answers: their published figures, reproduced exactly."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from populace.language import Label, Message, Recorded, Recording, Request
from populace.language.recorded_import import import_mmlu_pro, import_reasoning_gym
from populace.language.recording import RIGHT

DATA = Path(os.environ.get("POPULACE_DATA", Path(__file__).parents[2] / "shared" / "data"))
RG, MMLU = DATA / "reasoning-gym-easy-answers.jsonl.gz", DATA / "mmlu-pro-answers.jsonl.gz"
needs = pytest.mark.skipif(not RG.is_file(), reason=f"no recorded answers in {DATA}")


@pytest.fixture(scope="module")
def gym(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return import_reasoning_gym(RG, tmp_path_factory.mktemp("rg") / "rg.rec")


@pytest.fixture(scope="module")
def mmlu(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return import_mmlu_pro(MMLU, tmp_path_factory.mktemp("mmlu") / "mmlu.rec")


@needs
def test_every_answer_of_ten_models_is_there(gym: Recording) -> None:
    assert (gym.table().height, len(gym.items), len(gym.models)) == (141_100, 6_616, 10)
    questions = gym.questions()
    assert questions["family"].n_unique() == 101
    assert questions["gold"].null_count() == 0


@needs
def test_single_models_score_026_to_078_and_best_of_three_031_to_083(gym: Recording) -> None:
    table = gym.table().with_columns(right=pl.col("score") >= RIGHT)
    single = table.group_by("model").agg(pl.col("right").mean())["right"]  # of all its answers
    assert (round(single.min(), 2), round(single.max(), 2)) == (0.26, 0.78)
    three = table.filter(pl.col("sample") < 3)
    best = three.group_by("model", "item").agg(pl.col("right").any())
    best = best.group_by("model").agg(pl.col("right").mean())["right"]
    assert (round(best.min(), 2), round(best.max(), 2)) == (0.31, 0.83)


@needs
def test_plurality_over_all_models_is_078_and_one_at_least_solves_091(gym: Recording) -> None:
    # The models did not answer the same questions; the figures are those of the 4,824 questions
    # that at least half of the ten answered. All their samples vote; the first said wins a tie.
    table = gym.table()
    common = table.group_by("item").agg(pl.col("model").n_unique()).filter(pl.col("model") >= 5)
    assert common.height == 4_824
    table = table.join(common.select("item"), on="item", how="semi", maintain_order="left")
    solved = table.group_by("item").agg((pl.col("score") >= RIGHT).any().alias("right"))
    assert round(solved["right"].mean(), 2) == 0.91
    # an answer is right if it was ever scored as right: the same words get different scores in 40
    # of 47,452 cases, by the source's own scorer
    scored = table.group_by("item", "answer").agg((pl.col("score") >= RIGHT).any().alias("right"))
    right = {(item, answer): good for item, answer, good in scored.rows()}
    votes: dict[str, Counter[str]] = {item: Counter() for item in common["item"]}
    for item, answer in table.select("item", "answer").rows():
        if answer is not None:
            votes[item][answer] += 1
    winners = {item: max(found, key=found.__getitem__) for item, found in votes.items() if found}
    plurality = sum(right[one] for one in winners.items()) / common.height
    assert round(plurality, 2) == 0.78


@needs
def test_texts_are_whole_and_their_last_tag_is_the_answer(gym: Recording) -> None:
    # serving texts through the model interface, and reading them as the source did, gives back the
    # recorded answers of all 15,150 replies, and so the same figure
    model = Recorded(gym, "openai_o3-mini")
    table = model.table()
    requests = [
        Request(messages=(Message("user", "?"),), label=Label(item=item), sample=sample)
        for item, sample in table.select("item", "sample").rows()
    ]
    replies = asyncio.run(model.generate(requests))
    tags = [re.findall(r"<answer>(.*?)</answer>", reply.text, re.S) for reply in replies]
    read = [found[-1].strip() if found else None for found in tags]
    recorded = [None if a is None else a.strip() for a in table["answer"]]
    assert read == recorded
    assert sum(read_ is not None for read_ in read) == 15_048
    assert table["characters"].to_list() == [len(reply.text) for reply in replies]


@needs
def test_accuracies_of_29_models_on_mmlu_pro(mmlu: Recording) -> None:
    summary = {row["model"]: row for row in mmlu.summary().to_dicts()}
    assert (len(summary), len(mmlu.items)) == (29, 12_032)
    gold: dict[str, str] = {}
    with gzip.open(DATA / "mmlu-pro-gold.jsonl.gz", "rt") as file:
        for text in file:
            line: dict[str, Any] = json.loads(text)
            gold[line["q"]] = line["gold"]
    with gzip.open(MMLU, "rt") as file:  # counted straight from the source
        for text in file:
            line = json.loads(text)
            right = sum(letter == gold[q] for q, letter in line["pred"].items())
            found = summary[line["model"]]
            assert found["right"] == pytest.approx(right / len(line["pred"]), abs=1e-12)
            assert found["unparsed"] == sum(letter is None for letter in line["pred"].values())
    stated = {"gemini-1.5-pro-002": 0.701, "Qwen1.5-110B": 0.492, "Llama-2-7b-hf": 0.183}
    assert {name: round(summary[name]["right"], 3) for name in stated} == stated
