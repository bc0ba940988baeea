"""The options that commands of `migrate` share."""

from typing import Annotated

import typer

from dbctl.migrate.severity import Severity


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
        max=86_400,
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
Strict = Annotated[
    bool, typer.Option("--strict", help="Lint what is pending first; run nothing on a finding.")
]
ToPlan = Annotated[
    str | None,
    typer.Option(metavar="HASH", help="Run exactly the plan that `migrate plan` showed, or none."),
]
FailOn = Annotated[Severity, typer.Option(help="The least severity that fails.")]
Since = Annotated[
    str | None, typer.Option(metavar="REV", help="Lint what comes after it; all without it.")
]
AllowProduction = Annotated[
    bool, typer.Option("--allow-production", help="Downgrade although ENVIRONMENT is production.")
]
WithDrift = Annotated[
    bool, typer.Option("--drift", help="Compare the database with the models as well.")
]
Wait = Annotated[
    float | None,
    typer.Option(metavar="S", min=0, help="Seconds to wait until it is at the head."),
]
ConfigSection = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", metavar="SECTION", help="Section of the ini to use, as `alembic --name`."
    ),
]
EnvArguments = Annotated[
    list[str] | None,
    typer.Option("-x", metavar="KEY=VALUE", help="For env.py and revisions, as `alembic -x`."),
]
# What every command of the group takes for the project's env.py, by the field that it sets.
FOR_ENV = {"alembic_name": ConfigSection, "alembic_x": EnvArguments}
Limit = Annotated[int, typer.Option(metavar="N", min=1, help="The newest N entries.")]
Actor = Annotated[
    str | None,
    typer.Option("--as", metavar="WHO", help="Who does this, for the ledger (DBCTL_ACTOR)."),
]
