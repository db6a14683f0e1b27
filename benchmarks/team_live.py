"""Seven ways to ask the embedded model, compared live and offline, then replayed from the record.

    python benchmarks/team_live.py [--to DIR]

Runs `populace compare team_live.toml` (three tasks of reasoning-gym with closed answers, two
budgets, seven arms), then the same in strict mode from the answers of the first run, and says
whether every table has the same bytes. The model has 135 million parameters: what is shown is that
it runs, is held to its budget and replays, not that it reasons. Needs the extras embedded and
exams.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from populace.studies.exam_files import TABLES, read_exam_comparison

STUDY = Path(__file__).with_name("team_live.toml")


def compare(folder: Path, *options: str) -> tuple[float, float]:
    """Run the study in a process of its own; return wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "populace", "compare", str(STUDY), "--to", str(folder), *options],
        check=True,
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=None)
    folder = parser.parse_args().to or Path(tempfile.mkdtemp(prefix="team-live-"))
    live, again = folder / "live", folder / "replay"
    wall, cpu = compare(live)
    answers = str(live / "answers.sqlite")
    replay, replay_cpu = compare(again, "--answers", answers, "--mode", "strict", "--quiet")
    same = {
        name: (live / f"{name}.parquet").read_bytes() == (again / f"{name}.parquet").read_bytes()
        for name in TABLES
    }
    found = read_exam_comparison(live)
    print(
        json.dumps(
            {
                "benchmark": "team_live",
                "cores": len(os.sched_getaffinity(0)),
                "load": os.getloadavg()[1],
                "arms": found.manifest["names"],
                "items": found.manifest["items_judged"] + found.manifest["items_pilot"],
                "live_seconds": round(wall, 1),
                "live_cpu_seconds": round(cpu, 1),
                "replay_seconds": round(replay, 1),
                "replay_cpu_seconds": round(replay_cpu, 1),
                "calls": found.manifest["spend"],
                "same_bytes": same,
            }
        )
    )
    if not all(same.values()):
        raise SystemExit("the replay differs")


if __name__ == "__main__":
    main()
