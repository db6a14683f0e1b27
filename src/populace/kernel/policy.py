"""The one interface of every mind: rows of observations in, rows of actions out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from populace.kernel.errors import CastError
from populace.kernel.observation import Observation


@runtime_checkable
class Policy(Protocol):
    """Anything with ``act``: a rule, a planner, a learned policy, a language model, a person.

    ``act(observation)`` decides for a whole group at once and returns one value an agent in the
    form of ``observation.space`` (a lone value stands for everybody), or `Answers` with outcomes
    where some agents do not act. It may be an ordinary or an ``async`` method. An agent's answer
    depends on its own row, its own draws and its own memory only, so that it is the same in
    whatever group it is asked.

    Optional methods: ``hear(observation)`` receives what ``minds.tell`` delivers (sync or async);
    ``start(population, streams)`` is called once before the first tick, to add private columns for
    memory; ``state()`` and ``restore(state)`` say what a checkpoint keeps of the policy beside its
    columns, where that is not its plain values, containers, arrays, dataclasses and inner policies;
    ``describe()`` returns the parameters for the manifest; ``equip(resources)`` is called before
    the first tick with what the policy may spend (`populace.kernel.resources.Resources`);
    ``report()`` returns, each tick, numbers on its own work: mappings or dataclasses with a field
    ``kind``, which go into the table ``minds``; ``transcript()`` and ``replied()`` return rows of
    the tables ``transcript`` and ``replies``;
    ``imagined()`` returns who stands for it where somebody looks ahead, by default a twin;
    ``close()`` (sync or async) is called at the end of a run, to give back connections, which the
    next run may open anew.
    """

    def act(self, observation: Observation) -> Any:
        """Decide for every agent of the observation."""


PolicyLike = Policy | Callable[[Observation], Any]
"""What `as_policy` takes; in a cast file, a parameter of this type is the name of a policy."""


class FunctionPolicy:
    """A plain function as a policy that answers every kind."""

    def __init__(self, function: Callable[[Observation], Any]) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def act(self, observation: Observation) -> Any:
        return self.function(observation)


def as_policy(given: Any, name: str = "policy") -> Policy:
    """Return `given` as a policy: one already, or a plain function of an observation.

    Raises
    ------
    CastError
        If it is neither, for instance a class that was not called.
    """
    if isinstance(given, type):
        raise CastError(
            f"policy {name!r} is the class {given.__name__} itself",
            mend=f"make one: {given.__name__}(...)",
        )
    if isinstance(given, Policy):
        return given
    if callable(given):
        return FunctionPolicy(given)
    raise CastError(
        f"policy {name!r} is {type(given).__name__}, which has no act(observation)",
        mend="give an object with act(), or a function of the observation",
    )


def describe_policy(policy: Any) -> dict[str, Any]:
    """Return class and parameters of a policy for the manifest.

    A policy may say its parameters itself, in a method ``describe()`` that returns a mapping.
    """
    if isinstance(policy, FunctionPolicy):
        return {"class": function_name(policy.function), "parameters": {}}
    cls = type(policy)
    describe = getattr(policy, "describe", None)
    given: Mapping[str, Any] = (
        describe() if describe is not None else getattr(policy, "_given_parameters", {})
    )
    return {"class": f"{cls.__module__}.{cls.__qualname__}", "parameters": dict(given)}


async def closed(policy: Any) -> None:
    """Wait for ``policy.close()``, if it has one."""
    result = getattr(policy, "close", lambda: None)()
    if inspect.isawaitable(result):
        await result


def function_name(function: Callable[..., Any]) -> str:
    """Say in a few words what a function is: its name, bound arguments, first line of its doc."""
    if isinstance(function, functools.partial):
        bound = [*map(str, function.args), *(f"{k}={v}" for k, v in function.keywords.items())]
        return f"{function_name(function.func).split(':')[0]}({', '.join(bound)})"
    name = getattr(function, "__name__", type(function).__name__).replace("<lambda>", "function")
    doc = (inspect.getdoc(function) or "").split("\n")[0] if inspect.isfunction(function) else ""
    return f"{name}: {doc}" if doc else name
