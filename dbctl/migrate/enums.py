"""Compare the enum types of the models with the labels that a database has for them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Dialect, Enum, Table, TypeDecorator
from sqlalchemy.types import TypeEngine

from dbctl.migrate.results import Difference


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enum type as a column of the models has it; without a schema, the search_path finds it."""

    schema: str | None
    name: str
    labels: tuple[str, ...]

    @property
    def fullname(self) -> str:
        """The name with its schema, if the models give one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


def declared(tables: Iterable[Table], dialect: Dialect) -> list[EnumType]:
    """Return the enum types that the columns need on `dialect`, each once.

    One whose columns do not agree on the labels comes once per list of them.
    """
    found = {
        EnumType(enum.schema, enum.name, tuple(enum.enums)): None
        for table in tables
        for column in table.columns
        for enum in _enums(column.type, dialect)
        if enum.name is not None
    }
    return list(found)


def compare(enum: EnumType, labels: Sequence[str] | None) -> Iterator[Difference]:
    """Yield what the models would do about the labels of the database; None: it has no such type.

    Values are told one by one, their order only where it differs among those that both have.
    """

    def difference(kind: str, detail: str) -> Difference:
        return Difference(kind=kind, table="", name=enum.fullname, detail=detail)

    if labels is None:
        yield difference("add_enum", _listed(enum.labels))
        return
    for position, label in enumerate(enum.labels):
        if label not in labels:
            yield difference("add_enum_value", f"{_literal(label)}{_place(enum.labels, position)}")
    for label in labels:
        if label not in enum.labels:
            yield difference("remove_enum_value", _literal(label))
    before = [label for label in labels if label in enum.labels]
    after = [label for label in enum.labels if label in labels]
    if before != after:
        yield difference("modify_enum", f"{_listed(before)} → {_listed(after)}")


def _enums(type_: TypeEngine[object], dialect: Dialect) -> Iterator[Enum]:
    """Yield the native enum that a type comes down to on `dialect`, or that of its items."""
    implementation = type_.dialect_impl(dialect)
    if isinstance(implementation, TypeDecorator):
        implementation = implementation.impl_instance
    if isinstance(implementation, ARRAY):
        yield from _enums(implementation.item_type, dialect)
    elif isinstance(implementation, Enum) and implementation.native_enum:
        yield implementation


def _place(labels: Sequence[str], position: int) -> str:
    """Return where a new value goes, as ALTER TYPE … ADD VALUE has it."""
    if position:
        return f" after {_literal(labels[position - 1])}"
    return f" before {_literal(labels[1])}" if len(labels) > 1 else ""


def _listed(labels: Sequence[str]) -> str:
    return f"({', '.join(map(_literal, labels))})"


def _literal(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"
