"""What a team may spend: a round is reserved as a whole, counted, and given back when cut short."""

import asyncio

import pytest

from populace import Budget, Prices, Simulation, Team
from populace.errors import BudgetError
from populace.kernel.prices import Price
from populace.language.errors import ModelError, ModelRefused, ModelTimeout
from populace.language.model import Reply
from populace.language.scripted import Scripted
from populace.teams import OutOfBudget
from populace.teams.votes import plurality
from tests.teamwork import WORDING, Sums, adds, debate


def models(*by):
    return {f"m{k}": Scripted(adds(each, f"m{k}"), name=f"m{k}") for k, each in enumerate(by)}


def reasons(run):
    return run.transcript.filter(run.transcript["prompt"] == "verdict")["reason"].to_list()


def test_a_round_that_does_not_fit_is_not_started_and_the_last_one_counts():
    made = models(1, 1, 2)
    run = Simulation(Sums(2), Team(made, debate, wording=WORDING, budget={"calls": 8})).run(1)
    assert [len(model.asked) for model in made.values()] == [4, 4, 4]  # two rounds of three
    assert reasons(run) == ["budget", "budget"]
    assert run.metrics["right"].to_list() == [2]
    assert dict(run.minds.select("measure", "value").iter_rows())["over_budget"] == 2


def test_without_any_round_the_outcome_is_over_budget():
    team = Team(models(1, 1, 2), debate, wording=WORDING, budget={"calls": 2})
    run = Simulation(Sums(2), team).run(1)
    assert run.asks["over_budget"].to_list() == [2]
    assert run.spend.is_empty()


def test_tokens_are_bounded_by_the_prompt_and_the_longest_reply():
    left = []

    async def twice(members, question):
        left.append(members.left()["tokens"])
        said = await members.ask()
        left.append(members.left()["tokens"])
        await members.ask()
        return plurality(said)

    model = Scripted(adds(), name="m")
    words = 3 + 16  # the question and the instruction; a script's tokens are words
    team = Team([model], twice, budget={"tokens": words + 50}, max_tokens=50)
    run = Simulation(Sums(1), team).run(1)
    (request,) = model.asked
    assert model.count_tokens(request.messages) == words
    assert left == [words + 50, words + 50 - (words + 4)]
    assert reasons(run) == ["budget"]


def test_a_structure_may_take_what_still_fits():
    async def most(members, question):
        said = []
        try:
            for sample in range(10):
                said += await members.ask(to=0, sample=sample, fresh=True)
        except OutOfBudget:
            pass
        return plurality(said)

    model = Scripted(adds(), name="m")
    run = Simulation(Sums(1), Team([model], most, budget={"calls": 4})).run(1)
    assert len(model.asked) == 4
    assert reasons(run) == ["done"]


def test_an_items_budget_counts_stored_answers_as_if_they_were_bought():
    from populace import AnswerStore

    store = AnswerStore(None)

    def run():
        team = Team(models(1, 1, 2), debate, wording=WORDING, budget={"calls": 8})
        return Simulation(Sums(2), team, answers=store).run(1)

    bought, replayed = run(), run()
    assert replayed.transcript.equals(bought.transcript)
    assert replayed.spend["logical_calls"].to_list() == bought.spend["logical_calls"].to_list()
    assert replayed.spend["billed_calls"].sum() == 0


@pytest.mark.parametrize("answers", [None, "file"])
def test_one_question_is_never_put_twice_to_a_model(answers, tmp_path):
    async def again(members, question):
        first = await members.ask(to=[0, 0, 1], sample=[0, 0, 1], fresh=True)
        second = await members.ask(to=[0, 1], sample=[0, 1], fresh=True)
        assert [said.text for said in first[1:]] == [said.text for said in second]
        return plurality(first)

    made = models(1, 2)
    store = None if answers is None else tmp_path / "answers.sqlite"
    run = Simulation(Sums(3), Team(made, again), answers=store).run(1)
    assert [len(model.asked) for model in made.values()] == [3, 3]
    assert run.spend["logical_calls"].to_list() == [9, 6]
    assert run.spend["billed_calls"].to_list() == [3, 3]


def test_the_runs_budget_holds_and_stops_the_run():
    budget = Budget(calls=10)
    run = Simulation(Sums(4), Team(models(1, 1, 2), debate, wording=WORDING), budget=budget).run(2)
    assert run.status == "stopped"
    assert budget.spent.calls == 9
    assert budget.held.calls == 0


def test_money_needs_a_price_before_the_first_call():
    made = models(1)
    team = Team(made, debate, wording=WORDING, budget={"usd": 1.0})
    with pytest.raises(BudgetError, match="no price for 'm0'"):
        Simulation(Sums(1), team)
    prices = Prices({"m0": Price(1.0, 2.0)})
    team = Team(made, debate, wording=WORDING, budget={"usd": 0.0031}, max_tokens=1000)
    run = Simulation(Sums(1), team, prices=prices).run(1)
    # a round is bound by 0.002 and costs 0.0001 at most
    assert reasons(run) == ["done"]
    rows = run.spend.row(0, named=True)
    usd = rows["logical_tokens_in"] * 1e-6 + rows["logical_tokens_out"] * 2e-6
    assert rows["logical_usd"] == pytest.approx(usd, abs=1e-12)


def test_the_money_of_two_models_adds():
    left = []

    async def once(members, question):
        said = await members.ask()
        left.append(members.left()["usd"])
        return plurality(said)

    prices = Prices({"m0": Price(1.0, 2.0), "m1": Price(10.0, 20.0)})
    team = Team(models(1, 1), once, budget={"usd": 1.0}, max_tokens=10)
    run = Simulation(Sums(1), team, prices=prices).run(1)
    usd = dict(run.spend.select("model", "logical_usd").iter_rows())
    assert usd["m1"] == pytest.approx(10 * usd["m0"], abs=1e-12)
    assert left == [pytest.approx(1 - usd["m0"] - usd["m1"], abs=1e-12)]


def test_a_team_within_a_team_spends_from_the_budget_of_the_item():
    inner = Team(models(1, 1), debate, wording=WORDING, rounds=2)
    outer = Team({"inner": inner, **models(1)}, debate, wording=WORDING, budget={"calls": 7})
    run = Simulation(Sums(1), outer).run(1)
    # a round costs 1 + 2 x 2: of the second, the inner team's second round no longer fits
    verdicts = run.transcript.filter(run.transcript["prompt"] == "verdict")
    assert verdicts.filter(verdicts["policy"] == "team/inner")["reason"].to_list()[0] == "done"
    assert "budget" in verdicts["reason"].to_list()
    assert run.spend["logical_calls"].sum() <= 7


ERRORS = {
    "refused": ModelRefused("no", raw="I will not"),
    "timeout": ModelTimeout("late"),
    "failed": ModelError("broken"),
}


@pytest.mark.parametrize("outcome", ERRORS)
def test_a_call_without_an_answer_is_an_outcome_and_not_a_vote(outcome):
    broken = Scripted(lambda request: ERRORS[outcome], name="broken")
    run = Simulation(Sums(1), Team({"b": broken, **models(1)}, debate, wording=WORDING)).run(1)
    assert run.metrics["right"].to_list() == [1]
    rows = run.transcript.filter(run.transcript["member"] == "b")
    assert rows["outcome"].to_list() == [outcome] * 3
    # it has nothing to go on from; a refusal is an answer, and the third round asks as the second
    sent = 2 if outcome == "refused" else 3
    assert [len(request.messages) for request in broken.asked] == [1] * sent
    assert run.failures["outcome"].to_list() == [outcome] * 3


class Waiting(Scripted):
    """Answers nobody: waits until it is cancelled."""

    cancelled = 0

    async def generate(self, requests):
        self.asked += requests
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled += len(requests)
            raise
        return [Reply(text="")]


def test_when_a_structure_raises_all_calls_are_cancelled_and_every_hold_released():
    waiting = Waiting({}, name="waiting")

    async def structure(members, question):
        if question.agent == 2:
            await members.ask(to=1)
            raise ValueError("enough")
        await members.ask(to=0)

    budget = Budget(tokens=10_000)
    team = Team([waiting, Scripted(adds(), name="m")], structure, budget={"calls": 3}, max_tokens=9)
    simulation = Simulation(Sums(4), team, budget=budget, answers=None)
    with pytest.raises(Exception, match="ValueError: enough"):
        simulation.run(1)
    assert len(waiting.asked) == waiting.cancelled == 3
    assert budget.held.tokens == 0
    assert simulation.resources.ledger.totals().logical.calls == 1


def test_a_run_that_is_cancelled_cancels_its_members():
    waiting = Waiting({}, name="waiting")
    budget = Budget(calls=100)

    async def main():
        simulation = Simulation(
            Sums(3), Team([waiting] * 2, debate, wording=WORDING), budget=budget
        )
        running = asyncio.ensure_future(simulation.run_async(1))
        while len(waiting.asked) < 6:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert waiting.cancelled == 6
    assert budget.held.calls == 0


def test_a_call_past_its_time_is_cancelled_and_costs_the_others_nothing():
    waiting = Waiting({}, name="waiting")
    team = Team({"w": waiting, **models(1)}, debate, wording=WORDING, rounds=1, timeout=0.001)
    run = Simulation(Sums(1), team).run(1)
    assert waiting.cancelled == 1
    assert run.metrics["right"].to_list() == [1]
    assert run.transcript["outcome"].to_list() == ["timeout", "acted", "acted"]
