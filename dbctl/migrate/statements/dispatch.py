"""Say what a SQL statement locks and how much work it is, from its text alone."""

from collections.abc import Collection, Mapping, Sequence

from dbctl.migrate.statements.assessment import Assessment, Draft
from dbctl.migrate.statements.definitions import read_alter, read_create, read_drop
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import (
    Alone,
    Maintained,
    PathSet,
    Read,
    Refreshed,
    TableOfIndex,
    Truncated,
    Written,
    ZoneSet,
)
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
from dbctl.sqltokens import Kind, Token, TokenReader, string_value, tokenize

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
    tables = reader.tables()
    cascade = reader.has("cascade")
    for table, only in tables:
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        draft.lose(table)
        draft.look_up(Truncated(table, only=only, cascade=cascade))
        if cascade:
            draft.lose(f"every table that refers to {table}", described=True)


def _query(reader: TokenReader, draft: Draft) -> None:
    reader.position = 0
    _read_set_config(reader, draft)
    walk = QueryWalk(reader, draft)
    walk.run()
    if walk.functions and not draft.writes_rows:
        draft.unknown(f"the function {walk.functions[0]} may lock and change any table")


def _copy(reader: TokenReader, draft: Draft) -> None:
    if reader.at("("):
        QueryWalk(TokenReader(reader.group()), draft).run()
        return
    table = reader.name()
    reader.skip_group()
    writes = reader.at("from")
    draft.lock(table, LockLevel.ROW_EXCLUSIVE if writes else LockLevel.ACCESS_SHARE)
    if table and writes:
        draft.look_up(Written(table, "insert"))


def _lock_table(reader: TokenReader, draft: Draft) -> None:
    reader.accept("table")
    tables = reader.tables()
    levels = (level for level in LockLevel if reader.at("in", *level.lower().split(), "mode"))
    level = next(levels, LockLevel.ACCESS_EXCLUSIVE)
    for table, only in tables:
        draft.lock(table, level)
        draft.look_up(Read(table, level, only=only, certain=True))


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
            draft.look_up(Alone(name or "", level))
        case (Kind.WORD, "index"):
            draft.index = name
            draft.look_up(TableOfIndex(name or "", level), Alone(name or "", level))
            note = "" if concurrently else "no query of the table can start meanwhile"
            draft.lock(name and f"table of {name}", level, Work.SCAN, note)
        case _:
            draft.transactional = False
            draft.unknown("every table in it is locked in turn")


def _refresh(reader: TokenReader, draft: Draft) -> None:
    concurrently = reader.accept("concurrently")
    view = reader.name()
    empties = reader.has("with", "no", "data")
    if view and not empties:
        draft.look_up(Refreshed(view))
    if concurrently:
        draft.lock(view, LockLevel.EXCLUSIVE, Work.SCAN)
        return
    work = Work.NONE if empties else Work.REWRITE
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
    draft.look_up(Alone(table, LockLevel.ACCESS_EXCLUSIVE))


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
    tables = reader.tables()
    for table, only in tables:
        draft.lock(table, level, work)
        draft.look_up(Maintained(table, level, analyzes=work is Work.NONE, only=only))
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


def _set(reader: TokenReader, draft: Draft) -> None:
    reader.accept_any("session", "local")
    if reader.accept("search_path", "to") or reader.accept("search_path", "="):
        draft.look_up(PathSet(tuple(_schemas(reader.rest))))
    elif any(reader.accept(*each) for each in _ZONE):
        zone = next(iter(_schemas(reader.rest)), "")
        draft.look_up(ZoneSet("" if zone in ("default", "local") else zone))


_ZONE = (("timezone", "to"), ("timezone", "="), ("time", "zone"))


def _read_set_config(reader: TokenReader, draft: Draft) -> None:
    """Add what a query sets, such as the search_path in every dump of pg_dump."""
    called = TokenReader(reader.tokens)
    while token := called.peek():
        called.position += 1
        if token == (Kind.WORD, "set_config") and called.at("("):
            name, value, *_ = [*TokenReader(called.group()).split(), *[TokenReader([])] * 2]
            given = string_value(value.tokens[0].text) if value.tokens else ""
            match [each.text.lower() for each in name.tokens]:
                case ["'search_path'"]:
                    draft.look_up(PathSet(tuple(_schemas(list(tokenize(given))))))
                case ["'timezone'"]:
                    draft.look_up(ZoneSet(given))


def _schemas(path: Sequence[Token]) -> list[str]:
    kinds = (Kind.WORD, Kind.QUOTED, Kind.STRING)
    names = [(each.kind, each.text) for each in path if each.kind in kinds]
    values = [string_value(text) if kind is Kind.STRING else text for kind, text in names]
    return [name for name in values if name]


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
    "table": _query,
    "copy": _copy,
    "lock": _lock_table,
    "comment on": _comment,
    "grant": _grant,
    "revoke": _grant,
    "reindex": _reindex,
    "set": _set,
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
        "reset", "show", "begin", "start transaction", "savepoint", "release", "notify",
        "listen", "unlisten", "checkpoint", "security label", "reassign owned", "deallocate",
    ),
    no_table,
)  # fmt: skip
