"""Teams whose members' closed answers are drawn from the model's scores."""

import math

import numpy as np

from populace import AnswerStore, Choice, Population, Simulation, Team, World
from populace.language.model import user
from populace.language.scripted import Scripted
from populace.teams.calling import drawn
from populace.teams.structures.consistency import self_consistency
from populace.teams.structures.debate import debate
from populace.teams.structures.voting import vote

CHANCES = {"rain": 0.2, "sun": 0.5, "snow": 0.3}


class Weather(World):
    """Every agent is asked the same closed question."""

    def __init__(self, n=1, form=None):
        self.people = Population(n)
        self.form = form

    async def step(self, minds):
        shown = {"question": "What will it be?"} | ({"form": self.form} if self.form else {})
        space = Choice(list(CHANCES))
        self.answers = await minds.ask("answer", self.people, space, missing="sun", **shown)

    def measure(self):
        return {"rain": (self.answers.values == 0).sum()}


def scorer(chances=CHANCES):
    def script(request):
        return dict(chances)

    return Scripted(script, "scorer")


def test_answers_follow_the_scores_and_carry_their_probability():
    n, world = 4000, Weather(4000)
    run = Simulation(world, Team([scorer()], vote, scored=True, transcripts=n), seed=3).run(1)
    counts = np.bincount(world.answers.values, minlength=3)
    expected = n * np.array(list(CHANCES.values()))
    # chi-square with 2 degrees of freedom exceeds -2 log(alpha) with probability alpha
    assert ((counts - expected) ** 2 / expected).sum() < -2 * math.log(1e-6)
    said = run.transcript.filter(run.transcript["prompt"] == "answer")
    assert all(abs(CHANCES[a] - c) < 1e-12 for a, c in said.select("answer", "confidence").rows())


def test_samples_of_a_question_differ_and_cost_one_call(tmp_path):
    model = scorer()
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        team = Team([model], self_consistency, k=50, stop=False, scored=True)
        first = Simulation(Weather(), team, answers=store).run(1).transcript
        assert len(model.asked) == 1
    assert set(first["answer"][:-1]) == set(CHANCES)
    assert first["tokens_in"].sum() == 50 * model.count_tokens(model.asked[0].messages)
    with AnswerStore(tmp_path / "answers.sqlite", "strict") as store:
        silent = Scripted({}, "scorer")
        team = Team([silent], self_consistency, k=50, stop=False, scored=True)
        again = Simulation(Weather(), team, answers=store).run(1).transcript
    assert again.equals(first)
    assert not silent.asked


def test_a_later_question_is_drawn_anew_from_its_own_scores():
    team = Team([scorer()] * 3, debate, scored=True, transcripts=200)
    said = Simulation(Weather(200), team, seed=1).run(1).transcript
    one = said.filter((said["round"] == 0) & (said["member"] == "scorer"))["answer"].to_list()
    two = said.filter((said["round"] == 1) & (said["member"] == "scorer"))["answer"].to_list()
    same = np.mean([a == b for a, b in zip(one, two, strict=True)])
    expected = sum(p * p for p in CHANCES.values())  # independent draws agree so often
    assert abs(same - expected) < 5 * math.sqrt(expected * (1 - expected) / 200)


def test_temperature_sharpens_and_0_takes_the_first_of_the_likeliest():
    options, shares = ("a", "b", "c"), (0.2, 0.4, 0.4)
    cold = [drawn(user("?", temperature=0, sample=s), options, shares) for s in range(20)]
    assert set(cold) == {("b", 0.4)}
    n = 4000
    warm = [drawn(user("?", temperature=0.5, sample=s), options, shares)[0] for s in range(n)]
    expected = 0.04 / (0.04 + 0.16 + 0.16)
    assert abs(warm.count("a") / n - expected) < 5 * math.sqrt(expected * (1 - expected) / n)


def test_words_are_asked_for_unless_scores_are_wanted_and_open_answers_always():
    def script(request):
        return "Answer: snow"

    model = Scripted(script, "writer")
    world = Weather()
    Simulation(world, Team([model], vote), seed=1).run(1)
    assert world.answers.values.tolist() == [2]
    open_ended = Weather(form="text")
    Simulation(open_ended, Team([model], vote, scored=True), seed=1).run(1)
    assert open_ended.answers.values.tolist() == [2]


def test_the_form_of_an_exam_names_the_options():
    world = Weather(form="choice: sun | snow")
    Simulation(world, Team([scorer({"sun": 0, "snow": 1})], vote, scored=True)).run(1)
    assert world.answers.values.tolist() == [2]


def test_what_scoring_may_cost_is_reserved():
    world, model = Weather(), scorer()
    words = model.count_tokens(user("What will it be?").messages)
    poor = Team([model], vote, scored=True, budget={"tokens": words})
    Simulation(world, poor).run(1)
    assert not model.asked
    rich = Team([model], vote, scored=True, budget={"tokens": 200})
    Simulation(Weather(), rich).run(1)
    assert len(model.asked) == 1
