"""Random utility: the multinomial logit over declared terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import ParameterError, PolicyError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.spaces import Choice
from populace.kernel.threads import chunked
from populace.policies.drawing import by_weight

Coefficient = float | tuple[float, Callable[[Observation], Any]]
Terms = Mapping[str, Mapping[str, Coefficient]]
Float = NDArray[np.float64]

_BLOCK = 8192  # rows worked on at a time, so that temporaries stay in the cache


class _Term(NamedTuple):
    name: str
    coefficient: float
    function: Callable[[Observation], Any] | None


class _Linear(NamedTuple):
    """One utility: a constant and columns with their coefficients."""

    constant: float
    columns: list[tuple[NDArray[Any], float]]

    def block(self, start: int, stop: int, out: Float, room: Float) -> None:
        """Write the utilities of some rows; sums in one order, so no row depends on another."""
        out.fill(self.constant)
        for values, coefficient in self.columns:
            np.multiply(values[start:stop], coefficient, out=room, dtype=np.float64)
            out += room


class Utility(Parametric):
    r"""Choose by random utility: the multinomial logit.

    Option j is worth :math:`V_j = \sum_m \beta_{jm} x_m` and is chosen with probability

    .. math:: P_j = \exp(V_j / T) / \sum_k \exp(V_k / T),

    which is what maximising :math:`V_j + T\varepsilon_j` with independent standard Gumbel
    :math:`\varepsilon_j` does (McFadden 1974, "Conditional logit analysis of qualitative choice
    behavior", eq. 12; Train 2009, *Discrete Choice Methods with Simulation*, section 3.1). The draw
    is by inverse distribution function over the options in their order: one uniform an agent.

    Parameters
    ----------
    terms : mapping of option to mapping of term to coefficient, optional
        The table of coefficients for every kind without one of its own. A term is the name of a
        column or scalar that the world shows, or ``"1"`` for a constant; a transformed term is
        given by any name and ``(coefficient, function of the observation)``. An option that is
        left out is worth 0: the reference alternative.
    temperature : float
        Scale T of the unobserved part, in units of utility: 0 takes the best option (the first of
        equals, and no draw), infinity any option alike.
    **kinds : mapping of option to mapping of term to coefficient
        Tables of single kinds. From a kind without a table the policy abstains.

    Raises
    ------
    ParameterError
        If there is no table, or a coefficient is not a finite number.
    PolicyError
        If a table names an option that the choice does not have or a term that the world does not
        show, the space is not a `Choice`, or utilities come out as NaN.

    Examples
    --------
    >>> import numpy as np
    >>> stay = Utility(
    ...     stay_home={"home": {"1": -2.0, "sick": 3.0,
    ...                         "log cases": (0.5, lambda o: np.log1p(o["cases"]))}},
    ...     temperature=1.0,
    ... )
    """

    def __init__(
        self,
        terms: Annotated[
            Terms | None, Parameter("coefficients by option and term, for every kind")
        ] = None,
        /,
        *,
        temperature: Annotated[
            float, Parameter("scale of the unobserved part", unit="utility", low=0)
        ] = 1.0,
        **kinds: Terms,
    ) -> None:
        if terms is None and not kinds:
            raise ParameterError(
                "expected a table of coefficients",
                where="Utility",
                mend='Utility(stay_home={"home": {"1": -2.0, "sick": 3.0}})',
            )
        self.temperature = float(temperature)
        self._terms = None if terms is None else _parsed(terms, "Utility")
        self._kinds = {kind: _parsed(t, f"Utility, {kind!r}") for kind, t in kinds.items()}

    def act(self, observation: Observation) -> Any:
        if self._table(observation) is None:
            return Answers(None, Outcome.ABSTAINED)
        utilities = self._linear(observation)
        n, k = len(observation), len(utilities)
        chosen = np.empty(n, np.uint8 if k <= 256 else np.uint16)
        if self.temperature == 0:
            chunked(_best, n, utilities, chosen, observation)
        elif k == 1:
            chosen[:] = 0
        else:
            draws = observation.random.uniform()
            draw = _draw_of_two if k == 2 else _draw
            chunked(draw, n, utilities, self.temperature, draws, chosen, observation)
        return chosen

    def describe(self) -> dict[str, Any]:
        """Return temperature and coefficients by kind, option and term, for the manifest."""
        every = {} if self._terms is None else {"every kind": self._terms}
        return {"temperature": self.temperature} | {
            kind: {option: {t.name: t.coefficient for t in row} for option, row in table.items()}
            for kind, table in (every | self._kinds).items()
        }

    def utilities(self, observation: Observation) -> Float:
        """Return what each option is worth to each agent, float64 of shape (n, options)."""
        self._need_table(observation)
        n = len(observation)
        linear = self._linear(observation)
        worth = np.empty((len(linear), n))
        for j, one in enumerate(linear):
            one.block(0, n, worth[j], np.empty(n))
        return worth.T

    def probabilities(self, observation: Observation) -> Float:
        """Return each agent's probability of each option, float64 of shape (n, options).

        Stable for utilities of any size: the largest is subtracted first. At temperature 0 the
        best option has probability 1.
        """
        worth = self.utilities(observation).T
        if self.temperature == 0:
            _complain(np.isnan(worth).any(axis=0), observation, 0)
            best = np.argmax(worth, axis=0)
            return np.asarray((np.arange(len(worth)) == best[:, None]).astype(np.float64))
        weights = _weights(worth, self.temperature)
        _complain(np.isnan(weights).any(axis=0), observation, 0)
        weights /= weights.sum(axis=0)
        return np.asarray(weights.T)

    def _table(self, observation: Observation) -> dict[str, list[_Term]] | None:
        return self._kinds.get(observation.kind, self._terms)

    def _need_table(self, observation: Observation) -> None:
        if self._table(observation) is None:
            raise PolicyError(
                f"no table for the kind {observation.kind!r}; "
                f"{nearest(observation.kind, self._kinds)}",
                where="Utility",
            )

    def _linear(self, observation: Observation) -> list[_Linear]:
        """Bind the table to an observation: one linear form an option, columns read once."""
        space, where = observation.space, f"Utility, {observation.kind!r}"
        table = self._table(observation) or {}
        if not isinstance(space, Choice):
            raise PolicyError(
                f"expected a Choice, got {type(space).__name__} ({space.describe()})",
                where=where,
                mend="cast another policy for this kind, such as Rule",
            )
        for option in table:
            if option not in space.options:
                raise PolicyError(
                    f"no option {option!r}; {nearest(option, space.options)}", where=where
                )
        read: dict[Any, Any] = {}
        utilities = []
        for option in space.options:
            constant, columns = 0.0, []
            for term in table.get(option, ()):
                key = term.function or term.name
                if key not in read:
                    read[key] = _value(term, observation, where)
                value = read[key]
                if value.ndim:
                    columns.append((value, term.coefficient))
                else:
                    constant += term.coefficient * float(value)
            utilities.append(_Linear(constant, columns))
        return utilities


def _parsed(terms: Terms, where: str) -> dict[str, list[_Term]]:
    table: dict[str, list[_Term]] = {}
    if not isinstance(terms, Mapping):
        raise ParameterError(
            f"expected option -> {{term: coefficient}}, got {terms!r:.80}", where=where
        )
    for option, row in terms.items():
        if not isinstance(row, Mapping):
            raise ParameterError(
                f"expected {{term: coefficient}} for option {option!r}, got {row!r:.80}",
                where=where,
            )
        table[option] = [
            _term(name, given, f"{where}, option {option!r}") for name, given in row.items()
        ]
    return table


def _term(name: str, given: Any, where: str) -> _Term:
    function = None
    if isinstance(given, tuple) and len(given) == 2 and callable(given[1]):
        given, function = given
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if not number or not math.isfinite(given):
        raise ParameterError(
            f"expected a finite coefficient for term {name!r}, got {given!r:.80}",
            where=where,
            mend="give a number, or (number, function of the observation)",
        )
    return _Term(name, float(given), function)


def _value(term: _Term, observation: Observation, where: str) -> NDArray[Any]:
    """Return a term's values: an array of shape () or (n,)."""
    if term.function is not None:
        value = np.asarray(term.function(observation))
    elif term.name == "1" and "1" not in observation:
        return np.asarray(1.0)
    elif term.name in observation:
        value = np.asarray(observation[term.name])
    else:
        raise PolicyError(
            f"the world does not show {term.name!r}; {nearest(term.name, observation.columns)}",
            where=where,
            mend="name what it shows, or give (coefficient, function of the observation)",
        )
    if value.dtype.kind not in "biuf" or value.shape not in ((), (len(observation),)):
        raise PolicyError(
            f"expected term {term.name!r} as a number, or one an agent ({len(observation)}), got "
            f"{value.dtype} of shape {value.shape}",
            where=where,
            mend="give (coefficient, function of the observation) that returns numbers",
        )
    return value


# -- blocks of rows: each row by itself, so that blocks and threads cannot change an answer --------


def _blocks(start: int, stop: int) -> list[tuple[int, int]]:
    return [(a, min(a + _BLOCK, stop)) for a in range(start, stop, _BLOCK)]


def _worth(utilities: list[_Linear], start: int, stop: int) -> Float:
    worth = np.empty((len(utilities), stop - start))
    room = np.empty(stop - start)
    for j, one in enumerate(utilities):
        one.block(start, stop, worth[j], room)
    return worth


def _weights(worth: Float, temperature: float) -> Float:
    """Return exp(V/T) up to a factor a row, the largest of each row being 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        weights = worth - worth.max(axis=0)
        weights /= temperature
        return np.asarray(np.exp(weights, out=weights))


def _draw(
    start: int,
    stop: int,
    utilities: list[_Linear],
    temperature: float,
    draws: Float,
    chosen: NDArray[Any],
    observation: Observation,
) -> None:
    """Choose by inverse distribution function."""
    for a, b in _blocks(start, stop):
        weights = _weights(_worth(utilities, a, b), temperature)
        _complain(np.isnan(weights).any(axis=0), observation, a)
        chosen[a:b] = by_weight(weights, draws[a:b])


def _draw_of_two(
    start: int,
    stop: int,
    utilities: list[_Linear],
    temperature: float,
    draws: Float,
    chosen: NDArray[Any],
    observation: Observation,
) -> None:
    """Choose one of two: the second where the draw is at least P_0 = 1/(1 + exp((V_1 - V_0)/T))."""
    first, second = utilities
    difference = _Linear(
        second.constant - first.constant,
        [*second.columns, *((values, -beta) for values, beta in first.columns)],
    )
    room = np.empty(_BLOCK)
    gap = np.empty(_BLOCK)
    for a, b in _blocks(start, stop):
        gap = gap[: b - a]
        with np.errstate(over="ignore", invalid="ignore"):
            difference.block(a, b, gap, room[: b - a])
            gap /= temperature
            np.exp(gap, out=gap)
        _complain(np.isnan(gap), observation, a)
        gap += 1.0
        np.reciprocal(gap, out=gap)
        np.greater_equal(draws[a:b], gap, out=chosen[a:b].view(np.bool_))


def _best(
    start: int,
    stop: int,
    utilities: list[_Linear],
    chosen: NDArray[Any],
    observation: Observation,
) -> None:
    for a, b in _blocks(start, stop):
        with np.errstate(invalid="ignore"):
            worth = _worth(utilities, a, b)
        _complain(np.isnan(worth).any(axis=0), observation, a)
        chosen[a:b] = np.argmax(worth, axis=0)


def _complain(bad: Any, observation: Observation, start: int) -> None:
    if bad.any():
        row = start + int(np.flatnonzero(bad)[0])
        raise PolicyError(
            f"utilities of agent {observation.ids[row]} are not comparable (NaN, or all infinite)",
            where=f"Utility, {observation.kind!r}",
            mend="check the columns and transformed terms for NaN and infinities",
        )
