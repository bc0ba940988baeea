"""What is seen of a project without its database: Alembic, the revisions, the models."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbctl.config.check.env_faults import (
    env_fault,
    find_spec_of,
    is_import_fault,
    missing_driver,
)
from dbctl.config.check.results import (
    Checked,
    Problem,
    Subject,
    Verdict,
    not_checked,
    ok,
)
from dbctl.config.check.settings_checks import settings_checks
from dbctl.config.check.versions import TESTED_DRIVERS, library_checks
from dbctl.db.names import listed
from dbctl.errors import ConfigurationError, DbctlError
from dbctl.figures import plural
from dbctl.migrate.config_files import NoAlembicConfig
from dbctl.migrate.project_models import NoModels, ProjectModels, imported_models, models_of
from dbctl.migrate.run.learn import env_metadata
from dbctl.migrate.scripts import Checkout, open_checkout, open_env
from dbctl.settings import Settings

_WITHOUT_MODELS = (
    "`migrate check` and `--drift` do not work without, `migrate new` finds nothing that changed, "
    "and `seed generate` goes by the database alone"
)


@dataclass(slots=True)
class Project:
    """A project that is checked, and what was seen of it so far.

    `checkout` is None where there is no Alembic configuration to use; `has_revisions` is whether
    the revisions can be compared with a database; it `is_stopped` where a library that all of this
    runs on is too old.
    """

    settings: Settings
    checked: list[Checked] = field(default_factory=list)
    checkout: Checkout | None = None
    has_revisions: bool = False
    is_stopped: bool = False

    def add(self, *checked: Checked) -> None:
        """Note what was seen."""
        self.checked.extend(checked)

    def has(self, subject: Subject) -> bool:
        """Return whether anything was seen of a subject."""
        return any(each.subject is subject for each in self.checked)

    def fail(
        self,
        subject: Subject,
        code: Problem,
        error: DbctlError,
        *,
        origin: str | None = None,
        verdict: Verdict = Verdict.OBSTACLE,
        database: str | None = None,
    ) -> None:
        """Note an obstacle that an error describes."""
        self.add(
            Checked(
                subject=subject,
                verdict=verdict,
                code=code,
                message=error.message,
                origin=origin,
                remedy=error.hint,
                database=database,
            )
        )


def check_files(settings: Settings) -> Project:
    """Return what is seen of the settings, the libraries, Alembic and its revisions."""
    project = Project(settings)
    project.add(*settings_checks(settings), *library_checks())
    if any(each.code is Problem.LIBRARY_TOO_OLD for each in project.checked):
        project.is_stopped = True
        return project
    try:
        project.checkout = checkout = open_env(settings)
    except NoAlembicConfig as error:
        code = Problem.ALEMBIC_UNCONFIGURED
        project.fail(Subject.ALEMBIC, code, error, origin=str(settings.project))
        return project
    except ConfigurationError as error:
        code = Problem.ALEMBIC_UNREADABLE
        project.fail(Subject.ALEMBIC, code, error, origin=str(settings.project))
        return project
    if checkout.env_py.is_file():
        project.add(ok(Subject.ALEMBIC, f"{checkout.env_label} of {_configuration(checkout)}"))
    else:
        missing = ConfigurationError(
            f"there is no env.py in {checkout.scripts.dir}",
            hint="Restore it, or correct script_location in Alembic's configuration.",
        )
        project.fail(
            Subject.ALEMBIC, Problem.ALEMBIC_UNREADABLE, missing, origin=_configuration(checkout)
        )
        project.checkout = None
    _check_revisions(project, checkout)
    return project


def _configuration(checkout: Checkout) -> str:
    """Return the file of Alembic's configuration for people."""
    name = checkout.config.config_file_name or checkout.config.toml_file_name
    return str(name or checkout.folder).removeprefix(f"{checkout.folder}/")


def _check_revisions(project: Project, checkout: Checkout) -> None:
    folders = listed(checkout.folders)
    try:
        open_checkout(project.settings)
    except ConfigurationError as error:
        project.fail(Subject.REVISIONS, Problem.REVISIONS_INVALID, error, origin=folders)
        return
    project.has_revisions = True
    heads = checkout.heads
    if not heads:
        none = ConfigurationError(
            f"no revisions were found in {folders}",
            hint='Write the first: `dbctl migrate new "first"`; or correct version_locations.',
        )
        code = Problem.REVISIONS_MISSING
        project.fail(Subject.REVISIONS, code, none, origin=folders, verdict=Verdict.WARNING)
    elif len(heads) > 1:
        several = ConfigurationError(
            f"the revisions have {len(heads)} heads: {', '.join(heads)}",
            hint="Merge them (`alembic merge heads`), or name one to `dbctl migrate up`.",
        )
        project.fail(Subject.REVISIONS, Problem.MULTIPLE_HEADS, several, origin=folders)
    else:
        count = sum(1 for _ in checkout.scripts.walk_revisions())
        project.add(ok(Subject.REVISIONS, f"{plural(count, 'revision')}, head {heads[0]}"))


def check_without_database(project: Project, reason: str) -> None:
    """Run env.py as for `alembic upgrade --sql`, where it could not be run with a connection.

    That shows what it cannot import. An env.py need not know this mode, so another failure says
    nothing.
    """
    checkout = project.checkout
    if checkout is None or checkout.learned is not None or project.has(Subject.ENV_PY):
        return
    try:
        env_metadata(project.settings)
    except DbctlError as error:
        if is_import_fault(error):
            project.add(env_fault(error, checkout))
            return
        said = f"{reason}; without one it fails, as it may: {error.message}"
        project.add(not_checked(Subject.ENV_PY, said))
    else:
        said = f"{reason}; it runs up to where it configures Alembic"
        project.add(not_checked(Subject.ENV_PY, said))


def check_driver(project: Project) -> None:
    """Look for the driver that env.py names, where it was not seen to open one."""
    checkout = project.checkout
    if checkout is None or project.has(Subject.DRIVER) or checkout.has_shipped_env:
        return
    name = checkout.expected_driver
    if name in TESTED_DRIVERS and find_spec_of(name) is None:
        project.add(missing_driver(name, checkout.env_label))


def check_models(project: Project) -> None:
    """Look for the models: those that the settings name, else those of env.py.

    To be called outside of an event loop.
    """
    settings, checkout = project.settings, project.checkout
    try:
        if settings.configured_models is not None:
            models = imported_models(settings)
        elif checkout is None:
            project.add(not_checked(Subject.MODELS, "env.py, which would name them, is not known"))
            return
        elif (said := checkout.learned or checkout.glimpsed) and said.records:
            models = models_of(checkout, said.metadata)
        else:
            models = models_of(checkout, env_metadata(settings))
    except NoModels as error:
        without = ConfigurationError(f"{error.message}: {_WITHOUT_MODELS}", hint=error.hint)
        code, verdict = Problem.MODELS_MISSING, Verdict.WARNING
        project.fail(Subject.MODELS, code, without, origin=_origin(project), verdict=verdict)
    except ConfigurationError as error:
        if settings.configured_models is None and checkout is not None and not checkout.learned:
            project.add(not_checked(Subject.MODELS, f"{checkout.env_label} did not run"))
        else:
            project.fail(Subject.MODELS, Problem.MODELS_INVALID, error, origin=_origin(project))
    else:
        project.add(_of_models(models))


def _origin(project: Project) -> str | None:
    if project.settings.configured_models is not None:
        return f"DBCTL_MODELS ({project.settings.source_of('models')})"
    return project.checkout.env_label if project.checkout else None


def _of_models(models: ProjectModels) -> Checked:
    return ok(Subject.MODELS, f"{plural(len(models.tables), 'table')} of {models.source}")
