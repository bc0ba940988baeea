"""Which schema a name on the command line means."""

from __future__ import annotations

from typing import Any

import asyncpg

from dbctl.db.names import choose, listed, parse_columns, suggestion
from dbctl.errors import ErrorCode, UsageError


async def known_schema(connection: asyncpg.Connection[Any], text: str | None) -> str | None:
    """Return the schema that `text` means, as SQL would read it; None means all of them.

    Raises UsageError where there is none.
    """
    if text is None:
        return None
    names = parse_columns([text])
    schemas = [
        row["nspname"]
        for row in await connection.fetch(
            "SELECT nspname::text FROM pg_catalog.pg_namespace"
            r" WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' ORDER BY 1"
        )
    ]
    found = choose(names[0], schemas) if len(names) == 1 else []
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"there is no schema {text!r}" if not found else f"{text!r} means several schemas",
        hint=suggestion(text, schemas, f"There are {listed(schemas) or 'none'}."),
        code=ErrorCode.NOT_FOUND,
    )
