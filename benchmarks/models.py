"""What language models cost beyond the model: our own time, against the same work done bare.

    python benchmarks/models.py embedded [--requests 16] [--repeats 3] [--threads 1]
    python benchmarks/models.py endpoint [--requests 1000] [--repeats 5]

``embedded``: decisions a second of `Embedded.score` against llama.cpp's own server on the same
prompts, given to it in one call as a list, in one slot and in eight (its continuous batching).

``endpoint``: processor time a request of `Endpoint.generate` with all requests in flight, against
the openai client alone on the same loopback server; and that of `Endpoint` with a transport that
answers at once, which is all its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from _measure import by_turns, ratio, report, spread


def prompts(n: int, round_: int = 0) -> list[str]:
    """Return `n` prompts that share the first 160 of their 170 tokens."""
    head = "Town news. " + " ".join(
        f"A {age}-year-old, {cases} cases about: {'home' if age * cases > 900 else 'out'}."
        for age in (20, 40, 60)
        for cases in (5, 50, 500)
    )
    return [f"{head} A {18 + i}-year-old, {37 * i + round_} cases about:" for i in range(n)]


def embedded(n: int, repeats: int, threads: int) -> dict[str, Any]:
    from populace.language.embedded import Embedded
    from populace.language.engine import BIAS
    from populace.language.model import Message, Request

    ours = Embedded(threads=threads)
    ids = [ours.engine.tokens(choice)[0] for choice in (" out", " home")]
    rounds: dict[str, int] = {}

    def fresh(name: str) -> list[str]:
        rounds[name] = rounds.get(name, -1) + 1
        return prompts(n, rounds[name])

    def score() -> None:
        asked = [Request(messages=(Message("text", text),)) for text in fresh("ours")]
        answers = asyncio.run(ours.score(asked, [[" out", " home"]] * n))
        assert all(answer.error is None for answer in answers)

    def bare(slots: int) -> Any:
        server = _server(str(ours.path), threads, slots)

        def call() -> None:
            body = {
                "prompt": fresh(f"slots{slots}"),
                "max_tokens": 1,
                "temperature": 1.0,
                "samplers": ["top_k", "temperature"],
                "top_k": 2,
                "n_probs": 2,
                "post_sampling_probs": True,
                "logit_bias": [[i, BIAS] for i in ids],
                "seed": 0,
            }
            reply = server.handle_completions(body)
            assert len(reply["choices"] if isinstance(reply, dict) else reply) == n

        return call

    rivals = {"ours": score, "llama.cpp, 1 slot": bare(1), "llama.cpp, 8 slots": bare(8)}
    seconds = by_turns(rivals, repeats)
    figures: dict[str, Any] = {"prompts": n, "threads": threads}
    for name, times in seconds.items():
        figures[f"decisions/s {name}"] = spread([n / t for t in times])
    for name in list(rivals)[1:]:
        figures[f"ours / {name}"] = ratio(seconds["ours"], seconds[name])
    asyncio.run(ours.close())
    return figures


def _server(path: str, threads: int, slots: int) -> Any:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = path
    settings.n_ctx, settings.n_parallel, settings.n_gpu_layers = 2048 * slots, slots, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.cache_ram_mib, settings.fit_params, settings.warmup = 0, False, False
    settings.verbosity, settings.ui = 0, False
    return xllamacpp.Server(settings)


def endpoint(n: int, repeats: int) -> dict[str, Any]:
    return asyncio.run(_endpoint(n, repeats))


async def _endpoint(n: int, repeats: int) -> dict[str, Any]:
    import openai
    from tests.model_server import FaultyServer

    from populace.language.aimd import Window
    from populace.language.endpoint import Endpoint
    from populace.language.model import user
    from populace.language.traffic import SharedTraffic

    class Instant:
        """A client that answers at once."""

        content = json.dumps(
            {
                "model": "good",
                "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2},
            }
        ).encode()

        async def create(self, **_: Any) -> Instant:
            await asyncio.sleep(0)
            return self

    instant = Instant()
    instant.chat = instant.completions = instant.with_raw_response = instant  # type: ignore[attr-defined]
    requests = [user(f"q{i}", max_tokens=8) for i in range(n)]
    window = Window(size=float(n), low=float(n), high=float(n))
    cpu: dict[str, list[float]] = {"client alone": [], "ours": [], "ours, instant": []}
    _allow_files(4 * n + 100)
    async with FaultyServer() as server:
        server.barrier = asyncio.Barrier(n)  # none is answered before all have arrived
        client = openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0)
        ours = Endpoint(server.url, "good", traffic=SharedTraffic(window=window))
        fast = Endpoint(server.url, "good", traffic=SharedTraffic(window=window))
        fast._open = lambda: instant  # type: ignore[method-assign]

        async def bare(i: int) -> bytes:
            raw = await client.chat.completions.with_raw_response.create(
                model="good",
                messages=[{"role": "user", "content": f"q{i}"}],
                max_tokens=8,
                temperature=1.0,
                seed=3,
            )
            return raw.content

        for round_ in range(repeats + 1):
            for name in cpu:
                start = time.process_time()
                if name == "client alone":
                    await asyncio.gather(*map(bare, range(n)))
                else:
                    model = ours if name == "ours" else fast
                    replies = await model.generate(requests)
                    assert all(reply.error is None for reply in replies)
                if round_:  # the first round warms up
                    cpu[name].append((time.process_time() - start) / n * 1e3)
        peak = server.peak
        await client.close()
        await ours.close()
    figures: dict[str, Any] = {"requests": n, "in flight at most": peak}
    for name, times in cpu.items():
        figures[f"cpu ms a request, {name}"] = spread(times)
    added = [a - b for a, b in zip(cpu["ours"], cpu["client alone"], strict=True)]
    figures["cpu ms a request, added to the client"] = spread(added)
    return figures


def _allow_files(n: int) -> None:
    """Let this process open `n` sockets, where the system says how."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["embedded", "endpoint"])
    parser.add_argument("--requests", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if given.what == "embedded":
        figures = embedded(given.requests or 16, given.repeats or 3, given.threads)
        report("models embedded", figures, "xllamacpp")
    else:
        figures = endpoint(given.requests or 1000, given.repeats or 5)
        report("models endpoint", figures, "openai")


if __name__ == "__main__":
    main()
