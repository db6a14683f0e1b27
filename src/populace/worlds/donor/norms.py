"""Social norms: how an act changes the image of who did it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Norm = Literal["scoring", "standing", "judging"]
NORMS: tuple[Norm, ...] = get_args(Norm)
BAD, GOOD, UNKNOWN = 0, 1, -1
"""How a recipient's image is shown to a donor."""

Bool = NDArray[np.bool_]


def assessed(norm: Norm, image: Bool, theirs: Bool, gave: Bool) -> Bool:
    """Return the donors' new images, bool of shape (n,), good where true.

    ``scoring``: good who gave, bad who did not (Nowak and Sigmund 1998, Nature 393, 573).
    ``standing``: as scoring, but who refuses the bad keeps its image (Sugden 1986, *The Economics
    of Rights, Co-operation and Welfare*; Leimar and Hammerstein 2001, Proc. R. Soc. B 268, 745).
    ``judging``: good who gave to the good or refused the bad, bad otherwise (stern judging,
    Pacheco, Santos and Chalub 2006, PLoS Computational Biology 2, e178).

    Parameters
    ----------
    image, theirs : bool arrays of shape (n,)
        The donors' images so far and those of their recipients.
    gave : bool array of shape (n,)
    """
    if norm == "scoring":
        return gave.copy()
    if norm == "standing":
        return np.asarray(gave | (image & ~theirs))
    return np.asarray(gave == theirs)
