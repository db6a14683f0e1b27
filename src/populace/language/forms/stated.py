"""Where in a reply its answer is stated: tags, boxes, and the phrases that announce an answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_OPENED = re.compile(r"<(think|thinking|reasoning|scratchpad)>", re.IGNORECASE)
_CLOSED = re.compile(r"</(?:think|thinking|reasoning|scratchpad)>", re.IGNORECASE)
_THOUGHT = re.compile(
    r"<(think|thinking|reasoning|scratchpad)>(?:(?!<\1>).)*?</\1>", re.DOTALL | re.IGNORECASE
)
_TAGGED = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL | re.IGNORECASE)
_BOLD = re.compile(r"(?<!\w)(\*\*|__)(?=\S)(.+?)(?<=\S)\1(?!\w)", re.DOTALL)
_PHRASE = re.compile(
    r"""(?:
        \b(?:answer|(?:correct|right|best)\ (?:option|choice|letter))\b
        [ \t]*(?P<verb>is|was|would\ be|should\ be|must\ be|=|:|：|isn['’]t|wasn['’]t)
        (?:[ \t]*:)?
      | ^[ \t#]*(?:(?:final|correct|the|my)[ ]+)*answer[ \t]*:?[ \t]*$   # a heading of its own
      | ^\#{4}[ ]*(?=[-+$\d])                               # GSM8K's mark of the final number
    )[ \t]*\n*[ \t]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_CLAUSE = re.compile(r"[.!?;:,\n]")
DENIED = re.compile(r"\b(?:not|never|neither|nor|cannot|no longer)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stated:
    """Where the answer stands.

    Attributes
    ----------
    text : str or None
        What follows the announcement, to the end of its line (inside a tag or a box: all of it).
        None: an answer is announced, but what it is cannot be told.
    rest : str
        From there to the end of the reply.
    """

    text: str | None
    rest: str = ""


NOTHING = Stated(None)


def said_aloud(reply: str) -> str:
    """Return a reply without its reasoning between ``<think>`` tags; one that never ends is all."""
    reply = _THOUGHT.sub("", reply)
    closed = list(_CLOSED.finditer(reply))
    if closed:  # some models' opening tag is part of their prompt
        reply = reply[closed[-1].end() :]
    opened = _OPENED.search(reply)
    return (reply[: opened.start()] if opened else reply).strip()


def tagged(reply: str) -> str | None:
    """Return what stands between the last ``<answer>`` and ``</answer>``, None without a tag.

    An ``<answer>`` that is not closed was cut off: what stands after it is no answer, but ''.
    """
    found = list(_TAGGED.finditer(reply))
    if reply.lower().rfind("<answer>") > (found[-1].start() if found else -1):
        return ""
    return found[-1][1].strip() if found else None


def boxed(reply: str) -> list[tuple[int, str]]:
    r"""Return position and content of every complete ``\boxed{...}`` (or ``\fbox``), in order."""
    boxes = []
    for match in re.finditer(r"\\f?boxed?\s*\{", reply):
        depth, i = 1, match.end()
        while i < len(reply) and depth:
            if reply[i] == "\\":
                i += 2
                continue
            depth += {"{": 1, "}": -1}.get(reply[i], 0)
            i += 1
        if not depth:
            boxes.append((match.start(), reply[match.end() : i - 1].strip()))
    return boxes


def stated(reply: str) -> Stated | None:
    """Return where a reply states its answer; None if it announces none.

    The last announcement counts: writers correct themselves. An answer that is denied ("the answer
    is not 5", "I do not think that the answer is 5") or asked about ("the answer is 5?") is no
    announcement; a reply that only denies is `NOTHING`.
    """
    reply = said_aloud(reply)
    inside = tagged(reply)
    if inside is not None:
        if not inside:
            return NOTHING
        reply = inside
    if reply.startswith("{") and (value := _field(reply)) is not None:
        return Stated(value or None, value)
    plain = _BOLD.sub(r"\2", reply)
    places = [(at, Stated(text or None, text)) for at, text in boxed(plain)]
    denied = False
    for match in _PHRASE.finditer(plain):
        text, clause = plain[match.end() :], plain[: match.start()]
        clause = _CLAUSE.split(clause)[-1]
        line = text.split("\n", 1)[0].strip()
        verb = (match["verb"] or "").lower()
        if DENIED.search(clause) or verb.endswith("t") or DENIED.match(line):
            denied = True
        elif not line.endswith("?"):
            places.append((match.start(), Stated(line or None, text.strip())))
    if places:
        return max(places, key=lambda place: place[0])[1]
    if denied:
        return NOTHING
    return Stated(plain.strip(), plain.strip()) if inside is not None else None


def sentence(text: str) -> str:
    """Return the first sentence of a text (``St.`` and ``U.S.`` end none)."""
    found = re.search(r"(?<![A-Z][a-z])(?<!\b[A-Z])(?:[.?]|(?<![0-9])!)(?=\s|$)", text)
    return text[: found.start()] if found else text


def _field(reply: str) -> str | None:
    """Return the answer in a reply that is ``{"answer": value}``, None if it is something else."""
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != {"answer"}:
        return None
    value = found["answer"]
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value) if value is not None else ""
