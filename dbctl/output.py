"""The one sink of every result: a Rich table, JSON or CSV on stdout; notices on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING

from dbctl.errors import DbctlError, ExitCode

if TYPE_CHECKING:  # neither Rich nor pydantic is imported before something is printed
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    from dbctl.results import ErrorBody, Result


class Output(StrEnum):
    """The formats every command can print its result in."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


chosen_output: ContextVar[Output] = ContextVar("chosen_output", default=Output.TABLE)


def emit[R: Result](result: R, view: Callable[[R], RenderableType]) -> ExitCode:
    """Print `result` to stdout in the chosen format and return its exit code.

    `view` renders the table form; it is not called for the others.
    """
    with _reader_may_leave():
        match chosen_output.get():
            case Output.JSON:
                _write_json(result)
            case Output.CSV:
                _write_csv(result)
            case Output.TABLE:
                from dbctl.rendering import show

                show(view(result))
        sys.stdout.flush()
    error = getattr(result, "error", None)
    if error is not None and chosen_output.get() is not Output.JSON:
        _print_error(error)
    return result.exit_code


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Write on into nothing when who reads our output has seen enough, as `| head` has."""
    try:
        yield
    except BrokenPipeError:
        # Python would complain again while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_json(document: BaseModel) -> None:
    sys.stdout.write(document.model_dump_json(indent=2) + "\n")


def _write_csv(result: Result) -> None:
    import csv

    records = list(result.records())
    columns = result.columns() or list(records[0] if records else ())
    if not columns:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(record[name]) for name in columns] for record in records)


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict):
        import json

        return json.dumps(value, ensure_ascii=False)
    return value


def notice(text: str) -> None:
    """Tell a person something on stderr, apart from the data on stdout."""
    from dbctl.rendering import console, visible

    console(stderr=True).print(visible(text), style="muted", soft_wrap=True)


def show_error(error: DbctlError) -> None:
    """Print an error and its hint: as one JSON document on stdout, or for people on stderr."""
    from dbctl.results import ErrorBody, ErrorDocument

    body = ErrorBody.of(error)
    if chosen_output.get() is Output.JSON:
        with _reader_may_leave():
            _write_json(ErrorDocument(error=body))
            sys.stdout.flush()
    else:
        _print_error(body)


def _print_error(error: ErrorBody) -> None:
    from dbctl.rendering import console

    out = console(stderr=True)
    _labelled(out, "error:", "bad", error.message)
    if error.hint:
        _labelled(out, "hint:", "key", error.hint)


@contextmanager
def progress() -> Iterator[Callable[[str, bool], None]]:
    """Yield a function that tells on stderr what is being done and, with True, what is done.

    On a terminal that is one line which changes and is gone at the end; elsewhere, such as in
    the log of a CI run, a line for each thing done. JSON output is not accompanied.
    """
    if chosen_output.get() is Output.JSON:
        yield lambda _text, _done: None
        return
    from rich.text import Text

    from dbctl.rendering import console, visible

    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda text, done: out.print(visible(text), soft_wrap=True) if done else None
        return
    with out.status("") as status:
        yield lambda text, _done: status.update(Text(visible(text)))


def _labelled(out: Console, label: str, style: str, message: str) -> None:
    from rich.text import Text

    from dbctl.rendering import visible

    out.print(Text.assemble((label, style), " ", visible(message)), soft_wrap=True)
