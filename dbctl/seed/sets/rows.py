"""The rows that a set yields: what their models say, which fields are given, what the key is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Index, Table, UniqueConstraint, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty
from sqlalchemy.sql import ClauseElement

from dbctl.db.names import listed, typed
from dbctl.seed.keys import Keyed
from dbctl.seed.sets.faults import SetFault

LABEL_FIELDS = ("title", "name", "label", "email", "slug", "code")
_LABEL_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model says of its table: `fields` maps the attributes to the columns."""

    name: str
    table: Table
    fields: Mapping[str, Column[Any]]
    primary: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]

    @property
    def label(self) -> str:
        """The name of the table, for people."""
        parts = (self.table.schema, self.table.name)
        return ".".join(typed(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Given:
    """One row as a set yields it.

    `written` has what its creation writes, `compared` the fields that a later run compares and
    updates where they differ.
    """

    shape: Shape
    instance: object
    key: tuple[str, ...]
    written: Mapping[str, Any]
    compared: tuple[str, ...]

    @property
    def key_text(self) -> str:
        """The key with its values, for people."""
        return ", ".join(f"{name}={_shown(self.written[name])}" for name in self.key)

    @property
    def name(self) -> str:
        """Which row it is, for people."""
        return f"{self.shape.label} ({self.key_text})"


@dataclass(frozen=True, slots=True)
class Part:
    """A row that a set has put into a relationship of another, `whole`, which it refers to."""

    whole: object
    relationship: RelationshipProperty[Any]
    row: object

    @property
    def place(self) -> str:
        """The relationship, for people."""
        return f"{self.relationship.key} of a {type(self.whole).__name__}"

    def strays(self) -> list[str]:
        """Return the fields by which the row should refer to the whole, and does not."""
        one, other = inspect(type(self.whole)), self.relationship.mapper
        fields = [
            (one.get_property_by_column(local).key, other.get_property_by_column(remote).key)
            for local, remote in self.relationship.local_remote_pairs or ()
        ]
        return [
            theirs
            for ours, theirs in fields
            if inspect(self.row).dict.get(theirs) != inspect(self.whole).dict.get(ours)
        ]


def label(values: Mapping[str, Any], key: tuple[str, ...]) -> str:
    """Return what people would call a row; empty where that is its key or nothing."""
    for name in LABEL_FIELDS:
        if name not in key and isinstance(text := values.get(name), str):
            return _shown(text)
    return ""


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LABEL_LENGTH else f"{text[: _LABEL_LENGTH - 1]}…"


def shape_of(model: type, yielded: object) -> Shape:
    """Return what `model` says of its table.

    Raises SetFault where it is no model of one table.
    """
    try:
        mapper: Mapper[Any] = inspect(model)
    except NoInspectionAvailable:
        raise SetFault(
            f"it yields {_shown(repr(yielded))}, which is no row",
            hint="Yield instances of models (`class User(SQLModel, table=True)`), or "
            '`keyed(user, "email")`.',
        ) from None
    table = mapper.local_table
    if len(mapper.tables) != 1 or not isinstance(table, Table):
        raise SetFault(
            f"{model.__name__} is kept in {len(mapper.tables)} tables",
            hint="Yield rows of models with one table each.",
        )
    fields = {
        prop.key: column
        for prop in mapper.column_attrs
        if isinstance(column := prop.columns[0], Column)  # else an expression
    }
    attribute_of: dict[object, str] = {column: name for name, column in fields.items()}
    uniques = []
    candidates: list[UniqueConstraint | Index] = [*table.indexes]
    candidates += [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    for item in candidates:
        columns: list[object] = [*(item.expressions if isinstance(item, Index) else item.columns)]
        is_unique = isinstance(item, UniqueConstraint) or (
            bool(item.unique) and item.dialect_options["postgresql"]["where"] is None
        )
        if is_unique and columns and all(column in attribute_of for column in columns):
            uniques.append(tuple(attribute_of[column] for column in columns))
    return Shape(
        name=model.__name__,
        table=table,
        fields=fields,
        primary=tuple(attribute_of[column] for column in mapper.primary_key),
        uniques=tuple(sorted(set(uniques))),
    )


def read(shape: Shape, yielded: object) -> Given:
    """Return what a set gives of a row.

    Raises SetFault where it lacks a usable key, or refers to a row that was not yielded yet.
    """
    marked = yielded if isinstance(yielded, Keyed) else Keyed(yielded, (), frozenset())
    instance = marked.row
    _refuse_unknown(shape, [*marked.key, *marked.keep])
    state = inspect(instance)
    values = {name: state.dict[name] for name in shape.fields if name in state.dict}
    given = set(getattr(instance, "model_fields_set", values)) & values.keys()
    given -= {name for name in shape.primary if values.get(name) is None}
    if state.persistent:  # the set has found it by a query
        given |= {*shape.primary}
    for name, value in _references(shape, instance):
        values[name] = value
        given.add(name)
    key = marked.key or (shape.primary if state.persistent else _natural_key(shape, values, given))
    if missing := [name for name in key if name not in given]:
        raise SetFault(
            f"a {shape.name} is keyed by {listed(key)}, but {listed(missing)} is not given",
            hint="Give every field of the key a value in the set.",
        )
    computed = {name for name in given if isinstance(values[name], ClauseElement)}
    return Given(
        shape=shape,
        instance=instance,
        key=tuple(key),
        # What is None by the model's own default is left to the server's.
        written={
            name: value for name, value in values.items() if name in given or value is not None
        },
        compared=tuple(
            name
            for name in shape.fields
            if name in given - {*key, *shape.primary} - marked.keep - computed
        ),
    )


def _refuse_unknown(shape: Shape, names: list[str]) -> None:
    for name in names:
        if name not in shape.fields:
            nearest = difflib.get_close_matches(name, shape.fields, n=1)
            raise SetFault(
                f"{shape.name} has no field {name}, which keyed() names",
                hint=f"Did you mean {nearest[0]}?"
                if nearest
                else f"It has {listed([*shape.fields])}.",
            )


def _natural_key(shape: Shape, values: Mapping[str, Any], given: set[str]) -> tuple[str, ...]:
    """Return the primary key where it is given, else the one UNIQUE whose fields are."""
    if given.issuperset(shape.primary):
        return shape.primary
    usable = [
        unique
        for unique in shape.uniques
        if given.issuperset(unique) and all(values[name] is not None for name in unique)
    ]
    if len(usable) == 1:
        return usable[0]
    why = "several UNIQUE" if usable else "neither its primary key nor a UNIQUE"
    example = (usable or shape.uniques or [tuple(sorted(given))[:1] or ("name",)])[0]
    fields = ", ".join(f'"{name}"' for name in example)
    raise SetFault(
        f"by which fields a {shape.name} is known again is not clear: {why} "
        f"{'are' if usable else 'is'} given in full",
        hint=f"Write `yield keyed(row, {fields})` (`from dbctl.seed import keyed`).",
    )


def _references(shape: Shape, instance: object) -> list[tuple[str, Any]]:
    """Return the fields that refer to rows which the instance was given as objects."""
    for relationship, _ in _put(instance):
        if relationship.secondary is not None:
            raise SetFault(
                f"{shape.name}.{relationship.key} is kept in the table {relationship.secondary}, "
                "of which no row is yielded",
                hint="Leave it out, and yield rows of a model of that table after those they link.",
            )
    found = []
    mapper: Mapper[Any] = inspect(type(instance))
    loaded = inspect(instance).dict
    for relationship in mapper.relationships:
        target = loaded.get(relationship.key)
        if target is None or relationship.direction is not RelationshipDirection.MANYTOONE:
            continue
        for local, remote in relationship.local_remote_pairs or ():
            attribute = relationship.mapper.get_property_by_column(remote).key
            value = inspect(target).dict.get(attribute)
            if value is None:
                raise SetFault(
                    f"{shape.name}.{relationship.key} is a {type(target).__name__} that has no "
                    f"{attribute} yet",
                    hint=f"Yield the {type(target).__name__} before the {shape.name}.",
                )
            found.append((mapper.get_property_by_column(local).key, value))
    return found


def parts(instance: object) -> list[Part]:
    """Return the rows that refer to `instance` and were put into it, but have to be yielded."""
    return [
        Part(instance, relationship, row)
        for relationship, row in _put(instance)
        if relationship.direction is RelationshipDirection.ONETOMANY
    ]


def _put(instance: object) -> Iterator[tuple[RelationshipProperty[Any], object]]:
    """Return what was put into the relationships of `instance`, not what they had before."""
    state = inspect(instance)
    for relationship in inspect(type(instance)).relationships:
        if relationship.key in state.dict and not relationship.viewonly:
            for row in state.attrs[relationship.key].history.added or ():
                if row is not None:
                    yield relationship, row
