"""The SQL that lets a role see more."""

from __future__ import annotations

from typing import Any

import asyncpg


def all_stats(role: str) -> str:
    """Return what a superuser runs so that `role`, a quoted name, sees what all sessions do."""
    return f"GRANT pg_read_all_stats TO {role};"


async def reader(connection: asyncpg.Connection[Any]) -> str:
    """Return the quoted name of the role that reads."""
    return str(await connection.fetchval("select pg_catalog.quote_ident(current_user)"))
