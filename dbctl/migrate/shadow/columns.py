"""Where the values of columns come from that no INSERT gives, and how they are sorted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Column, RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import DDLCompiler

from dbctl.db.failures import first_line
from dbctl.migrate.results import Difference
from dbctl.migrate.shadow.parts import Part, Sort, Target, copy_of

_NONE = "none"
_STORED, _VIRTUAL = " STORED", " VIRTUAL"
# What SQLAlchemy writes as the type of a column whose values a sequence of its own gives.
_SERIAL = ("SERIAL", "BIGSERIAL", "SMALLSERIAL")
_KINDS = {"G": "modify_computed", "I": "modify_identity"}


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the values of a column come from: `sort` is G, I, D for a default, or N for nowhere."""

    sort: str
    sql: str

    @classmethod
    def of(cls, row: RowMapping) -> _Source:
        if row["generated"]:
            how = _STORED if row["generated"] == "s" else _VIRTUAL
            return cls("G", f"GENERATED ALWAYS AS ({row['expression']}){how}")
        if row["identity"]:
            when = "ALWAYS" if row["identity"] == "a" else "BY DEFAULT"
            return cls("I", f"GENERATED {when} AS IDENTITY ({row['sequence']})")
        if row["expression"] is not None:
            return cls("D", row["expression"])
        return cls("N", _NONE)

    def is_alike(self, other: _Source) -> bool:
        """Return whether the same values come from `other`, be they stored or not."""
        return self.sql.removesuffix(_STORED) == other.sql.removesuffix(_STORED).removesuffix(
            _VIRTUAL
        )


def column_parts(
    target: Target, rows: Iterable[RowMapping], writer: DDLCompiler
) -> Iterator[tuple[Part, str]]:
    """Yield what gives the columns of a copy the defaults of the models, and "" or why it cannot.

    `rows` are the columns of the table; those that only the models have, Alembic reports.
    """
    actual = {row["name"]: row for row in rows}
    copied = copy_of(target, writer)
    for column in target.table.columns:
        row = actual.get(column.name)
        if row is None:
            continue
        name = writer.preparer.format_column(column)
        alter = f"ALTER TABLE {copied} ALTER COLUMN {name}"
        try:
            if column.computed is not None:
                collation = f" COLLATE {row['collation']}" if row["collation"] else ""
                generated = writer.process(column.computed)
                # Where the models leave it open, what the server would choose depends on it.
                if column.computed.persisted is None and not generated.endswith(_STORED):
                    generated += _STORED
                sql = (
                    f"ALTER TABLE {copied} DROP COLUMN {name}, ADD COLUMN {name} {row['type']}"
                    f"{collation} {generated}"
                )
            elif column.identity is not None:
                sql = f"{alter} SET NOT NULL; {alter} ADD {writer.process(column.identity)}"
            elif (default := writer.get_column_default_string(column)) is not None:
                sql = f"{alter} SET DEFAULT {default}"
            else:
                continue
        except SQLAlchemyError as error:
            yield Part(target, Sort.COLUMN, column.name, ""), first_line(error)
        else:
            yield Part(target, Sort.COLUMN, column.name, sql), ""


def compare_columns(
    target: Target, rows: Iterable[RowMapping], refused: frozenset[str], writer: DDLCompiler
) -> Iterator[Difference]:
    """Compare the columns that both have, but for the sources of those that were `refused`."""
    modelled: Mapping[str, RowMapping] = {row["name"]: row for row in rows if row["modelled"]}
    for row in sorted(rows, key=lambda row: str(row["name"])):
        model, column = modelled.get(row["name"]), _column_of(target, row["name"])
        if row["modelled"] or model is None or column is None:
            continue
        if column.name not in refused:
            yield from _compare_source(target, column, row, model, writer)
        wanted = getattr(column.type.dialect_impl(writer.dialect), "collation", None)
        if (None if wanted == "default" else wanted) != row["collation_name"]:
            yield Difference(
                kind="modify_collation",
                table=target.table.fullname,
                name=column.name,
                detail=f"{row['collation_name'] or 'default'} → {wanted or 'default'}",
            )


def _compare_source(
    target: Target, column: Column[object], row: RowMapping, model: RowMapping, writer: DDLCompiler
) -> Iterator[Difference]:
    ours, theirs = _Source.of(model), _Source.of(row)
    if _is_serial(column, writer):
        # The keys of a table need not be made by the server, unless the models say so.
        is_free = theirs.sort == "N" and column.autoincrement is not True
        if is_free or theirs.sort == "I" or theirs.sql.startswith("nextval("):
            return
        ours = _Source("D", "nextval of a sequence")
    is_open = column.computed is not None and column.computed.persisted is None
    if ours == theirs or (is_open and ours.is_alike(theirs)):
        return
    kinds = [_KINDS[source.sort] for source in (ours, theirs) if source.sort in _KINDS]
    yield Difference(
        kind=kinds[0] if kinds else "modify_default",
        table=target.table.fullname,
        name=column.name,
        detail=" ".join(f"{theirs.sql} → {ours.sql}".split()),
    )


def _is_serial(column: Column[object], writer: DDLCompiler) -> bool:
    if column.table._autoincrement_column is not column:
        return False
    try:
        written = writer.process(CreateColumn(column))
    except SQLAlchemyError:
        return False
    return any(f" {word}" in written for word in _SERIAL)


def _column_of(target: Target, name: str) -> Column[object] | None:
    return next((column for column in target.table.columns if column.name == name), None)
