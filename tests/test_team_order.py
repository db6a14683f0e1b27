"""No result of a team depends on which reply came first, on what is in flight, or on a restart."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from populace import AnswerStore, Budget, Rule, Simulation, Team
from populace.language.model import Capabilities, Identity, Reply
from tests.teamwork import WORDING, Sums, adds, debate

ROOT = Path(__file__).parents[1]


class Shuffled:
    """A model whose replies come in an order drawn from a seed, one at a time.

    Every request waits; whenever nobody has come for a turn of the loop, one of those that wait is
    answered. So any order of completion that concurrency allows can happen, and none takes time.
    """

    capabilities = Capabilities(seed=True, exact=True, tokens="exact")

    def __init__(self, name, by, order):
        self.identity = Identity("shuffled", name)
        self._script, self._order = adds(by, name), order

    async def generate(self, requests):
        await self._order.turn()
        return [
            Reply(text=self._script(r) + ("" if r.sample % 2 else "."), tokens_in=9, tokens_out=3)
            for r in requests
        ]

    async def score(self, requests, choices):
        raise NotImplementedError

    def count_tokens(self, messages):
        return 9

    async def close(self):
        pass


class Order:
    def __init__(self, seed):
        self.draw, self.waiting, self.releasing, self.log = (
            np.random.default_rng(seed),
            [],
            None,
            [],
        )

    async def turn(self):
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        number = len(self.log) + len(self.waiting)
        self.waiting.append((number, mine))
        if self.releasing is None:
            self.releasing = loop.create_task(self.release())
        await mine
        self.log.append(number)

    async def release(self):
        while self.waiting:
            await asyncio.sleep(0)
            _, one = self.waiting.pop(int(self.draw.integers(len(self.waiting))))
            if not one.done():
                one.set_result(None)
        self.releasing = None


def mixed(order, **settings):
    """Two models, a rule that draws, and a team of two models inside the team."""
    rule = Rule(lambda o: o["number"] + o.random.integers(low=0, high=3))
    inner = Team(
        [Shuffled("deep", 1, order), Shuffled("deep", 1, order)], debate, wording=WORDING, rounds=2
    )
    members = {
        "a": Shuffled("a", 1, order),
        "b": Shuffled("b", 2, order),
        "rule": rule,
        "inner": inner,
    }
    return Team(members, debate, wording=WORDING, **settings)


def told(run):
    """Everything a run tells, but how long it took."""
    spend = run.spend.drop([name for name in run.spend.columns if name.endswith("seconds")])
    tables = run.metrics, run.transcript, run.minds, spend.sort(spend.columns), run.panel
    return [table.write_json() for table in tables]


def test_the_order_of_completion_changes_nothing():
    orders = [Order(seed) for seed in range(4)]
    runs = [told(Simulation(Sums(5), mixed(order), seed=3).run(1)) for order in orders]
    assert len({tuple(order.log) for order in orders}) == 4  # they did differ
    assert all(run == runs[0] for run in runs)


def test_how_much_is_in_flight_changes_nothing():
    few, many = (
        Simulation(Sums(7), mixed(Order(0), in_flight=n), seed=3).run(1) for n in (2, 1000)
    )
    assert few.transcript.equals(many.transcript)
    assert few.metrics.equals(many.metrics)


def test_whom_a_runs_budget_refuses_does_not_depend_on_the_order_of_completion():
    def run(seed):
        order = Order(seed)
        pair = {"a": Shuffled("a", 1, order), "b": Shuffled("b", 1, order)}
        team = Team(pair, debate, wording=WORDING, rounds=2, max_tokens=3)
        budget = Budget(calls=14, at_end="missing")
        return order.log, Simulation(Sums(5), team, seed=1, budget=budget).run(1)

    runs = [run(seed) for seed in range(4)]
    assert len({tuple(log) for log, _ in runs}) > 1
    # 5 items x 2 calls at first, then two items more; the others' first round counts
    for _, one in runs:
        assert told(one) == told(runs[0][1])
        reasons = one.transcript.filter(one.transcript["prompt"] == "verdict")["reason"]
        assert reasons.to_list() == ["done", "done", "budget", "budget", "budget"]
        assert one.metrics["right"].to_list() == [5]


def test_an_agent_is_answered_alike_in_whatever_company():
    alone = Simulation(Sums(1), mixed(Order(0)), seed=3).run(1)
    among = Simulation(Sums(6), mixed(Order(1)), seed=3).run(1)
    assert alone.transcript.equals(among.transcript.filter(among.transcript["agent"] == 0))


KILLED = """
import os, signal, sys
from pathlib import Path
from populace import Simulation, Team
from populace.language.scripted import Scripted
from tests.teamwork import WORDING, Sums, adds, debate

store, calls, most = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

class Counting(Scripted):
    async def generate(self, requests):
        with calls.open("a") as file:
            for request in requests:
                file.write(f"{self.identity.model} {len(request.messages)} {request.seed}\\n")
        if most and len(calls.read_text().splitlines()) > most:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().generate(requests)

team = Team({k: Counting(adds(b, k), name=k) for k, b in (("a", 1), ("b", 1), ("c", 2))},
            debate, wording=WORDING, budget={"calls": 9})
run = Simulation(Sums(4), team, seed=5, answers=store).run(1)
spend = run.spend.drop([n for n in run.spend.columns if "billed" in n or n.endswith("seconds")])
minds = run.minds.filter(run.minds["measure"] != "paid")
print(run.metrics.write_json(), run.transcript.write_json(), minds.write_json(), spend.write_json())
"""


def killed(folder, store, calls, most):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-c", KILLED, str(folder / store), str(folder / calls), str(most)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_debate_killed_in_mid_round_goes_on_to_the_same_bytes_and_pays_nothing_twice(tmp_path):
    whole = killed(tmp_path, "whole.sqlite", "whole.txt", 0)
    assert whole.returncode == 0, whole.stderr
    first = killed(tmp_path, "answers.sqlite", "calls.txt", 17)
    assert first.returncode == -signal.SIGKILL
    again = killed(tmp_path, "answers.sqlite", "calls.txt", 0)
    assert again.returncode == 0, again.stderr
    assert again.stdout == whole.stdout
    sent = (tmp_path / "calls.txt").read_text().splitlines()
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        assert store.stats().answers == 4 * 3 * 3
    # only the call that was under way when the process died is sent again
    repeated = [line for line, n in ((s, sent.count(s)) for s in set(sent)) if n > 1]
    assert len(sent) == 4 * 3 * 3 + 1
    assert len(repeated) == 1
