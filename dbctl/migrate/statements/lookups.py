"""What the text of a statement leaves open and the catalogue answers."""

from dataclasses import dataclass
from enum import StrEnum

from dbctl.migrate.statements.levels import LockLevel
from dbctl.migrate.statements.types import TypeName


@dataclass(frozen=True, slots=True)
class Below:
    """The tables below `table`: its partitions, and what inherits from it.

    `partitions` and `inheriting` leave out the other kind. With `constraint`, only where those have
    the constraint as well.
    """

    table: str
    level: LockLevel
    partitions: bool = False
    inheriting: bool = False
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """The tables that a query reaches through `table`: those below it, or those of a view.

    `only` leaves out the tables below. `certain` is False where partitions may be left out.
    """

    table: str
    level: LockLevel
    only: bool = False
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What writing rows to `table` reaches: foreign keys, rules, triggers, partitions.

    `columns` are those that an UPDATE sets, empty for other commands.
    """

    table: str
    command: str
    columns: tuple[str, ...] = ()
    only: bool = False


class DropKind(StrEnum):
    """What is dropped; a column and what belongs to a table are named with the table."""

    RELATION = "relation"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    TRIGGER = "trigger"
    RULE = "rule"
    POLICY = "policy"
    STATISTICS = "statistics"
    TYPE = "type"
    FUNCTION = "function"
    SCHEMA = "schema"
    EXTENSION = "extension"
    ROLE = "role"


# What is named with the relation that it belongs to.
OF_RELATIONS = frozenset(
    (
        DropKind.RELATION,
        DropKind.COLUMN,
        DropKind.CONSTRAINT,
        DropKind.TRIGGER,
        DropKind.RULE,
        DropKind.POLICY,
    )
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What goes with `name`: what belongs to it, with `cascade` also what depends on it.

    `part` is what of the table `name` is dropped, empty where it is the whole. `below` says that
    the tables below it lose it too.
    """

    kind: DropKind
    name: str
    part: str = ""
    cascade: bool = False
    below: bool = False


@dataclass(frozen=True, slots=True)
class Truncated:
    """The tables that TRUNCATE of `table` empties as well."""

    table: str
    only: bool
    cascade: bool


@dataclass(frozen=True, slots=True)
class KeyAdded:
    """A foreign key from `table` to `other`; `only` and both names as the statement has them."""

    table: str
    other: str


@dataclass(frozen=True, slots=True)
class IndexAdded:
    """A constraint of `table` that builds an index on the tables below it as well."""

    table: str


@dataclass(frozen=True, slots=True)
class IndexBuilt:
    """An index on `table`; `index` is its name where one of that name may be there already."""

    table: str
    index: str
    only: bool


@dataclass(frozen=True, slots=True)
class Validated:
    """The constraint that ALTER TABLE ... VALIDATE CONSTRAINT reads the rows for."""

    table: str
    constraint: str


@dataclass(frozen=True, slots=True)
class TypeChanged:
    """A column that gets another type.

    `collation` is the name in COLLATE; `simple` is False where USING is more than a cast.
    """

    table: str
    column: str
    type: TypeName
    collation: str | None
    simple: bool


@dataclass(frozen=True, slots=True)
class ColumnAdded:
    """A new column whose type may be a domain; `functions` are called by its DEFAULT."""

    table: str
    type: TypeName
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotNullSet:
    """A column of `table`, and of the tables below it, that is to become NOT NULL."""

    table: str
    columns: tuple[str, ...]
    only: bool = False


@dataclass(frozen=True, slots=True)
class ExpressionSet:
    """A generated column that is computed by another expression."""

    table: str
    column: str


class Property(StrEnum):
    """A property of a table that the table is copied for, unless it has it already."""

    LOGGED = "logged"
    UNLOGGED = "unlogged"
    TABLESPACE = "tablespace"
    METHOD = "access method"


@dataclass(frozen=True, slots=True)
class PropertySet:
    """A property of `table` that becomes `value`."""

    table: str
    property: Property
    value: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """A table that becomes a partition of `parent`; one that is created `new` has no rows."""

    parent: str
    partition: str
    new: bool = False
    default: bool = False


@dataclass(frozen=True, slots=True)
class Detached:
    """A partition that leaves `parent`."""

    parent: str
    partition: str
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class DomainChecked:
    """A domain whose constraints are checked in every table that has a column of it."""

    domain: str


@dataclass(frozen=True, slots=True)
class CompositeAltered:
    """A composite type that is changed with the tables that were created OF it."""

    type: str


@dataclass(frozen=True, slots=True)
class TableOfIndex:
    """The table of `index`, which the text does not name."""

    index: str
    level: LockLevel


@dataclass(frozen=True, slots=True)
class Maintained:
    """VACUUM or ANALYZE of `table`, which may go on to the tables below it, or sample them."""

    table: str
    level: LockLevel
    analyzes: bool
    only: bool = False


@dataclass(frozen=True, slots=True)
class Alone:
    """A statement that the server does not run in a transaction where `table` is partitioned.

    `table` may be an index.
    """

    table: str
    level: LockLevel


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A materialized view whose query is run."""

    view: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """Another name of a table, which later statements use."""

    table: str
    name: str


@dataclass(frozen=True, slots=True)
class PathSet:
    """The schemas in which later statements look for names; for one transaction or session."""

    schemas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ZoneSet:
    """The time zone of later statements; empty for that of the session."""

    zone: str


type Lookup = (
    Below
    | Read
    | Written
    | Dropped
    | Truncated
    | KeyAdded
    | IndexAdded
    | IndexBuilt
    | Validated
    | TypeChanged
    | ColumnAdded
    | NotNullSet
    | ExpressionSet
    | PropertySet
    | Attached
    | Detached
    | DomainChecked
    | CompositeAltered
    | TableOfIndex
    | Maintained
    | Alone
    | Refreshed
    | Renamed
    | PathSet
    | ZoneSet
)
