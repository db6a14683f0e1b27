"""The networks on which agents coordinate, their names and their diameter."""

from __future__ import annotations

from typing import Literal

import numpy as np

from populace.geometry import Network
from populace.kernel.errors import ParameterError
from populace.kernel.streams import Stream

GraphName = Literal["watts-strogatz", "barabasi-albert", "delaunay"]
TRIES = 1000
NAMES = """
Ada Aiko Alan Alma Amir Anna Anton Asha Ayo Bea Ben Berta Boris Carla Carlos Chen Chloe
Clara Dana Daniel Diego Dora Ed Elena Elias Ella Emil Erik Esra Eva Farid Felix Finn
Flora Frida Gabriel Gita Greta Hana Hans Helga Henry Hugo Ida Igor Ines Ingrid Ivan
Jack Jana Jin Jonas Jorge Julia Kai Karim Kofi Lara Lea Leo Liam Lila Lotte Luca Maja
Marco Mei Mila Miro Nadia Nina Noah Nora Olga Omar Oscar Otto Paul Petra Priya Quinn
Rafael Rana Rita Rosa Ruben Sara Sven Tara Theo Tim Ulla Uma Vera Victor Wanda Wei Yara
Yuki Zoe
""".split()  # noqa: SIM905 - a hundred lines else


def draw_network(graph: GraphName, n: int, stream: Stream) -> Network:
    """Draw a connected network as AgentsNet does.

    Watts-Strogatz with four neighbours rewired with probability 0.4 (two neighbours for four
    agents), drawn again until it is connected; Barabási-Albert with two edges a node; the Delaunay
    triangulation of points uniform in the unit square.

    Raises
    ------
    ParameterError
        If scipy is not there for a triangulation, or no draw is connected.
    """
    if graph == "barabasi-albert":
        return Network.barabasi_albert(n, 2, stream)
    if graph == "delaunay":
        return _delaunay(n, stream)
    for _ in range(TRIES):
        network = Network.watts_strogatz(n, min(4, (n - 1) // 2 * 2), 0.4, stream)
        if (distances(network) >= 0).all():
            return network
    raise ParameterError(f"no connected network in {TRIES} draws", where="AgentsNet")


def _delaunay(n: int, stream: Stream) -> Network:
    try:
        from scipy.spatial import Delaunay
    except ImportError as error:
        raise ParameterError(
            "a Delaunay network needs scipy", where="graph", mend="pip install populace[networks]"
        ) from error
    corners = Delaunay(stream.uniform(2 * n).reshape(n, 2)).simplices
    sides = [corners[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]
    return Network.from_edges(np.concatenate(sides), n)


def distances(network: Network) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return steps between all pairs, int64 of shape (n, n); -1 where there is no way."""
    n = network.n
    steps = np.full((n, n), -1, np.int64)
    for start in range(n):
        reached, far = [start], 0
        steps[start, start] = 0
        while reached:
            far += 1
            fresh = {int(b) for a in reached for b in network.neighbours(a) if steps[start, b] < 0}
            reached = sorted(fresh)
            steps[start, reached] = far
    return steps
