"""The privileges that migrating needs, as the catalogue has them: nothing is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from dbctl.config.check.results import Checked, Problem, Subject, Verdict
from dbctl.db.catalog import fetch
from dbctl.db.names import quote
from dbctl.db.own_tables import ledger_table, refusal
from dbctl.db.round_trip import Reader
from dbctl.errors import ErrorCode
from dbctl.migrate.run.record import EnvRecord

_WRITES = ("select", "insert", "update", "delete")


async def missing_privileges(
    reader: Reader, record: EnvRecord, ledger_schema: str
) -> tuple[Checked, ...]:
    """Return what the role of `reader` lacks to migrate the database that env.py configures.

    That is on the version table, and on dbctl's ledger in `ledger_schema`.
    """
    (row,), refused = await asyncio.gather(
        _of_version_table(reader, record), refusal(reader, ledger_table(ledger_schema))
    )
    found = list(_for_version_table(row, record, _WRITES))
    if refused is not None:
        lacks = refused.code is ErrorCode.QUERY_FAILED
        found.append(
            Checked(
                subject=Subject.PRIVILEGES,
                verdict=Verdict.OBSTACLE,
                code=Problem.PRIVILEGE_MISSING if lacks else Problem.LEDGER_UNUSABLE,
                message=refused.message,
                origin="dbctl's ledger",
                remedy=refused.hint,
            )
        )
    return tuple(found)


async def missing_to_read(reader: Reader, record: EnvRecord) -> tuple[Checked, ...]:
    """Return what the role of `reader` lacks to read which revisions the database has."""
    (row,) = await _of_version_table(reader, record)
    return tuple(_for_version_table(row, record, ("select",))) if row["has_table"] else ()


async def _of_version_table(reader: Reader, record: EnvRecord) -> list[Mapping[str, Any]]:
    return await fetch(
        reader,
        "config.check",
        "version_table",
        version_schema=record.version_schema,
        version_table=record.version_table,
        search_path="\n".join(record.search_path),
    )


def _for_version_table(
    row: Mapping[str, Any], record: EnvRecord, wanted: tuple[str, ...]
) -> Iterator[Checked]:
    """Yield what a role lacks, with the GRANT."""
    role, schema, table = row["role"], row["schema"], quote(record.version_table)
    if schema is None:
        yield _denied(
            f"the search_path of the role {role} has no schema that exists, to make {table} in",
            f"CREATE SCHEMA AUTHORIZATION {role};",
        )
        return
    if not row["has_schema"]:
        if not row["may_create_schema"]:
            yield _denied(
                f"there is no schema {schema}, in which {table} belongs, and the role {role} may "
                "not create it",
                f"CREATE SCHEMA {schema} AUTHORIZATION {role};",
            )
        return
    if not row["has_table"]:
        if not (row["usable"] and row["may_create"]):
            yield _denied(
                f"the role {role} may not create {table} in the schema {schema}",
                f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};",
            )
        return
    grants = [] if row["usable"] else [f"GRANT USAGE ON SCHEMA {schema} TO {role};"]
    lacking = [name.upper() for name in wanted if not row[f"may_{name}"]]
    if lacking:
        grants.append(f"GRANT {', '.join(lacking)} ON {schema}.{table} TO {role};")
    if grants:
        what = " and ".join([*([] if row["usable"] else ["USAGE of its schema"]), *lacking])
        yield _denied(f"the role {role} lacks {what} on {schema}.{table}", " ".join(grants))


def _denied(message: str, grant: str) -> Checked:
    return Checked(
        subject=Subject.PRIVILEGES,
        verdict=Verdict.OBSTACLE,
        code=Problem.PRIVILEGE_MISSING,
        message=message,
        origin="the version table",
        remedy=f"Have the owner run: {grant}",
    )
