"""CREATE, ALTER and DROP: which tables they lock, beside ALTER TABLE."""

from collections.abc import Mapping
from itertools import product

from dbctl.migrate.statements.altertable import read_alter_table, read_references
from dbctl.migrate.statements.assessment import Draft
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import (
    Attached,
    Below,
    CompositeAltered,
    DomainChecked,
    DropKind,
    Dropped,
    IndexBuilt,
    Property,
    PropertySet,
    TableOfIndex,
)
from dbctl.migrate.statements.queries import QueryWalk, Stage
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
from dbctl.sqltokens import Kind, Token, TokenReader, string_value, tokenize

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
        parent = reader.name()
        draft.lock(parent, LockLevel.ACCESS_EXCLUSIVE)
        default = TokenReader(reader.rest).seek("default")
        draft.look_up(Attached(parent or "", table, new=True, default=default))
    if reader.at("("):
        for element in TokenReader(reader.group()).split():
            if element.accept("like"):
                draft.lock(element.name(), LockLevel.ACCESS_SHARE)
            read_references(element, table, draft)
    if reader.accept("inherits", "("):
        for parent in reader.names():
            draft.lock(parent, LockLevel.SHARE_UPDATE_EXCLUSIVE)
    if reader.seek("as"):
        QueryWalk(reader, draft, _stage(reader)).run()


def _stage(reader: TokenReader) -> Stage:
    return Stage.PARSED if reader.has("with", "no", "data") else Stage.RUN


def _create_index(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    may_exist = reader.accept("if", "not", "exists")
    draft.index = None if reader.at("on") else reader.name()
    draft.transactional &= not concurrently
    level, note = LockLevel.SHARE, "the table takes no writes meanwhile; CONCURRENTLY lets them in"
    if concurrently:
        level, note = LockLevel.SHARE_UPDATE_EXCLUSIVE, "if it fails, an invalid index stays behind"
    found = reader.seek("on")
    only = reader.accept("only")
    table = reader.name() if found else None
    lookup = IndexBuilt(table or "", draft.index or "" if may_exist else "", only=only)
    draft.lock(table, level, Work.SCAN, note, lookup)
    if table and not only:
        draft.look_up(Below(table, level, partitions=True))


def _create_view(reader: TokenReader, draft: Draft) -> None:
    replaces = Token(Kind.WORD, "replace") in reader.tokens[: reader.position]
    view = reader.name()
    if replaces:
        draft.lock(view, LockLevel.ACCESS_EXCLUSIVE)
    if reader.seek("as"):
        QueryWalk(reader, draft, Stage.PARSED).run()


def _create_materialized_view(reader: TokenReader, draft: Draft) -> None:
    may_exist = reader.accept("if", "not", "exists")
    view = reader.name()
    if view and not may_exist:
        draft.create(view)
    if reader.seek("as"):
        QueryWalk(reader, draft, _stage(reader)).run()


def _create_sequence(reader: TokenReader, draft: Draft) -> None:
    if reader.seek("owned", "by") and not reader.at("none"):
        lock_of_column(reader, draft, LockLevel.ACCESS_SHARE)


def _create_statistics(reader: TokenReader, draft: Draft) -> None:
    if reader.seek("from"):
        draft.lock(reader.name(), LockLevel.SHARE_UPDATE_EXCLUSIVE)


def _publication(reader: TokenReader, draft: Draft) -> None:
    if TokenReader(reader.rest).seek("set", "table"):
        draft.unknown("the tables that leave the publication are locked as well")
    if reader.seek("table"):
        for table in reader.names():
            draft.lock(table, LockLevel.SHARE_UPDATE_EXCLUSIVE)
            draft.look_up(Below(table, LockLevel.SHARE_UPDATE_EXCLUSIVE, inheriting=True))


def _create_trigger(reader: TokenReader, draft: Draft) -> None:
    level = LockLevel.SHARE_ROW_EXCLUSIVE
    found = reader.seek("on")
    table = reader.name() if found else None
    draft.lock(table, level)
    if reader.accept("from"):
        draft.lock(reader.name(), LockLevel.ACCESS_SHARE)
    if table and (reader.has("each", "row") or reader.has("for", "row")):
        draft.look_up(Below(table, level, partitions=True))


def _alter_trigger(reader: TokenReader, draft: Draft) -> None:
    found = reader.seek("on")
    table = reader.name() if found else None
    draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
    if table and reader.at("rename"):
        draft.look_up(Below(table, LockLevel.ACCESS_EXCLUSIVE, partitions=True))


def _create_rule(reader: TokenReader, draft: Draft) -> None:
    found = reader.seek("to")
    draft.lock(reader.name() if found else None, LockLevel.ACCESS_EXCLUSIVE)
    if reader.seek("do"):
        reader.accept_any("also", "instead")
        body = TokenReader(reader.group()) if reader.at("(") else reader
        for statement in body.split(";"):
            QueryWalk(statement, draft, Stage.PARSED).run()


def _policy(reader: TokenReader, draft: Draft) -> None:
    found = reader.seek("on")
    draft.lock(reader.name() if found else None, LockLevel.ACCESS_EXCLUSIVE)
    while reader.peek():
        if reader.at("("):
            QueryWalk(TokenReader(reader.group()), draft, Stage.PARSED).run()
        else:
            reader.position += 1


def _create_function(reader: TokenReader, draft: Draft) -> None:
    """Read the body of a function in SQL: the server looks its tables up."""
    in_sql = reader.has("language", "sql") or reader.has("begin", "atomic")
    if not in_sql:
        return
    if reader.seek("begin", "atomic"):
        for statement in reader.split(";"):
            QueryWalk(statement, draft, Stage.PARSED).run()
        return
    if reader.seek("as") and (token := reader.peek()) and token.kind is Kind.STRING:
        for statement in TokenReader(list(tokenize(string_value(token.text)))).split(";"):
            QueryWalk(statement, draft, Stage.REWRITTEN).run()
    elif reader.accept("return"):
        QueryWalk(reader, draft, Stage.PARSED).run()


def read_alter(reader: TokenReader, draft: Draft) -> None:
    """Add what ALTER does, the reader standing behind that word."""
    reading_of(reader, _ALTER)(reader, draft)


def _alter_index(reader: TokenReader, draft: Draft) -> None:
    if reader.accept("all", "in", "tablespace"):
        draft.unknown("every index of the tablespace is locked and copied")
        return
    reader.accept("if", "exists")
    index = reader.name()
    if reader.accept("set", "tablespace"):
        note = "the index is copied while no query of its table can start"
        lookup = PropertySet(index or "", Property.TABLESPACE, reader.name() or "")
        draft.lock(index, LockLevel.ACCESS_EXCLUSIVE, Work.REWRITE, note, lookup)
    elif reader.accept("attach", "partition"):
        draft.lock(index, LockLevel.SHARE_UPDATE_EXCLUSIVE)
        partition = reader.name()
        draft.lock(partition, LockLevel.ACCESS_EXCLUSIVE)
        for each in filter(None, (index, partition)):
            draft.look_up(TableOfIndex(each, LockLevel.ACCESS_SHARE))
    else:
        draft.lock(index, LockLevel.SHARE_UPDATE_EXCLUSIVE)


def _alter_sequence(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    sequence = reader.name()
    moved = any(reader.at(*words) for words in (("rename",), ("owner",), ("set", "schema")))
    draft.lock(sequence, LockLevel.ACCESS_EXCLUSIVE if moved else LockLevel.SHARE_ROW_EXCLUSIVE)
    _create_sequence(reader, draft)


def _alter_domain(reader: TokenReader, draft: Draft) -> None:
    domain = reader.name()
    adds = reader.at("add") and not reader.has("not", "valid")
    if adds or reader.at("set", "not", "null") or reader.at("validate"):
        note = "every table with a column of the domain is locked against writes and read"
        draft.unknown(note, Work.SCAN, DomainChecked(domain or ""))


def _alter_type(reader: TokenReader, draft: Draft) -> None:
    name = reader.name()
    if name and TokenReader(reader.rest).seek("cascade"):
        draft.look_up(CompositeAltered(name))
        if reader.at("alter", "attribute"):
            draft.cost(Work.MAYBE_REWRITE, "every table that was created OF the type is rewritten")


def _alter_database(reader: TokenReader, draft: Draft) -> None:
    draft.transactional &= not reader.has("set", "tablespace")


def read_drop(reader: TokenReader, draft: Draft) -> None:
    """Add what DROP does, the reader standing behind that word."""
    reading_of(reader, _DROP)(reader, draft)


def _drop_table(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    tables = reader.names()
    for table in tables:
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE, note=_KEYS_LOCKED)
        draft.lose(table)
        draft.look_up(Dropped(DropKind.RELATION, table, cascade=reader.at("cascade")))


def _dropped(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    names = reader.names()
    for name in names:
        draft.lock(name, LockLevel.ACCESS_EXCLUSIVE)
        draft.look_up(Dropped(DropKind.RELATION, name, cascade=reader.at("cascade")))
    if reader.at("cascade"):
        draft.remark(_CASCADED)


def _drop_index(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    draft.transactional &= not concurrently
    reader.accept("if", "exists")
    level = LockLevel.SHARE_UPDATE_EXCLUSIVE if concurrently else LockLevel.ACCESS_EXCLUSIVE
    for index in reader.names():
        draft.lock(f"table of {index}", level)
        draft.look_up(TableOfIndex(index, level))
        if not concurrently:
            draft.look_up(Dropped(DropKind.RELATION, index, cascade=reader.at("cascade")))


def _drop_on_table(kind: DropKind) -> Reading:
    """Return the reading of DROP of what a table has, such as a trigger."""

    def read(reader: TokenReader, draft: Draft) -> None:
        reader.accept("if", "exists")
        part = "".join(reader.name_parts())
        table = reader.name() if reader.accept("on") else None
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        if table:
            draft.look_up(Dropped(kind, table, part, cascade=reader.at("cascade")))

    return read


def _drop_used(kind: DropKind, *losses: tuple[str, str | None]) -> Reading:
    """Return the reading of DROP of what CASCADE takes tables, columns or triggers with."""

    def read(reader: TokenReader, draft: Draft) -> None:
        reader.accept("if", "exists")
        names = reader.names()
        if reader.at("cascade"):
            lookups = [Dropped(kind, name, cascade=True) for name in names]
            for lookup in lookups:
                draft.unknown("every table that uses it is locked", lookup=lookup)
            for name, (table, column) in product(names, losses):
                draft.lose(f"{table} {name}", column, described=True)

    return read


def _drop_database(reader: TokenReader, draft: Draft) -> None:
    draft.transactional = False
    reader.accept("if", "exists")
    draft.lose(f"every table of {reader.name()}", described=True)


def _drop_owned(reader: TokenReader, draft: Draft) -> None:
    names = reader.names()
    for name in names:
        lookup = Dropped(DropKind.ROLE, name, cascade=reader.at("cascade"))
        draft.unknown("every table of the role is locked and dropped", lookup=lookup)
    draft.lose(f"every table of {', '.join(names)}", described=True)


def _drop_statistics(reader: TokenReader, draft: Draft) -> None:
    reader.accept("if", "exists")
    draft.look_up(*(Dropped(DropKind.STATISTICS, name) for name in reader.names()))


_COLUMNS = ("every table that uses", "its columns of that type")
_TYPE = _drop_used(DropKind.TYPE, _COLUMNS)
_FUNCTION = _drop_used(DropKind.FUNCTION)
_EXCLUSIVE_AFTER_ON = locked_after("on", LockLevel.ACCESS_EXCLUSIVE)
_CREATE: Mapping[str, Reading] = {
    **WITHOUT_TABLE,
    "table": _create_table,
    "foreign table": _create_table,
    "index": _create_index,
    "view": _create_view,
    "materialized view": _create_materialized_view,
    "sequence": _create_sequence,
    "trigger": _create_trigger,
    "policy": _policy,
    "rule": _create_rule,
    "function": _create_function,
    "procedure": _create_function,
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
    "trigger": _alter_trigger,
    "policy": _policy,
    "rule": _EXCLUSIVE_AFTER_ON,
    "type": _alter_type,
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
    "trigger": _drop_on_table(DropKind.TRIGGER),
    "policy": _drop_on_table(DropKind.POLICY),
    "rule": _drop_on_table(DropKind.RULE),
    "statistics": _drop_statistics,
    "schema": _drop_used(DropKind.SCHEMA, ("every table of", None)),
    "function": _FUNCTION,
    "procedure": _FUNCTION,
    "routine": _FUNCTION,
    "extension": _drop_used(DropKind.EXTENSION, _COLUMNS),
    "type": _TYPE,
    "domain": _TYPE,
    "owned by": _drop_owned,
    "database": _drop_database,
    "tablespace": alone,
}
