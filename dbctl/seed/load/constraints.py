"""What the project's models ask of a table's columns beyond what the database does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined, core_schema

from dbctl.db.tables import Table
from dbctl.migrate.project_models import ProjectModels


@dataclass(frozen=True, slots=True)
class Modelled:
    """What a model says of its columns, by their names: further checks, and Python's defaults."""

    checks: Mapping[str, CoreSchema] = field(default_factory=dict)
    defaults: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def of_models(models: ProjectModels | None, table: Table) -> Modelled:
    """Return what the SQLModel of `models` says that is mapped to `table`; nothing without one."""
    relation = table.relation
    for mapped in models.tables if models else ():
        if (mapped.name, mapped.schema or "public") == (relation.name, relation.schema):
            mapper = next((m for m in _mappers() if m.local_table is mapped), None)
            return _said_by(mapper) if mapper is not None else Modelled()
    return Modelled()


def _mappers() -> Iterator[Any]:
    """Yield the mapper of every SQLModel with a table; none where no model imported SQLModel."""
    sqlmodel = sys.modules.get("sqlmodel")
    waiting: list[type] = [sqlmodel.SQLModel] if sqlmodel else []
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if (mapper := vars(cls).get("__mapper__")) is not None:
            yield mapper


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
