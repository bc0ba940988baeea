"""The root of the command line: global options, and the groups, imported when they are used."""

import gc
import os
import sys
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from dbctl import __version__, runtime
from dbctl.options import DatabaseOption, VerboseOption
from dbctl.output import notice
from dbctl.streams import prepare_streams
from dbctl.typer_versions import Group

GROUPS = {
    "init": "Start a project in this folder, or adopt the one that is here.",
    "migrate": "Which schema is the database at, what is pending; apply it safely.",
    "seed": "Put the rows there that development, tests and load tests need.",
    "health": "Is this database fit to serve? For CI, deploys and probes.",
    "inspect": "Look at tables and rows, without being able to break anything.",
    "server": "The embedded PostgreSQL that serves when no DATABASE_URL is set.",
    "config": "The settings that hold here, where each comes from, and what is in the way.",
}

EPILOG = (
    "Start with `dbctl init`. "
    "Exit codes: 0 ok · 1 finding (unhealthy, pending, drift) · 2 usage or configuration · "
    "3 cannot connect · 4 failed, nothing half-done · 5 refused by a guard · "
    "70 bug · 130/143 interrupted"
)


class LazyGroup(Group):
    """A group whose subcommands are imported when one is run, not to list them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: typer.core.TyperGroup(name=name, help=line) for name, line in GROUPS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the subcommand that `args` name and import what it needs."""
        name, stub, rest = super().resolve_command(ctx, args)
        if name is None or stub is None:
            return name, stub, rest
        command = typer.main.get_command(import_module(f"dbctl.{name}.commands").app)
        command.name = name
        return name, command, rest


# What the shell's function sets to ask for completions.
COMPLETE = "_DBCTL_COMPLETE"

app = typer.Typer(
    name="dbctl",
    cls=LazyGroup,
    no_args_is_help=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _find_in_project(settings: Any) -> tuple[str, str] | None:
    """Return the database that the project's env.py connects to, where nothing else names one."""
    from dbctl.migrate.project_database import find_in_project

    return find_in_project(settings, runtime.run, notice)


runtime.find_in_project = _find_in_project


def _version(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        sys.stdout.write(f"dbctl {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    database_url: Annotated[
        str | None,
        typer.Option(help="Connection string, in place of DATABASE_URL.", metavar="URL"),
    ] = None,
    database: DatabaseOption = None,
    env_file: Annotated[
        Path | None, typer.Option(help="Read this file in place of .env.", metavar="FILE")
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="development, test, staging or production.", metavar="NAME"),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="The models, in place of env.py's: MODULE or MODULE:NAME, several with commas.",
            metavar="NAMES",
        ),
    ] = None,
    alembic_config: Annotated[
        str | None, typer.Option(help="Path of the alembic.ini.", metavar="FILE")
    ] = None,
    verbose: VerboseOption = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Operate the PostgreSQL database beside a Python application."""
    context.obj = {
        "database_url": database_url,
        "database": database,
        "env_file": env_file,
        "environment": environment,
        "models": models,
        "alembic_config": alembic_config,
    }
    if verbose:
        from dbctl.logs import log_causes

        log_causes()


def main() -> None:
    """Run the command line and exit with its documented code."""
    # Most of a start is imports, in which there is no garbage to find; `runtime.run` turns the
    # collector on again. Worth a tenth of `dbctl health`.
    gc.disable()
    prepare_streams()
    if COMPLETE in os.environ:
        sys.exit(_complete())
    sys.exit(runtime.execute(lambda: app(prog_name="dbctl", standalone_mode=False), sys.argv[1:]))


def _complete() -> str | int | None:
    """Print what TAB offers, and nothing else whatever happens; return the shell's exit code."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):  # noqa: PTH123
        try:
            app(prog_name="dbctl", standalone_mode=False)
        except SystemExit as error:  # how completion ends: fish asks by it whether there is any
            return error.code
        except Exception:
            return 1
    return 0
