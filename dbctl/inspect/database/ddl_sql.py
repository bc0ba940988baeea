"""Pieces of DDL, written from rows of the catalogue; a statement ends with its semicolon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dbctl.db.names import literal

type Row = Mapping[str, Any]

KINDS = {
    "r": "TABLE",
    "p": "TABLE",
    "v": "VIEW",
    "m": "MATERIALIZED VIEW",
    "f": "FOREIGN TABLE",
}
INCOMPLETE = "-- … stands for constants of masked columns; --reveal writes them, to run this."
_LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_ENABLED = {
    "origin": "ENABLE",
    "always": "ENABLE ALWAYS",
    "replica": "ENABLE REPLICA",
    "no": "DISABLE",
}


def needs(subject: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what must be there before, if anything, as comments; a newline cannot end one."""
    if rows:
        lines = [f"-- {subject}, before {'it' if subject.startswith('This') else 'them'}:"]
        for row in rows:
            text = row["definition"] or f"{row['type']} {row['identity']}"
            lines += [f"--   {line}" for line in text.splitlines()]
        yield "\n".join(lines)


def create_sequence(row: Row) -> str:
    """Write CREATE SEQUENCE for one that a column owns."""
    unlogged = "UNLOGGED " if row["is_unlogged"] else ""
    options = " ".join(_sequence_options(row, row["type"]))
    return f"CREATE {unlogged}SEQUENCE {row['name']}{' ' if options else ''}{options};"


def _sequence_options(row: Row, type_: str) -> Iterator[str]:
    """Yield what differs from the sequence that PostgreSQL makes without options."""
    if type_ != "bigint":
        yield f"AS {type_}"
    limit, rises = _LIMITS[row["type"]], row["increment"] > 0
    least, most = (1, limit) if rises else (-limit - 1, -1)
    if row["minimum"] != least:
        yield f"MINVALUE {row['minimum']}"
    if row["maximum"] != most:
        yield f"MAXVALUE {row['maximum']}"
    if row["start"] != (row["minimum"] if rises else row["maximum"]):
        yield f"START WITH {row['start']}"
    if row["increment"] != 1:
        yield f"INCREMENT BY {row['increment']}"
    if row["cache"] != 1:
        yield f"CACHE {row['cache']}"
    if row["cycles"]:
        yield "CYCLE"


def column(
    row: Row,
    relation: Row,
    *,
    not_null: Row | None,
    nullable: bool,
    identity: Row | None,
    parent: Row | None,
) -> str | None:
    """Write a column for CREATE TABLE; None where the parent gives it all.

    `not_null` is its constraint, which has a name since PostgreSQL 18; `nullable` leaves the
    constraint out.
    """
    from_parent = parent is not None and not row["is_local"]
    of_type = relation["of_type"] is not None
    parts = [] if from_parent or of_type else _type(row)
    if row["generated"] and (parent is None or parent["expression"] != row["expression"]):
        how = "VIRTUAL" if row["generated"] == "v" else "STORED"
        parts.append(f"GENERATED ALWAYS AS ({row['expression']}) {how}")
    elif row["expression"] is not None and not row["generated"] and not from_parent:
        parts.append(f"DEFAULT {row['expression']}")
    if identity is not None:
        parts.append(_identity(row, relation, identity))
    if row["not_null"] and not nullable and not _is_not_null(parent, not_null):
        parts.append(_not_null(row, relation, not_null))
    if not parts:
        return None
    if from_parent:
        parts = [*_type(row), *parts]
    return f"{row['name']}{' WITH OPTIONS ' if of_type else ' '}{' '.join(parts)}"


def _is_not_null(parent: Row | None, own: Row | None) -> bool:
    """Tell whether the parent says NOT NULL, and the column has no such constraint of its own."""
    return parent is not None and parent["not_null"] and own is None


def _type(row: Row) -> list[str]:
    parts = [row["type"]]
    if row["foreign_options"]:
        parts.append(f"OPTIONS ({', '.join(row['foreign_options'])})")
    if row["collation"]:
        parts.append(f"COLLATE {row['collation']}")
    return parts


def _identity(row: Row, relation: Row, sequence: Row) -> str:
    options = list(_sequence_options(sequence, "bigint"))
    ordinary = f"{relation['name']}_{row['bare_name']}_seq"
    if (sequence["schema"], sequence["bare_name"]) != (relation["schema"], ordinary):
        options.insert(0, f"SEQUENCE NAME {sequence['name']}")
    when = "ALWAYS" if row["identity"] == "a" else "BY DEFAULT"
    return f"GENERATED {when} AS IDENTITY{f' ({" ".join(options)})' if options else ''}"


def _not_null(row: Row, relation: Row, constraint: Row | None) -> str:
    if constraint is None:
        return "NOT NULL"
    ordinary = f"{relation['name']}_{row['bare_name']}_not_null"
    name = "" if constraint["bare_name"] == ordinary else f"CONSTRAINT {constraint['name']} "
    return f"{name}NOT NULL{' NO INHERIT' if constraint['no_inherit'] else ''}"


def create_table(relation: Row, lines: Sequence[str]) -> str:
    """Write CREATE TABLE with `lines` for its columns and constraints."""
    foreign = relation["relkind"] == "f"
    kind = "FOREIGN TABLE" if foreign else "TABLE"
    persistence = "UNLOGGED " if relation["persistence"] == "unlogged" else ""
    text = f"CREATE {persistence}{kind} {relation['label']}"
    if relation["of_type"]:
        text += f" OF {relation['of_type']}"
    if lines:
        text += " (\n    " + ",\n    ".join(lines) + "\n)"
    elif not relation["of_type"]:
        text += " ()"
    clauses = []
    if relation["parents"] and not relation["is_partition"]:
        clauses.append(f"INHERITS ({', '.join(relation['parents'])})")
    if relation["partition_key"]:
        clauses.append(f"PARTITION BY {relation['partition_key']}")
    if foreign:
        clauses.append(f"SERVER {relation['foreign_server']}")
        if relation["foreign_options"]:
            clauses.append(f"OPTIONS ({', '.join(relation['foreign_options'])})")
    return "\n".join([text, *clauses, *_storage(relation)]) + ";"


def create_view(relation: Row) -> str:
    """Write CREATE VIEW or CREATE MATERIALIZED VIEW."""
    materialized = relation["relkind"] == "m"
    head = f"CREATE {KINDS[relation['relkind']]} {relation['label']}"
    query = relation["view_definition"].rstrip().removesuffix(";")
    tail = [] if not materialized or relation["is_populated"] else ["WITH NO DATA"]
    return "\n".join([head, *_storage(relation), f"AS{query}", *tail]) + ";"


def _storage(relation: Row) -> Iterator[str]:
    if relation["access_method"] and not relation["default_access_method"]:
        yield f"USING {relation['access_method']}"
    options = [
        *(_option(option) for option in relation["options"]),
        *(f"toast.{_option(option)}" for option in relation["toast_options"]),
    ]
    if options:
        yield f"WITH ({', '.join(options)})"
    if relation["tablespace"]:
        yield f"TABLESPACE {relation['tablespace']}"


def _option(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={literal(value)}" if value else name


def inherited_defaults(
    relation: Row, columns: Sequence[Row], parent: Mapping[str, Row]
) -> Iterator[str]:
    """Yield what makes the defaults of a child differ from its parent's."""
    for row in columns:
        above = parent.get(row["name"])
        if above is None or row["generated"] or above["expression"] == row["expression"]:
            continue
        if row["is_local"]:
            continue
        default = row["expression"]
        action = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
        yield f"ALTER TABLE ONLY {relation['label']} ALTER COLUMN {row['name']} {action};"


def attach(relation: Row) -> Iterator[str]:
    """Yield what makes a table a partition of its parent.

    It is a table of its own before: PARTITION OF would choose the names of its indexes. The server
    takes those that it has for the parent's, and its constraints likewise.
    """
    if relation["is_partition"]:
        (parent,) = relation["parents"]
        yield f"ALTER TABLE {parent} ATTACH PARTITION {relation['label']} {relation['bounds']};"


def add_constraint(relation: Row, row: Row) -> str:
    """Write ALTER TABLE for a constraint that does not stand in CREATE TABLE."""
    return f"ALTER TABLE {relation['label']} ADD CONSTRAINT {row['name']} {row['definition']};"


def index(relation: Row, row: Row) -> Iterator[str]:
    """Yield CREATE INDEX, unless a constraint makes it, and what was set for it."""
    if not row["backs"]:
        # Without its name, which may hold a newline: that would end the comment.
        remark = "" if row["valid"] else "-- The next index is not valid where this comes from.\n"
        yield f"{remark}{row['definition']};"
    elif row["options"]:
        options = ", ".join(_option(option) for option in row["options"])
        yield f"ALTER INDEX {row['name']} SET ({options});"
    for at, target in zip(row["statistics_columns"], row["statistics_targets"], strict=True):
        yield f"ALTER INDEX {row['name']} ALTER COLUMN {at} SET STATISTICS {target};"
    if row["clustered"]:
        yield f"ALTER TABLE {relation['label']} CLUSTER ON {row['bare_name']};"
    if row["identifies"]:
        yield f"ALTER TABLE {relation['label']} REPLICA IDENTITY USING INDEX {row['bare_name']};"


def column_settings(relation: Row, columns: Sequence[Row]) -> Iterator[str]:
    """Yield what is set for columns beside their type."""
    kind = KINDS[relation["relkind"]]
    for row in columns:
        settings = []
        if relation["relkind"] == "v":
            if row["expression"] is not None:
                settings.append(f"SET DEFAULT {row['expression']}")
        elif row["storage"]:
            settings.append(f"SET STORAGE {row['storage']}")
        if row["compression"]:
            settings.append(f"SET COMPRESSION {row['compression']}")
        if row["statistics"] is not None:
            settings.append(f"SET STATISTICS {row['statistics']}")
        if row["options"]:
            settings.append(f"SET ({', '.join(map(_option, row['options']))})")
        for setting in settings:
            yield f"ALTER {kind} {relation['label']} ALTER COLUMN {row['name']} {setting};"


def replica_identity(relation: Row) -> Iterator[str]:
    """Yield what tells rows apart in logical replication, where that is not the primary key."""
    words = {"f": "FULL", "n": "NOTHING"}
    if relation["relkind"] in {"r", "p"} and (word := words.get(relation["replica_identity"])):
        yield f"ALTER TABLE {relation['label']} REPLICA IDENTITY {word};"


def row_security(relation: Row, policies: Sequence[Row]) -> Iterator[str]:
    """Yield the policies, and what puts them into force."""
    if relation["has_row_security"]:
        yield f"ALTER TABLE {relation['label']} ENABLE ROW LEVEL SECURITY;"
    if relation["forces_row_security"]:
        yield f"ALTER TABLE {relation['label']} FORCE ROW LEVEL SECURITY;"
    for row in policies:
        text = f"CREATE POLICY {row['quoted']} ON {relation['label']}"
        if not row["permissive"]:
            text += " AS RESTRICTIVE"
        if row["command"] != "all":
            text += f" FOR {row['command'].upper()}"
        if row["roles"]:
            text += f" TO {', '.join(row['quoted_roles'])}"
        if row["using"]:
            text += f"\n    USING ({row['using']})"
        if row["check"]:
            text += f"\n    WITH CHECK ({row['check']})"
        yield f"{text};"


def enablement(relation: Row, kind: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield when each trigger or rule fires, where that is not the ordinary or not the parent's."""
    for row in rows:
        if row["enabled"] != "origin" or row["unlike_parent"]:
            word = _ENABLED[row["enabled"]]
            yield f"ALTER TABLE ONLY {relation['label']} {word} {kind} {row['quoted']};"
