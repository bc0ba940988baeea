"""The options of `dbctl seed` itself and of its marks."""

from typing import Annotated

import typer

Dev = Annotated[bool, typer.Option("--dev", help="Short for --set dev.")]
SetName = Annotated[
    str | None, typer.Option("--set", metavar="NAME", help="The set to write; one at a time.")
]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would be written; write nothing.")]
Reset = Annotated[
    bool, typer.Option("--reset", help="Delete what the set has created, then write it again.")
]
Cascade = Annotated[
    bool, typer.Option("--cascade", help="Let --reset take rows of others along (ON DELETE …).")
]
DatabaseName = Annotated[
    str | None,
    typer.Option("--name", metavar="DBNAME", help="The name of the database; required in scripts."),
]
Revoke = Annotated[bool, typer.Option("--revoke", help="Remove the mark instead.")]
