"""Write the rows of an answer while they are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from dbctl.db.session import Pulse
from dbctl.errors import DbctlError, ExitCode
from dbctl.inspect.connected import read
from dbctl.inspect.data.formats.forms import Csv, Form, Json, Ndjson
from dbctl.inspect.data.formats.lines import csv_rows, lines_of
from dbctl.inspect.data.formats.transport import transport
from dbctl.inspect.data.key_masking import KeyMasking
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.row_text import RowText
from dbctl.inspect.data.source import Answer
from dbctl.inspect.reading import reading
from dbctl.output import Output, chosen_output, delivered, notice
from dbctl.results import ErrorBody, in_ascii
from dbctl.settings import Settings
from dbctl.streams import data_file, data_stream, is_unicode
from dbctl.writer import Writer

# Seconds for which who reads may look at what there is, as in `less`: the transaction idles then.
_PAUSE = 3600.0


def stream[R: RowSet](
    settings: Settings,
    find: Callable[[asyncpg.Connection[Any]], Awaitable[Answer[R]]],
    *,
    statement_timeout: float,
    csv_safe: bool,
    encoding: str | None,
) -> ExitCode:
    """Write the rows of what `find` finds, and return the exit code.

    `encoding` is of a database that does not know its own. A JSON document that breaks off says so
    itself. Raises DbctlError for everything else.
    """
    output = chosen_output.get()
    writer = Writer(data_stream(), _escape(output))
    forms: list[Form] = []
    pulse = Pulse()

    async def streamed(connection: asyncpg.Connection[Any]) -> R:
        async with reading(connection, statement_timeout, idle_timeout=_PAUSE):
            answer = await find(connection)
            form = form_of(output, answer, csv_safe=csv_safe)
            forms.append(form)
            is_csv = form.encoding.quote is None
            json_arrays = output is Output.PARQUET
            fields = answer.source.fields
            text = RowText.of(connection, fields, is_csv=is_csv, json_arrays=json_arrays)
            masking = KeyMasking(
                fields,
                is_csv=is_csv,
                json_arrays=json_arrays,
                flat=output in {Output.MARKDOWN, Output.VERTICAL},
            )

            async def take(lines: bytes) -> None:
                if text is not None:
                    rows = csv_rows(lines) if is_csv else list(lines_of(lines))
                    lines = text.lines(lines, rows)
                data = form.rows(masking.lines(lines))
                with pulse.rests():
                    await writer.write(data if writer.begun else form.head() + data)

            end = await transport(
                connection, answer, form.encoding, take, statement_timeout=statement_timeout
            )
            tail = form.tail(end)
            await writer.write(tail if writer.begun else form.head() + tail)
            return answer.blank.model_copy(
                update={"count": end.count, "more": end.more, "next": end.next}
            )

    try:
        with delivered():
            result = read(
                settings,
                streamed,
                statement_timeout=statement_timeout,
                pulse=pulse,
                encoding=encoding,
            )
            if result.more and output is not Output.JSON:
                from dbctl.inspect.data.views import footer

                notice(footer(result))
    except DbctlError as error:
        if writer.torn:  # in the middle of a line no more can be told
            chosen_output.set(Output.TABLE)
        elif writer.begun and data_file() is None and forms and isinstance(forms[0], Json):
            with delivered():
                writer.write_text(forms[0].failure(ErrorBody.of(error)))
            return error.exit_code
        raise
    return ExitCode.OK


def form_of(output: Output, answer: Answer[Any], *, csv_safe: bool = False) -> Form:
    """Return how rows are written in a format that is no table."""
    fields = answer.source.fields
    match output:
        case Output.CSV:
            return Csv(fields, safe=csv_safe)
        case Output.NDJSON:
            return Ndjson(fields)
        case Output.MARKDOWN:
            from dbctl.inspect.data.formats.texts import Markdown

            return Markdown(fields)
        case Output.VERTICAL:
            from dbctl.inspect.data.formats.texts import Vertical

            return Vertical(fields, data_stream())
        case Output.PARQUET:
            from dbctl.inspect.data.formats.parquet import Parquet

            return Parquet(fields)
        case _:
            return Json(fields, answer.blank)


def _escape(output: Output) -> Callable[[str], str] | None:
    """Return what makes text of a format fit for where it goes, None for what is no text."""
    if output is Output.PARQUET:
        return None
    stream = data_stream()
    if output.is_json and not is_unicode(stream):
        return in_ascii
    if output is Output.VERTICAL or not stream.isatty():
        return str  # each part of a block is made fit before it is coloured
    from dbctl.rendering import visible, visible_json

    return visible_json if output.is_json else visible
