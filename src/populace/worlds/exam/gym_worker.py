"""The process in which reasoning-gym makes and scores its puzzles (see `language.worker`).

Some of its verifiers evaluate what they are given, and one of its generators seeds numpy's global
state: neither may happen in the process of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reasoning_gym.factory import DATASETS, create_dataset

from populace.kernel.errors import ParameterError
from populace.language.worker import serve


@lru_cache(maxsize=256)
def _dataset(task: str, size: int, seed: int, config: tuple[tuple[str, Any], ...]) -> Any:
    try:
        return create_dataset(task, size=size, seed=seed, **dict(config))
    except Exception as error:
        raise ParameterError(
            f"cannot be built: {type(error).__name__}: {error}", where=f"task {task!r}"
        ) from error


@lru_cache(maxsize=20_000)
def _entry(task: str, size: int, seed: int, config: tuple[Any, ...], index: int) -> Any:
    return _dataset(task, size, seed, config)[index]


def _handle(request: Mapping[str, Any]) -> Any:
    if request["do"] == "names":
        return sorted(DATASETS)
    config = tuple(sorted(request["config"].items()))
    made = request["task"], request["size"], request["seed"], config
    if request["do"] == "item":
        entry = _entry(*made, request["index"])
        gold = entry["answer"]
        return [entry["question"], None if gold is None else str(gold), _dataset(*made).category]
    try:
        return float(
            _dataset(*made).score_answer(request["answer"], _entry(*made, request["index"]))
        )
    except (Exception, RecursionError):  # what a verifier cannot read is not right
        return 0.0


def main() -> None:
    serve(_handle)


if __name__ == "__main__":
    main()
