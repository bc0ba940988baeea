"""The rules, each with how bad it is, what it says, and what to do instead.

They add to those of squawk: none finds what squawk 2.70 has a rule for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbctl.migrate.catalogue.effects import Effect
from dbctl.migrate.lint_rules.facts import Facts
from dbctl.migrate.severity import Severity
from dbctl.migrate.statements import LockLevel, Work
from dbctl.migrate.statements.lookups import ColumnAdded
from dbctl.sqltokens import Kind, TokenReader, string_value

_MOST_COLUMNS = 3
_SERIAL = ("smallserial", "serial", "bigserial", "serial2", "serial4", "serial8")
_TYPES = {
    "json": (
        "prefer-jsonb",
        "json has no equality, so that DISTINCT and GROUP BY fail; use jsonb.",
    ),
    "money": ("ban-money-field", "money depends on lc_monetary; use numeric."),
    "timetz": ("ban-timetz-field", "timetz has no date to know an offset by; use timestamptz."),
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a statement breaks."""

    rule: str
    level: Severity
    message: str
    help: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule; `finds` returns what it says of a statement, None where it is kept."""

    name: str
    level: Severity
    help: str
    finds: Callable[[Facts], str | None]


def breaches(facts: Facts) -> Iterator[Breach]:
    """Yield the rules that a statement breaks."""
    for rule in _RULES:
        if message := rule.finds(facts):
            yield Breach(rule.name, rule.level, message, rule.help)
    for column in facts.columns():
        if not column.type.schema and column.type.name in _TYPES:
            name, why = _TYPES[column.type.name]
            yield Breach(name, Severity.WARNING, f"{column.name} is {column.type.name}: {why}", "")


def _rewrites(facts: Facts) -> str | None:
    moved = facts.begins("vacuum", "cluster") or (
        facts.begins("alter table", "alter materialized view", "alter index")
        and facts.has("set logged", "set unlogged", "set tablespace", "set access method")
    )
    computed = facts.begins("alter table") and facts.has("set expression")
    numbered = facts.begins("alter table") and any(
        token.kind is Kind.WORD and token.text in _SERIAL for token in facts.tokens
    )
    if facts.effect and _checks_domain(facts, facts.effect):
        return f"It rewrites {facts.table} under ACCESS EXCLUSIVE: {facts.effect.note}."
    costs = facts.assessed.work in (Work.REWRITE, Work.MAYBE_REWRITE)
    if facts.assessed.locks and costs and (moved or computed or numbered):
        may = "may rewrite" if facts.assessed.work is Work.MAYBE_REWRITE else "rewrites"
        return f"It {may} {facts.table} under ACCESS EXCLUSIVE: nobody reads or writes meanwhile."
    return None


def _checks_domain(facts: Facts, effect: Effect) -> bool:
    """Return whether a new column is of a domain with constraints; a DEFAULT is squawk's."""
    lookups = [cost.lookup for cost in facts.assessed.costs]
    added = [each for each in lookups if isinstance(each, ColumnAdded) and not each.functions]
    return bool(added) and effect.work is Work.REWRITE


def _scans(facts: Facts) -> str | None:
    if not facts.assessed.locks:
        return None
    if any(column.definition.has("check") for column in facts.columns()):
        if facts.begins("alter table"):
            return f"Every row of {facts.table} is checked under ACCESS EXCLUSIVE."
    elif facts.begins("create table") and facts.has("partition of"):
        return f"{facts.table} is locked in ACCESS EXCLUSIVE, and its default partition is read."
    elif facts.begins("alter table") and facts.has("attach partition"):
        reader = facts.reader
        reader.seek("attach", "partition")
        partition = reader.name() or ""
        is_new = partition not in dict(facts.assessed.locks)
        checked = any(
            each.begins("alter table") and each.has("check") and partition in each.sql
            for each in facts.earlier
        )
        if not (is_new or checked):
            return f"Every row of {partition} is read under ACCESS EXCLUSIVE."
    return None


def _refreshes(facts: Facts) -> str | None:
    plain = facts.begins("refresh materialized view") and not facts.has("concurrently")
    if plain and facts.assessed.locks:
        return f"{facts.table} cannot be read while it is refreshed."
    return None


def _locks_table(facts: Facts) -> str | None:
    if facts.begins("lock") and (tables := facts.tables_locked(LockLevel.SHARE)):
        return f"LOCK TABLE holds {', '.join(tables)} until COMMIT."
    return None


def _changes_every_row(facts: Facts) -> str | None:
    verb = facts.begins("update", "delete", "with")
    if verb and facts.assessed.work is Work.SCAN:
        return f"Without WHERE every row of {facts.table} is locked until COMMIT."
    return None


def _truncates(facts: Facts) -> str | None:
    # With CASCADE it is squawk's ban-truncate-cascade.
    if facts.begins("truncate") and not facts.has("cascade") and facts.assessed.locks:
        return f"The rows of {facts.table} are lost, and nobody reads or writes it until COMMIT."
    return None


def _uses_new_value(facts: Facts) -> str | None:
    if not facts.statement.transactional:
        return None
    texts = {string_value(token.text) for token in facts.tokens if token.kind is Kind.STRING}
    for each in facts.earlier:
        reader = each.reader
        if not reader.accept("alter", "type"):
            continue
        name = reader.name()
        new = any(
            one.begins("create type") and TokenReader(one.tokens[2:]).name() == name
            for one in facts.earlier
        )
        if not new and reader.accept("add", "value"):
            reader.accept("if", "not", "exists")
            token = reader.peek()
            value = string_value(token.text) if token else ""
            if value in texts:
                return f"The server refuses {value!r} before the transaction that adds it commits."
    return None


def _works_under_lock(facts: Facts) -> str | None:
    held = [
        table for each in facts.earlier for table in each.tables_locked(LockLevel.ACCESS_EXCLUSIVE)
    ]
    if held and facts.statement.transactional and facts.does_work:
        return f"{held[0]} stays locked in ACCESS EXCLUSIVE for as long as this statement takes."
    return None


def _locks_several(facts: Facts) -> str | None:
    if not facts.statement.transactional:
        return None
    mine = facts.tables_locked(LockLevel.ACCESS_EXCLUSIVE)
    held = [
        table for each in facts.earlier for table in each.tables_locked(LockLevel.ACCESS_EXCLUSIVE)
    ]
    if mine and held and not set(mine) & set(held):
        return (
            f"{mine[0]} is locked while {held[0]} is: who locks them the other way round deadlocks."
        )
    return None


def _alters_again(facts: Facts) -> str | None:
    if not (facts.begins("alter table") and facts.assessed.locks):
        return None
    before = [each for each in facts.earlier if each.begins("alter table")]
    if any(each.assessed.locks and each.table == facts.table for each in before):
        return f"{facts.table} was altered before in this transaction."
    return None


def _disables_trigger(facts: Facts) -> str | None:
    if facts.begins("alter table") and facts.has("disable trigger", "disable rule"):
        return f"What the trigger or rule of {facts.table} keeps is not kept for anybody meanwhile."
    return None


def _changes_trigger(facts: Facts) -> str | None:
    begins = ("create trigger", "create constraint trigger", "create or replace trigger")
    if facts.begins(*begins, "drop trigger", "alter trigger") and facts.assessed.locks:
        return f"{facts.table} takes no writes while it waits for its lock and holds it."
    return None


def _row_security(facts: Facts) -> str | None:
    if not (facts.begins("alter table") and facts.assessed.locks):
        return None
    if facts.has("disable row level security"):
        return f"Every role with a privilege on {facts.table} sees every row from now on."
    policy = any(each.begins("create policy") for each in facts.earlier)
    if facts.has("enable row level security") and not policy:
        return f"Without a policy nobody but the owner of {facts.table} sees a row from now on."
    return None


def _alters_composite(facts: Facts) -> str | None:
    # DROP ATTRIBUTE and ALTER ATTRIBUTE are squawk's.
    attribute = facts.has("add attribute", "rename attribute")
    if facts.begins("alter type") and attribute and facts.has("cascade"):
        return "Every table that was created OF the type is locked in ACCESS EXCLUSIVE."
    return None


def _copies_rows(facts: Facts) -> str | None:
    inserts = facts.begins("insert", "with") and facts.has("select")
    creates = facts.begins("create table", "select") and facts.assessed.creates
    read = [table for table, level in facts.assessed.locks if level is LockLevel.ACCESS_SHARE]
    writes = [table for table, level in facts.assessed.locks if level is LockLevel.ROW_EXCLUSIVE]
    if read and ((inserts and writes) or creates):
        return f"The rows of {read[0]} are copied in one transaction."
    return None


def _locks_referenced(facts: Facts) -> str | None:
    locked = facts.tables_locked(LockLevel.SHARE_ROW_EXCLUSIVE)
    if facts.begins("create table") and locked and not facts.has("partition of"):
        return f"{', '.join(locked)} takes no writes until COMMIT: the new table refers to it."
    return None


def _not_known(facts: Facts) -> str | None:
    if not facts.assessed.known and not facts.begins("alter domain", "drop"):
        return "What it locks and how long it takes is not known before it runs."
    return None


def _drops_owned(facts: Facts) -> str | None:
    return "Every object of the role is dropped." if facts.begins("drop owned") else None


def _is_refused(facts: Facts) -> str | None:
    # CREATE INDEX CONCURRENTLY is squawk's.
    index = facts.begins("create index", "create unique index")
    if facts.statement.transactional and not facts.assessed.transactional and not index:
        return "The server does not run it in a transaction."
    return None


def _lifts_timeout(facts: Facts) -> str | None:
    reader = facts.reader
    if reader.accept("set"):
        reader.accept_any("session", "local")
        if reader.accept("lock_timeout") and (reader.accept("to") or reader.accept("=")):
            token = reader.peek()
            text = "" if token is None else token.text
            if (string_value(text) if text.startswith("'") else text).strip() in ("0", "0s", "0ms"):
                return "Whoever comes after a statement that waits for its lock waits as well."
    return None


def _has_many_columns(facts: Facts) -> str | None:
    reader = facts.reader
    if not (reader.accept("create", "index") and reader.seek("on")):
        return None
    reader.accept("only")
    reader.name()
    if reader.accept("using"):
        reader.name()
    if not reader.at("("):
        return None
    count = len([*TokenReader(reader.group()).split()])
    if count > _MOST_COLUMNS:
        return f"An index of {count} columns is large, and of use for its first columns only."
    return None


def _creates_rule(facts: Facts) -> str | None:
    if facts.begins("create rule", "create or replace rule"):
        return "A rule rewrites statements, also those that call volatile functions, twice."
    return None


def _identifies_by_all(facts: Facts) -> str | None:
    if facts.begins("alter table") and facts.has("replica identity full"):
        return "Every UPDATE and DELETE writes the whole old row to the log from now on."
    return None


_WARNING, _ERROR, _NOTE = Severity.WARNING, Severity.ERROR, Severity.NOTE
_ALONE = "Put it into a revision of its own."
_OUTSIDE = "Put it into `with op.get_context().autocommit_block():`."
_RULES = (
    _Rule(
        "table-rewrite",
        _WARNING,
        "Build the table or column anew beside the old one, fill it in batches, and swap; or do it "
        "in a maintenance window.",
        _rewrites,
    ),
    _Rule(
        "table-scan",
        _WARNING,
        "Add a CHECK ... NOT VALID that proves it, VALIDATE it in a later transaction, and then do "
        "this; for a new partition CREATE TABLE (LIKE ...), then ATTACH PARTITION.",
        _scans,
    ),
    _Rule(
        "refresh-without-concurrently",
        _WARNING,
        "REFRESH MATERIALIZED VIEW CONCURRENTLY lets readers in; it needs a unique index.",
        _refreshes,
    ),
    _Rule(
        "lock-table",
        _WARNING,
        "Leave it to the statements, which take what they need.",
        _locks_table,
    ),
    _Rule(
        "change-without-where",
        _WARNING,
        "Change the rows in batches, each in a transaction of its own.",
        _changes_every_row,
    ),
    _Rule("truncate", _WARNING, "Delete in batches, if the rows are to go at all.", _truncates),
    _Rule(
        "enum-value-used-too-early",
        _ERROR,
        f"{_ALONE} Or {_OUTSIDE[0].lower()}{_OUTSIDE[1:]}",
        _uses_new_value,
    ),
    _Rule("work-after-exclusive-lock", _WARNING, _ALONE, _works_under_lock),
    _Rule("several-tables-locked", _NOTE, _ALONE, _locks_several),
    _Rule(
        "several-alters",
        _NOTE,
        "One ALTER TABLE with several actions goes through the table once.",
        _alters_again,
    ),
    _Rule(
        "disabled-trigger",
        _WARNING,
        "Enable it again in the same transaction.",
        _disables_trigger,
    ),
    _Rule(
        "trigger-changed",
        _NOTE,
        "Keep it short: nothing else that takes long in this revision.",
        _changes_trigger,
    ),
    _Rule(
        "row-security",
        _WARNING,
        "Create the policies first, in the same transaction.",
        _row_security,
    ),
    _Rule("composite-type-changed", _WARNING, _ALONE, _alters_composite),
    _Rule("copied-rows", _NOTE, "Copy in batches, each in a transaction of its own.", _copies_rows),
    _Rule(
        "referenced-table-locked",
        _NOTE,
        "Create the table without the key, then add it NOT VALID and VALIDATE it.",
        _locks_referenced,
    ),
    _Rule("not-analysed", _NOTE, "Write the SQL itself, where that is possible.", _not_known),
    _Rule("drop-owned", _WARNING, "Drop what is meant by its name.", _drops_owned),
    _Rule("refused-in-transaction", _ERROR, _OUTSIDE, _is_refused),
    _Rule("lock-timeout-lifted", _WARNING, "Leave it as it is: `up` tries again.", _lifts_timeout),
    _Rule("index-of-many-columns", _NOTE, "Three columns are mostly enough.", _has_many_columns),
    _Rule("rule-created", _NOTE, "Write a trigger instead.", _creates_rule),
    _Rule(
        "replica-identity-full",
        _NOTE,
        "Use a unique index: REPLICA IDENTITY USING INDEX.",
        _identifies_by_all,
    ),
)
NAMES = frozenset((*(rule.name for rule in _RULES), *(name for name, _ in _TYPES.values())))
