"""Write a connection string as SQLAlchemy takes it, for the driver that env.py will use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from dbctl.db.dsn import Dsn, SslMode, parse
from dbctl.errors import DbctlError
from dbctl.migrate.discovery import IS_ASYNC

_LIBPQ = frozenset({"psycopg", "psycopg2", "psycopg_async"})
# Of those that are installed the first is used: psycopg is sync and async.
_SYNC_DRIVERS = ("psycopg", "psycopg2", "pg8000")
_ASYNC_DRIVERS = ("asyncpg", "psycopg")
_PASSED_ON = ("sslrootcert", "sslcert", "sslkey", "sslpassword", "target_session_attrs")


def real_url(text: str | None) -> URL | None:
    """Return the URL of an ini where it names a database, not a template's `driver://…`."""
    if not text:
        return None
    try:
        url = make_url(text)
    except ArgumentError:
        return None
    return url if url.get_backend_name() in {"postgresql", "postgres"} else None


def driver_for(env_py: Path, ini_url: URL | None) -> str:
    """Return the driver that a URL for env.py should name: the ini's, else one that fits it.

    A bare `postgresql://` means psycopg2 to SQLAlchemy 2.0 and psycopg to 2.1; whichever it is, it
    is named, and only where it is installed.
    """
    if ini_url is not None:
        try:
            driver = ini_url.get_dialect().driver
        except (NoSuchModuleError, ImportError, AttributeError):
            driver = ""
        if driver and find_spec(driver.removesuffix("_async")):
            return driver
    try:
        is_async = bool(IS_ASYNC.search(env_py.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        is_async = False
    wanted = _ASYNC_DRIVERS if is_async else _SYNC_DRIVERS
    return next((name for name in wanted if find_spec(name)), wanted[0])


def url_for(dsn: Dsn, driver: str | None) -> str:
    """Return `dsn` as a URL for `driver`, password included; None leaves the driver out.

    What a driver cannot be given in a URL is left out: pg8000 takes no TLS there, asyncpg no
    certificate.
    """
    query: dict[str, str | tuple[str, ...]] = {}
    host: str | None = None
    port: int | None = None
    if len(dsn.addresses) == 1 and not dsn.addresses[0].is_unix:
        host, port = dsn.addresses[0].host or "localhost", dsn.addresses[0].port
    elif len(dsn.addresses) == 1:
        query |= {"host": dsn.addresses[0].host or "", "port": str(dsn.addresses[0].port)}
    else:
        query["host"] = tuple(f"{each.host or 'localhost'}:{each.port}" for each in dsn.addresses)
    settings = dict(dsn.server_settings)
    name = settings.pop("application_name", None)
    if driver is None or driver in _LIBPQ:
        if dsn.sslmode is not SslMode.PREFER:
            query["sslmode"] = str(dsn.sslmode)
        query |= {field: value for field in _PASSED_ON if (value := getattr(dsn, field))}
        if name and name != "dbctl":
            query["application_name"] = name
        if settings:
            escaped = {k: re.sub(r"([\\\s])", r"\\\1", v) for k, v in settings.items()}
            query["options"] = " ".join(f"-c {k}={v}" for k, v in escaped.items())
    elif driver == "asyncpg" and dsn.sslmode is not SslMode.PREFER:
        query["ssl"] = str(dsn.sslmode)
    url = URL.create(
        "postgresql" if driver is None else f"postgresql+{driver}",
        username=dsn.user,
        password=dsn.password,
        host=host,
        port=port,
        database=dsn.database,
        query=query,
    )
    return url.render_as_string(hide_password=False)


def variables_for(
    dsn: Dsn, raw: str | None, driver: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the variables to set for an env.py that reads DATABASE_URL, so that it finds `dsn`.

    Empty where the one that is set already leads there. Else it is `raw`, as the user has written
    it, where that leads there and names a driver; else `driver` is named, or the one that the
    user's own variable names.
    """
    there = environ.get("DATABASE_URL")
    if there and _leads_to(there, dsn):
        return {}
    own = named_driver(there)
    named = named_driver(raw)
    if raw and _leads_to(raw, dsn) and named is not None and own in {None, named}:
        return {"DATABASE_URL": raw}
    return {"DATABASE_URL": url_for(dsn, own or driver)}


def _leads_to(text: str, dsn: Dsn) -> bool:
    try:
        return parse(text, source="DATABASE_URL") == dsn
    except DbctlError:
        return False


def named_driver(text: str | None) -> str | None:
    """Return the driver that a URL names."""
    return (text or "").partition("://")[0].partition("+")[2] or None
