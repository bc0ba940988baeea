"""The SQL that lets a role see more."""

from __future__ import annotations

from dbctl.db.round_trip import Reader

ROLE = "select pg_catalog.quote_ident(current_user) as role"


def all_stats(role: str) -> str:
    """Return what a superuser runs so that `role`, a quoted name, sees what all sessions do."""
    return f"GRANT pg_read_all_stats TO {role};"


async def role_name(reader: Reader) -> str:
    """Return the quoted name of the role that reads."""
    (row,) = await reader.rows(ROLE)
    return str(row["role"])
