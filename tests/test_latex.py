"""The LaTeX form: equal expressions are one answer, hostile ones are none, in any thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("math_verify", reason="needs the extra exams")

from populace.language.forms import form
from populace.language.worker import Worker, WorkerFailed

SAME = [
    (r"\boxed{\frac{1}{\sqrt2}}", r"The answer is $\frac{\sqrt{2}}{2}$.", "sqrt(2)/2"),
    (r"\boxed{(x+1)^2}", r"Answer: $x^2+2x+1$", r"\(1 + 2x + x^2\)"),
    (r"\boxed{5}", "$x=5$", "Answer: 5", "5."),
    (r"\boxed{\{1,2\}}", r"\boxed{\{2,1\}}"),
    (r"\boxed{50\%}", r"\boxed{\frac12}", "Answer: 0.5"),
    (r"\boxed{\sin^2 x+\cos^2 x}", "1"),
    (r"\boxed{\text{Evelyn}}", r"\boxed{\text{evelyn}}"),
]
DIFFERENT = [r"\boxed{(1,2)}", r"\boxed{[1,2)}", r"\boxed{x<5}", r"\boxed{12}"]
NONE = [
    "",
    r"\boxed{}",
    "I do not know",
    "$1$ and $2$",
    r"\boxed{\frac{1}{0}}",
    r"\boxed{__import__('os').system('true')}",
    "<think>\\boxed{5}</think>",
    "Answer: not 5",
]


@pytest.fixture(scope="module")
def latex():
    return form("latex")


@pytest.mark.parametrize("replies", SAME)
def test_equal_expressions_have_one_canonical_answer(latex, replies):
    found = {latex.extract(reply) for reply in replies}
    assert len(found) == 1
    (answer,) = found
    assert answer is not None
    assert latex.extract(answer) == answer


def test_different_expressions_stay_different(latex):
    found = [latex.extract(reply) for reply in DIFFERENT]
    assert len(set(found)) == len(DIFFERENT)
    assert not any(latex.same(a, b) for i, a in enumerate(found) for b in found[i + 1 :])


@pytest.mark.parametrize("reply", NONE)
def test_what_cannot_be_read_is_none(latex, reply):
    assert latex.extract(reply) is None


def test_equality_goes_deeper_than_canonical_texts(latex):
    decimal, third = latex.extract("0.333333"), latex.extract(r"\frac{1}{3}")
    assert decimal != third
    assert latex.same(decimal, third)
    assert latex.same(third, decimal)
    assert latex.groups([decimal, "2", third, None]) == [decimal, "2", decimal, None]
    assert not latex.same(None, None)


def test_it_works_in_threads_and_in_an_event_loop(latex):
    async def inside():
        return latex.extract(r"\boxed{2+2}")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(latex.extract, [rf"\boxed{{{i}+1}}" for i in range(20)]))
    assert found == [str(i + 1) for i in range(20)]
    assert asyncio.run(inside()) == "4"


def test_an_expression_that_never_ends_is_cut_off_and_the_next_is_read():
    worker = Worker("populace.language.forms.latex_worker", seconds=0.3, patience=20)
    try:
        with pytest.raises(WorkerFailed):
            worker.ask({"what": "read", "texts": ["9^{9^{9^{9}}}"]})
        assert worker.ask({"what": "read", "texts": ["2+2"]}) == "4"
    finally:
        worker.close()
    assert worker.ask({"what": "read", "texts": ["1"]}) == "1"  # started again
    worker.close()
