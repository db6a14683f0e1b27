"""Learned policies: any fitted estimator, or an ONNX file, mapped from columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from populace.kernel.answers import Answers, Outcome
from populace.kernel.errors import ParameterError, PolicyError, PopulaceError, nearest
from populace.kernel.observation import Observation
from populace.kernel.parameters import Parameter, Parametric
from populace.kernel.policy import function_name
from populace.kernel.spaces import Choice, Number
from populace.policies.drawing import by_weight

Feature = str | Callable[[Observation], Any]
Features = Sequence[Feature] | Mapping[str, Sequence[Feature]]
Float = NDArray[np.float64]

_PADDED = 64  # rows are padded to a multiple: edges of matrix kernels round differently


class Learned(Parametric):
    """Act as a fitted model predicts, from columns that the world shows.

    A `Choice` is drawn from the predicted probabilities, one uniform an agent, so that the group
    behaves as varied as the model says it is; a `Number` is the prediction itself.

    Parameters
    ----------
    model : fitted estimator, path of an ONNX file, or its bytes
        An estimator has ``predict_proba(X)`` for a `Choice` or ``predict(X)`` for a `Number`, with
        X of shape (n, features), as scikit-learn's and all that follow its conventions.
    features : sequence of column names or functions, or mapping of kind to such a sequence
        What X is made of, in the order the model was fitted with: a column (or scalar) that the
        world shows, or a function of the observation that returns one number an agent. From a kind
        without features the policy abstains.
    classes : sequence of option names or indices, optional
        What the model's classes mean, in the order of its probabilities. By default the model's own
        ``classes_``: names of options, or their indices; of an ONNX file the options in order.
    choose : "sample" or "best"
        Draw from the probabilities, or take the likeliest option (the first of equals).
    batch : int
        Rows predicted at a time, which bounds memory.

    Raises
    ------
    ParameterError
        If there are no features, `choose` or `batch` is impossible, or the model's number or names
        of features differ from those given.
    PolicyError
        If the model cannot predict what is asked, its classes are no options of the choice, its
        predictions have the wrong shape or are no probabilities, a column is not shown or not
        numeric, or a needed package is missing.

    Notes
    -----
    The model is only read; no file but ONNX is loaded, since loading a pickle runs its code. An
    ONNX file is run on one thread. Predictions are made on rows padded to whole blocks, because
    matrix kernels may round the rows at the edge of a batch differently.
    """

    def __init__(
        self,
        model: Annotated[Any, Parameter("fitted estimator, or an ONNX file")],
        features: Annotated[Features, Parameter("columns or functions, in the model's order")],
        *,
        classes: Annotated[
            Sequence[Any] | None, Parameter("options that the model's classes stand for")
        ] = None,
        choose: Annotated[
            Literal["sample", "best"], Parameter("draw an option, or take the likeliest")
        ] = "sample",
        batch: Annotated[int, Parameter("rows predicted at a time", low=1)] = 65_536,
    ) -> None:
        if isinstance(model, type):
            raise ParameterError(
                f"expected a fitted model, got the class {model.__name__}",
                where="Learned",
                mend=f"fit one first: {model.__name__}().fit(X, y)",
            )
        if isinstance(model, (str, Path, bytes)):
            from populace.policies.onnx import OnnxModel

            model = OnnxModel(model)
        self.model, self.choose, self.batch = model, choose, batch
        self.classes = None if classes is None else list(classes)
        self._kinds: dict[str, tuple[Feature, ...]] = {}
        self._every: tuple[Feature, ...] | None = None
        if isinstance(features, Mapping):
            self._kinds = {k: self._checked(f, f"Learned, {k!r}") for k, f in features.items()}
        else:
            self._every = self._checked(features, "Learned")

    def _checked(self, features: Sequence[Feature], where: str) -> tuple[Feature, ...]:
        if isinstance(features, str) or not features:
            raise ParameterError(
                f"expected a sequence of column names or functions, got {features!r}", where=where
            )
        features = tuple(features)
        for feature in features:
            if not (isinstance(feature, str) or callable(feature)):
                raise ParameterError(
                    f"expected a column name or a function, got {feature!r:.80}", where=where
                )
        wanted = getattr(self.model, "n_features_in_", None)
        if wanted is not None and wanted != len(features):
            raise ParameterError(
                f"the model was fitted with {wanted} features, got {len(features)}", where=where
            )
        for i, (given, name) in enumerate(zip(features, self._names() or (), strict=False)):
            if isinstance(given, str) and given != name and given in (self._names() or ()):
                raise ParameterError(
                    f"feature {i} was {name!r} when the model was fitted, got {given!r}",
                    where=where,
                    mend=f"give them in the order {', '.join(self._names() or ())}",
                )
        return features

    def _names(self) -> list[str] | None:
        names = getattr(self.model, "feature_names_in_", None)
        return None if names is None else [str(name) for name in names]

    def act(self, observation: Observation) -> Any:
        features = self._kinds.get(observation.kind, self._every)
        if features is None:
            return Answers(None, Outcome.ABSTAINED)
        space, n = observation.space, len(observation)
        if isinstance(space, Number):
            values = np.empty(n)
            for a, b, rows in self._batches(observation, features):
                values[a:b] = self._predicted("predict", rows, b - a, observation)
            return values
        codes = self._codes(observation)
        assert isinstance(space, Choice)
        chosen = np.empty(n, space.dtype)
        draws = observation.random.uniform() if self.choose == "sample" else None
        for a, b, rows in self._batches(observation, features):
            chances = self._chances(rows, b - a, codes, observation)
            chosen[a:b] = (
                np.argmax(chances, axis=0) if draws is None else by_weight(chances, draws[a:b])
            )
        return chosen

    def describe(self) -> dict[str, Any]:
        """Return the model in words and what it is shown, for the manifest."""
        every = {} if self._every is None else {"every kind": self._every}
        text = repr(self.model)
        if text.startswith("<"):  # the default shows an address in memory
            text = type(self.model).__name__
        told = getattr(self.model, "describe", None)
        return {
            "model": text if told is None else told(),
            "features": {
                kind: [f if isinstance(f, str) else function_name(f) for f in features]
                for kind, features in (every | self._kinds).items()
            },
            "classes": self.classes,
            "choose": self.choose,
        }

    def probabilities(self, observation: Observation) -> Float:
        """Return each agent's probability of each option, float64 of shape (n, options)."""
        features = self._kinds.get(observation.kind, self._every)
        if features is None:
            raise PolicyError(
                f"no features for the kind {observation.kind!r}; "
                f"{nearest(observation.kind, self._kinds)}",
                where="Learned",
            )
        codes = self._codes(observation)
        parts = [
            self._chances(rows, b - a, codes, observation)
            for a, b, rows in self._batches(observation, features)
        ]
        assert isinstance(observation.space, Choice)
        chances = np.hstack([np.empty((len(observation.space.options), 0)), *parts])
        return np.asarray((chances / chances.sum(axis=0)).T)

    # -- from columns to predictions --------------------------------------------------------------

    def _batches(
        self, observation: Observation, features: Sequence[Feature]
    ) -> Iterator[tuple[int, int, Any]]:
        """Yield (start, stop, X) with X padded to whole blocks by copies of its last row."""
        n = len(observation)
        columns = [_column(feature, i, observation) for i, feature in enumerate(features)]
        names = self._names()
        for a in range(0, n, self.batch):
            b = min(a + self.batch, n)
            room = -(-(b - a) // _PADDED) * _PADDED
            rows = np.empty((room, len(columns)))
            for j, column in enumerate(columns):
                rows[: b - a, j] = column[a:b] if column.ndim else column
            rows[b - a :] = rows[b - a - 1]
            if not np.isfinite(rows.sum()):  # a rare case, so the cheap test first
                self._allow_missing(rows[: b - a], a, features, observation)
            if names is None:
                yield a, b, rows
            else:  # fitted with names: given back as a table, so that the model can check them
                import polars

                yield a, b, polars.DataFrame(rows, schema=names)

    def _allow_missing(
        self, rows: Float, start: int, features: Sequence[Feature], observation: Observation
    ) -> None:
        """Complain of infinite features; NaN is a missing value, which some models take."""
        bad = np.argwhere(np.isinf(rows))
        if len(bad):
            row, column = bad[0]
            raise PolicyError(
                f"feature {_label(features[column], column)} of agent "
                f"{observation.ids[start + row]} is infinite",
                where=f"Learned, {observation.kind!r}",
            )

    def _predicted(self, method: str, rows: Any, n: int, observation: Observation) -> Float:
        where = f"Learned, {observation.kind!r}"
        predict = getattr(self.model, method, None)
        if predict is None:
            what = "a choice" if method == "predict_proba" else "a number"
            raise PolicyError(
                f"{type(self.model).__name__} has no {method}, needed for {what}",
                where=where,
                mend="give a classifier with probabilities for a Choice, a regressor for a Number",
            )
        try:
            raw = predict(rows)
        except PopulaceError:
            raise
        except Exception as error:
            raise PolicyError(f"{type(error).__name__}: {error}", where=where) from error
        found = np.asarray(raw)
        if method == "predict" and found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.ndim != (1 if method == "predict" else 2) or len(found) != len(rows):
            raise PolicyError(
                f"{method} returned shape {found.shape} for {len(rows)} rows", where=where
            )
        if found.dtype.kind not in "biuf":
            raise PolicyError(f"{method} returned {found.dtype}, no numbers", where=where)
        return np.asarray(found[:n], dtype=np.float64)

    def _chances(
        self, rows: Any, n: int, codes: NDArray[np.intp], observation: Observation
    ) -> Float:
        """Return probabilities of the choice's options, float64 of shape (options, n)."""
        where = f"Learned, {observation.kind!r}"
        found = self._predicted("predict_proba", rows, n, observation)
        if found.shape[1] != len(codes):
            raise PolicyError(
                f"the model predicts {found.shape[1]} classes, of which {len(codes)} are named",
                where=where,
                mend="pass classes= with one option for each, in the model's order",
            )
        space = observation.space
        assert isinstance(space, Choice)
        chances = np.zeros((len(space.options), n))
        chances[codes] = found.T
        total = chances.sum(axis=0)
        bad = ~((total > 0) & (total < np.inf)) | (chances < 0).any(axis=0)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise PolicyError(
                f"the model's probabilities are {found[row]}",
                where=where,
                mend="check its features",
            )
        return chances

    def _codes(self, observation: Observation) -> NDArray[np.intp]:
        """Return the option that each class of the model stands for, as indices."""
        space, where = observation.space, f"Learned, {observation.kind!r}"
        if not isinstance(space, Choice):
            raise PolicyError(
                f"expected a Choice or a Number, got {type(space).__name__} ({space.describe()})",
                where=where,
                mend="cast another policy for this kind",
            )
        known: Any = self.classes
        if known is None:
            known = getattr(self.model, "classes_", None)
        if known is None:
            known = range(len(space.options))
        codes = [_code(label, space, where) for label in known]
        if len(set(codes)) != len(codes):
            raise PolicyError(f"two classes stand for one option: {list(known)}", where=where)
        return np.array(codes, dtype=np.intp)


def _code(label: Any, space: Choice, where: str) -> int:
    mend = f"the options are {', '.join(space.options)}; say which each class means by classes="
    if isinstance(label, (str, np.str_)):
        if label not in space.options:
            raise PolicyError(
                f"the model's class {str(label)!r} is no option; {nearest(label, space.options)}",
                where=where,
                mend=mend,
            )
        return space.options.index(label)
    whole = isinstance(label, (int, float, np.number, np.bool_)) and float(label).is_integer()
    if not whole or not 0 <= int(label) < len(space.options):
        raise PolicyError(
            f"the model's class {label!r} is no option's index in 0..{len(space.options) - 1}",
            where=where,
            mend=mend,
        )
    return int(label)


def _column(feature: Feature, i: int, observation: Observation) -> NDArray[Any]:
    """Return a feature's values: an array of shape () or (n,)."""
    where = f"Learned, {observation.kind!r}"
    if callable(feature):
        value = np.asarray(feature(observation))
    elif feature in observation:
        value = np.asarray(observation[feature])
    else:
        raise PolicyError(
            f"the world does not show {feature!r}; {nearest(feature, observation.columns)}",
            where=where,
            mend="name what it shows, or give a function of the observation",
        )
    if value.dtype.kind not in "biuf" or value.shape not in ((), (len(observation),)):
        raise PolicyError(
            f"expected feature {_label(feature, i)} as a number, or one an agent "
            f"({len(observation)}), got {value.dtype} of shape {value.shape}",
            where=where,
        )
    return value


def _label(feature: Feature, i: int) -> str:
    return repr(feature) if isinstance(feature, str) else f"{i}"
