"""The versions of libraries and servers that dbctl's tests run on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dbctl.config.check.results import Checked, ConfigCheck, Problem, Subject, Verdict, complete, ok
from dbctl.installation import install_beside

# The lowest version, and the newest minor version, on which the tests have passed.
TESTED = {
    "alembic": ("1.16", "1.20"),
    "sqlalchemy": ("2.0.41", "2.1"),
    "asyncpg": ("0.30", "0.32"),
}
TESTED_DRIVERS = {
    "asyncpg": TESTED["asyncpg"],
    "psycopg": ("3.2", "3.3"),
    "psycopg2": ("2.9", "2.9"),
    "pg8000": ("1.31", "1.31"),
}
# What is installed to have a driver, and the distributions that bring it.
REQUIREMENTS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_DISTRIBUTIONS = {"psycopg2": ("psycopg2", "psycopg2-binary")}
# Major versions of PostgreSQL.
_SERVERS = (14, 18)


def installed(name: str) -> str | None:
    """Return the version of a library that is installed, None where it is not."""
    for distribution in _DISTRIBUTIONS.get(name, (name,)):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None


def library_checks() -> Iterator[Checked]:
    """Yield what was seen of the libraries that dbctl runs on."""
    found = {name: installed(name) for name in TESTED}
    wrong = [
        checked
        for name in TESTED
        if (checked := of_library(Subject.LIBRARIES, name, found[name], *TESTED[name]))
    ]
    yield from wrong
    if not wrong:
        yield ok(Subject.LIBRARIES, ", ".join(f"{name} {found[name]}" for name in TESTED))


def check_missing(project: Path) -> ConfigCheck | None:
    """Return that nothing can be checked where a library that dbctl runs on is not installed.

    None where all of them are. To be asked before anything that imports them.
    """
    found = list(library_checks())
    missing = [each for each in found if each.code is Problem.LIBRARY_MISSING]
    if not missing:
        return None
    return complete(project, found, lambda _subject: missing[0].message)


def of_library(
    subject: Subject, name: str, found: str | None, lowest: str, newest: str
) -> Checked | None:
    """Return what is wrong with the version `found` of a library; None where nothing is."""
    requirement = REQUIREMENTS.get(name, name)
    if found is None:
        return Checked(
            subject=subject,
            verdict=Verdict.OBSTACLE,
            code=Problem.LIBRARY_MISSING,
            message=f"{name} is not installed",
            remedy=install_beside(f"{requirement}>={lowest}"),
        )
    if _numbers(found) < _numbers(lowest):
        return Checked(
            subject=subject,
            verdict=Verdict.OBSTACLE,
            code=Problem.LIBRARY_TOO_OLD,
            message=f"{name} {found} is older than {lowest}, the lowest that dbctl works with",
            remedy=install_beside(f"{requirement}>={lowest}"),
        )
    if _numbers(found)[:2] > _numbers(newest):
        return Checked(
            subject=subject,
            verdict=Verdict.WARNING,
            code=Problem.LIBRARY_UNTESTED,
            message=f"{name} {found} is newer than {newest}, the newest that dbctl is tested with",
            remedy=f"Look for a newer dbctl; where something fails, install {name} {newest}.",
        )
    return None


def server_check(number: int, label: str) -> Checked | None:
    """Return what is wrong with a server's version, as server_version_num; None for nothing."""
    major, (lowest, newest) = number // 10_000, _SERVERS
    if major < lowest:
        return Checked(
            subject=Subject.SERVER,
            verdict=Verdict.OBSTACLE,
            code=Problem.SERVER_TOO_OLD,
            message=f"{label} is older than PostgreSQL {lowest}, the lowest that dbctl works with",
            remedy=f"Upgrade the server to PostgreSQL {lowest} or newer.",
        )
    if major > newest:
        return Checked(
            subject=Subject.SERVER,
            verdict=Verdict.WARNING,
            code=Problem.SERVER_UNTESTED,
            message=f"{label} is newer than PostgreSQL {newest}, the newest that dbctl is tested "
            "with",
            remedy="Look for a newer dbctl.",
        )
    return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])
