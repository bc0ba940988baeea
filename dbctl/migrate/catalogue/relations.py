"""The relations of a database and how they hang together, as read before a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from dbctl.migrate.statements.lookups import Dropped
from dbctl.sqltokens import TokenReader, quote, tokenize


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view, index or sequence; `kind` is pg_class.relkind.

    `table_oid` is that of an index, `default_partition` 0 where there is none.
    """

    oid: int
    schema: str
    name: str
    kind: str
    is_partition: bool
    persistence: str
    tablespace: str
    method: str | None
    table_oid: int | None
    default_partition: int | None
    of_type: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key; `on_delete` and `on_update` are the letters of pg_constraint."""

    oid: int
    name: str
    table_oid: int
    other_oid: int
    is_valid: bool
    on_delete: str
    on_update: str
    columns: frozenset[str]
    other_columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that users have made; `type` is pg_trigger.tgtype."""

    table_oid: int
    name: str
    function: str
    type: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `indexes` have it as a key, `computed_indexes` in an expression or predicate."""

    table_oid: int
    name: str
    type_oid: int
    typmod: int
    collation: str | None
    is_not_null: bool
    generated: str
    indexes: Sequence[str]
    computed_indexes: Sequence[str]
    checks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Type:
    """A type; `base_oid` is what a domain is of, `element_oid` that of an array, else 0."""

    oid: int
    schema: str
    name: str
    kind: str
    base_oid: int
    typmod: int
    element_oid: int
    array_oid: int
    collation: str | None
    has_constraints: bool
    has_default: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """A table that a DROP takes, or takes something from: `what` is it, with the name `part`.

    Without a table it says that what is to be dropped is there.
    """

    table_oid: int | None
    what: str
    part: str | None
    is_root: bool


@dataclass(slots=True)
class Names:
    """What a name means at a point of the plan: `hidden` ones are tables made before it."""

    by_name: dict[tuple[str, str], int]
    path: Sequence[str]
    hidden: set[str] = field(default_factory=set)

    def copy(self) -> Names:
        """Return names that go their own way from here."""
        return replace(self, by_name=dict(self.by_name), hidden=set(self.hidden))

    def find(self, name: str) -> int | None:
        """Return the relation that a name means, as it is written in SQL; None if none."""
        if _bare(name) in self.hidden:
            return None
        parts = parts_of(name)
        if not parts:
            return None
        schemas = parts[-2:-1] or self.path
        found = (self.by_name.get((schema, parts[-1])) for schema in schemas)
        return next((oid for oid in found if oid is not None), None)

    def rename(self, old: str, new: str) -> None:
        """Let `new` mean what `old` has meant; without a schema it stays in its own."""
        oid = self.find(old)
        if oid is None:
            return
        keys = [key for key, value in self.by_name.items() if value == oid]
        for key in keys:
            del self.by_name[key]
        *schemas, name = parts_of(new)
        schema = schemas[-1] if schemas else keys[0][0]
        self.by_name[schema, name] = oid


@dataclass(slots=True)
class Catalogue:
    """What was read, changed by each statement of the plan as the server would be by it."""

    version: int
    default_zone: str
    default_path: Sequence[str]
    relations: dict[int, Relation]
    names: Names
    children: dict[int, list[int]]
    parents: dict[int, list[int]]
    sources: dict[int, list[int]]
    rules: dict[int, list[int]]
    keys: list[ForeignKey]
    triggers: dict[int, list[Trigger]]
    columns: dict[tuple[int, str], Column] = field(default_factory=dict)
    constraints: dict[tuple[int, str], tuple[str, bool]] = field(default_factory=dict)
    types: dict[int, Type] = field(default_factory=dict)
    uses: dict[int, list[int]] = field(default_factory=dict)
    binary_casts: frozenset[tuple[int, int]] = frozenset()
    volatile: Mapping[str, bool] = field(default_factory=dict)
    dropped: dict[Dropped, list[Gone]] = field(default_factory=dict)
    new_keys: dict[str, list[int]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    time_zone: str = ""

    def begin_revision(self) -> None:
        """Look for names and read times as a session does that has set nothing."""
        self.names.path = self.default_path
        self.time_zone = self.default_zone

    def find(self, name: str) -> Relation | None:
        """Return the relation that a name means, None where it is made in the plan or not there."""
        return self.relations.get(self.names.find(name) or 0)

    def below(self, oid: int) -> Iterator[Relation]:
        """Yield the tables below a table: partitions and what inherits, at any depth."""
        seen = {oid}
        left = [*self.children.get(oid, ())]
        while left:
            each = left.pop(0)
            if each in self.relations and each not in seen:
                seen.add(each)
                yield self.relations[each]
                left += self.children.get(each, ())

    def root(self, oid: int) -> int:
        """Return the table at the top of a partition."""
        while parents := self.parents.get(oid):
            oid = parents[0]
        return oid

    def label(self, relation: Relation) -> str:
        """Return the name of a relation, with its schema where the path does not lead to it."""
        bare = quote(relation.name)
        if self.names.find(bare) == relation.oid:
            return bare
        return f"{quote(relation.schema)}.{bare}"

    def forget(self, all_gone: Iterable[Gone]) -> None:
        """Remove what was dropped: relations with their keys and triggers, and constraints."""
        tables = {gone.table_oid for gone in all_gone if gone.what == "relation"}
        constraints = {
            (gone.table_oid, gone.part) for gone in all_gone if gone.what == "constraint"
        }
        for oid in tables - {None}:
            self.relations.pop(oid or 0, None)
            self.triggers.pop(oid or 0, None)
        self.keys = [
            key
            for key in self.keys
            if not tables & {key.table_oid, key.other_oid}
            and (key.table_oid, key.name) not in constraints
        ]

    def attach(self, parent: int, partition: int) -> None:
        """Put a table below another."""
        self.children.setdefault(parent, []).append(partition)
        self.parents.setdefault(partition, []).append(parent)

    def detach(self, parent: int, partition: int) -> None:
        """Take a table from below another."""
        for links, one, other in (
            (self.children, parent, partition),
            (self.parents, partition, parent),
        ):
            links[one] = [each for each in links.get(one, ()) if each != other]

    def find_type(self, schema: str | None, name: str) -> Type | None:
        """Return the type of a name, None where it is made in the plan or not there."""
        path = [schema] if schema else ["pg_catalog", *self.names.path]
        for each in path:
            for found in self.types.values():
                if (found.schema, found.name) == (each, name):
                    return found
        return None


@cache
def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a name as it is written in SQL."""
    return tuple(TokenReader(list(tokenize(name))).name_parts())


def _bare(name: str) -> str:
    return name.removeprefix("public.")
