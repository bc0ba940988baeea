"""Say what a SQL statement locks and how much work it is, from its text alone."""

from collections.abc import Collection, Mapping

from dbctl.migrate.statements.assessment import Assessment, Draft, LockLevel, Work
from dbctl.migrate.statements.definitions import read_alter, read_create, read_drop
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
from dbctl.sqltokens import Kind, Token, TokenReader, tokenize

_COMMITS = "it ends the transaction that the revision runs in"


def assess(sql: str, created: Collection[str] = ()) -> Assessment:
    """Return what a statement does to its tables, without asking a database.

    `created` are tables made earlier in the same run, as `Assessment.creates` names them: nobody
    waits for their locks, so these are left out, with work on them and losses from them. Several
    statements in one text are assessed as one. Locks that follow from what the text does not
    tell (partitions, foreign keys, triggers) are missing.
    Source: PostgreSQL docs, Explicit Locking and the page of each command; pg_locks of 15 and 18.
    """
    draft = Draft(created)
    tokens = list(tokenize(sql))
    # The body of a function in standard SQL has semicolons of its own.
    whole = TokenReader(tokens).has("begin", "atomic")
    for statement in [TokenReader(tokens)] if whole else TokenReader(tokens).split(";"):
        if statement.peek():
            reading_of(statement, _STATEMENTS)(statement, draft)
    return draft.finish()


def _end(_reader: TokenReader, draft: Draft) -> None:
    draft.remark(_COMMITS)


def _truncate(reader: TokenReader, draft: Draft) -> None:
    reader.accept("table")
    for table in reader.names():
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        draft.lose(table)
        if reader.has("cascade"):
            draft.lose(f"every table that refers to {table}")


def _query(reader: TokenReader, draft: Draft) -> None:
    reader.position = 0
    walk = QueryWalk(reader, draft)
    walk.run()
    if walk.functions and not draft.writes_rows:
        draft.unknown(f"the function {walk.functions[0]} may lock and change any table")


def _table(reader: TokenReader, draft: Draft) -> None:
    draft.lock(reader.name(), LockLevel.ACCESS_SHARE)


def _copy(reader: TokenReader, draft: Draft) -> None:
    if reader.at("("):
        QueryWalk(TokenReader(reader.group()), draft).run()
        return
    table = reader.name()
    reader.skip_group()
    draft.lock(table, LockLevel.ROW_EXCLUSIVE if reader.at("from") else LockLevel.ACCESS_SHARE)


def _lock_table(reader: TokenReader, draft: Draft) -> None:
    reader.accept("table")
    tables = reader.names()
    levels = (level for level in LockLevel if reader.at("in", *level.lower().split(), "mode"))
    level = next(levels, LockLevel.ACCESS_EXCLUSIVE)
    for table in tables:
        draft.lock(table, level)


def _reindex(reader: TokenReader, draft: Draft) -> None:
    options = reader.group() if reader.at("(") else []
    kind = reader.peek()
    reader.position += 1
    concurrently = reader.accept("concurrently") or _has_option(options, "concurrently")
    name = reader.name()
    level = LockLevel.SHARE_UPDATE_EXCLUSIVE if concurrently else LockLevel.SHARE
    draft.transactional &= not concurrently
    match kind:
        case (Kind.WORD, "table"):
            draft.lock(name, level, Work.SCAN)
        case (Kind.WORD, "index"):
            draft.index = name
            note = "" if concurrently else "no query of the table can start meanwhile"
            draft.lock(name and f"table of {name}", level, Work.SCAN, note)
        case _:
            draft.transactional = False
            draft.unknown("every table in it is locked in turn")


def _refresh(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    view = reader.name()
    if concurrently:
        draft.lock(view, LockLevel.EXCLUSIVE, Work.SCAN)
        return
    work = Work.NONE if reader.has("with", "no", "data") else Work.REWRITE
    note = "the view cannot be read meanwhile; CONCURRENTLY lets readers in"
    draft.lock(view, LockLevel.ACCESS_EXCLUSIVE, work, note)


def _cluster(reader: TokenReader, draft: Draft) -> None:
    _skip_options(reader)
    table = reader.name()
    if reader.accept("on"):
        table = reader.name()
    if table is None:
        draft.transactional = False
        draft.unknown("every table that was clustered before is rewritten in turn")
        return
    draft.lock(table, LockLevel.ACCESS_EXCLUSIVE, Work.REWRITE)


def _vacuum(reader: TokenReader, draft: Draft) -> None:
    draft.transactional = False
    options = _skip_options(reader)
    level, work = LockLevel.SHARE_UPDATE_EXCLUSIVE, Work.SCAN
    if _has_option(options, "full"):
        level, work = LockLevel.ACCESS_EXCLUSIVE, Work.REWRITE
    _each_or_all(reader, draft, level, work)


def _analyze(reader: TokenReader, draft: Draft) -> None:
    _skip_options(reader)
    _each_or_all(reader, draft, LockLevel.SHARE_UPDATE_EXCLUSIVE, Work.NONE)


def _each_or_all(reader: TokenReader, draft: Draft, level: LockLevel, work: Work) -> None:
    tables = reader.names()
    for table in tables:
        draft.lock(table, level, work)
    if not tables:
        draft.unknown("every table is locked in turn")


def _skip_options(reader: TokenReader) -> list[Token]:
    """Step over the options before a table's name, old style or new, and return them."""
    if reader.at("("):
        return reader.group()
    start = reader.position
    reader.accept_any("full", "freeze", "verbose", "analyze", "analyse")
    return list(reader.tokens[start : reader.position])


def _has_option(options: list[Token], name: str) -> bool:
    for option in TokenReader(options).split():
        if name in (token.text for token in option.tokens):
            return option.tokens[-1].text not in ("false", "off", "0")
    return False


def _comment(reader: TokenReader, draft: Draft) -> None:
    reading_of(reader, _COMMENT)(reader, draft)


def _grant(reader: TokenReader, draft: Draft) -> None:
    if not reader.seek("on") or any(reader.at(*words.split()) for words in _GRANTED):
        return
    reader.accept("table")
    for table in reader.names():
        draft.lock(table, LockLevel.ACCESS_SHARE)


_GRANTED = (
    "all", "schema", "sequence", "database", "domain", "function", "procedure", "routine",
    "language", "large object", "tablespace", "type", "parameter", "foreign",
)  # fmt: skip


def _comment_on_constraint(reader: TokenReader, draft: Draft) -> None:
    if not reader.has("on", "domain"):
        _COMMENTED_ON(reader, draft)


_COMMENTED = locked(LockLevel.SHARE_UPDATE_EXCLUSIVE)
_COMMENTED_ON = locked_after("on", LockLevel.ACCESS_SHARE)
_COMMENT: Mapping[str, Reading] = {
    **WITHOUT_TABLE,
    "table": _COMMENTED,
    "view": _COMMENTED,
    "materialized view": _COMMENTED,
    "foreign table": _COMMENTED,
    "column": lambda reader, draft: lock_of_column(reader, draft, LockLevel.SHARE_UPDATE_EXCLUSIVE),
    "trigger": _COMMENTED_ON,
    "rule": _COMMENTED_ON,
    "policy": _COMMENTED_ON,
    "constraint": _comment_on_constraint,
    "index": no_table,
    "tablespace": no_table,
}
_STATEMENTS: Mapping[str, Reading] = {
    "create": read_create,
    "alter": read_alter,
    "drop": read_drop,
    "truncate": _truncate,
    "select": _query,
    "values": _query,
    "(": _query,
    "with": _query,
    "insert": _query,
    "update": _query,
    "delete": _query,
    "merge": _query,
    "table": _table,
    "copy": _copy,
    "lock": _lock_table,
    "comment on": _comment,
    "grant": _grant,
    "revoke": _grant,
    "reindex": _reindex,
    "refresh materialized view": _refresh,
    "cluster": _cluster,
    "vacuum": _vacuum,
    "analyze": _analyze,
    "analyse": _analyze,
    "discard all": alone,
    "commit": _end,
    "end": _end,
    "abort": _end,
    "rollback to": no_table,
    "rollback": _end,
} | dict.fromkeys(
    (
        "set", "reset", "show", "begin", "start transaction", "savepoint", "release", "notify",
        "listen", "unlisten", "checkpoint", "security label", "reassign owned", "deallocate",
    ),
    no_table,
)  # fmt: skip
