"""The options of `dbctl seed load`."""

from pathlib import Path
from typing import Annotated

import typer

from dbctl.seed.load.forms import Form
from dbctl.seed.load.request import OnConflict


def _delimiter(value: str | None) -> str | None:
    value = {"\\t": "\t", "tab": "\t"}.get(value or "", value)
    if value is not None and (len(value) != 1 or value in '"\r\n'):
        raise typer.BadParameter("a delimiter is one character, or tab")
    return value


def _date_format(value: str | None) -> str | None:
    from dbctl.seed.load.notation import parse_date_format

    try:
        return None if value is None else parse_date_format(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="JSON, NDJSON or CSV, gz or zst too; - for stdin."),
]
Into = Annotated[str, typer.Option("--into", metavar="TABLE", help="The table to load into.")]
From = Annotated[
    Form | None, typer.Option("--from", help="What the files are; by their names without it.")
]
Conflict = Annotated[
    OnConflict, typer.Option("--on-conflict", help="What to do about a key that is there already.")
]
ConflictKey = Annotated[
    str | None,
    typer.Option(metavar="COLS", help="The columns, or the unique index, of that key."),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Rename a field; FIELD= leaves it out."),
]
Reject = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write bad rows there and load the others; exit 1 then."),
]
Plan = Annotated[bool, typer.Option("--plan", help="Read and check every row; write nothing.")]
Encoding = Annotated[
    str, typer.Option(metavar="NAME", help="How the text of the files is encoded.")
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", callback=_delimiter, help="CSV: what stands between fields."),
]
Null = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="CSV: the text of null, without quotes; empty by default."),
]
ForceNull = Annotated[
    bool, typer.Option("--force-null", help="CSV: take that text for null in quotes as well.")
]
Key = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="JSON: which array of an object has the rows, as in a.b."),
]
AssumeUtc = Annotated[bool, typer.Option("--assume-utc", help="Take times without a zone for UTC.")]
DateFormat = Annotated[
    str | None,
    typer.Option(
        metavar="ORDER",
        callback=_date_format,
        help="Dates as in 31/01/2026: dmy, mdy, ymd, or a pattern such as %d.%m.%y.",
    ),
]
DecimalComma = Annotated[
    bool, typer.Option("--decimal-comma", help="Take numbers as 1234,56 and 1.234,56.")
]
