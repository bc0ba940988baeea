"""What an error of env.py, or of a connection, is in the way of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec

from sqlalchemy.exc import NoSuchModuleError

from dbctl.config.check.results import Checked, Problem, Subject, Verdict
from dbctl.config.check.versions import REQUIREMENTS, TESTED_DRIVERS
from dbctl.db.failures import sqlstate
from dbctl.errors import ConnectionFailed, DbctlError
from dbctl.installation import DISTRIBUTION, install_beside, installer
from dbctl.migrate.run.proof import AnotherDatabase
from dbctl.migrate.scripts import Checkout

_LOGIN = frozenset({"28P01", "28000"})
_NO_DATABASE = "3D000"
_DENIED = "42501"
# psycopg and psycopg2 have no SQLSTATE of what is refused at the login.
_LOGIN_WORDS = re.compile(r"password authentication failed|role \".*\" does not exist|no pg_hba")
_NO_DATABASE_WORDS = re.compile(r"database \".*\" does not exist|no such database")
# What psycopg says where libpq, which is in another package, is not there.
_NO_LIBPQ = "no pq wrapper available"


def connection_fault(subject: Subject, error: ConnectionFailed, origin: str) -> Checked:
    """Describe why dbctl, or env.py, cannot connect; `origin` is what named the database."""
    state = next((found for cause in _causes(error) if (found := sqlstate(cause))), None)
    code = Problem.CONNECTION_FAILED
    if state in _LOGIN or _LOGIN_WORDS.search(error.message):
        code = Problem.LOGIN_REFUSED
    elif state == _NO_DATABASE or _NO_DATABASE_WORDS.search(error.message):
        code = Problem.DATABASE_UNKNOWN
    return _obstacle(subject, code, error, origin)


def env_fault(error: DbctlError, checkout: Checkout) -> Checked:
    """Describe why env.py has not come to its end on the database that is meant."""
    origin = checkout.env_label
    if isinstance(error, ConnectionFailed):
        return connection_fault(Subject.ENV_PY, error, origin)
    if isinstance(error, AnotherDatabase):
        return _obstacle(Subject.ENV_PY, Problem.ANOTHER_DATABASE, error, origin)
    for cause in _causes(error):
        if isinstance(cause, NoSuchModuleError):
            return _obstacle(Subject.DRIVER, Problem.DRIVER_MISSING, error, origin)
        if not isinstance(cause, ImportError):
            continue
        package = (cause.name or "").partition(".")[0]
        if _NO_LIBPQ in str(cause):
            package = "psycopg"
        if package in TESTED_DRIVERS:
            return missing_driver(package, origin)
        if isinstance(cause, ModuleNotFoundError) and find_spec_of(package) is None:
            return Checked(
                subject=Subject.ENV_PY,
                verdict=Verdict.OBSTACLE,
                code=Problem.MODULE_MISSING,
                message=error.message,
                origin=origin,
                remedy=_beside(package),
            )
    is_denied = any(sqlstate(cause) == _DENIED for cause in _causes(error))
    code = Problem.PRIVILEGE_MISSING if is_denied else Problem.ENV_FAILED
    return _obstacle(Subject.ENV_PY, code, error, origin)


def missing_driver(name: str, origin: str) -> Checked:
    """Describe that the driver that env.py opens is not installed."""
    lowest, _ = TESTED_DRIVERS[name]
    requirement = f"{REQUIREMENTS.get(name, name)}>={lowest}"
    return Checked(
        subject=Subject.DRIVER,
        verdict=Verdict.OBSTACLE,
        code=Problem.DRIVER_MISSING,
        message=f"the driver {name}, with which env.py connects, is not installed here",
        origin=origin,
        remedy=f"Install it: `{install_beside(requirement)}`, or name another one in the URL.",
    )


def is_import_fault(error: BaseException) -> bool:
    """Return whether an error is of the import of env.py or of what it imports."""
    return any(isinstance(cause, ImportError | SyntaxError) for cause in _causes(error))


def find_spec_of(package: str) -> object:
    """Return the import system's description of a package, None where it is not installed."""
    try:
        return find_spec(package)
    except (ImportError, ValueError):
        return None


def _beside(package: str) -> str:
    if installer().is_isolated:
        return (
            f"dbctl is installed apart from the project: install {DISTRIBUTION} in the project's "
            f"own environment, or add {package} to dbctl's."
        )
    return f"Install what brings {package}, or run dbctl in the environment of the project."


def _obstacle(subject: Subject, code: Problem, error: DbctlError, origin: str) -> Checked:
    return Checked(
        subject=subject,
        verdict=Verdict.OBSTACLE,
        code=code,
        message=error.message,
        origin=origin,
        remedy=error.hint,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__
