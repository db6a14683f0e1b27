"""The key of a model's answer: SHA-256 of a canonical JSON text of all that it depends on.

Canonical JSON here is RFC 8259 JSON in ASCII, names sorted by code point, no spaces, and one text a
number: whole floats as integers (0.0 asks what 0 asks), others in Python's shortest form, integers
of any length exact (seeds have 64 bits; RFC 8785 would round them). Texts are not normalised: a
model reads the two forms of an accented letter as different tokens.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from populace.kernel.errors import RecordError

FIELDS = ("endpoint", "model", "fingerprint", "op", "messages", "options", "schema", "sample")
"""What every request names (None where a backend has none), so that no key can forget one."""

HIDDEN = "[secret]"
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

# Names compared without case and punctuation.
_SECRET = re.compile(
    r"apikey|authorization|password|passwd|passphrase|secret|credential|bearer|cookie"
    r"|privatekey|(access|auth|session|refresh|api|security)token|accesskey|subscriptionkey"
    r"|^(token|auth|key|pwd|sig|signature)$"
)
# What is said and what form it has are not searched: a field of an agent's schema may well be
# called "password", and two such schemas are two requests.
_SPEECH = frozenset(
    {"messages", "schema", "choices", "tools", "functions", "response_format", "json_schema"}
    | {"guided_json", "grammar", "properties", "parameters"}
)
_IN_URL = re.compile(r"(?<=://)[^/?#@]*@|[?&]([^=&#]+)=([^&#]*)")
_SHORTEST = 8  # shorter values may be common words, and are hidden only where they stand


def key(request: Mapping[str, Any]) -> str:
    """Return the key of a request: 64 hexadecimal digits.

    Parameters
    ----------
    request : mapping
        Values of JSON under at least the names of `FIELDS`. Values of options named like a secret
        (``api_key``, ``Authorization`` ...), and secrets within the endpoint's address, do not
        count: they do not change an answer.

    Raises
    ------
    RecordError
        If a name is missing, or a value is not JSON (NaN, bytes, a name that is no text ...).
    """
    return canonical(request).key


class Canonical:
    """A request without its secrets.

    Attributes
    ----------
    text : str
        Its canonical JSON.
    key : str
        The SHA-256 of the text in hexadecimal.
    labels : tuple of str
        Endpoint, model and operation, by which a store is looked through.
    secrets : tuple of str
        That were in it.
    """

    __slots__ = ("key", "labels", "secrets", "text")

    def __init__(
        self, text: str, labels: tuple[str, str, str], secrets: tuple[str, ...] = ()
    ) -> None:
        self.text, self.labels, self.secrets = text, labels, secrets
        self.key = hashlib.sha256(text.encode("ascii")).hexdigest()


def canonical(request: Mapping[str, Any] | Canonical) -> Canonical:
    """Return a request in the one form that its key is made of.

    Raises
    ------
    RecordError
        As `key`.
    """
    if isinstance(request, Canonical):
        return request
    plain, secrets = _searched(request)
    return Canonical(dump(plain, "key"), _labels(plain), secrets)


def spoken(value: Any) -> str:
    """Return what is said (messages, a schema) in canonical JSON, for a `Form`.

    Raises
    ------
    RecordError
        If it is not JSON.
    """
    return dump(_plain(value, "request"), "key")


class Form:
    """The canonical form of requests that are the same but for some fields, worked out once.

    Parameters
    ----------
    request : mapping
        One of them.
    own : sequence of str
        Names of the fields in which they differ, sorted.

    Raises
    ------
    RecordError
        As `key`.
    """

    def __init__(self, request: Mapping[str, Any], own: Sequence[str]) -> None:
        self._request, self._own = request, tuple(own)
        if list(own) != sorted(own):
            raise RecordError(f"expected names in order, got {', '.join(own)}", where="key")
        plain, secrets = _searched(request)
        self._labels = _labels(plain)
        self._pieces = None if secrets else self._cut(plain)

    def _cut(self, plain: Mapping[str, Any]) -> list[str]:
        """Return the canonical text in pieces; the fields of each request are every other one."""
        pieces = ["{"]
        for name in sorted(plain):
            pieces[-1] += f"{dump(name, 'key')}:"
            if name in self._own:
                pieces += ["", ""]
            else:
                pieces[-1] += dump(plain[name], "key")
            pieces[-1] += ","
        pieces[-1] = pieces[-1][:-1] + "}"
        return pieces

    def __call__(self, *own: str) -> Canonical:
        """Return the request whose own fields are these, in canonical JSON (see `spoken`)."""
        if self._pieces is None:  # a secret may stand in any field
            told = {name: json.loads(v) for name, v in zip(self._own, own, strict=True)}
            return canonical({**self._request, **told})
        parts = self._pieces.copy()
        parts[1::2] = own
        return Canonical("".join(parts), self._labels)


def _labels(plain: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(plain["endpoint"]), str(plain["model"]), str(plain["op"])


def _searched(request: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a request in JSON's own types without its secrets, and these."""
    if not isinstance(request, Mapping):
        raise RecordError(f"expected a request by name, got {type(request).__name__}", where="key")
    if missing := [name for name in FIELDS if name not in request]:
        raise RecordError(
            f"expected a request with {', '.join(FIELDS)}, got none of {', '.join(missing)}",
            where="key",
            mend="give None where the backend has none",
        )
    found: list[str] = []
    plain = _without_secrets(request, "request", found)
    # Longest first: one secret may be a part of another.
    secrets = tuple(sorted({s for s in found if len(s) >= _SHORTEST}, key=lambda s: (-len(s), s)))
    return hide(plain, secrets), secrets


def hide(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return a value of JSON with `secrets` (of at least 8 characters) hidden in all its texts."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, Mapping):
        return {hide(name, secrets): hide(held, secrets) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(held, secrets) for held in value]
    return value


def dump(value: Any, where: str) -> str:
    """Return JSON in ASCII with names sorted and no spaces.

    Raises
    ------
    RecordError
        If it is not JSON.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"expected values of JSON: {error}", where=where) from error


def _plain(value: Any, where: str) -> Any:
    """Return a value as JSON's own types, numbers in one form."""
    if isinstance(value, (str, bool)) or value is None:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError(f"expected finite numbers, got {value}", where=where)
        return int(value) if value.is_integer() else float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v, where) for v in value]
    if isinstance(value, Mapping):
        return {_name(k, where): _plain(v, f"{where}.{k}") for k, v in value.items()}
    try:
        return operator.index(value)
    except TypeError:
        raise RecordError(
            f"expected values of JSON, got {type(value).__name__}", where=where
        ) from None


def _without_secrets(value: Any, where: str, found: list[str]) -> Any:
    """As `_plain`, leaving out what is named like a secret and hiding secrets in addresses."""
    if isinstance(value, str):  # first, since most values are
        if "://" in value:
            return _IN_URL.sub(lambda match: _hidden_in_url(match, found), value)
        return value
    if isinstance(value, Mapping):
        kept = {}
        for name, held in value.items():
            if name in _SPEECH:
                kept[name] = _plain(held, f"{where}.{name}")
            elif is_secret(_name(name, where)):
                found.extend(_texts(held))
            else:
                kept[name] = _without_secrets(held, f"{where}.{name}", found)
        return kept
    if isinstance(value, (list, tuple)):
        return [_without_secrets(held, where, found) for held in value]
    return _plain(value, where)


def _hidden_in_url(match: re.Match[str], found: list[str]) -> str:
    if match[1] is None:  # user:password@
        found.append(match[0][:-1].split(":", 1)[-1])
        return f"{HIDDEN}@"
    if not is_secret(match[1]):
        return match[0]
    found.append(match[2])
    return f"{match[0][0]}{match[1]}={HIDDEN}"


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    return _SECRET.search(re.sub(r"[^a-z0-9]", "", name.lower())) is not None


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str):
        raise RecordError(f"expected names as text, got {name!r}", where=where)
    return name


def _texts(value: Any) -> list[str]:
    """Return every text within a value, and what follows a scheme such as ``Bearer``."""
    if isinstance(value, str):
        return [value, *value.split()[1:]]
    if isinstance(value, Mapping):
        return [text for held in value.values() for text in _texts(held)]
    if isinstance(value, (list, tuple)):
        return [text for held in value for text in _texts(held)]
    return []
