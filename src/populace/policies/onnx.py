"""A model in an ONNX file, with the methods of an estimator."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from populace.kernel.errors import PolicyError


class OnnxModel:
    """An ONNX model of one input, a table of features, run by onnxruntime on one thread.

    Parameters
    ----------
    source : path or bytes

    Attributes
    ----------
    sha256 : str
        Digest of the file.
    n_features_in_ : int or None
        Width of the input, where the file says it.
    classes_ : list or None
        Class labels, known only where probabilities come as maps (the ``zipmap`` of skl2onnx).

    Raises
    ------
    PolicyError
        If onnxruntime is not installed, the file is none, or its inputs or outputs are not those
        of a classifier or regressor.
    """

    def __init__(self, source: str | Path | bytes) -> None:
        name = "an ONNX model" if isinstance(source, bytes) else f"ONNX model {str(source)!r}"
        self.name = name
        try:
            import onnxruntime
        except ImportError as error:
            raise PolicyError(
                "onnxruntime is not installed",
                where=name,
                mend='pip install "populace[learned]"',
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if not isinstance(source, bytes):
            path = Path(source)
            if not path.is_file():
                raise PolicyError("there is no such file", where=name)
            source = path.read_bytes()
        self.sha256 = hashlib.sha256(source).hexdigest()
        try:
            self._session = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own classes derive from Exception only
            raise PolicyError(f"not readable as ONNX: {error}", where=name) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _DTYPES or len(inputs[0].shape) != 2:
            told = ", ".join(f"{i.name}: {i.type} {i.shape}" for i in inputs)
            raise PolicyError(
                f"expected one input of numbers, of shape (rows, features), got {told}",
                where=name,
                mend="export the model with one table of features as its input",
            )
        self._input = inputs[0].name
        self._dtype = _DTYPES[inputs[0].type]
        width = inputs[0].shape[1]
        self.n_features_in_ = width if isinstance(width, int) else None
        self.classes_: list[Any] | None = None
        if any(output.type.startswith("seq(map") for output in self._session.get_outputs()):
            self.classes_ = self._mapped_classes()

    def describe(self) -> dict[str, str]:
        """Return the file's name and digest."""
        return {"onnx": self.name, "sha256": self.sha256}

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities of the classes, of shape (n, classes)."""
        for output in self._outputs(rows):
            if isinstance(output, np.ndarray) and output.dtype.kind == "f" and output.ndim == 2:
                return output
            if self.classes_ is not None and isinstance(output, list):
                return np.array([[row[label] for label in self.classes_] for row in output])
        raise self._lacks("probabilities of shape (rows, classes)")

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return predicted numbers, of shape (n,)."""
        first = self._outputs(rows)[0]
        if isinstance(first, np.ndarray) and first.dtype.kind in "fiu" and first.size == len(rows):
            return first.reshape(len(rows))
        raise self._lacks("one number a row")

    def _outputs(self, rows: NDArray[Any]) -> list[Any]:
        return list(self._session.run(None, {self._input: rows.astype(self._dtype)}))

    def _mapped_classes(self) -> list[Any]:
        if self.n_features_in_ is None:
            raise PolicyError(
                "the class labels cannot be read from the file",
                where=self.name,
                mend="export with probabilities as a tensor (skl2onnx: options zipmap=False)",
            )
        outputs = self._outputs(np.zeros((1, self.n_features_in_)))
        return next(list(o[0]) for o in outputs if isinstance(o, list))

    def _lacks(self, what: str) -> PolicyError:
        told = ", ".join(f"{o.name}: {o.type} {o.shape}" for o in self._session.get_outputs())
        return PolicyError(f"expected an output with {what}, got {told}", where=self.name)


_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}
