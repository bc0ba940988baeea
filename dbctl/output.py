"""The one sink of every result: a table, JSON or another format on stdout; notices on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dbctl import draft
from dbctl.errors import DbctlError, ExitCode, OperationFailed, UsageError
from dbctl.streams import data_file, data_stream, is_unicode, write_exactly

if TYPE_CHECKING:  # neither Rich nor pydantic is imported before something is printed
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    from dbctl.results import ErrorBody, Result


class Output(StrEnum):
    """The formats every command can print its result in."""

    TABLE = "table"
    VERTICAL = "vertical"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    MARKDOWN = "markdown"
    PARQUET = "parquet"

    @classmethod
    def of(cls, file: Path | None) -> Output | None:
        """Return the format that a file's name tells, None where it tells none."""
        return _SUFFIXES.get(file.suffix.lower()) if file else None

    @property
    def is_json(self) -> bool:
        """Whether a script reads JSON, errors included."""
        return self in {Output.JSON, Output.NDJSON}


_SUFFIXES = {
    ".json": Output.JSON,
    ".ndjson": Output.NDJSON,
    ".jsonl": Output.NDJSON,
    ".csv": Output.CSV,
    ".md": Output.MARKDOWN,
    ".parquet": Output.PARQUET,
}
chosen_output: ContextVar[Output] = ContextVar("chosen_output", default=Output.TABLE)
# What draws a board at the moment; only that can write above it.
_live: ContextVar[Console | None] = ContextVar("live", default=None)
# What has the notices in place of stderr, as while a display fills the terminal.
_told: ContextVar[Callable[[str], object] | None] = ContextVar("told", default=None)


def emit[R: Result](result: R, view: Callable[[R], RenderableType]) -> ExitCode:
    """Print `result` to stdout in the chosen format and return its exit code.

    `view` renders the table form; it is not called for the others. Raises UsageError for a format
    that holds nothing but rows of a database.
    """
    with delivered():
        match chosen_output.get():
            case Output.TABLE:
                from dbctl.rendering import Verbatim, show

                rendered, out = view(result), data_stream()
                if isinstance(rendered, Verbatim) and not out.isatty():
                    write_exactly(out, rendered.text)
                else:
                    show(rendered, out)
            case Output.JSON:
                _write_json(result.document())
            case Output.PARQUET:
                raise parquet_refused()
            case output:
                _write_records(result, output)
    error = getattr(result, "error", None)
    if error is not None:
        _report(error)
    return result.exit_code


def emit_line(result: Result) -> None:
    """Print one of many results to stdout at once, as a line of JSON.

    Raises BrokenPipeError where nobody reads any more, OperationFailed where it cannot be written.
    """
    try:
        _write_json(result.document(), indent=None)
        data_stream().flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(error) from error


def _report(error: ErrorBody) -> None:
    """Tell of an error beside the result: JSON on stdout holds it, and a file may not be kept."""
    to_file = data_file() is not None
    output = chosen_output.get()
    if output is Output.NDJSON and not to_file:
        _write_error(error, output)
    elif output is not Output.JSON or to_file:
        _print_error(error)


@contextmanager
def delivered() -> Iterator[None]:
    """Flush what the body writes to stdout, where nothing else in it may raise OSError.

    Who reads our output may have seen enough, as `| head` has. Raises OperationFailed where it
    cannot be written for another reason; errors go to stderr from then on.
    """
    try:
        yield
        data_stream().flush()
    except OSError as error:
        # Python would complain again while it closes stdout.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), data_stream().fileno())
        if isinstance(error, BrokenPipeError):
            return
        chosen_output.set(Output.TABLE)
        raise cannot_write(error) from error


def cannot_write(error: OSError) -> OperationFailed:
    """Describe why the result cannot be written where it goes."""
    if file := data_file():
        return draft.cannot_write(file, error)
    return OperationFailed(
        f"cannot write to stdout: {error.strerror}",
        hint="Whatever the command had to do is done; what it had to say is lost.",
    )


def parquet_refused() -> UsageError:
    """Return the error of what has no parquet form."""
    return UsageError(
        "only rows of the database can be written as parquet",
        hint="Choose json or csv; `dbctl inspect rows` and `query` write parquet.",
    )


def _write_json(document: BaseModel, *, indent: int | None = 2) -> None:
    out = data_stream()
    # What a stream in another encoding would write for a character is no JSON.
    text = document.model_dump_json(indent=indent)
    if not is_unicode(out):
        from dbctl.results import in_ascii

        text = in_ascii(text)
    out.write(_shown(text, is_json=True) + "\n")


def _write_records(result: Result, output: Output) -> None:
    from dbctl import records

    out, found = data_stream(), list(result.records())
    columns = result.columns() or list(found[0] if found else ())
    if output is Output.VERTICAL:
        from dbctl.rendering import styled

        for block in records.blocks(found):
            write_exactly(out, styled(block, out))
    elif output is Output.NDJSON:
        out.write(_shown(records.ndjson(found, ascii_only=not is_unicode(out)), is_json=True))
    elif columns:
        written = records.csv_text if output is Output.CSV else records.markdown
        write_exactly(out, _shown(written(found, columns)))


def _shown(text: str, *, is_json: bool = False) -> str:
    """Return what a terminal may show of a text; anything else has it as it is."""
    if not data_stream().isatty():
        return text
    from dbctl.rendering import visible, visible_json

    return visible_json(text) if is_json else visible(text)


@contextmanager
def notices_to(tell: Callable[[str], object]) -> Iterator[None]:
    """Let `tell` have the notices of the body, in place of stderr."""
    token = _told.set(tell)
    try:
        yield
    finally:
        _told.reset(token)


def notice(text: str) -> None:
    """Tell a person something on stderr, apart from the data on stdout."""
    from dbctl.rendering import console, visible

    if (tell := _told.get()) is not None:
        tell(text)
        return
    out = _live.get() or console(stderr=True)
    out.print(visible(text), style="muted", soft_wrap=True)


def show_error(error: DbctlError) -> None:
    """Print an error and its hint: as JSON, on a line of its own, on stdout, or for people."""
    from dbctl.results import ErrorBody

    body = ErrorBody.of(error)
    if (output := chosen_output.get()).is_json:
        _write_error(body, output)
    if not chosen_output.get().is_json:  # or no longer, as stdout cannot be written to
        _print_error(body)


def _write_error(error: ErrorBody, output: Output) -> None:
    from dbctl.results import ErrorDocument

    with suppress(OperationFailed), delivered():
        _write_json(ErrorDocument(error=error), indent=2 if output is Output.JSON else None)


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

    beside_json = chosen_output.get().is_json

    def tell(line: str, urgent: bool) -> None:
        if urgent or not beside_json:  # not by way of Rich: a run may have hundreds of lines
            sys.stderr.write(f"{visible(line)}\n")

    yield tell


def _labelled(out: Console, label: str, style: str, message: str) -> None:
    from rich.text import Text

    from dbctl.rendering import visible

    out.print(Text.assemble((label, style), " ", visible(message)), soft_wrap=True)
