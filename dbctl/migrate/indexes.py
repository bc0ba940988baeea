"""Indexes that an interrupted or failed CONCURRENTLY left behind: found, dropped, never trusted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from dbctl.db import drivers
from dbctl.db.qualified import qualified
from dbctl.db.queries import query
from dbctl.errors import ErrorCode, OperationFailed

# REINDEX CONCURRENTLY builds under a name of its own, and then swaps the two.
_IN_THE_MAKING = re.compile(r"_cc(new|old)\d*$")
_BUILDS = re.compile(r"\b(create|reindex)\b", re.IGNORECASE)
_REINDEX = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*reindex\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index with `indisvalid = false`; `name` is qualified and quoted, `short_name` neither.

    It is `busy` while another session may be building it.
    """

    oid: int
    table_oid: int
    name: str
    short_name: str
    busy: bool


@dataclass(frozen=True, slots=True)
class _Target:
    """What a statement builds; None where it does not say, or the table is not there."""

    table_oid: int | None
    index_name: str | None
    table_name: str | None
    is_reindex: bool

    def left(self, index: InvalidIndex) -> bool:
        """Tell whether `index` is what an earlier try of the same statement left behind."""
        if self.table_oid is None or index.table_oid != self.table_oid:
            return False
        stem = _IN_THE_MAKING.sub("", index.short_name)
        if self.is_reindex:  # which is what mends the index itself
            return stem != index.short_name and self.index_name in {None, stem}
        if self.index_name is not None:
            return self.index_name in {index.short_name, stem}
        # The server names an index for its table, and counts where the name is taken.
        return bool(re.fullmatch(rf"{re.escape(self.table_name or '')}_.*_idx\d*", stem))


def invalid_indexes(connection: Connection) -> tuple[InvalidIndex, ...]:
    """Return the indexes that no query uses, those included that somebody is building."""
    found = connection.execute(text(qualified(query("migrate", "invalid_indexes"))))
    return tuple(InvalidIndex(*row) for row in found)


class IndexGuard:
    """Keep one revision from being recorded over an index that is invalid.

    `before` are those that were invalid before it ran. `on_dropped` is told what is dropped to be
    built again.
    """

    def __init__(
        self, before: tuple[InvalidIndex, ...], on_dropped: Callable[[InvalidIndex], None]
    ) -> None:
        self._before = {index.oid for index in before}
        self._on_dropped = on_dropped
        self._targets: list[_Target] = []

    @property
    def has_built(self) -> bool:
        """Tell whether the revision builds an index."""
        return bool(self._targets)

    def before_statement(self, connection: Connection, sql: str) -> None:
        """Drop what an earlier try left behind of the index that `sql` is about to build.

        IF NOT EXISTS would take it for the index, and without that the name would be taken.
        """
        if "index" not in sql.lower():  # parsing each statement of a long run would cost
            return
        target = _target(connection, sql)
        if target is None:
            return
        self._targets.append(target)
        if not any(target.left(index) for index in invalid_indexes(connection)):
            return
        _wait_for_builders(connection, target)
        for index in invalid_indexes(connection):
            if target.left(index):
                how = " concurrently" if drivers.in_autocommit(connection) else ""
                drivers.execute(connection, f"drop index{how} if exists {index.name}")
                self._on_dropped(index)

    def verify(self, connection: Connection) -> None:
        """Raise OperationFailed, code `invalid_index`, over an invalid index of the revision."""
        tables = {target.table_oid for target in self._targets}
        names = {(target.table_oid, target.index_name) for target in self._targets}
        for index in invalid_indexes(connection):
            own = (index.table_oid, index.short_name) in names
            new = index.table_oid in tables and index.oid not in self._before and not index.busy
            if own or new:
                raise OperationFailed(
                    f"index {index.name} is invalid: its build did not come to its end",
                    hint="Run the command again: what is left of it is dropped and built anew.",
                    code=ErrorCode.INVALID_INDEX,
                )


def _target(connection: Connection, sql: str) -> _Target | None:
    from dbctl.migrate.statements import LockLevel, assess  # what few revisions need to load

    told = assess(sql)
    is_reindex = bool(_REINDEX.match(sql))
    builds = {LockLevel.SHARE, LockLevel.SHARE_UPDATE_EXCLUSIVE}
    tables = [table for table, level in told.locks if level in builds]
    if told.index is None and not (tables and _BUILDS.search(sql)):
        return None
    named = tables[0] if tables and not tables[0].startswith("table of ") else None
    names = {"table_name": named, "index_name": told.index}
    found = connection.execute(text(qualified(query("migrate", "index_target"))), names).one()
    return _Target(found.table_oid, found.index_name, found.table_name, is_reindex)


def _wait_for_builders(connection: Connection, target: _Target) -> None:
    """Return once nobody builds an index on the table; the statement itself would wait as well."""
    drivers.execute(
        connection,
        "do $$ begin execute pg_catalog.format('lock table %s in share update exclusive mode',"
        f" {target.table_oid}::pg_catalog.regclass); end $$",
    )
