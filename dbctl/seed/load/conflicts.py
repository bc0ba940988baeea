"""The key by which a row of a file is one that the table has already."""

from __future__ import annotations

from collections.abc import Collection

from dbctl.db.catalog import find_column
from dbctl.db.names import listed, parse_columns
from dbctl.db.tables import Table, Unique
from dbctl.errors import UsageError
from dbctl.seed.load.request import OnConflict, Request


def conflict_key(table: Table, request: Request, given: Collection[str]) -> Unique | None:
    """Return the key that was asked for, or else the primary key.

    None where any key counts: for rows to be skipped, without a key that was asked for. `given`
    are the columns that the files have. Raises UsageError where no unique index is over the columns
    that were named, and where the primary key would count and the files do not have it.
    """
    if request.conflict_key is None:
        if request.on_conflict is OnConflict.SKIP:
            return None
        key = next((unique for unique in table.uniques if unique.is_primary), None)
        if key is None:
            raise UsageError(
                f"{table.label} has no primary key to find the rows by", hint=_known(table)
            )
        if lacking := [name for name in table.primary_key if name not in given]:
            raise UsageError(
                f"the files have no {listed(lacking)}, by which rows of {table.label} are updated",
                hint=_known(table),
            )
        return key
    key = _named(table, request.conflict_key)
    if key.deferrable and request.on_conflict is OnConflict.SKIP:
        raise UsageError(
            f"{key.name} is deferrable, and such a key cannot tell in time which rows to skip",
            hint="Leave --conflict-key away, or use --on-conflict update.",
        )
    return key


def _named(table: Table, text: str) -> Unique:
    """Find a unique index by its name, or by its columns in any order."""
    by_name = next((unique for unique in table.uniques if unique.name == text), None)
    if by_name is not None:
        return by_name
    columns = list(table.columns)
    names = {find_column(table.relation, columns, name).name for name in parse_columns([text])}
    found = [unique for unique in table.uniques if set(unique.columns) == names]
    if not found:
        raise UsageError(
            f"{table.label} has no unique index over {listed(sorted(names))} alone",
            hint=_known(table),
        )
    return min(found, key=lambda unique: (unique.predicate is not None, not unique.is_primary))


def _known(table: Table) -> str:
    keys = [f"{unique.name} ({', '.join(unique.expressions)})" for unique in table.uniques]
    if not keys:
        return f"{table.label} has no unique index at all."
    return f"--conflict-key takes the columns or the name of one of these: {listed(keys)}."
