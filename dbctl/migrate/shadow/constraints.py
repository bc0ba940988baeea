"""Constraints as the server words them, and the foreign keys, which no temporary table can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    RowMapping,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import DDLCompiler

from dbctl.db.failures import first_line
from dbctl.migrate.results import Difference
from dbctl.migrate.shadow.parts import (
    Part,
    Settled,
    Sort,
    Target,
    constraints_of,
    copy_of,
    name_of,
)

_BUILT = (CheckConstraint, ExcludeConstraint, PrimaryKeyConstraint, UniqueConstraint)
_MATCHES = {"s": "SIMPLE", "f": "FULL", "p": "PARTIAL"}


def constraint_parts(target: Target, writer: DDLCompiler) -> Iterator[tuple[Part, str]]:
    """Yield what puts the constraints of the models on a copy, and "" or why it cannot."""
    for constraint in constraints_of(target.table, writer):
        if not isinstance(constraint, _BUILT) or _is_empty(constraint):
            continue
        try:
            name = name_of(constraint, writer)
            sql = writer.process(constraint)
        except SQLAlchemyError as error:  # a name too long, a value without a literal form
            yield Part(target, Sort.CONSTRAINT, str(constraint.name or ""), ""), first_line(error)
            continue
        copied = copy_of(target, writer)
        statements = [f"ALTER TABLE {copied} ADD {sql}"]
        if name and constraint.comment is not None:
            quoted = writer.preparer.quote(name)
            comment = writer.sql_compiler.render_literal_value(constraint.comment, String())
            statements.append(f"COMMENT ON CONSTRAINT {quoted} ON {copied} IS {comment}")
        yield Part(target, Sort.CONSTRAINT, name, "; ".join(statements), sql), ""


def _is_empty(constraint: Constraint) -> bool:
    if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
        return not list(constraint.columns)
    return False


def compare_constraints(
    target: Target,
    named: dict[str, bool],
    rows: Iterable[RowMapping],
    settled: Settled,
) -> Iterator[Difference]:
    """Compare the constraints of a table; `named` says of each name whether it was refused.

    What the models give no name is known by its definition, and only then by the name that the
    server chose; a primary key, of which there is one, whatever its name. Whether there is a UNIQUE
    constraint, Alembic reports.
    """
    table = target.table.fullname
    modelled = {row["name"]: row for row in rows if row["modelled"]}
    actual = {row["name"]: row for row in rows if not row["modelled"]}

    def difference(kind: str, name: str, detail: str) -> Difference:
        return Difference(kind=kind, table=table, name=name, detail=" ".join(detail.split()))

    def match(model: RowMapping, name: str | None) -> Iterator[Difference]:
        found = actual.pop(name, None) if name is not None else None
        if found is None:
            if model["sort"] != "u":
                yield difference("add_constraint", model["name"], model["definition"])
            return
        settled.add(("constraint", table, found["name"]))
        if found["exact"] != model["exact"] or (model["valid"] and not found["valid"]):
            detail = f"{found['definition']} → {model['definition']}"
            yield difference("modify_constraint", found["name"], detail)
        if found["comment"] != model["comment"]:
            detail = f"{found['comment'] or 'none'} → {model['comment'] or 'none'}"
            yield difference("modify_comment", found["name"], detail)

    for name, refused in named.items():
        if refused:
            actual.pop(name, None)
        elif name in modelled and modelled[name]["sort"] != "p":
            yield from match(modelled.pop(name), name)
    unknown = []
    for model in modelled.values():
        alike = [
            name
            for name, row in actual.items()
            if row["exact"] == model["exact"] or (row["sort"], model["sort"]) == ("p", "p")
        ]
        if alike:
            yield from match(model, alike[0])
        else:
            unknown.append(model)
    for model in unknown:
        found = actual.get(model["name"])
        same = found is not None and found["sort"] == model["sort"]
        yield from match(model, model["name"] if same else None)
    for row in actual.values():
        if row["local"] and row["sort"] != "u":  # else it is that of a parent, and reported there
            yield difference("remove_constraint", row["name"], row["definition"])


def compare_foreign_keys(
    target: Target, rows: Iterable[RowMapping], writer: DDLCompiler
) -> Iterator[Difference]:
    """Compare whether the foreign keys hold for every row, and how they take nulls."""
    keys = list(rows)
    for constraint in constraints_of(target.table, writer):
        if not isinstance(constraint, ForeignKeyConstraint):
            continue
        row = _row_of(constraint, keys, writer)
        if row is None:  # Alembic reports it
            continue
        wanted, found = [], []
        if not row["valid"] and not constraint.dialect_options["postgresql"]["not_valid"]:
            found.append("NOT VALID")
            wanted.append("VALID")
        if not row["enforced"]:
            found.append("NOT ENFORCED")
            wanted.append("ENFORCED")
        match = (constraint.match or "SIMPLE").upper()
        if match != _MATCHES[row["match"]]:
            found.append(f"MATCH {_MATCHES[row['match']]}")
            wanted.append(f"MATCH {match}")
        if found:
            yield Difference(
                kind="modify_constraint",
                table=target.table.fullname,
                name=row["name"],
                detail=f"{row['definition']}: {', '.join(found)} → {', '.join(wanted)}",
            )


def _row_of(
    constraint: ForeignKeyConstraint, rows: list[RowMapping], writer: DDLCompiler
) -> RowMapping | None:
    try:
        name = name_of(constraint, writer)
    except SQLAlchemyError:
        return None
    columns = [element.parent.name for element in constraint.elements]
    named = [row for row in rows if row["name"] == name]
    return next(iter(named or [row for row in rows if row["columns"] == columns]), None)
