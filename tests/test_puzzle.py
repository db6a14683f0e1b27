"""Einstein's puzzle: one solution, no clue to spare, nobody can do it alone; the verifier."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace import Rule, Simulation
from populace.kernel.streams import Streams
from populace.language import Scripted
from populace.language.policy import Language
from populace.testing import check_world
from populace.worlds.puzzle import PROMPTS, EinsteinPuzzles, read_solution
from populace.worlds.puzzle.clues import Clue, draw_puzzle, read_clues, solutions

VALUES = (("red", "blue", "green"), ("dog", "cat", "horse"))


def brute(values: Any, clues: Any) -> list[dict[str, int]]:
    """Every placement that agrees with all clues, one after the other."""
    n = len(values[0])
    found = []
    for orders in product(permutations(range(1, n + 1)), repeat=len(values)):
        place = {
            value: house
            for group, order in zip(values, orders, strict=True)
            for value, house in zip(group, order, strict=True)
        }
        if all(clue.holds(place) for clue in clues):
            found.append(place)
    return found


def test_clues_worked_by_hand() -> None:
    place = {"red": 1, "blue": 2, "green": 3, "dog": 2, "cat": 1, "horse": 3}
    true = [("same", "red", "cat"), ("left", "red", "dog"), ("next", "dog", "red")]
    false = [("same", "red", "dog"), ("left", "dog", "red"), ("next", "red", "horse")]
    assert all(Clue(*one).holds(place) for one in [*true, ("at", "blue", "2")])
    assert not any(Clue(*one).holds(place) for one in [*false, ("at", "blue", "1")])
    # red left of dog, dog left of green; cat in house 1: red 1, dog 2, green 3, so blue 2, horse 3
    clues = [Clue("left", "red", "dog"), Clue("left", "dog", "green"), Clue("at", "cat", "1")]
    assert solutions(VALUES, clues) == [place]
    assert solutions(VALUES, [Clue("at", "red", "1"), Clue("at", "red", "2")]) == []
    assert len(solutions(VALUES, [], most=100)) == 36  # 3! times 3!


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_solver_finds_what_trying_all_placements_finds(data: Any) -> None:
    names = [value for group in VALUES for value in group]
    clue = st.one_of(
        st.builds(Clue, st.just("at"), st.sampled_from(names), st.sampled_from("123")),
        st.tuples(st.sampled_from(["same", "left", "next"]), st.permutations(names)).map(
            lambda pair: Clue(pair[0], pair[1][0], pair[1][1])
        ),
    )
    clues = data.draw(st.lists(clue, max_size=5))

    def ordered(found: Any) -> Any:
        return sorted(sorted(place.items()) for place in found)

    assert ordered(solutions(VALUES, clues, most=100)) == ordered(brute(VALUES, clues))


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 5), st.integers(2, 4), st.integers(0, 999))
def test_a_puzzle_has_one_solution_and_no_clue_to_spare(houses: int, k: int, seed: int) -> None:
    puzzle = draw_puzzle(houses, k, Streams(seed).stream("puzzle"))
    assert solutions(puzzle.values, puzzle.clues) == [puzzle.solution]
    for clue in puzzle.clues:
        rest = [other for other in puzzle.clues if other is not clue]
        assert len(solutions(puzzle.values, rest)) == 2
    said = "\n".join(map(str, puzzle.clues))
    assert sorted(read_clues(said, puzzle.values)) == sorted(puzzle.clues)
    if houses == 3:
        assert brute(puzzle.values, puzzle.clues) == [puzzle.solution]


@pytest.mark.parametrize("agents", [1, 2, 3, 5])
def test_who_share_all_clues_solve_it_when_the_last_of_them_has_heard_all(agents: int) -> None:
    world = EinsteinPuzzles(games=10, agents=agents)
    run = Simulation(world, world.policies()["sharer"], seed=3).run(world.ticks)
    assert run.metrics["solved"].to_list() == [0.0] * (agents - 1) + [1.0]
    for game, puzzle in enumerate(world.puzzles):
        held = world.dealt[game]
        assert sorted(clue for part in held for clue in part) == sorted(puzzle.clues)
        assert max(map(len, held)) - min(map(len, held)) <= 1
        if agents > 1:  # nobody can do it alone
            assert all(len(solutions(puzzle.values, part)) == 2 for part in held)


def said(*texts: str) -> Any:
    return Rule(talk=lambda o: texts[min(int(o["turn"]), len(texts)) - 1])


def test_the_verifier_says_whose_clue_is_broken_and_counts() -> None:
    world = EinsteinPuzzles(games=1, houses=3, attributes=2, attempts=2)
    mute = Simulation(world, said("hm"), seed=4)
    mute.run(2)
    right = world.puzzles[0].solution
    first, second = world.dealt[0]
    swapped = {v: {1: 2, 2: 1}.get(h, h) for v, h in right.items()}
    broken = [name for name, part in zip("AB", (first, second), strict=True)
              if not all(clue.holds(swapped) for clue in part)]  # fmt: skip
    assert broken

    def state(place: dict[str, int]) -> str:
        return "SOLUTION: " + ", ".join(f"{v}={h}" for v, h in place.items())

    def play(*texts: str, **given: Any) -> EinsteinPuzzles:
        game = EinsteinPuzzles(games=1, houses=3, attributes=2, **given)
        Simulation(game, said(*texts), seed=4).run(game.ticks)
        return game

    game = play("hm", state(swapped), state(right))
    told = f"It breaks a clue of {', '.join(f'Agent {name}' for name in broken)}."
    assert game.transcripts[0][2] == (-1, f"That is not the solution. {told}")
    (row,) = game.results()
    assert (row["solved"], row["wrong"], row["turns"], row["placed"]) == (True, 1, 3, 1.0)
    quiet = play("hm", state(swapped), state(right), feedback=False)
    assert quiet.transcripts[0][2] == (-1, "That is not the solution.")
    doubled = dict.fromkeys(right, 1)
    lost = play(state(doubled), "SOLUTION: red=1", state(right), attempts=2)
    assert not lost.results()[0]["solved"]  # the third attempt came too late
    assert lost.results()[0]["turns"] == 2
    assert "a house of its own" in lost.transcripts[0][1][1]


def test_a_solution_is_read_to_the_letter() -> None:
    assert read_solution("SOLUTION: red=1. No! SOLUTION: red = 2\ndog=1") == {"red": 2, "dog": 1}
    assert read_solution("I think red=1") is None


def test_a_language_model_plays_by_the_shipped_prompts() -> None:
    asked: list[str] = []

    def reply(request: Any) -> str:
        asked.append(request.messages[-1].content)
        return "You first."

    world = EinsteinPuzzles(games=1, turns=2)
    Simulation(world, Language(Scripted(reply), PROMPTS), seed=1).run(world.ticks)
    assert "You are Agent A; your partners are Agent B." in asked[0]
    assert "colour: red, blue, green, white; pet: dog" in asked[0]
    for seat, text in enumerate(asked):
        assert "\n".join(map(str, world.dealt[0][seat])) in text
    assert "Agent A: You first." in asked[1]
    assert not any(str(clue) in asked[1] for clue in world.dealt[0][0])
    assert world.results()[0]["placed"] == 0


def test_the_rules_of_the_kernel_are_kept() -> None:
    check_world(lambda: EinsteinPuzzles(games=3), ticks=4).raise_if_failed()
