"""Does the language model matter? The same worlds with rules in a model's place, paired by seed.

    python benchmarks/ablation.py --page docs
    python benchmarks/ablation.py commons dilemma --to runs/ablation --budget tokens=1e6
    python benchmarks/ablation.py --model openai:NAME@https://host/v1 --answers hosted.sqlite \\
        --mode strict --page runs/hosted

In each study some seats are played by a model, and in each of its arms a rule of a few lines takes
exactly these seats, `uniform` among them, which answers anything that is allowed. All arms of a
seed share their draws. ``--page DIR`` remakes the tables and the figure of
`docs/does-the-model-matter.md`. Runs and answers are kept under ``--to``: stopped or killed, the
same command goes on and pays for nothing twice. ``--mode strict`` calls no model, and replays
answers that were recorded elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _ablation_page as page
from _ablation_studies import STUDIES, Study
from populace import AnswerStore
from populace.kernel.budget_text import parse_budget
from populace.kernel.prices import Prices
from populace.reports import write_comparison
from populace.studies import Comparison, compare
from populace.studies.purse import Purse


@dataclass(frozen=True)
class Kept:
    """What every run may spend: answers are kept in one file."""

    path: Path
    mode: Any

    def __call__(self) -> dict[str, Any]:
        return {"answers": AnswerStore(self.path, self.mode)}


def carry_out(
    study: Study, to: Path, model: Any = "embedded", seeds: int | None = None, **options: Any
) -> Comparison:
    """Run a study, or go on with it; write its tables and its report."""
    found = compare(
        study.world,
        study.arms(model),
        seeds or study.seeds,
        ticks=study.ticks,
        parameters=study.parameters,
        cast=study.seats(model),
        measures=study.measures,
        family="arms",
        to=to,
        **options,
    )
    write_comparison(found.write())
    return found


def main(arguments: Sequence[str] | None = None, model: Any = None) -> dict[str, Comparison]:
    given = _arguments(arguments)
    answers = given.answers or given.to / "answers.sqlite"
    resources: Any = Kept(answers, given.mode)
    if given.budget:
        prices = None if given.prices is None else Prices.read(given.prices)
        resources = Purse(parse_budget(given.budget), answers, given.mode, prices, given.to)
    found = {}
    for name in given.studies or STUDIES:
        study = STUDIES[name]
        found[name] = carry_out(
            study,
            given.to / name,
            model or given.model,
            given.seeds,
            resources=resources,
            workers=given.workers,
            progress=_say(name),
        )
        for line in page.lines(found[name]):
            print(line)
        if getattr(resources, "spent", False):
            print("The budget is spent; with a larger one the same command goes on.")
            break
    if given.page is not None:
        with AnswerStore(answers, "strict") as store:
            page.remake({n: (STUDIES[n], c) for n, c in found.items()}, store, given.page)
    return found


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--to", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--model", default="embedded", help="as open_model takes it")
    parser.add_argument("--answers", type=Path, help="by default answers.sqlite under --to")
    parser.add_argument("--mode", choices=["fill", "strict", "refresh"], default="fill")
    parser.add_argument("--budget", metavar="NAME=LIMIT,...", help="of all studies together")
    parser.add_argument("--prices", type=Path, help="TOML file of US dollars a million tokens")
    parser.add_argument("--seeds", type=int, help="instead of each study's own number")
    parser.add_argument("--workers", type=int, help="by default one a core")
    parser.add_argument("--page", type=Path, metavar="DIR", help="remake page and figure there")
    given = parser.parse_args(arguments)
    for name in given.studies:
        if name not in STUDIES:
            parser.error(f"no study {name!r}: expected {', '.join(STUDIES)}")
    return given


def _say(name: str) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        print(f"{name}: {done} of {total} runs", file=sys.stderr)

    return progress


if __name__ == "__main__":
    main()
