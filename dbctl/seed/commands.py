"""`dbctl seed`: put the rows there that development, tests and load tests need."""

from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from dbctl.errors import ConnectionFailed, ExitCode, OperationFailed, RefusedError, UsageError
from dbctl.options import YesOption, alone, command, confirm, confirm_by_name
from dbctl.output import emit, notice
from dbctl.runtime import Target
from dbctl.seed import options
from dbctl.seed.generate.commands import generate
from dbctl.seed.load.commands import load

if TYPE_CHECKING:
    from dbctl.migrate.scripts import Checkout
    from dbctl.seed.sets.listing import LastRuns
    from dbctl.seed.sets.registry import Entry
    from dbctl.seed.sets.results import SetResult
    from dbctl.seed.sets.run import Terms
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)


def seed(
    settings: "Settings",
    dev: options.Dev = False,
    name: options.SetName = None,
    plan: options.Plan = False,
    reset: options.Reset = False,
    cascade: options.Cascade = False,
    yes: YesOption = False,
) -> ExitCode:
    """Put rows there: a set of the project's, generated ones, or those of a file.

    Without a set or a command, list the sets. A second run of a set changes nothing.
    """
    from dbctl.seed.sets import registry

    if dev and name not in {None, "dev"}:
        raise UsageError(f"--dev and --set {name} are two sets", hint="Write one at a time.")
    name = "dev" if dev else name
    if name is None:
        if plan or reset or cascade or yes:
            raise UsageError("no set is named", hint="Give --dev or --set NAME.")
        return _list(settings, registry.entries(settings))
    if cascade and not reset:
        raise UsageError("--cascade is for --reset", hint="Give both, or neither.")
    from dbctl.seed.guard import refuse_production
    from dbctl.seed.sets.run import Terms

    refuse_production(settings)  # before anything is looked for, let alone started
    terms = Terms(plan=plan, reset=reset, cascade=cascade, actor=settings.actor)
    return _write(settings, registry.find(settings, name), terms, yes=yes)


app.callback(invoke_without_command=True)(alone(seed, deadline=True))
command(app, deadline=True)(generate)
command(app, deadline=True)(load)


@command(app, deadline=True)
def allow(
    settings: "Settings", name: options.DatabaseName = None, revoke: options.Revoke = False
) -> ExitCode:
    """Mark a database off this machine as one that seeds may be written into."""
    from dbctl.seed import marking, views
    from dbctl.seed.guard import refuse_production
    from dbctl.seed.marker import Verdict

    if not revoke:
        refuse_production(settings)
    database = Target(settings, migrations=True)
    if revoke:
        return emit(
            database.run(lambda manager: marking.revoke(manager, settings, Verdict.ALLOWED)),
            views.marking,
        )
    _confirm_name(database, name, "to allow seeds there")
    return emit(database.run(lambda manager: marking.allow(manager, settings)), views.marking)


@command(app, deadline=True)
def forbid(
    settings: "Settings", name: options.DatabaseName = None, revoke: options.Revoke = False
) -> ExitCode:
    """Mark a database as one that seeds are never written into, not even through a tunnel."""
    from dbctl.seed import marking, views
    from dbctl.seed.guard import refuse_production
    from dbctl.seed.marker import Verdict

    if revoke:
        refuse_production(settings)
    database = Target(settings, migrations=True)
    if revoke:
        _confirm_name(database, name, "to take that back")
        return emit(
            database.run(lambda manager: marking.revoke(manager, settings, Verdict.FORBIDDEN)),
            views.marking,
        )
    return emit(database.run(lambda manager: marking.forbid(manager, settings)), views.marking)


def _confirm_name(database: Target, name: str | None, purpose: str) -> None:
    """Have the name of the database be typed, or compare the one that was given."""
    from shlex import quote

    from dbctl.rendering import visible
    from dbctl.seed import marking

    actual = database.run(marking.name_of)
    if name is None:
        confirm_by_name(
            actual,
            f"Type the name of the database, {visible(actual)}, {purpose}",
            hint=f"Give --name {quote(actual)} where that is the database you mean.",
        )
    elif name != actual:
        raise RefusedError(
            f"the database is {actual}, not {name}", hint="Look at what DATABASE_URL names."
        )


def _list(settings: "Settings", known: "dict[str, Entry]") -> ExitCode:
    from dbctl.seed.sets import listing, views

    if known:
        _import_models(settings)
    return emit(listing.list_sets(settings, known, _last_runs(settings)), views.listing)


def _last_runs(settings: "Settings") -> "LastRuns":
    """Ask the database when sets were run; where it does not answer, say why, and know nothing."""
    from dbctl.seed.sets.listing import LastRuns, read_last_runs, why_not_to_ask

    reason = why_not_to_ask(settings)
    if reason is None:
        try:
            return Target(settings, migrations=True).run(
                lambda manager: read_last_runs(manager, settings)
            )
        except (ConnectionFailed, OperationFailed) as error:
            reason = error.message
    notice(f"When the sets were last run is unknown: {reason}")
    return LastRuns()


def _write(settings: "Settings", entry: "Entry", terms: "Terms", *, yes: bool) -> ExitCode:
    from dataclasses import replace

    from dbctl.seed.sets import registry, views
    from dbctl.seed.sets.run import run_set

    checkout = _checkout(settings)
    _import_models(settings)
    seeds = registry.load(settings, entry)
    database = Target(settings, migrations=True)

    def run(terms: "Terms") -> "SetResult":
        return database.run(lambda manager: run_set(manager, checkout, settings, seeds, terms))

    if terms.reset and not terms.plan and not yes:
        planned = run(replace(terms, plan=True))
        if planned.deleted:
            from dbctl.rendering import console

            console(stderr=True).print(views.doomed(planned))
            confirm("Delete them?", hint="Give --yes to delete them without being asked.")
    result = run(terms)
    for text in result.notices:
        notice(text)
    return emit(result, views.written)


def _import_models(settings: "Settings") -> None:
    """Import every model: one may refer to another that a set does not import.

    Raises ConfigurationError where those that DBCTL_MODELS names cannot be imported; those of an
    env.py are left out then.
    """
    from dbctl.migrate.project_models import (
        ModelsWithoutTable,
        imported_models,
        optional_models,
    )

    if settings.configured_models is not None:
        with suppress(ModelsWithoutTable):  # a new project's: a set without a row is one as well
            imported_models(settings)
    else:
        optional_models(settings, notice)


def _checkout(settings: "Settings") -> "Checkout | None":
    """Return the project's revisions; None where it has no Alembic configuration."""
    from dbctl.migrate.config_files import NoAlembicConfig
    from dbctl.migrate.scripts import open_checkout

    try:
        return open_checkout(settings)
    except NoAlembicConfig:
        return None
