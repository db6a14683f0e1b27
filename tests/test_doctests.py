"""Every example in a docstring does what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import populace

MODULES = sorted(m.name for m in pkgutil.walk_packages(populace.__path__, "populace."))


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("__main__")])
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)  # extras are imported when used, not here
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_there_are_examples_to_check() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        t
        for name in ("errors", "population", "measures")
        for t in finder.find(importlib.import_module(f"populace.kernel.{name}"))
    ]
    assert sum(len(t.examples) for t in found) >= 5
