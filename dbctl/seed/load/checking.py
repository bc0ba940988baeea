"""Rows of files against the columns of a table: records for the driver, or faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from dbctl.db.tables import Table
from dbctl.seed.load.constraints import Modelled
from dbctl.seed.load.faults import Fault, shown, wrong_width
from dbctl.seed.load.mapping import Matcher
from dbctl.seed.load.notation import Notation, looks_like_decimal_comma
from dbctl.seed.load.rows import Batch
from dbctl.seed.load.values import described, is_number, value_schema

# Stands for a column that a row does not have, where the server has to make up for it.
MISSING = type("Missing", (), {"__slots__": ()})()

# Faults of the type itself, which the description of the column words better.
_OF_TYPE = ("literal_", "int_", "float_", "bool_", "uuid_", "string_type", "string_unicode")
_OF_BOUNDS = ("greater_", "less_")

type Record = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch that was looked at: sound records, the numbers of their rows, and the faults.

    `faults` are by the index of the row in the batch.
    """

    records: Sequence[Record]
    numbers: Sequence[int]
    faults: Mapping[int, Sequence[Fault]]


class NewColumn(Exception):
    """A row has a column that none before it had, and that was not provided for."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class Checker:
    """Check rows for `table`; the records have values of `columns` in that order.

    What a row lacks has its value in `fill`, or else is a fault. `writers` make the text of values
    with fields, by column.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        matcher: Matcher,
        modelled: Modelled,
        fill: Mapping[str, Callable[[], Any]],
        notation: Notation,
        writers: Mapping[str, Callable[[Any], str]],
    ) -> None:
        self.table = table
        self.columns = tuple(columns)
        self._matcher = matcher
        self._modelled = modelled
        self._fill = fill
        self._notation = notation
        self._writers = writers
        self._fields: dict[str, str | None] = {}
        self._width = 0
        self._objects = self._of_objects()

    def of_lists(
        self, header: Sequence[str], targets: Sequence[str | None]
    ) -> Callable[[str, Batch], Checked]:
        """Return what checks the rows of a CSV file whose fields go into the columns `targets`."""
        schemas = [
            core_schema.any_schema() if name is None else self._schema(name, from_text=True)
            for name in targets
        ]
        validator = SchemaValidator(core_schema.list_schema(core_schema.tuple_schema(schemas)))
        arrange = self._arranger(targets)

        def place(location: Sequence[Any]) -> tuple[str | None, str | None]:
            index = location[0] if location else len(header)
            return (header[index], targets[index]) if index < len(header) else (None, None)

        def check(file: str, batch: Batch) -> Checked:
            self._width = len(header)
            return self._check(file, batch, validator, place, arrange)

        return check

    def check_objects(self, file: str, batch: Batch) -> Checked:
        """Check the rows of a JSON file, whatever fields each has.

        Raises NewColumn.
        """
        while True:
            checked = self._check(file, batch, self._objects, self._object_place, self._in_order)
            new = {
                fault.column
                for faults in checked.faults.values()
                for fault in faults
                if fault.column is not None and fault.column not in self._fields
            }
            if not self.learn(new):
                return checked

    def learn(self, fields: Iterable[str]) -> bool:
        """Take in the names of fields of JSON rows; tell whether one of them was new and known.

        Raises NewColumn for a column that is not among those of this checker.
        """
        learned = False
        for field in fields:
            if field in self._fields:
                continue
            try:
                column = self._matcher.column_of(field)
            except LookupError:
                continue
            if column is not None and column not in self.columns:
                raise NewColumn(column)
            self._fields[field] = column
            learned = True
        if learned:
            self._objects = self._of_objects()
        return learned

    def _schema(self, name: str, *, from_text: bool) -> CoreSchema:
        column = self.table.column(name)
        schema = value_schema(
            column, from_text=from_text, notation=self._notation, write=self._writers.get(name)
        )
        if (further := self._modelled.checks.get(name)) is not None:
            schema = core_schema.chain_schema([schema, further])
        return core_schema.nullable_schema(schema) if column.nullable else schema

    def _of_objects(self) -> SchemaValidator:
        fields: dict[str, core_schema.TypedDictField] = {}
        for name in self.columns:
            schema = self._schema(name, from_text=False)
            if (made := self._fill.get(name)) is not None:
                schema = core_schema.with_default_schema(schema, default_factory=made)
            aliases = [field for field, column in self._fields.items() if column == name]
            fields[name] = core_schema.typed_dict_field(
                schema,
                required=made is None,
                validation_alias=_paths(aliases) if aliases else name,
            )
        for number, field in enumerate(f for f, column in self._fields.items() if column is None):
            fields[f"\0{number}"] = core_schema.typed_dict_field(
                core_schema.any_schema(), required=False, validation_alias=field
            )
        return SchemaValidator(
            core_schema.list_schema(core_schema.typed_dict_schema(fields, extra_behavior="forbid"))
        )

    def _object_place(self, location: Sequence[Any]) -> tuple[str | None, str | None]:
        if not location:
            return None, None
        field = str(location[0])
        column = self._fields.get(field)
        return field, column if column is not None or field not in self.columns else field

    def _in_order(self, objects: Sequence[dict[str, Any]]) -> list[Record]:
        width = len(self.columns)
        if None in self._fields.values():
            return [tuple(row.values())[:width] for row in objects]
        return [tuple(row.values()) for row in objects]

    def _arranger(
        self, targets: Sequence[str | None]
    ) -> Callable[[Sequence[Record]], Sequence[Record]]:
        """Return what puts the fields of rows into the order of the columns."""
        if tuple(targets) == self.columns:
            return lambda rows: rows
        makers = {name: self._fill[name] for name in self.columns if name not in targets}
        places = [targets.index(name) for name in self.columns if name in targets]
        if not makers and len(places) > 1:
            pick = itemgetter(*places)
            return lambda rows: list(map(pick, rows))
        sources: list[Callable[[Record], Any]] = [
            itemgetter(targets.index(name)) if name in targets else _ignoring(makers[name])
            for name in self.columns
        ]
        return lambda rows: [tuple([source(row) for source in sources]) for row in rows]

    def _check(
        self,
        file: str,
        batch: Batch,
        validator: SchemaValidator,
        place: Callable[[Sequence[Any]], tuple[str | None, str | None]],
        arrange: Callable[[Any], Sequence[Record]],
    ) -> Checked:
        rows: Sequence[Any] = batch.rows
        numbers: Sequence[int] = batch.numbers
        faults: dict[int, list[Fault]] = {}
        kept: Sequence[int] = range(len(rows))
        try:
            found = validator.validate_python(rows)
        except ValidationError as error:
            # The first of what a union found in a value is enough; the last knows it best.
            words: dict[tuple[int, str | None], Fault] = {}
            for detail in error.errors(include_url=False):
                index, *rest = detail["loc"]
                field, column = place(rest)
                words[int(index), field] = self._fault(
                    file, batch, int(index), field, column, detail
                )
            for (index, _), fault in words.items():
                faults.setdefault(index, []).append(fault)
            kept = [index for index in range(len(rows)) if index not in faults]
            found = validator.validate_python([rows[index] for index in kept])
        records = arrange(found)
        if batch.may_hold_nul and (held := _with_nul(records)):
            for at, position in held.items():
                index, column = kept[at], self.columns[position]
                value = records[at][position]
                faults[index] = [self._described(file, batch, index, column, value, _HOLDS_NUL)]
            records = [record for at, record in enumerate(records) if at not in held]
            kept = [index for at, index in enumerate(kept) if at not in held]
        if faults:
            numbers = [numbers[index] for index in kept]
        return Checked(records, numbers, faults)

    def _fault(
        self,
        file: str,
        batch: Batch,
        index: int,
        field: str | None,
        column: str | None,
        detail: Any,
    ) -> Fault:
        value, kind = detail["input"], detail["type"]
        if kind == "dict_type":
            return self._described(file, batch, index, None, value, "is no JSON object")
        if kind == "extra_forbidden":
            reason = self._matcher.why_not(field or "")
            return self._described(file, batch, index, field, MISSING, reason)
        if kind in {"missing", "too_long", "too_short"}:
            return self._described(file, batch, index, field, MISSING, self._lacking(batch, index))
        assert column is not None  # noqa: S101 - what else is wrong is wrong with a value
        known = self.table.column(column)
        if value is None and not known.nullable:
            reason = "is null, which the column does not take"
        elif kind == "value_error":
            reason = str(detail["ctx"]["error"])
        elif kind.startswith(_OF_TYPE) or (
            kind.startswith(_OF_BOUNDS) and column not in self._modelled.checks
        ):
            reason = f"is not {described(known)}"
        else:
            _, _, reason = detail["msg"].partition(" ")
        if (
            is_number(known)
            and looks_like_decimal_comma(value)
            and not self._notation.decimal_comma
        ):
            reason += "; --decimal-comma takes the comma for the decimal point"
        return self._described(file, batch, index, field, value, reason)

    def _lacking(self, batch: Batch, index: int) -> str:
        row = batch.rows[index]
        if isinstance(row, dict):
            return "is missing, and the column takes no null and has no default"
        return wrong_width(len(row), self._width)

    def _described(
        self, file: str, batch: Batch, index: int, field: str | None, value: Any, reason: str
    ) -> Fault:
        return Fault(
            file=file,
            row=batch.numbers[index],
            line=batch.line(index),
            column=field,
            value=None if value is MISSING else shown(value),
            reason=reason,
        )


def _paths(aliases: Sequence[str]) -> list[list[str | int]]:
    return [[alias] for alias in aliases]


_HOLDS_NUL = "holds the character NUL, which PostgreSQL has not"


def _ignoring(make: Callable[[], Any]) -> Callable[[Record], Any]:
    return lambda _: make()


def _with_nul(records: Sequence[Record]) -> dict[int, int]:
    """Return, by the index of a record with NUL in a text, the index of that value."""
    return {
        at: next(position for position, value in enumerate(record) if _holds_nul(value))
        for at, record in enumerate(records)
        if any(map(_holds_nul, record))
    }


def _holds_nul(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value
