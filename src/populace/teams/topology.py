"""Who hears whom in a team: all-to-all, ring, star, or k neighbours each."""

from __future__ import annotations

from populace.teams.settings import expect

SHAPES = ("all", "ring", "star")


def neighbours(n: int, shape: str | int = "all") -> list[list[int]]:
    """Return for each of n members whom it hears, in order.

    Parameters
    ----------
    shape : "all", "ring", "star" or int
        In a star, member 0 is the hub. A number k is a circulant graph: the k/2 nearest on both
        sides of a circle, and the one opposite if k is odd (then n must be even). Sparse debates
        are Y. Li et al., "Improving Multi-Agent Debate with Sparse Communication Topology" (2024).

    Raises
    ------
    ParameterError
        For an unknown shape, or a k that n members cannot have.

    Examples
    --------
    >>> neighbours(4, "ring")
    [[1, 3], [0, 2], [1, 3], [0, 2]]
    >>> neighbours(4, "star")
    [[1, 2, 3], [0], [0], [0]]
    """
    where = "neighbours"
    everybody = [[j for j in range(n) if j != i] for i in range(n)]
    if isinstance(shape, str):
        expect(shape in SHAPES, f"one of {', '.join(SHAPES)}, or a number", shape, where)
        if shape == "star":
            return [everybody[0], *([0] for _ in range(1, n))]
        if shape == "all" or n <= 3:
            return everybody
        shape = 2
    expect(0 < shape < n, f"1 to {n - 1} neighbours for each of {n} members", shape, where)
    expect(shape % 2 == 0 or n % 2 == 0, f"an even number for an odd {n} of members", shape, where)
    steps = [s for half in range(1, shape // 2 + 1) for s in (half, -half)]
    steps += [n // 2] * (shape % 2)
    return [sorted((i + step) % n for step in steps) for i in range(n)]
