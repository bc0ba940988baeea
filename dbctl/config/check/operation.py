"""Look for everything that stands in the way of dbctl in a project, and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from dbctl.config.check.database_checks import check_database
from dbctl.config.check.env_faults import connection_fault, env_fault
from dbctl.config.check.project_checks import (
    Project,
    check_driver,
    check_files,
    check_models,
    check_without_database,
)
from dbctl.config.check.results import ConfigCheck, Problem, Subject, complete, not_checked
from dbctl.db.embedded import ServerState
from dbctl.db.embedded_branches import noted_names
from dbctl.db.endpoints import Endpoint, FindInProject, embedded_branch, embedded_server, named
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ConfigurationError, ConnectionFailed, DbctlError, ErrorCode, Interrupted
from dbctl.settings import Settings

type Work = Callable[[DatabaseSessionManager], Coroutine[Any, Any, None]]
type Connect = Callable[[Endpoint, Work], None]

_NO_CONNECTION = "there is no connection to the database"
_TOO_OLD = "a library that dbctl runs on is too old"


def check_config(
    settings: Settings, find_in_project: FindInProject, connect: Connect
) -> ConfigCheck:
    """Return what is seen of a project, its env.py and its database.

    `find_in_project` is asked for the database where neither the settings nor the ini name one.
    `connect` runs work on the engine of an endpoint, in an event loop of its own, and raises
    DbctlError where that fails. What one obstacle hides is listed as not checked.
    """
    project = check_files(settings)
    if project.is_stopped:
        return complete(settings.project, project.checked, lambda _subject: _TOO_OLD)
    endpoint = _find_endpoint(project, find_in_project)
    reason = _NO_CONNECTION
    if endpoint is not None:
        reason = _check_with(project, endpoint, connect)
    check_without_database(project, reason)
    check_driver(project)
    check_models(project)
    database = endpoint.label if endpoint else None
    return complete(
        settings.project,
        project.checked,
        lambda subject: _reason(project, subject, reason),
        database=database,
    )


def _check_with(project: Project, endpoint: Endpoint, connect: Connect) -> str:
    """Check the database at `endpoint`; return why what is then lacking was not checked."""
    try:
        connect(endpoint, partial(check_database, project))
    except Interrupted:
        raise
    except ConnectionFailed as error:
        project.add(connection_fault(Subject.CONNECTION, error, endpoint.origin))
    except DbctlError as error:
        said = f"the database refused what dbctl asks of its catalogue: {error.message}"
        failed = ConfigurationError(said, hint=error.hint)
        project.fail(Subject.SERVER, Problem.CONNECTION_FAILED, failed, origin=endpoint.origin)
    else:
        return "env.py did not run to its end with a connection"
    if project.checkout is not None:
        project.checkout.point_at(endpoint.dsn, endpoint.origin)
    return _NO_CONNECTION


def _reason(project: Project, subject: Subject, reason: str) -> str:
    if project.checkout is None and subject is not Subject.SERVER:
        return "there is no Alembic configuration that can be used"
    if subject is Subject.DRIVER:
        return "env.py was not seen to open one"
    return reason


def _find_endpoint(project: Project, find_in_project: FindInProject) -> Endpoint | None:
    """Return where migrations connect to, None where that is not known or does not run.

    The embedded server is not started.
    """
    settings = project.settings
    if settings.is_database_uncertain:
        why = "which database is meant is not known, as its setting cannot be read"
        project.add(not_checked(Subject.CONNECTION, why))
        return None
    try:
        endpoints = named(settings, find_in_project)
        if endpoints is not None:
            return endpoints.migrations
        server = embedded_server(settings)
        branch, endpoints = embedded_branch(settings, server)
        found = server.status()
    except ConnectionFailed as error:
        if project.checkout is not None:
            project.add(env_fault(error, project.checkout))
        return None
    except ConfigurationError as error:
        code = {
            ErrorCode.DSN_INVALID: Problem.CONNECTION_STRING_INVALID,
            ErrorCode.EMBEDDED_UNAVAILABLE: Problem.EMBEDDED_UNAVAILABLE,
        }.get(error.code, Problem.SETTING_INVALID)
        project.fail(Subject.CONNECTION, code, error, origin=_origin_of_database(settings))
        return None
    own = endpoints.migrations
    is_made = not branch.made_at_need or branch.name in noted_names(server.cluster_dir, "branches")
    if found.url is not None and is_made:
        return own
    if project.checkout is not None:
        project.checkout.point_at(own.dsn, own.origin)
    if found.url is not None:
        why = f"the branch {branch.name} ({branch.origin}) is made at its first use"
        remedy = "Run `dbctl migrate status`, which makes it, and check again."
    else:
        absent = found.state is ServerState.ABSENT
        what = "is not there yet" if absent else "is stopped"
        why = f"the embedded server of this project {what}"
        remedy = "Start it (`dbctl server start`) and check again, or set DATABASE_URL."
    project.add(not_checked(Subject.CONNECTION, why, remedy=remedy))
    return None


def _origin_of_database(settings: Settings) -> str:
    """Return the setting that names the database, and its source."""
    for field in ("database_url", "database_url_unpooled"):
        if getattr(settings, field) is not None:
            return f"{field.upper()} ({settings.source_of(field)})"
    return "no DATABASE_URL"
