"""The options that commands of `migrate` share."""

from typing import Annotated

import typer


def _revision(value: str) -> str:
    if not value:
        raise typer.BadParameter("a revision cannot be empty")
    if value.startswith("-") and not value[1:].isdigit():
        raise typer.BadParameter(f"{value} is neither a revision nor an option")
    return value


UpTarget = Annotated[
    str,
    typer.Argument(
        metavar="REV", callback=_revision, help="A revision, head, or +N for the next N."
    ),
]
DownTarget = Annotated[
    str,
    typer.Argument(
        metavar="REV", callback=_revision, help="A revision, base, or -N for the last N."
    ),
]
StampTarget = Annotated[
    str, typer.Argument(metavar="REV", callback=_revision, help="A revision, head or base.")
]
LockWait = Annotated[
    float,
    typer.Option(metavar="S", min=0, help="Seconds to wait while another deployer is at work."),
]
DdlLockTimeout = Annotated[
    float,
    typer.Option(
        metavar="S",
        min=0.001,
        help="Seconds that a statement may queue for a lock, with everybody behind it.",
    ),
]
RetryFor = Annotated[
    float,
    typer.Option(metavar="S", min=0, help="Seconds to go on trying a revision that gets no lock."),
]
AllowPooler = Annotated[
    bool, typer.Option("--allow-pooler", help="Run where only a pooler can be reached.")
]
Actor = Annotated[
    str | None,
    typer.Option("--as", metavar="WHO", help="Who does this, for the ledger (DBCTL_ACTOR)."),
]
