"""Projects whose env.py is written for one test, down to its engine and its transactions."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from tests.support.foreign import ForeignProject, driver_url
from tests.support.schema import dump_of

INI = "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = .\npath_separator = os\n"
# What each env.py begins with. `migrate` is the end of Alembic's template.
HEAD = """
import sqlalchemy as sa
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

URL = {url!r}
metadata = sa.MetaData()
sa.Table("t1", metadata, sa.Column("id", sa.Integer))


def engine(**options):
    return create_engine(URL, **({{"poolclass": NullPool}} | options))


def migrate(connection, **options):
    context.configure(connection=connection, target_metadata=metadata, **options)
    with context.begin_transaction():
        context.run_migrations()


"""
ASYNC_HEAD = """
import asyncio

from sqlalchemy.ext.asyncio import create_async_engine


def async_engine(**options):
    return create_async_engine(URL, **({"poolclass": NullPool} | options))


"""


def env_project(
    root: Path, url: str, body: str, *, driver: str = "psycopg", revisions: int = 2
) -> ForeignProject:
    """Write a project with an env.py of `body` after `HEAD`, and that many revisions.

    The revision `rN` makes the table `tN` and drops it again.
    """
    project = ForeignProject(root / "shop", env={"DATABASE_URL": url})
    (root / "shop").mkdir()
    project.write("alembic.ini", INI)
    project.write("alembic/script.py.mako", "")
    (root / "shop" / "alembic" / "versions").mkdir()
    head = HEAD.format(url=driver_url(url, driver))
    project.write("alembic/env.py", head + ASYNC_HEAD + dedent(body).lstrip("\n"))
    for number in range(1, revisions + 1):
        project.add_revision(
            f"r{number}",
            f'op.execute("create table t{number} (id integer)")',
            after=f"r{number - 1}" if number > 1 else None,
            downgrade=f'op.execute("drop table t{number}")',
        )
    return project


PLAIN = """
with engine().connect() as connection:
    migrate(connection)
"""
ASYNC = """
async def main():
    async with async_engine().connect() as connection:
        await connection.run_sync(migrate)

asyncio.run(main())
"""


def plain_env(driver: str) -> str:
    """Return the body of the simplest env.py for `driver`."""
    return ASYNC if driver == "asyncpg" else PLAIN


def digest_of(url: str) -> list[str]:
    """Return the catalogue and the rows of a database, dbctl's own tables included."""
    return dump_of(url)
