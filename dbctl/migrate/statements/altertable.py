"""ALTER TABLE and the definitions of columns: which lock each action takes, and what it costs."""

from enum import Enum, auto
from typing import NamedTuple

from dbctl.migrate.statements.assessment import Draft
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import (
    Attached,
    Below,
    ColumnAdded,
    Detached,
    DropKind,
    Dropped,
    ExpressionSet,
    IndexAdded,
    KeyAdded,
    Lookup,
    NotNullSet,
    Property,
    PropertySet,
    TypeChanged,
    Validated,
)
from dbctl.migrate.statements.names import (
    BUILTIN_TYPES,
    SERIAL_TYPES,
    unknown_functions,
    work_of_default,
)
from dbctl.migrate.statements.types import TypeName, read_type
from dbctl.sqltokens import Kind, Token, TokenReader, quote, tokenize, words


class _Reach(Enum):
    """Which of the tables below are locked with the table."""

    NONE = auto()
    PARTITIONS = auto()
    ALL = auto()


class _Effect(NamedTuple):
    lock: LockLevel = LockLevel.ACCESS_EXCLUSIVE
    work: Work = Work.NONE
    note: str = ""
    reach: _Reach = _Reach.NONE


class _Table:
    """The table that is altered: `only` as the statement has it, and how far it has got."""

    def __init__(self, name: str, draft: Draft, *, only: bool) -> None:
        self.name = name
        self.only = only
        self.reach = _Reach.NONE
        self._draft = draft

    def apply(self, effect: _Effect, lookup: Lookup | None = None) -> None:
        """Add a lock and its work, which `lookup` can say more of."""
        self._draft.lock(self.name, effect.lock, effect.work, effect.note, lookup)
        self.reach = max(self.reach, effect.reach, key=lambda each: each.value)

    def add_index(self) -> None:
        """Add the tables below that are locked for a constraint which they do not inherit."""
        if not self.only:
            self._draft.look_up(IndexAdded(self.name))

    def finish(self) -> None:
        """Add the tables below, which get the strongest lock of all actions."""
        level = self._draft.level_of(self.name)
        if level and not self.only and self.reach is not _Reach.NONE:
            partitions = self.reach is _Reach.PARTITIONS
            self._draft.look_up(Below(self.name, level, partitions=partitions))


_ALL = _Effect(reach=_Reach.ALL)
_PARTITIONS = _Effect(reach=_Reach.PARTITIONS)
_WEAK = _Effect(LockLevel.SHARE_UPDATE_EXCLUSIVE)
_TRIGGER = _Effect(LockLevel.SHARE_ROW_EXCLUSIVE, reach=_Reach.PARTITIONS)
_MOVED = _Effect(work=Work.REWRITE, note="the whole table is copied while nobody can read it")
_DROPPED_KEY = "for a foreign key the table that it refers to is locked as well"
_NOT_VALID_FIRST = (
    "existing rows are checked while the lock is held; ADD ... NOT VALID, then VALIDATE in a "
    "later transaction, checks them under a weaker one"
)
_BUILT_UNDER_LOCK = (
    "the index is built while the lock is held; CREATE UNIQUE INDEX CONCURRENTLY, then ADD ... "
    "USING INDEX, builds it under a weaker one"
)
_OWN_TYPE = (
    "the table is rewritten where the type is a domain with constraints, or an array of one; it "
    "is not for an enum"
)

# Only what differs from the rule: an ACCESS EXCLUSIVE lock, and a change to the catalogue alone.
# Source: PostgreSQL docs, ALTER TABLE, Description and Notes; pg_locks of versions 15 and 18.
_ACTIONS = {
    "validate constraint": _Effect(LockLevel.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
    "cluster on": _WEAK,
    "set without cluster": _WEAK,
    "set (": _WEAK,
    "reset (": _WEAK,
    "enable trigger": _TRIGGER,
    "enable always trigger": _TRIGGER,
    "enable replica trigger": _TRIGGER,
    "disable trigger": _TRIGGER,
    "set logged": _MOVED,
    "set unlogged": _MOVED,
    "set tablespace": _MOVED,
    "set access method": _Effect(work=Work.MAYBE_REWRITE),
    "alter constraint": _PARTITIONS,
    "rename column": _ALL,
}
_PROPERTIES = {
    "set logged": Property.LOGGED,
    "set unlogged": Property.UNLOGGED,
    "set tablespace": Property.TABLESPACE,
    "set access method": Property.METHOD,
}
_COLUMN_ACTIONS = {
    "type": _Effect(
        work=Work.MAYBE_REWRITE,
        note="the table and its indexes are rewritten unless the old values are valid as they "
        "are stored, such as those of varchar(10) for varchar(20) or text",
        reach=_Reach.ALL,
    ),
    "set not null": _Effect(
        work=Work.SCAN,
        note="every row is read while the lock is held, but not where a valid CHECK (... IS NOT "
        "NULL) already proves it",
        reach=_Reach.ALL,
    ),
    "set expression": _Effect(
        work=Work.MAYBE_REWRITE, note="a stored column is computed anew", reach=_Reach.ALL
    ),
    "set statistics": _Effect(LockLevel.SHARE_UPDATE_EXCLUSIVE, reach=_Reach.ALL),
    "set default": _ALL,
    "drop default": _ALL,
    "drop not null": _ALL,
    "drop expression": _ALL,
    "set storage": _ALL,
    "add generated": _PARTITIONS,
    "set generated": _PARTITIONS,
    "drop identity": _PARTITIONS,
    "restart": _PARTITIONS,
    "set (": _WEAK,
    "reset (": _WEAK,
}
_CONSTRAINTS = {
    "check": _Effect(work=Work.SCAN, note=_NOT_VALID_FIRST, reach=_Reach.ALL),
    "not null": _Effect(work=Work.SCAN, note=_NOT_VALID_FIRST, reach=_Reach.ALL),
    "foreign key": _Effect(LockLevel.SHARE_ROW_EXCLUSIVE, Work.SCAN, _NOT_VALID_FIRST),
    "unique using index": _Effect(),
    "primary key using index": _Effect(
        work=Work.SCAN, note="every row is read unless the columns are NOT NULL already"
    ),
    "unique": _Effect(work=Work.SCAN, note=_BUILT_UNDER_LOCK),
    "primary key": _Effect(work=Work.SCAN, note=_BUILT_UNDER_LOCK, reach=_Reach.ALL),
    "exclude using": _Effect(work=Work.SCAN, note="the index is built while the lock is held"),
    "exclude (": _Effect(work=Work.SCAN, note="the index is built while the lock is held"),
}
_AFTER_DEFAULT = words(
    "constraint not null check unique primary references generated deferrable initially"
)
# What DEFAULT stands behind where it is no value of the column.
_NO_VALUE_AFTER = words("set by storage compression")


def read_alter_table(reader: TokenReader, draft: Draft) -> None:
    """Add what ALTER TABLE does, the reader standing behind those words.

    The same grammar serves foreign tables and materialized views.
    """
    if reader.accept("all", "in", "tablespace"):
        draft.unknown("every table of the tablespace is locked and copied")
        return
    reader.accept("if", "exists")
    only = reader.accept("only")
    name = reader.name()
    reader.accept("*")
    if name is None:
        draft.unknown("")
        return
    table = _Table(name, draft, only=only)
    for action in reader.split():
        _read_action(action, table, draft)
    table.finish()


def _read_action(action: TokenReader, table: _Table, draft: Draft) -> None:
    if action.accept("add"):
        _read_add(action, table, draft)
    elif action.at("alter") and not action.at("alter", "constraint"):
        _read_column_action(action, table)
    elif action.accept("drop", "constraint"):
        _read_drop_constraint(action, table, draft)
    elif action.at("drop"):
        _read_drop_column(action, table, draft)
    elif action.accept("validate", "constraint"):
        lookup = Validated(table.name, action.name() or "")
        table.apply(_ACTIONS["validate constraint"], lookup)
        draft.look_up(lookup)
    elif action.accept("attach", "partition"):
        _read_attach(action, table, draft)
    elif action.accept("detach", "partition"):
        _read_detach(action, table, draft)
    elif action.accept("inherit"):
        table.apply(_Effect())
        draft.lock(action.name(), LockLevel.SHARE_UPDATE_EXCLUSIVE)
        draft.look_up(Below(table.name, LockLevel.ACCESS_SHARE))
    elif action.accept("no", "inherit"):
        table.apply(_Effect())
        draft.lock(action.name(), LockLevel.ACCESS_SHARE)
    elif action.at("rename"):
        _read_rename(action, table, draft)
    elif action.at("set", "schema"):
        action.accept("set", "schema")
        table.apply(_Effect())
        _rename(table.name, action.name(), _parts(table.name)[-1], draft)
    else:
        table.apply(_effect(action, _ACTIONS), _property_set(action, table.name))


def _property_set(action: TokenReader, table: str) -> PropertySet | None:
    for written, what in _PROPERTIES.items():
        if action.accept(*written.split()):
            return PropertySet(table, what, action.name() or "")
    return None


def _effect(action: TokenReader, effects: dict[str, _Effect]) -> _Effect:
    if action.at("set", "(") and Token(Kind.WORD, "user_catalog_table") in action.rest:
        return _Effect()  # the one storage parameter that takes the strongest lock
    matching = (effect for words, effect in effects.items() if action.at(*words.split()))
    return next(matching, _Effect())


def _read_rename(action: TokenReader, table: _Table, draft: Draft) -> None:
    action.accept("rename")
    if action.accept("to"):
        table.apply(_Effect())
        schema = ".".join(map(quote, _parts(table.name)[:-1]))
        _rename(table.name, schema, action.name(), draft)
    elif action.accept("constraint"):
        table.apply(_Effect())
        below = Below(table.name, LockLevel.ACCESS_EXCLUSIVE, constraint=action.name() or "")
        draft.look_up(below)
    else:
        table.apply(_ALL)


def _rename(table: str, schema: str | None, name: str | None, draft: Draft) -> None:
    if name:
        draft.rename(table, f"{schema}.{name}" if schema else name)


def _parts(table: str) -> list[str]:
    return TokenReader(list(tokenize(table))).name_parts()


def _read_column_action(action: TokenReader, table: _Table) -> None:
    action.accept("alter")
    action.accept("column")
    column = "".join(action.name_parts())
    action.accept("set", "data")
    table.apply(_effect(action, _COLUMN_ACTIONS), _column_lookup(action, table, column))


def _column_lookup(action: TokenReader, table: _Table, column: str) -> Lookup | None:
    if action.accept("type"):
        return _type_changed(action, table.name, column)
    if action.at("set", "not", "null"):
        return NotNullSet(table.name, (column,), only=table.only)
    if action.at("set", "expression"):
        return ExpressionSet(table.name, column)
    return None


def _type_changed(action: TokenReader, table: str, column: str) -> Lookup | None:
    type_ = read_type(action)
    if type_ is None:
        return None
    collation = "".join(action.name_parts()[-1:]) if action.accept("collate") else None
    simple = not action.accept("using") or _is_cast(action, column, type_)
    return TypeChanged(table, column, type_, collation, simple=simple)


def _is_cast(action: TokenReader, column: str, type_: TypeName) -> bool:
    """Return whether USING is the column alone, or cast to the new type as one would write it."""
    wrapped = action.accept("cast", "(")
    bracketed = not wrapped and action.accept("(")
    if action.name_parts() != [column]:
        return False
    if bracketed and not action.accept(")"):
        return False
    if action.peek() is None:
        return True
    return action.accept("as" if wrapped else "::") and read_type(action) == type_


def _read_drop_constraint(action: TokenReader, table: _Table, draft: Draft) -> None:
    action.accept("if", "exists")
    name = "".join(action.name_parts())
    table.apply(_Effect(note=_DROPPED_KEY))
    draft.look_up(
        Dropped(DropKind.CONSTRAINT, table.name, name, cascade=action.at("cascade")),
        Below(table.name, LockLevel.ACCESS_EXCLUSIVE, constraint=name),
    )


def _read_drop_column(action: TokenReader, table: _Table, draft: Draft) -> None:
    action.accept("drop")
    action.accept("column")
    action.accept("if", "exists")
    table.apply(_ALL)
    parts = action.name_parts()
    if parts:
        draft.lose(table.name, quote(parts[0]))
        cascade = action.at("cascade")
        column = Dropped(DropKind.COLUMN, table.name, parts[0], cascade=cascade, below=True)
        draft.look_up(column)


def _read_attach(action: TokenReader, table: _Table, draft: Draft) -> None:
    table.apply(_Effect(LockLevel.SHARE_UPDATE_EXCLUSIVE))
    note = "existing rows are read unless a valid CHECK proves that they fit the partition"
    partition = action.name()
    lookup = Attached(table.name, partition or "", default=action.at("default"))
    draft.lock(partition, LockLevel.ACCESS_EXCLUSIVE, Work.SCAN, note, lookup)
    draft.look_up(lookup)


def _read_detach(action: TokenReader, table: _Table, draft: Draft) -> None:
    partition = action.name()
    concurrently = action.at("concurrently")
    weak = concurrently or action.at("finalize")
    level = LockLevel.SHARE_UPDATE_EXCLUSIVE if weak else LockLevel.ACCESS_EXCLUSIVE
    table.apply(_Effect(level))
    draft.lock(partition, LockLevel.ACCESS_EXCLUSIVE)
    draft.look_up(Detached(table.name, partition or "", concurrently=weak))
    draft.transactional &= not concurrently


def _read_add(action: TokenReader, table: _Table, draft: Draft) -> None:
    if action.accept("constraint"):
        action.name()
    if any(action.at(*words.split()) for words in _CONSTRAINTS):
        _read_constraint(action, table, draft)
        return
    action.accept("column")
    action.accept("if", "not", "exists")
    action.name()
    _read_added_column(action, table, draft)


def _read_constraint(action: TokenReader, table: _Table, draft: Draft) -> None:
    effect = _effect(action, _CONSTRAINTS)
    if action.has("not", "valid") or action.has("not", "enforced"):
        effect = effect._replace(work=Work.NONE, note="")
    lookup: Lookup | None = None
    if effect is _CONSTRAINTS["primary key using index"]:
        lookup = NotNullSet(table.name, ())
    elif effect in (_CONSTRAINTS["unique"], _CONSTRAINTS["exclude using"]):
        table.add_index()
    if action.has("no", "inherit"):
        effect = effect._replace(reach=_Reach.NONE)
        table.add_index()
    table.apply(effect, lookup)
    read_references(action, table.name, draft)


def read_references(definition: TokenReader, table: str, draft: Draft) -> None:
    """Add the lock on the other table where the definition of a column or constraint has one."""
    if definition.seek("references"):
        other = definition.name()
        if other != table:
            draft.lock(other, LockLevel.SHARE_ROW_EXCLUSIVE)
        if other:
            draft.look_up(KeyAdded(table, other))


def _read_added_column(column: TokenReader, table: _Table, draft: Draft) -> None:
    type_ = read_type(TokenReader(column.rest))
    *schema, name = column.name_parts() or [""]
    default = _default(column)
    work, note = max(
        _work_of_type(schema, name),
        _work_of_values(column, default),
        key=lambda found: found[0].amount,
    )
    lookup: Lookup | None = None
    if type_ and work is Work.MAYBE_REWRITE:
        lookup = ColumnAdded(table.name, type_, unknown_functions(default))
    table.apply(_Effect(work=work, note=note, reach=_Reach.ALL), lookup)
    checks, note = _work_of_checks(column, has_value=bool(default) or name in SERIAL_TYPES)
    table.apply(_Effect(work=checks, note=note))
    if column.has("unique") or column.has("primary", "key"):
        table.add_index()
    read_references(column, table.name, draft)


def _default(column: TokenReader) -> list[Token]:
    """Return the tokens of the column's DEFAULT, none where it is NULL."""
    reader = TokenReader(column.rest)
    while reader.seek("default"):
        if reader.tokens[reader.position - 2].text in _NO_VALUE_AFTER:
            continue
        value: list[Token] = []
        for token in reader.rest:
            if token.kind is Kind.WORD and token.text in _AFTER_DEFAULT:
                break
            value.append(token)
        return value
    return []


def _work_of_type(schema: list[str], type_: str) -> tuple[Work, str]:
    if type_ in SERIAL_TYPES:
        return Work.REWRITE, "every row gets a number of its own"
    built_in = type_ in BUILTIN_TYPES and schema in ([], ["pg_catalog"])
    return (Work.NONE, "") if built_in else (Work.MAYBE_REWRITE, _OWN_TYPE)


def _work_of_values(column: TokenReader, default: list[Token]) -> tuple[Work, str]:
    if column.has("as", "identity"):
        return Work.REWRITE, "every row gets a number of its own"
    if column.has("generated") and column.has("stored"):
        return Work.REWRITE, "the column is computed for every row"
    work = work_of_default(default)
    notes = {
        Work.REWRITE: "every row gets a value of its own; ADD COLUMN without it, SET DEFAULT and "
        "an UPDATE in batches spares the rewrite",
        Work.MAYBE_REWRITE: "the table is rewritten where a function of the default is volatile",
    }
    return work, notes.get(work, "")


def _work_of_checks(column: TokenReader, *, has_value: bool) -> tuple[Work, str]:
    if column.has("unique") or column.has("primary", "key"):
        return Work.SCAN, "the index of the constraint is built while the lock is held"
    if column.has("check") or (has_value and column.has("references")):
        return Work.SCAN, "every row is checked while the lock is held"
    if column.has("not", "null") and not has_value:
        return Work.SCAN, "every row is read, and it fails where there is one: a default is missing"
    return Work.NONE, ""
