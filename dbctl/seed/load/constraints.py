"""What the project's models ask of a table's columns beyond what the database does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined, core_schema

from dbctl.db.tables import Table
from dbctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Modelled:
    """What a model says of its columns, by their names: further checks, and Python's defaults."""

    checks: Mapping[str, CoreSchema] = field(default_factory=dict)
    defaults: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def of_models(settings: Settings, table: Table) -> Modelled:
    """Return what the SQLModel says that is mapped to `table`; nothing where there is none.

    Raises ConfigurationError where the models cannot be imported.
    """
    from sqlmodel import SQLModel

    from dbctl.db.metadata import load_metadata

    load_metadata(settings)
    relation = table.relation
    for mapper in SQLModel._sa_registry.mappers:
        mapped = mapper.local_table
        name, schema = getattr(mapped, "name", None), getattr(mapped, "schema", None)
        if name == relation.name and (schema or "public") == relation.schema:
            return _said_by(mapper)
    return Modelled()


def _said_by(mapper: Any) -> Modelled:
    checks: dict[str, CoreSchema] = {}
    defaults: dict[str, Callable[[], Any]] = {}
    for attribute in mapper.column_attrs:
        info = mapper.class_.model_fields.get(attribute.key)
        if info is None:
            continue
        name = attribute.columns[0].name
        if info.metadata:
            checks[name] = _check(info)
        if info.default_factory is not None or info.default not in (PydanticUndefined, None):
            defaults[name] = info.get_default if info.default_factory is None else _made_by(info)
    return Modelled(checks, defaults)


def _made_by(info: FieldInfo) -> Callable[[], Any]:
    return lambda: info.get_default(call_default_factory=True)


def _check(info: FieldInfo) -> CoreSchema:
    """Return the schema of a field whose null the database judges."""
    annotation = info.annotation
    if get_origin(annotation) in {Union, UnionType}:
        inner = [kind for kind in get_args(annotation) if kind is not type(None)]
        annotation = inner[0] if len(inner) == 1 else annotation
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[annotation, *info.metadata])  # type: ignore[arg-type]
    if adapter.core_schema["type"] == "definitions":  # these cannot be part of another schema
        return core_schema.no_info_plain_validator_function(adapter.validator.validate_python)
    return adapter.core_schema
