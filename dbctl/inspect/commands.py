"""The commands of `dbctl inspect`."""

import typer

from dbctl.inspect.data.commands import row, rows
from dbctl.inspect.database.commands import pool, table, tables
from dbctl.options import command

app = typer.Typer(
    no_args_is_help=True,
    help="Look at tables and rows, without being able to break anything: every command reads in a "
    "read-only transaction with a time limit, and rolls it back.",
)

for function in (tables, table, rows, row, pool):
    command(app)(function)
