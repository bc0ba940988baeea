"""Tables and the relationships between them, whatever they are drawn as."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from dbctl.errors import ExitCode
from dbctl.results import Result

_CONFIG = ConfigDict(frozen=True, serialize_by_alias=True)


class DiagramColumn(BaseModel):
    """A column; `type` is PostgreSQL's name of its type, as `format_type` writes it."""

    model_config: ClassVar[ConfigDict] = _CONFIG

    name: str
    type: str
    nullable: bool
    primary_key: bool = False
    foreign_key: bool = False
    unique: bool = False


class DiagramTable(BaseModel):
    """A table; `name` is as a user types it, without the schema where that is the default one."""

    model_config: ClassVar[ConfigDict] = _CONFIG

    # BaseModel has a `schema` of its own.
    schema_name: str = Field(serialization_alias="schema")
    table: str
    name: str
    columns: tuple[DiagramColumn, ...]


class Relationship(BaseModel):
    """A foreign key: how many rows of `child` there may be to one of `parent`, and back.

    It is `identifying` where its columns are part of the child's primary key.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    parent: str
    child: str
    columns: tuple[str, ...]
    referenced_columns: tuple[str, ...]
    children: Literal["zero or one", "zero or more"]
    parents: Literal["zero or one", "exactly one"]
    identifying: bool


class DiagramResult(Result):
    """A schema in an order of its own: tables by name, relationships by their ends.

    Of columns the primary key comes first, then what refers to others, then the rest by name.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    tables: tuple[DiagramTable, ...]
    relationships: tuple[Relationship, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per column."""
        return [
            {"schema": table.schema_name, "table": table.table, **column.model_dump()}
            for table in self.tables
            for column in table.columns
        ]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty schema has too."""
        return ["schema", "table", *DiagramColumn.model_fields]


class CheckResult(Result):
    """Whether a file holds the diagram of now; `diff` leads from the file to it."""

    file: str
    matches: bool
    diff: str

    @property
    def exit_code(self) -> ExitCode:
        """A finding where the file is out of date."""
        return ExitCode.OK if self.matches else ExitCode.FINDING
