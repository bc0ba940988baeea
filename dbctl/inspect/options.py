"""What the inspect commands share on the command line."""

from typing import Annotated

import typer

from dbctl.inspect.completion import candidates

TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="table or schema.table. As in SQL, case counts in double quotes only.",
        show_default=False,
        autocompletion=candidates.tables,
    ),
]
TablesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help="table or schema.table. As in SQL, case counts in double quotes only.",
        show_default=False,
        autocompletion=candidates.tables,
    ),
]
RevealOption = Annotated[
    bool, typer.Option("--reveal", help="Show what is masked; refused in production.")
]
LiteralsOption = Annotated[
    bool,
    typer.Option("--reveal", help="Show the constants in statements, too; refused in production."),
]
AllowProductionOption = Annotated[
    bool, typer.Option("--allow-production", help="Reveal it in production, too.")
]
FullOption = Annotated[bool, typer.Option("--full", help="Show long values whole, wrapped.")]
TimeoutOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long the server may take for a statement, or for the next rows of an export; "
        "0 is no limit.",
    ),
]
CsvSafeOption = Annotated[
    bool,
    typer.Option(
        "--csv-safe",
        help="In CSV, an apostrophe before text that a spreadsheet would take for a formula.",
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="What text in an SQL_ASCII database is encoded in, such as LATIN1; escape shows bytes "
        "that are not UTF-8 as \\xNN.",
        show_default=False,
    ),
]
