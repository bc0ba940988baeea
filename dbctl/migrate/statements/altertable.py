"""ALTER TABLE and the definitions of columns: which lock each action takes, and what it costs."""

from typing import NamedTuple

from dbctl.migrate.statements.assessment import Draft, LockLevel, Work
from dbctl.migrate.statements.names import BUILTIN_TYPES, SERIAL_TYPES, work_of_default
from dbctl.sqltokens import Kind, Token, TokenReader, quote, tokenize, words


class _Effect(NamedTuple):
    lock: LockLevel = LockLevel.ACCESS_EXCLUSIVE
    work: Work = Work.NONE
    note: str = ""


_WEAK = _Effect(LockLevel.SHARE_UPDATE_EXCLUSIVE)
_TRIGGER = _Effect(LockLevel.SHARE_ROW_EXCLUSIVE)
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
    "drop constraint": _Effect(note=_DROPPED_KEY),
}
_COLUMN_ACTIONS = {
    "type": _Effect(
        work=Work.MAYBE_REWRITE,
        note="the table and its indexes are rewritten unless the old values are valid as they "
        "are stored, such as those of varchar(10) for varchar(20) or text",
    ),
    "set not null": _Effect(
        work=Work.SCAN,
        note="every row is read while the lock is held, but not where a valid CHECK (... IS NOT "
        "NULL) already proves it",
    ),
    "set expression": _Effect(work=Work.MAYBE_REWRITE, note="a stored column is computed anew"),
    "set statistics": _WEAK,
    "set (": _WEAK,
    "reset (": _WEAK,
}
_CONSTRAINTS = {
    "check": _Effect(work=Work.SCAN, note=_NOT_VALID_FIRST),
    "not null": _Effect(work=Work.SCAN, note=_NOT_VALID_FIRST),
    "foreign key": _Effect(LockLevel.SHARE_ROW_EXCLUSIVE, Work.SCAN, _NOT_VALID_FIRST),
    "unique using index": _Effect(),
    "primary key using index": _Effect(
        work=Work.SCAN, note="every row is read unless the columns are NOT NULL already"
    ),
    "unique": _Effect(work=Work.SCAN, note=_BUILT_UNDER_LOCK),
    "primary key": _Effect(work=Work.SCAN, note=_BUILT_UNDER_LOCK),
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
    reader.accept("only")
    table = reader.name()
    reader.accept("*")
    if table is None:
        draft.unknown("")
        return
    for action in reader.split():
        _read_action(action, table, draft)


def _read_action(action: TokenReader, table: str, draft: Draft) -> None:
    if action.accept("add"):
        _read_add(action, table, draft)
    elif action.at("alter") and not action.at("alter", "constraint"):
        _read_column_action(action, table, draft)
    elif action.at("drop") and not action.at("drop", "constraint"):
        _read_drop_column(action, table, draft)
    elif action.accept("attach", "partition"):
        draft.lock(table, LockLevel.SHARE_UPDATE_EXCLUSIVE)
        note = "existing rows are read unless a valid CHECK proves that they fit the partition"
        draft.lock(action.name(), LockLevel.ACCESS_EXCLUSIVE, Work.SCAN, note)
    elif action.accept("detach", "partition"):
        _read_detach(action, table, draft)
    elif action.accept("inherit"):
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        draft.lock(action.name(), LockLevel.SHARE_UPDATE_EXCLUSIVE)
    elif action.accept("no", "inherit"):
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        draft.lock(action.name(), LockLevel.ACCESS_SHARE)
    elif action.accept("rename", "to"):
        draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
        _rename(table, action, draft)
    else:
        _apply(_effect(action, _ACTIONS), table, draft)


def _effect(action: TokenReader, effects: dict[str, _Effect]) -> _Effect:
    if action.at("set", "(") and Token(Kind.WORD, "user_catalog_table") in action.rest:
        return _Effect()  # the one storage parameter that takes the strongest lock
    matching = (effect for words, effect in effects.items() if action.at(*words.split()))
    return next(matching, _Effect())


def _apply(effect: _Effect, table: str, draft: Draft) -> None:
    draft.lock(table, effect.lock, effect.work, effect.note)


def _rename(table: str, action: TokenReader, draft: Draft) -> None:
    schema = TokenReader(list(tokenize(table))).name_parts()[:-1]
    if name := action.name():
        draft.rename(table, ".".join((*map(quote, schema), name)))


def _read_column_action(action: TokenReader, table: str, draft: Draft) -> None:
    action.accept("alter")
    action.accept("column")
    action.name()
    action.accept("set", "data")
    _apply(_effect(action, _COLUMN_ACTIONS), table, draft)


def _read_drop_column(action: TokenReader, table: str, draft: Draft) -> None:
    action.accept("drop")
    action.accept("column")
    action.accept("if", "exists")
    draft.lock(table, LockLevel.ACCESS_EXCLUSIVE)
    if column := action.name():
        draft.lose(table, column)


def _read_detach(action: TokenReader, table: str, draft: Draft) -> None:
    partition = action.name()
    concurrently = action.at("concurrently")
    weak = concurrently or action.at("finalize")
    draft.lock(table, LockLevel.SHARE_UPDATE_EXCLUSIVE if weak else LockLevel.ACCESS_EXCLUSIVE)
    draft.lock(partition, LockLevel.ACCESS_EXCLUSIVE)
    draft.transactional &= not concurrently


def _read_add(action: TokenReader, table: str, draft: Draft) -> None:
    if action.accept("constraint"):
        action.name()
    if any(action.at(*words.split()) for words in _CONSTRAINTS):
        _read_constraint(action, table, draft)
        return
    action.accept("column")
    action.accept("if", "not", "exists")
    action.name()
    _read_added_column(action, table, draft)


def _read_constraint(action: TokenReader, table: str, draft: Draft) -> None:
    effect = _effect(action, _CONSTRAINTS)
    if action.has("not", "valid") or action.has("not", "enforced"):
        effect = _Effect(effect.lock)
    _apply(effect, table, draft)
    read_references(action, table, draft)


def read_references(definition: TokenReader, table: str, draft: Draft) -> None:
    """Add the lock on the other table where the definition of a column or constraint has one."""
    if definition.seek("references"):
        other = definition.name()
        if other != table:
            draft.lock(other, LockLevel.SHARE_ROW_EXCLUSIVE)


def _read_added_column(column: TokenReader, table: str, draft: Draft) -> None:
    *schema, type_ = column.name_parts() or [""]
    default = _default(column)
    work, note = max(
        _work_of_type(schema, type_),
        _work_of_values(column, default),
        _work_of_checks(column, has_value=bool(default) or type_ in SERIAL_TYPES),
        key=lambda found: found[0].amount,
    )
    draft.lock(table, LockLevel.ACCESS_EXCLUSIVE, work, note)
    read_references(column, table, draft)


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
