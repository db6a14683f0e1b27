"""Re-quantise a GGUF model to Q8_0, a format that llama.cpp computes fast on any processor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from populace.language.errors import ModelUnavailable

Q8_0_FILE = 7  # llama.cpp's LLAMA_FTYPE_MOSTLY_Q8_0


def to_q8_0(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Write `source` to `target` with every quantised tensor as Q8_0, all else unchanged.

    Q8_0 holds blocks of 32 weights as signed bytes times one 16-bit float, so it keeps what a
    coarser format held almost unchanged. The same bytes come out every time.

    Parameters
    ----------
    source, target : Path
        GGUF files.
    progress : callable
        ``progress(tensors done, of how many)``.

    Raises
    ------
    ModelUnavailable
        If the package gguf is missing.
    """
    try:
        from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
        from gguf.quants import dequantize, quantize
    except ImportError:
        mend = "pip install 'populace[embedded]'"
        raise ModelUnavailable("needs the package gguf", where=str(source), mend=mend) from None
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue  # the writer's own
        kind = field.types[0]
        inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, inner)
    writer.add_file_type(Q8_0_FILE)
    q8_0, plain = GGMLQuantizationType.Q8_0, GGMLQuantizationType.F32
    for done, tensor in enumerate(reader.tensors, 1):
        values = dequantize(tensor.data, tensor.tensor_type)
        if tensor.tensor_type == plain:
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, quantize(values, q8_0), raw_dtype=q8_0)
        progress(done, len(reader.tensors))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
