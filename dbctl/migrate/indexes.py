"""Indexes that an interrupted or failed CONCURRENTLY left behind: found, dropped, never trusted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from dbctl.errors import ErrorCode, OperationFailed
from dbctl.migrate.catalog import query
from dbctl.migrate.session import in_autocommit

_QUOTED = re.compile(r'"((?:[^"]|"")*)"$')
_IN_THE_MAKING = re.compile(r"_cc(new|old)\d*$")


@dataclass(frozen=True, slots=True)
class InvalidIndex:
    """An index with `indisvalid = false`; `name` is qualified and quoted, `short_name` neither."""

    oid: int
    name: str
    short_name: str


def invalid_indexes(connection: Connection) -> tuple[InvalidIndex, ...]:
    """Return the indexes that no query uses and nobody builds at this moment."""
    found = connection.exec_driver_sql(query("invalid_indexes"))
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
        self._built: set[str] = set()

    @property
    def has_built(self) -> bool:
        """Tell whether the revision builds an index by name."""
        return bool(self._built)

    def before_statement(self, connection: Connection, sql: str) -> None:
        """Drop what an earlier try left behind of the index that `sql` is about to build.

        IF NOT EXISTS would take it for the index, and without that the name would be taken.
        """
        if "index" not in sql.lower():  # parsing each statement of a long run would cost
            return
        from dbctl.migrate.statements import assess  # and so would loading it for one without any

        name = assess(sql).index
        if name is None:
            return
        wanted = _unqualified(name)
        self._built.add(wanted)
        for index in invalid_indexes(connection):
            # REINDEX CONCURRENTLY builds under a name of its own and then swaps the two.
            leftover = _IN_THE_MAKING.sub("", index.short_name) == wanted
            if leftover and not (index.short_name == wanted and _is_reindex(sql)):
                how = " concurrently" if in_autocommit(connection) else ""
                connection.exec_driver_sql(f"drop index{how} if exists {index.name}")
                self._on_dropped(index)

    def verify(self, connection: Connection) -> None:
        """Raise OperationFailed, code `invalid_index`, over an invalid index of the revision."""
        for index in invalid_indexes(connection):
            if index.oid not in self._before or index.short_name in self._built:
                raise OperationFailed(
                    f"index {index.name} is invalid: its build did not come to its end",
                    hint="Run the command again: what is left of it is dropped and built anew.",
                    code=ErrorCode.INVALID_INDEX,
                )


def _is_reindex(sql: str) -> bool:
    return sql.lstrip()[:7].lower() == "reindex"


def _unqualified(name: str) -> str:
    """Return the last part of a name as the catalogue has it."""
    quoted = _QUOTED.search(name)
    return quoted[1].replace('""', '"') if quoted else name.rpartition(".")[2].lower()
