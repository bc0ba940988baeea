"""The one sink of every result: a Rich table, JSON or CSV on stdout; notices on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from dbctl.errors import DbctlError, ExitCode, OperationFailed

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
# The stdout that a command began with, which is for its result alone.
_reserved: ContextVar[TextIO | None] = ContextVar("reserved", default=None)
# What draws a board at the moment; only that can write above it.
_live: ContextVar[Console | None] = ContextVar("live", default=None)


def prepare_streams() -> None:
    """Give a null device to each standard stream that is closed, and let no character fail one.

    The devices also keep the low file numbers from a socket that somebody writes to by number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Keep stdout for the result while a command runs: what anything else prints goes to stderr.

    A project's revisions, env.py and models may print, and so may the programs that they start; a
    script reads the result nevertheless.
    """
    stdout = sys.stdout
    with _apart(stdout) as data:
        _reserved.set(data)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _reserved.set(stdout)


@contextmanager
def _apart(stream: TextIO) -> Iterator[TextIO]:
    """Yield what writes to where `stream` does, and lead the process's descriptor 1 to stderr."""
    try:
        is_process_wide = stream.fileno() == 1
    except (OSError, ValueError):  # a stream in memory, or one that is closed
        is_process_wide = False
    if not is_process_wide:
        yield stream
        return
    stream.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    data = open(kept, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
    try:
        yield data
    finally:
        with suppress(OSError):  # whoever reads it has gone, and was told so
            data.flush()
        os.dup2(kept, 1)
        os.close(kept)


def command_began() -> bool:
    """Tell whether a command has had stdout for itself, so that no more help can come there."""
    return _reserved.get() is not None


def _data() -> TextIO:
    return _reserved.get() or sys.stdout


def emit[R: Result](result: R, view: Callable[[R], RenderableType]) -> ExitCode:
    """Print `result` to stdout in the chosen format and return its exit code.

    `view` renders the table form; it is not called for the others.
    """
    with delivered():
        match chosen_output.get():
            case Output.JSON:
                _write_json(result)
            case Output.CSV:
                _write_csv(result)
            case Output.TABLE:
                from dbctl.rendering import show

                show(view(result), _data())
    error = getattr(result, "error", None)
    if error is not None and chosen_output.get() is not Output.JSON:
        _print_error(error)
    return result.exit_code


@contextmanager
def delivered() -> Iterator[None]:
    """Flush what the body writes to stdout, where nothing else in it may raise OSError.

    Who reads our output may have seen enough, as `| head` has. Raises OperationFailed where it
    cannot be written for another reason; errors go to stderr from then on.
    """
    try:
        yield
        _data().flush()
    except OSError as error:
        # Python would complain again while it closes stdout.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), _data().fileno())
        if isinstance(error, BrokenPipeError):
            return
        chosen_output.set(Output.TABLE)
        raise OperationFailed(
            f"cannot write to stdout: {error.strerror}",
            hint="Whatever the command had to do is done; what it had to say is lost.",
        ) from error


def _write_json(document: BaseModel) -> None:
    out = _data()
    # What a stream in another encoding would write for a character is no JSON.
    ascii_only = not (out.encoding or "utf-8").lower().startswith("utf")
    out.write(document.model_dump_json(indent=2, ensure_ascii=ascii_only) + "\n")


def _write_csv(result: Result) -> None:
    import csv

    records = list(result.records())
    columns = result.columns() or list(records[0] if records else ())
    if not columns:
        return
    writer = csv.writer(_data(), lineterminator="\n")
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

    out = _live.get() or console(stderr=True)
    out.print(visible(text), style="muted", soft_wrap=True)


def show_error(error: DbctlError) -> None:
    """Print an error and its hint: as one JSON document on stdout, or for people on stderr."""
    from dbctl.results import ErrorBody, ErrorDocument

    body = ErrorBody.of(error)
    if chosen_output.get() is Output.JSON:
        with suppress(OperationFailed), delivered():
            _write_json(ErrorDocument(error=body))
    if chosen_output.get() is not Output.JSON:  # or no longer, as stdout cannot be written to
        _print_error(body)


def _print_error(error: ErrorBody) -> None:
    from dbctl.rendering import console

    out = console(stderr=True)
    _labelled(out, "error:", "bad", error.message)
    if error.hint:
        _labelled(out, "hint:", "key", error.hint)


@contextmanager
def live(board: RenderableType) -> Iterator[Callable[[str, bool], None]]:
    """Show on stderr what is going on while the body runs; yield a function that tells of it.

    On a terminal `board` is drawn again and again, and gone at the end. Elsewhere, such as in the
    log of a CI run, the function prints the line that it is given; beside JSON only one that is
    urgent, which tells why nothing seems to happen.
    """
    from dbctl.rendering import console

    out = console(stderr=True)
    if out.is_terminal:
        from rich.live import Live

        with Live(board, console=out, transient=True, refresh_per_second=8):
            token = _live.set(out)
            try:
                yield lambda _line, _urgent: None
            finally:
                _live.reset(token)
        return
    from dbctl.rendering import visible

    beside_json = chosen_output.get() is Output.JSON

    def tell(line: str, urgent: bool) -> None:
        if urgent or not beside_json:  # not by way of Rich: a run may have hundreds of lines
            sys.stderr.write(f"{visible(line)}\n")

    yield tell


def _labelled(out: Console, label: str, style: str, message: str) -> None:
    from rich.text import Text

    from dbctl.rendering import visible

    out.print(Text.assemble((label, style), " ", visible(message)), soft_wrap=True)
