"""SELECT, INSERT, UPDATE, DELETE and MERGE: which tables they read, and which they write."""

from dataclasses import dataclass, field
from enum import Enum, auto

from dbctl.migrate.statements.assessment import Draft
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import Read, Written
from dbctl.migrate.statements.names import foreign_call
from dbctl.sqltokens import Kind, TokenReader, quote, words

_ROWS = "every row that it touches stays locked until COMMIT"
_ALL_ROWS = "every row of the table stays locked until COMMIT; batches of their own hold few"
_ROW_LOCKS = ("update", "no key update", "share", "key share")
# An UPDATE behind these is no statement: FOR UPDATE, ON CONFLICT DO UPDATE, THEN UPDATE ...
_NO_STATEMENT_AFTER = frozenset(("for", "key", "do", "then", "on"))
# What ends a list of tables, so that a comma behind it is not one between tables.
_CLAUSES = words(
    """
    where group order having window limit offset fetch for union intersect except returning set when
    select values
    """
)


@dataclass(slots=True)
class _Level:
    """A query between one pair of brackets."""

    is_query: bool = False
    in_with: bool = False
    in_tables: bool = False
    tables: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    changes_rows: bool = False
    has_where: bool = False


class Stage(Enum):
    """How far the server goes with a query: that of a view is parsed, that of SQL is run."""

    PARSED = auto()
    REWRITTEN = auto()
    RUN = auto()


class QueryWalk:
    """One pass over a query, from the first token to the last.

    `functions` are those that it calls and that do not come with PostgreSQL.

    Source: PostgreSQL docs, Explicit Locking, Table-Level Locks. What a foreign key, a trigger or
    a view adds to it is not in the text.
    """

    def __init__(self, reader: TokenReader, draft: Draft, stage: Stage = Stage.RUN) -> None:
        self._reader = reader
        self._draft = draft
        self._stage = stage
        self._levels = [_Level()]
        self._common_tables: set[str] = set()
        self.functions: list[str] = []

    def run(self) -> None:
        """Add the locks, the work and the losses of the query to the draft."""
        while token := self._reader.peek():
            if token.kind is Kind.SYMBOL:
                self._symbol(token.text)
            elif token.kind is not Kind.WORD or not self._word(token.text):
                self._reader.position += 1
        while self._levels:
            self._close()

    @property
    def _level(self) -> _Level:
        return self._levels[-1]

    def _symbol(self, symbol: str) -> None:
        place = self._reader.position
        self._reader.position += 1
        if symbol == "(":
            if function := foreign_call(self._reader.tokens, place):
                self.functions.append(function)
            self._levels.append(_Level())
        elif symbol == ")" and len(self._levels) > 1:
            self._close()
        elif symbol == "," and self._level.in_with:
            self._common_table()
        elif symbol == "," and self._level.in_tables:
            self._table()

    def _close(self) -> None:
        level = self._levels.pop()
        if level.target and level.changes_rows and self._stage is Stage.RUN:
            work, note = (Work.NONE, _ROWS) if level.has_where else (Work.SCAN, _ALL_ROWS)
            self._draft.lock(level.target, LockLevel.ROW_EXCLUSIVE, work, note)

    def _word(self, word: str) -> bool:
        """Step over what `word` begins, and say whether it begins anything."""
        level, reader = self._level, self._reader
        before = reader.tokens[reader.position - 1].text if reader.position else ""
        if word in _CLAUSES:
            level.in_tables = False
        level.has_where |= word == "where"
        match word:
            case "with" if not level.is_query:
                reader.position += 1
                reader.accept("recursive")
                level.in_with = True
                self._common_table()
            case "select" | "values":
                reader.position += 1
                level.is_query, level.in_with = True, False
            case "insert" | "update" | "delete" | "merge" if before not in _NO_STATEMENT_AFTER:
                self._change(word)
            case "into" if level.is_query and level.target is None:
                self._select_into()
            case "table" if not level.is_query:
                reader.position += 1
                level.is_query = True
                self._table()
            case "from" | "join" | "using" if level.is_query and before != "distinct":
                reader.position += 1
                level.in_tables = True
                self._table()
            case "for" if level.is_query:
                return self._lock_rows()
            case "delete" if before == "then" and level.target:
                self._lose(level.target)
                return False
            case _:
                return False
        return True

    def _change(self, verb: str) -> None:
        reader, level = self._reader, self._level
        reader.position += 1
        reader.accept_any("into", "from")
        only = reader.accept("only")
        level.target = reader.name()
        reader.skip_group()
        level.is_query, level.in_with = True, False
        level.changes_rows = verb in ("update", "delete")
        self._draft.lock(level.target, LockLevel.ROW_EXCLUSIVE)
        if level.target is None:
            return
        if verb == "delete":
            self._lose(level.target)
        self._look_up(level.target, LockLevel.ROW_EXCLUSIVE, only=only or verb == "insert")
        if self._stage is Stage.RUN:
            self._draft.look_up(Written(level.target, verb, self._columns_set(), only=only))

    def _columns_set(self) -> tuple[str, ...]:
        """Return the columns that an UPDATE from here on sets."""
        ahead = TokenReader(self._reader.rest)
        if not ahead.seek("set"):
            return ()
        found: list[str] = []
        for assignment in ahead.split():
            if assignment.at("("):
                found += TokenReader(assignment.group()).names()
            else:
                found += assignment.name_parts()[:1]
        return tuple(found)

    def _lose(self, table: str) -> None:
        if self._stage is Stage.RUN:
            self._draft.lose(table)

    def _look_up(self, table: str, level: LockLevel, *, only: bool) -> None:
        """Ask for the tables behind `table`; the query of a view is not even rewritten."""
        if self._stage is not Stage.PARSED:
            only |= self._stage is Stage.REWRITTEN
            self._draft.look_up(Read(table, level, only=only))

    def _select_into(self) -> None:
        self._reader.position += 1
        self._reader.accept_any("temp", "temporary", "unlogged", "table")
        if name := self._reader.name():
            self._draft.create(name)

    def _common_table(self) -> None:
        if name := self._reader.name():
            self._common_tables.add(name)
            self._reader.skip_group()

    def _table(self) -> None:
        reader = self._reader
        only = reader.accept("only")
        reader.accept_any("only", "lateral")
        parts = reader.name_parts()
        if not parts or reader.at("("):  # a subquery, or a function
            return
        table = ".".join(map(quote, parts))
        if table in self._common_tables:
            return
        reader.accept("*")
        self._draft.lock(table, LockLevel.ACCESS_SHARE)
        self._look_up(table, LockLevel.ACCESS_SHARE, only=only)
        alias = reader.peek(1 if reader.at("as") else 0)
        self._level.tables[parts[-1]] = table
        if alias:
            self._level.tables[alias.text] = table

    def _lock_rows(self) -> bool:
        reader, tables = self._reader, self._level.tables
        reader.position += 1
        if not any(reader.accept(*words.split()) for words in _ROW_LOCKS):
            return True
        if reader.accept("of"):
            locked = {tables[name] for name in reader.names() if name in tables}
        else:
            locked = set(tables.values())
        for table in sorted(locked):
            self._draft.lock(table, LockLevel.ROW_SHARE, note=_ROWS)
            self._look_up(table, LockLevel.ROW_SHARE, only=False)
        return True
