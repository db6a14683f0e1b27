"""How a command fails: one line on stderr, and an exit status that says whose fault it was."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from populace.kernel.errors import PopulaceError

USAGE, FAILED, STOPPED, INTERRUPTED = 2, 1, 3, 130  # 130 = 128 + SIGINT, as shells have it


@contextmanager
def failing(debug: bool, as_json: bool = False, status: int = USAGE) -> Iterator[None]:
    """End the command with one line for any error; `status` is that of a typed error."""
    try:
        yield
    except PopulaceError as error:
        fail(error, status, debug, as_json)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        fail(error, FAILED, debug, as_json)


@contextmanager
def telling_warnings() -> Iterator[None]:
    """Tell each RuntimeWarning in a line, when it comes."""

    def show(message: Warning | str, category: type[Warning], *rest: Any, **_: Any) -> None:
        if issubclass(category, RuntimeWarning):
            click.echo(f"Warning: {message}", err=True)
        else:
            before(message, category, *rest)

    with warnings.catch_warnings():
        before, warnings.showwarning = warnings.showwarning, show
        warnings.simplefilter("always", RuntimeWarning)
        yield


def fail(error: BaseException, status: int, debug: bool, as_json: bool = False) -> NoReturn:
    """Print the error (as JSON on stdout too) and exit."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        click.echo(json.dumps({"status": "failed", "error": described(error)}, indent=2))
    click.echo(f"Error: {one_line(error)}", err=True)
    raise SystemExit(status)


def described(error: BaseException) -> dict[str, str]:
    """Return an error as plain data."""
    found = {"type": type(error).__name__, "message": one_line(error)}
    if isinstance(error, PopulaceError):
        found |= {"what": error.what, "where": error.where, "mend": error.mend}
    return found


def one_line(error: BaseException) -> str:
    """Return the message on one line; the type too unless populace raised it on purpose."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PopulaceError) else f"{type(error).__name__}: {text}"
