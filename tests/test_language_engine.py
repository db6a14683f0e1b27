"""What the engine sends: no evaluated batch of a prompt holds exactly one token."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from populace.language.engine import Plan, plan

BATCH = 8  # small, so that its edges are met
prompts = st.lists(st.integers(0, 1), min_size=1, max_size=40)


class Cache:
    """llama.cpp's slot as it was observed: it keeps the longest beginning in common.

    Every kept token remembers the size of the batch that it was evaluated in: 0 for a token that
    was generated. What one prompt's last token was evaluated with is all that may alter its bits.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []

    def send(self, prompt: list[int], reuse: bool) -> list[int]:
        common = 0
        while (
            reuse
            and common < min(len(prompt) - 1, len(self.kept))  # one token is always evaluated
            and self.kept[common][0] == prompt[common]
        ):
            common += 1
        new = len(prompt) - common
        sizes = [min(BATCH, new - i // BATCH * BATCH) for i in range(new)]
        self.kept = self.kept[:common] + list(zip(prompt[common:], sizes, strict=True))
        return [size for _, size in self.kept]

    def generate(self, tokens: list[int]) -> None:
        self.kept += [(token, 0) for token in tokens]


@given(st.lists(st.tuples(prompts, st.lists(st.integers(0, 1), max_size=4)), min_size=1))
@example([([0] * 9, []), ([0] * 9, []), ([0] * 10, [])])
@example([([0] * 17, [0, 0]), ([0] * 20, []), ([0] * 18, [])])
def test_every_kept_token_came_from_a_batch_of_two_or_more(
    asked: list[tuple[list[int], list[int]]],
) -> None:
    cache, held, tail = Cache(), list[int](), False
    for prompt, generated in asked:
        todo = plan(prompt, held, tail, BATCH)
        if todo.cut:
            cache.send([*prompt[: todo.keep], 1 - prompt[todo.keep]], reuse=True)
        if todo.feed:
            cache.send(prompt[: todo.feed], reuse=False)
        before = len(cache.kept)
        sizes = cache.send(prompt, reuse=todo.keep > 0)
        assert len(sizes) == len(prompt)
        if len(prompt) > 1:
            assert min(sizes) >= 2, (prompt, held, tail, todo, before)
        cache.generate(generated)
        held, tail = prompt if len(prompt) > 1 else [], bool(generated)


@given(prompts, prompts, st.booleans())
def test_what_is_common_is_kept_but_for_two_tokens(
    prompt: list[int], held: list[int], tail: bool
) -> None:
    todo = plan(prompt, held, tail, BATCH)
    common = next(
        (i for i, pair in enumerate(zip(prompt, held, strict=False)) if pair[0] != pair[1]),
        min(len(prompt), len(held)),
    )
    if not todo.feed:
        assert min(common, len(prompt) - 2) - 1 <= todo.keep <= max(0, common)


def test_plans() -> None:
    assert plan([1, 2, 3, 4], [], False) == Plan(0)
    assert plan([1, 2, 3, 4], [1, 2, 9], False) == Plan(2)
    assert plan([1, 2, 3, 4], [1, 2, 3, 4], False) == Plan(2, cut=True)  # asked again
    assert plan([1, 2, 3, 4, 5], [1, 2, 3, 4], False) == Plan(3, cut=True)  # one more token
    assert plan([1, 2, 3, 4, 5], [1, 2], True) == Plan(2, cut=True)  # a reply stood there
    assert plan([7], [7], False) == Plan(0)
    assert plan([1] * 513, [], False) == Plan(2, feed=2)  # one beyond a batch of 512
    assert plan([1] * 1025, [], False) == Plan(2, feed=2)
    assert plan([1] * 515, [1, 1, 2], False) == Plan(
        1, cut=True
    )  # 513 new ones would leave one alone
