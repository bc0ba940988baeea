"""The commands of `dbctl inspect`."""

import typer

from dbctl.inspect.data.commands import row, rows
from dbctl.inspect.database.commands import (
    activity,
    indexes,
    locks,
    pool,
    size,
    slow,
    table,
    tables,
)
from dbctl.inspect.diagram.commands import diagram
from dbctl.inspect.query.commands import query
from dbctl.options import command
from dbctl.typer_versions import Group

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    help="Look at tables and rows, without being able to break anything: every command reads in a "
    "read-only transaction with a time limit, and rolls it back.",
)

# What parquet can hold.
_ROWS = {query, rows}
for function in (
    tables,
    table,
    rows,
    row,
    query,
    indexes,
    size,
    activity,
    locks,
    slow,
    pool,
    diagram,
):
    command(app, to_file=True, parquet=function in _ROWS, deadline=True)(function)
