"""The one sink of every result: a Rich table, JSON or CSV on stdout; notices on stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.errors import DbctlError, ErrorCode, ExitCode

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

# C0 but for tab and newline, DEL, C1, and every character that changes the direction or the
# visibility of what follows it: each can make a terminal show something that is not there.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
# Far wider than any row: what is piped must not be cut to the width of a screen that is not there.
_PIPE_WIDTH = 2000


class Output(StrEnum):
    """The formats every command can print its result in."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class ErrorBody(BaseModel):
    """What went wrong, for scripts: `code` is one of `ErrorCode`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    code: ErrorCode
    message: str
    hint: str | None
    exit_code: ExitCode = Field(exclude=True)

    @classmethod
    def of(cls, error: DbctlError) -> ErrorBody:
        """Describe `error`."""
        return cls(
            code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code
        )


class ErrorDocument(BaseModel):
    """The JSON document of a command that failed."""

    error: ErrorBody


class Result(BaseModel):
    """The typed outcome of an operation; every format is made from it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that this outcome means."""
        return ExitCode.OK

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows of the CSV form: the result itself unless it is a list of something."""
        return [self.model_dump(mode="json")]

    def columns(self) -> Sequence[str] | None:
        """Return the header of the CSV form, where it has to be known without a row."""
        return None


class FallibleResult(Result):
    """A result that is worth having although the operation failed before its end."""

    error: ErrorBody | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the error, if there is one."""
        return self.error.exit_code if self.error else ExitCode.OK


chosen_output: ContextVar[Output] = ContextVar("chosen_output", default=Output.TABLE)


def emit[R: Result](result: R, view: Callable[[R], RenderableType]) -> ExitCode:
    """Print `result` to stdout in the chosen format and return its exit code.

    `view` renders the table form; it is not called for the others.
    """
    match chosen_output.get():
        case Output.JSON:
            write_json(result)
        case Output.CSV:
            _write_csv(result)
        case Output.TABLE:
            console().print(view(result))
    error = result.error if isinstance(result, FallibleResult) else None
    if error is not None and chosen_output.get() is not Output.JSON:
        _print_error(error)
    return result.exit_code


def write_json(document: BaseModel) -> None:
    """Write one JSON document and a newline to stdout."""
    sys.stdout.write(document.model_dump_json(indent=2) + "\n")
    sys.stdout.flush()


def _write_csv(result: Result) -> None:
    import csv

    records = list(result.records())
    columns = result.columns() or list(records[0] if records else ())
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(record[name]) for name in columns] for record in records)
    sys.stdout.flush()


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        import json

        return json.dumps(value, ensure_ascii=False)
    return value


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console for stdout or stderr that follows the stream as it is now."""
    from rich.console import Console
    from rich.theme import Theme

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        theme=Theme(
            {
                "ok": "green",
                "warn": "yellow",
                "bad": "bold red",
                "muted": "dim",
                "key": "cyan",
                "table.header": "bold",
            }
        ),
    )


def table(**options: Any) -> Table:
    """Return an empty table in the one style that every view uses."""
    from rich import box
    from rich.table import Table

    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="table.header",
        **options,
    )


def notice(text: str) -> None:
    """Tell a person something on stderr, apart from the data on stdout."""
    console(stderr=True).print(visible(text), style="muted", soft_wrap=True)


def show_error(error: DbctlError) -> None:
    """Print an error and its hint: as one JSON document on stdout, or for people on stderr."""
    body = ErrorBody.of(error)
    if chosen_output.get() is Output.JSON:
        write_json(ErrorDocument(error=body))
    else:
        _print_error(body)


def _print_error(error: ErrorBody) -> None:
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
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda text, done: out.print(visible(text), soft_wrap=True) if done else None
        return
    from rich.text import Text

    with out.status("") as status:
        yield lambda text, _done: status.update(Text(visible(text)))


def _labelled(out: Console, label: str, style: str, message: str) -> None:
    from rich.text import Text

    out.print(Text.assemble((label, style), " ", visible(message)), soft_wrap=True)


def visible(text: str) -> str:
    r"""Replace control and invisible characters by escapes such as `\x1b` and `\u202e`.

    Newlines and tabs stay. Rich passes the others through, to where a terminal obeys them.
    """
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def safe(value: object, style: str = "") -> Text:
    """Return text of unknown origin as a Rich Text on one line, its markup left uninterpreted."""
    from rich.text import Text

    text = visible(str(value)).replace("\n", "\\n").replace("\t", "\\t")
    return Text(text, style=style)
