"""Language minds against the model alone: what the platform adds to each decision.

    python benchmarks/language.py decisions --prompts 48
    python benchmarks/language.py tick --people 2712360

`decisions`: scores of the same prompts by `Embedded` and by llama.cpp driven directly through
xllamacpp, in its fastest setting of those tried here (one slot, or four slots with four callers;
flash attention as it comes; the prompt's shared beginning kept), by turns, every round with prompts
that nobody has seen. `tick`: one ask of all people through 500 distinct short prompts, against the
500 calls alone, each on a model that has seen nothing; short prompts make what we add weigh most.
Needs the extra ``embedded`` and its weights; prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from _measure import ratio, report, spread
from populace import Choice, Population
from populace.language import Embedded, Message, Request
from populace.language.policy import Language
from populace.testing import observe
from populace.worlds.brooklyn.speaking import PROMPTS

YES_NO = (" no", " yes")
SHORT = {
    "kind": {
        "go": {
            "agent": "Age {age}. Infections: {cases}. Goes out?",
            "format": "text",
            "options": {"no": "no", "yes": "yes"},
        }
    }
}


def texts(count: int, start: int) -> list[str]:
    """Return prompts of Brooklyn's form and length, none equal to one with another number."""
    import tomllib

    from populace.language.prompts import Prompts
    from populace.worlds.brooklyn.world import OPTIONS

    source = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    source["wording"].pop("age")  # said as it is: a distinct prompt each
    number = np.arange(start, start + count)
    flags = {name: number % k == 0 for name, k in (("symptoms", 5), ("sick_at_home", 7))}
    shown = observe(
        "stay_home", count, OPTIONS, advice=2, cases=50.0, age=18 + number,
        pressure=number % 3 == 0, remote=number % 3 == 1, **flags,
    )  # fmt: skip
    rendered = Prompts.load(source).render(shown)
    return [rendered.messages(i)[0].content for i in range(count)]


def direct(model: Any, slots: int, threads: int) -> Any:
    """Return llama.cpp's own server on the same weights."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(model.path)
    settings.n_ctx, settings.n_parallel, settings.n_gpu_layers = 2048 * slots, slots, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.warmup, settings.verbosity, settings.ui, settings.fit_params = False, 0, False, False
    settings.cache_ram_mib = 0
    return xllamacpp.Server(settings)


def complete(server: Any, prompt: list[int], allowed: list[int]) -> float:
    """Return the probability of the second allowed token, as `Embedded` asks for it."""
    reply = server.handle_completions(
        {
            "prompt": prompt, "max_tokens": 1, "temperature": 1.0, "cache_prompt": True, "seed": 0,
            "samplers": ["top_k", "temperature"], "top_k": 2, "n_probs": 2,
            "post_sampling_probs": True, "logit_bias": [[token, 100.0] for token in allowed],
        }
    )  # fmt: skip
    found = reply["choices"][0]["logprobs"]["content"][0]["top_probs"]
    return {entry["id"]: float(entry["prob"]) for entry in found}.get(allowed[1], 0.0)


def decisions(prompts: int, rounds: int, threads: int) -> dict[str, Any]:
    model = Embedded(threads=threads)
    servers = {1: direct(model, 1, threads), 4: direct(model, 4, threads)}
    allowed = [model.engine.tokens(word)[0] for word in YES_NO]
    seconds: dict[str, list[float]] = {"populace": [], "one slot": [], "four slots": []}
    gaps = []
    first = texts(2, 0)  # evaluates the shared part once
    tokens = {text: model.engine.tokens(text, first=True) for text in first}
    asyncio.run(score(model, first))
    for slots, server in servers.items():
        for _ in range(slots):
            for text in first:
                complete(server, tokens[text], allowed)
    for turn in range(rounds):
        asked = texts(prompts, 10 + turn * prompts)
        begun = time.perf_counter()
        ours = asyncio.run(score(model, asked))
        seconds["populace"].append(time.perf_counter() - begun)
        ids = sorted(model.engine.tokens(text, first=True) for text in asked)
        begun = time.perf_counter()
        theirs = [complete(servers[1], prompt, allowed) for prompt in ids]
        seconds["one slot"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda prompt: complete(servers[4], prompt, allowed), ids))
        seconds["four slots"].append(time.perf_counter() - begun)
        gaps.append(abs(np.mean(ours) - np.mean(theirs)))
    best = [min(pair) for pair in zip(seconds["one slot"], seconds["four slots"], strict=True)]
    return {
        "prompts": prompts,
        "decisions_a_second": {
            name: spread([prompts / s for s in taken]) for name, taken in seconds.items()
        },
        "of_llama_cpp_at_its_best": ratio(seconds["populace"], best),
        "largest_gap_of_mean_probability": round(float(max(gaps)), 4),
    }


async def score(model: Embedded, asked: list[str]) -> list[float]:
    requests = [Request(messages=(Message("text", text),), stop=("\n",)) for text in asked]
    scores = await model.score(requests, [list(YES_NO)] * len(requests))
    return [float(np.exp(s.logprobs[1])) for s in scores]


def tick(people: int, rounds: int, threads: int) -> dict[str, Any]:
    """Time the ask of all people, and the calls alone."""
    from populace import threads as limited

    number = np.arange(people)
    everyone = Population(people, name="people", age=20 + number % 50, cases=number // 50 % 10)
    space = Choice(["no", "yes"])
    seconds: dict[str, list[float]] = {"tick": [], "calls": []}
    distinct = 0
    with limited(threads):
        warm = Embedded(threads=threads)
        for words in (1, 2):  # compiles what one prompt and several take
            few = Population(people, name="people", age=number % words, cases=number % words)
            shown = observe("go", few, space, see=["age", "cases"])
            asyncio.run(act(Language(warm, SHORT), shown))
        asyncio.run(warm.close())
        for turn in range(rounds):
            shown = observe("go", everyone, space, see=["age", "cases"], tick=turn)
            for name in ("calls", "tick") if turn % 2 else ("tick", "calls"):
                model = Embedded(threads=threads)
                asyncio.run(score(model, ["Warm"]))
                policy = Language(model, SHORT)
                if name == "tick":
                    begun = time.perf_counter()
                    asyncio.run(act(policy, shown))
                else:
                    rendered = policy.prompts.render(shown)
                    distinct = len(rendered)
                    asked = [rendered.messages(i)[0].content for i in range(distinct)]
                    begun = time.perf_counter()
                    asyncio.run(score(model, asked))
                seconds[name].append(time.perf_counter() - begun)
                asyncio.run(model.close())
    return {
        "people": people,
        "distinct_prompts": distinct,
        "seconds": {name: spread(taken) for name, taken in seconds.items()},
        "tick_over_calls": ratio(seconds["calls"], seconds["tick"]),
    }


async def act(policy: Language, shown: Any) -> Any:
    return await policy.act(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["decisions", "tick"])
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--people", type=int, default=2_712_360)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if given.what == "decisions":
        figures = decisions(given.prompts, given.rounds, given.threads)
    else:
        figures = tick(given.people, given.rounds, given.threads)
    report(f"language {given.what}", {**figures, "threads": given.threads}, "xllamacpp")


if __name__ == "__main__":
    main()
