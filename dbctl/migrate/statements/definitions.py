"""CREATE, ALTER and DROP: which tables they lock, beside ALTER TABLE."""

from collections.abc import Mapping
from itertools import product

from dbctl.migrate.statements.altertable import read_alter_table, read_references
from dbctl.migrate.statements.assessment import Draft, LockLevel, Work
from dbctl.migrate.statements.queries import QueryWalk
from dbctl.migrate.statements.readings import (
    WITHOUT_TABLE,
    Reading,
    alone,
    lock_of_column,
    locked,
    locked_after,
    no_table,
    reading_of,
)
from dbctl.sqltokens import Kind, Token, TokenReader

_CASCADED = "what refers to it is locked and dropped as well"
_KEYS_LOCKED = "the tables that its foreign keys refer to are locked as well"


def read_create(reader: TokenReader, draft: Draft) -> None:
    """Add what CREATE does, the reader standing behind that word."""
    reader.accept("or", "replace")
    reader.accept_any(
        "temp", "temporary", "global", "local", "unlogged", "unique", "constraint", "recursive",
        "trusted", "procedural", "default",
    )  # fmt: skip
    reading_of(reader, _CREATE)(reader, draft)


def _create_table(reader: TokenReader, draft: Draft) -> None:
    may_exist = reader.accept("if", "not", "exists")
    table = reader.name() or ""
    if table and not may_exist:
        draft.create(table)
    if reader.accept("partition", "of"):
        note = (
            "a default partition is locked and read as well; CREATE TABLE (LIKE ...), then ATTACH "
            "PARTITION, does not lock the parent against reads and writes"
        )
        draft.remark(note)
        draft.lock(reader.name(), LockLevel.ACCESS_EXCLUSIVE)
    if reader.at("("):
        for element in TokenReader(reader.group()).split():
            if element.accept("like"):
                draft.lock(element.name(), LockLevel.ACCESS_SHARE)
            read_references(element, table, draft)
    if reader.accept("inherits", "("):
        for parent in reader.names():
            draft.lock(parent, LockLevel.SHARE_UPDATE_EXCLUSIVE)
    if reader.seek("as"):
        QueryWalk(reader, draft).run()


def _create_index(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    reader.accept("if", "not", "exists")
    draft.index = None if reader.at("on") else reader.name()
    draft.transactional &= not concurrently
    level, note = LockLevel.SHARE, "the table takes no writes meanwhile; CONCURRENTLY lets them in"
    if concurrently:
        level, note = LockLevel.SHARE_UPDATE_EXCLUSIVE, "if it fails, an invalid index stays behind"
    found = reader.seek("on")
    reader.accept("only")
    draft.lock(reader.name() if found else None, level, Work.SCAN, note)


def _create_view(reader: TokenReader, draft: Draft) -> None:
    replaces = Token(Kind.WORD, "replace") in reader.tokens[: reader.position]
    view = reader.name()
    if replaces:
        draft.lock(view, LockLevel.ACCESS_EXCLUSIVE)
    if reader.seek("as"):
        QueryWalk(reader, draft).run()


def _create_materialized_view(reader: TokenReader, draft: Draft) -> None:
    may_exist = reader.accept("if", "not", "exists")
    view = reader.name()
    if view and not may_exist:
        draft.create(view)
    if reader.seek("as"):
        QueryWalk(reader, draft).run()


def _create_sequence(reader: TokenReader, draft: Draft) -> None:
    if reader.seek("owned", "by") and not reader.at("none"):
        lock_of_column(reader, draft, LockLevel.ACCESS_SHARE)


def _create_statistics(reader: TokenReader, draft: Draft) -> None:
    if reader.seek("from"):
        draft.lock(reader.name(), LockLevel.SHARE_UPDATE_EXCLUSIVE)


def _publication(reader: TokenReader, draft: Draft) -> None:
    if reader.seek("table"):
        for table in reader.names():
            draft.lock(table, LockLevel.SHARE_UPDATE_EXCLUSIVE)


def read_alter(reader: TokenReader, draft: Draft) -> None:
    """Add what ALTER does, the reader standing behind that word."""
    reading_of(reader, _ALTER)(reader, draft)


def _alter_index(reader: TokenReader, draft: Draft) -> None:
    if reader.accept("all", "in", "tablespace"):
        draft.unknown("every index of the tablespace is locked and copied")
        return
    reader.accept("if", "exists")
    index = reader.name()
    if reader.at("set", "tablespace"):
        note = "the index is copied while no query of its table can start"
        draft.lock(index, LockLevel.ACCESS_EXCLUSIVE, Work.REWRITE, note)
    elif reader.accept("attach", "partition"):
        draft.lock(index, LockLevel.SHARE_UPDATE_EXCLUSIVE)
        draft.lock(reader.name(), LockLevel.ACCESS_EXCLUSIVE)
    else:
        draft.lock(index, LockLevel.SHARE_UPDATE_EXCLUSIVE)


def _alter_sequence(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    sequence = reader.name()
    moved = any(reader.at(*words) for words in (("rename",), ("owner",), ("set", "schema")))
    draft.lock(sequence, LockLevel.ACCESS_EXCLUSIVE if moved else LockLevel.SHARE_ROW_EXCLUSIVE)
    _create_sequence(reader, draft)


def _alter_domain(reader: TokenReader, draft: Draft) -> None:
    reader.name()
    adds = reader.at("add") and not reader.has("not", "valid")
    if adds or reader.at("set", "not", "null") or reader.at("validate"):
        note = "every table with a column of the domain is locked against writes and read"
        draft.unknown(note, Work.SCAN)


def _alter_database(reader: TokenReader, draft: Draft) -> None:
    draft.transactional &= not reader.has("set", "tablespace")


def read_drop(reader: TokenReader, draft: Draft) -> None:
    """Add what DROP does, the reader standing behind that word."""
    reading_of(reader, _DROP)(reader, draft)


def _drop_table(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    for table in reader.names():
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE, note=_KEYS_LOCKED)
        draft.lose(table)


def _dropped(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    for name in reader.names():
        draft.lock(name, LockLevel.ACCESS_EXCLUSIVE)
    if reader.at("cascade"):
        draft.remark(_CASCADED)


def _drop_index(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    draft.transactional &= not concurrently
    reader.accept("if", "exists")
    level = LockLevel.SHARE_UPDATE_EXCLUSIVE if concurrently else LockLevel.ACCESS_EXCLUSIVE
    for index in reader.names():
        draft.lock(f"table of {index}", level)


def _drop_used(*losses: tuple[str, str | None]) -> Reading:
    """Read DROP of what CASCADE takes tables, columns or triggers with."""

    def read(reader: TokenReader, draft: Draft) -> None:
        reader.accept("if", "exists")
        names = reader.names()
        if reader.at("cascade"):
            draft.unknown("every table that uses it is locked")
            for name, (table, column) in product(names, losses):
                draft.lose(f"{table} {name}", column)

    return read


def _drop_database(reader: TokenReader, draft: Draft) -> None:
    draft.transactional = False
    reader.accept("if", "exists")
    draft.lose(f"every table of {reader.name()}")


def _drop_owned(reader: TokenReader, draft: Draft) -> None:
    draft.unknown("every table of the role is locked and dropped")
    draft.lose(f"every table of {', '.join(reader.names())}")


_USED_BY_COLUMNS = _drop_used(("every table that uses", "its columns of that type"))
_EXCLUSIVE_AFTER_ON = locked_after("on", LockLevel.ACCESS_EXCLUSIVE)
_CREATE: Mapping[str, Reading] = {
    **WITHOUT_TABLE,
    "table": _create_table,
    "foreign table": _create_table,
    "index": _create_index,
    "view": _create_view,
    "materialized view": _create_materialized_view,
    "sequence": _create_sequence,
    "trigger": locked_after("on", LockLevel.SHARE_ROW_EXCLUSIVE),
    "policy": _EXCLUSIVE_AFTER_ON,
    "rule": locked_after("to", LockLevel.ACCESS_EXCLUSIVE),
    "statistics": _create_statistics,
    "publication": _publication,
    "database": alone,
    "tablespace": alone,
}
_ALTER: Mapping[str, Reading] = {
    **WITHOUT_TABLE,
    "table": read_alter_table,
    "foreign table": read_alter_table,
    "materialized view": read_alter_table,
    "view": locked(LockLevel.ACCESS_EXCLUSIVE),
    "index": _alter_index,
    "sequence": _alter_sequence,
    "domain": _alter_domain,
    "trigger": _EXCLUSIVE_AFTER_ON,
    "policy": _EXCLUSIVE_AFTER_ON,
    "rule": _EXCLUSIVE_AFTER_ON,
    "publication": _publication,
    "database": _alter_database,
    "system": alone,
    "tablespace": no_table,
}
_DROP: Mapping[str, Reading] = {
    **WITHOUT_TABLE,
    "table": _drop_table,
    "foreign table": _drop_table,
    "view": _dropped,
    "materialized view": _dropped,
    "sequence": _dropped,
    "index": _drop_index,
    "trigger": _EXCLUSIVE_AFTER_ON,
    "policy": _EXCLUSIVE_AFTER_ON,
    "rule": _EXCLUSIVE_AFTER_ON,
    "schema": _drop_used(("every table of", None)),
    "function": _drop_used(),
    "procedure": _drop_used(),
    "routine": _drop_used(),
    "extension": _USED_BY_COLUMNS,
    "type": _USED_BY_COLUMNS,
    "domain": _USED_BY_COLUMNS,
    "owned by": _drop_owned,
    "database": _drop_database,
    "tablespace": alone,
}
