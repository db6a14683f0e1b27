"""Budgets: an upper bound is reserved before a call, what it cost is settled after it.

A reservation is atomic over every enclosing scope, across tasks and threads, so that calls in
flight cannot pass a limit together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self, get_args

from populace.kernel.errors import BudgetError, ParameterError, StateError, nearest
from populace.kernel.spend import MEASURES, Measure, Spend, Total, amounts, exact, inexact
from populace.kernel.waiting import Tree, Waiter

AtEnd = Literal["stop", "missing"]


@dataclass(frozen=True)
class Amounts:
    """An amount a measure; None where nothing is said (no limit, or nothing reserved)."""

    tokens: int | None = None
    calls: int | None = None
    usd: float | None = None
    seconds: float | None = None


class Budget:
    """Limits on what may be spent, in nested scopes.

    Parameters
    ----------
    tokens, calls : int, optional
        None is unlimited, as everywhere here.
    usd : float, optional
        US dollars.
    seconds : float, optional
        Time of calls, added up even where they overlap; not the time on the clock.
    at_end : "stop" or "missing"
        What a run does once a reservation was refused here: stop at the end of the tick, or go on
        with the world's or a fallback's answer to a missing decision.
    name : str
        Name in errors.

    Attributes
    ----------
    limits : Amounts
    refusals : int
        Reservations that this scope refused, its own limit being too small.
    overruns : int
        Calls settled here above what they had reserved; `spent` holds them in full.

    Raises
    ------
    ParameterError
        For an impossible limit.

    Examples
    --------
    >>> budget = Budget(tokens=1_000)
    >>> with budget.reserve(tokens=600) as hold:
    ...     hold.settle(Spend(calls=1, tokens_in=150, tokens_out=50))
    Amounts(tokens=0, calls=0, usd=0.0, seconds=0.0)
    >>> budget.left.tokens
    800
    """

    def __init__(
        self,
        tokens: int | None = None,
        calls: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
        at_end: AtEnd = "stop",
        *,
        name: str = "run",
        _parent: Budget | None = None,
    ) -> None:
        if at_end not in get_args(AtEnd):
            raise ParameterError(
                f"expected at_end 'stop' or 'missing', got {at_end!r}", where="Budget"
            )
        self.name: str = name if _parent is None else f"{_parent.name}/{name}"
        self.at_end: AtEnd = at_end
        self.refusals = self.overruns = 0
        given = {"tokens": tokens, "calls": calls, "usd": usd, "seconds": seconds}
        where = f"budget {self.name!r}"
        self._limits = {
            measure: exact(given[measure], measure, measure, "down", where)
            for measure in MEASURES
            if given[measure] is not None
        }
        self._held: dict[Measure, int] = dict.fromkeys(MEASURES, 0)
        self._total = Total()
        self._stopping = False
        self._parent = _parent
        self._limited = frozenset(m for scope in self._path() for m in scope._limits)
        self._tree: Tree = Tree() if _parent is None else _parent._tree

    def scope(self, name: str, at_end: AtEnd | None = None, **limits: Any) -> Budget:
        """Return a budget within this one, with limits of its own as in `Budget`.

        What it reserves and spends counts here too. Its `at_end` is this one's unless given. Names
        may repeat: every call makes a new scope.
        """
        for limit in limits:
            if limit not in MEASURES:
                raise ParameterError(
                    f"there is no limit {limit!r}; {nearest(limit, MEASURES)}",
                    where=f"budget {self.name!r}",
                )
        return Budget(**limits, at_end=at_end or self.at_end, name=name, _parent=self)

    def reserve(
        self,
        tokens: int | None = None,
        calls: int | None = 1,
        usd: float | None = None,
        seconds: float | None = None,
    ) -> Hold:
        """Reserve an upper bound on what calls may cost, here and in every enclosing scope.

        Parameters
        ----------
        tokens, calls, usd, seconds : number, optional
            Needed for every measure that this scope or an enclosing one limits.

        Returns
        -------
        Hold
            To be settled or released, once. As a context manager it releases itself.

        Raises
        ------
        BudgetError
            If it does not fit beside what is spent and held, or leaves a limited measure unbounded.
            Nothing is then reserved.
        ParameterError
            For an impossible amount.
        """
        asked = self._asked(Amounts(tokens, calls, usd, seconds))
        with self._tree.lock:
            refusal = self._refusal(asked, counting_held=True)
            if refusal is None:
                return self._grant(asked)
            raise self._refuse(asked, *refusal)

    def spare(self, asked: dict[Measure, int]) -> Hold | None:
        """As `reserve`, but return None where it does not fit, or somebody waits; none is refused.

        For calls made one after the other: where the sum of their bounds fits, each of them would.

        Parameters
        ----------
        asked : dict of measure to int
            In units of ``1 / SCALE``, of every measure that this scope or an enclosing one limits.
        """
        with self._tree.lock:
            if self._tree.queue or self._refusal(asked, counting_held=True) is not None:
                return None
            return self._grant(asked)

    async def acquire(
        self,
        tokens: int | None = None,
        calls: int | None = 1,
        usd: float | None = None,
        seconds: float | None = None,
    ) -> Hold:
        """As `reserve`, but wait where only what others hold stands in the way.

        Requests are decided in the order in which they came, in all scopes of the tree: a request
        waits for earlier ones, and is refused only once it would pass a limit whatever calls in
        flight turn out to cost. So which calls are refused depends on the order of requests and on
        what calls cost, never on which call finishes first. (`reserve` does not queue: mixing the
        two gives that up, and so does an overrun.)

        Do not wait here while holding a reservation of the same tree: two such tasks could wait for
        each other.
        """
        asked = self._asked(Amounts(tokens, calls, usd, seconds))
        tree = self._tree
        with tree.lock:
            if not tree.queue and (hold := self._decide(asked)) is not None:
                return hold
            waiter = Waiter(self, asked)
            tree.queue.append(waiter)
        try:
            return await waiter.future
        except BaseException:  # cancelled, as a rule
            with tree.lock:
                waiter.gone = True
                if waiter.hold is not None:  # granted, but the news came too late
                    waiter.hold._close()
                tree.decide_waiting()
            raise

    @property
    def limits(self) -> Amounts:
        return _amounts(self._limits)

    @property
    def spent(self) -> Spend:
        """What was settled here and in scopes within; usd is None once a call had no price."""
        with self._tree.lock:
            return self._total.spend

    @property
    def held(self) -> Amounts:
        """What is reserved and not yet settled or released."""
        with self._tree.lock:
            return _amounts(self._held)

    @property
    def left(self) -> Amounts:
        """What could still be reserved here, by the tightest of this scope and those around it.

        Below 0 after an overrun.
        """
        with self._tree.lock:
            left: dict[Measure, int] = {}
            for scope in self._path():
                for measure, limit in scope._limits.items():
                    free = limit - scope._total.amounts[measure] - scope._held[measure]
                    left[measure] = min(free, left.get(measure, free))
            return _amounts(left)

    @property
    def stopping(self) -> bool:
        """Whether the run should stop: a scope here or within, declared "stop", has refused."""
        return self._stopping

    def limited(self, measure: Measure) -> bool:
        """Whether this scope or an enclosing one limits a measure."""
        return measure in self._limited

    def state(self) -> dict[str, Any]:
        """Return what was spent and refused here (scopes within keep theirs), for a checkpoint.

        Raises
        ------
        StateError
            If something is held: calls are in flight.
        """
        with self._tree.lock:
            if held := [m for m in MEASURES if self._held[m]]:
                raise StateError(
                    f"{', '.join(held)} are reserved: calls are in flight",
                    where=f"budget {self.name!r}",
                    mend="settle or release every hold by the end of a tick",
                )
            return {
                "total": self._total.state(),
                "refusals": self.refusals,
                "overruns": self.overruns,
                "stopping": self._stopping,
            }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; the limits are this budget's own."""
        with self._tree.lock:
            self._total.restore(state["total"])
            self.refusals, self.overruns = state["refusals"], state["overruns"]
            self._stopping = state["stopping"]

    def __repr__(self) -> str:
        limits = [f"{m}={inexact(v, m):g}" for m, v in self._limits.items()]
        return f"Budget({self.name!r}, {', '.join(limits) or 'unlimited'})"

    def _path(self) -> Iterator[Budget]:
        scope: Budget | None = self
        while scope is not None:
            yield scope
            scope = scope._parent

    def _asked(self, given: Amounts) -> dict[Measure, int]:
        where = f"budget {self.name!r}"
        asked = {}
        for measure in MEASURES:
            if (value := getattr(given, measure)) is not None:
                asked[measure] = exact(value, measure, measure, "up", where)
            elif self.limited(measure):
                raise BudgetError(
                    f"{measure} are limited, and this reservation gives no upper bound for them",
                    where=where,
                    mend=f"reserve {measure}= as well",
                    measure=measure,
                )
        return asked

    def _refusal(
        self, asked: dict[Measure, int], *, counting_held: bool
    ) -> tuple[Budget, Measure] | None:
        """Return the innermost scope and its measure that `asked` would pass, if any."""
        for scope in self._path():
            spent, held = scope._total.amounts, scope._held
            for measure, limit in scope._limits.items():
                taken = spent[measure] + (held[measure] if counting_held else 0)
                # Who asks for nothing of a measure passes no limit of it, not even an overrun one.
                if asked[measure] and taken + asked[measure] > limit:
                    return scope, measure
        return None

    def _decide(self, asked: dict[Measure, int]) -> Hold | None:
        """Grant, refuse (raise), or return None: it depends on what is in flight."""
        if (refusal := self._refusal(asked, counting_held=False)) is not None:
            raise self._refuse(asked, *refusal)
        if self._refusal(asked, counting_held=True) is not None:
            return None
        return self._grant(asked)

    def _grant(self, asked: dict[Measure, int]) -> Hold:
        for scope in self._path():
            for measure, amount in asked.items():
                scope._held[measure] += amount
        return Hold(self, asked)

    def _refuse(self, asked: dict[Measure, int], scope: Budget, measure: Measure) -> BudgetError:
        """Count a refusal at the scope that refuses, and say it."""
        scope.refusals += 1
        if scope.at_end == "stop":
            for around in scope._path():
                around._stopping = True
        numbers = {
            "asked": asked[measure],
            "limit": scope._limits[measure],
            "spent": scope._total.amounts[measure],
            "held": scope._held[measure],
        }
        told = {name: inexact(number, measure) for name, number in numbers.items()}
        text = {name: f"{value:,.12g}" for name, value in told.items()}
        return BudgetError(
            f"{text['asked']} {measure} asked beside {text['spent']} spent and {text['held']} held "
            f"would pass the limit of {text['limit']}",
            where=f"budget {scope.name!r}",
            mend="raise the limit, or declare what a missing decision means",
            scope=scope.name,
            measure=measure,
            at_end=scope.at_end,
            **told,
        )


class Hold:
    """A reservation: settle it with what was spent, or release it, once.

    As a context manager it is released at the end unless it was settled.
    """

    __slots__ = ("_asked", "_budget", "_open")

    def __init__(self, budget: Budget, asked: dict[Measure, int]) -> None:
        self._budget, self._asked, self._open = budget, asked, True

    @property
    def reserved(self) -> Amounts:
        """The upper bound that is held."""
        return _amounts(self._asked)

    def settle(self, spend: Spend) -> Amounts:
        """Replace the reservation by what was spent, and return what that was above it (0: none).

        A spend above the reservation is an error of whoever bounded it: it counts in full, is
        counted in `Budget.overruns`, and can leave a limit passed; it is not raised, since the
        answer has been paid. Without a price, the reserved usd counts as spent.

        Raises
        ------
        BudgetError
            If it is settled or released already.
        """
        actual = amounts(spend)
        if spend.usd is None and (bound := self._asked.get("usd")) is not None:
            spend, actual["usd"] = replace(spend, usd=inexact(bound, "usd")), bound
        above = {m: max(0, actual[m] - self._asked.get(m, actual[m])) for m in MEASURES}
        with self._budget._tree.lock:
            self._close()
            for scope in self._budget._path():
                scope._total.add(spend, actual)
                scope.overruns += any(above.values())
            self._budget._tree.decide_waiting()
        return _amounts(above)

    def settle_all(self, total: Total, overruns: int = 0) -> None:
        """Replace the reservation of many calls by what they cost.

        Parameters
        ----------
        total : Total
            An unknown price adds nothing to it; bound it, where usd is reserved.
        overruns : int
            How many of the calls cost more than was reserved for them.

        Raises
        ------
        BudgetError
            If it is settled or released already.
        """
        with self._budget._tree.lock:
            self._close()
            for scope in self._budget._path():
                scope._total.include(total)
                scope.overruns += overruns
            self._budget._tree.decide_waiting()

    def release(self) -> None:
        """Give the reservation back: nothing was spent.

        Raises
        ------
        BudgetError
            If it is settled or released already.
        """
        with self._budget._tree.lock:
            self._close()
            self._budget._tree.decide_waiting()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            self.release()

    def _close(self) -> None:
        if not self._open:
            raise BudgetError(
                "this hold is settled or released already",
                where=f"budget {self._budget.name!r}",
                mend="settle or release each hold once",
            )
        self._open = False
        for scope in self._budget._path():
            for measure, amount in self._asked.items():
                scope._held[measure] -= amount


def _amounts(numbers: dict[Measure, int]) -> Amounts:
    return Amounts(**{m: inexact(n, m) for m, n in numbers.items()})  # type: ignore[arg-type]
