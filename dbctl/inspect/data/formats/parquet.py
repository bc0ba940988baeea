"""Parquet, made from CSV that Arrow reads; of what Arrow cannot hold it is told which value."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import time
from typing import Any

from dbctl.errors import ErrorCode, OperationFailed, UsageError
from dbctl.inspect.data import encodings
from dbctl.inspect.data.formats.transport import Encoding, End
from dbctl.inspect.data.source import Field
from dbctl.installation import install_command

try:
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet
except ModuleNotFoundError as error:
    raise UsageError(
        "parquet needs pyarrow, which is not installed",
        hint=f"Install the extra: {install_command('parquet')}.",
    ) from error

# Bytes of CSV that become a row group.
_GROUP = 1 << 23
# What Arrow's CSV reader says of a value.
_FAULT = re.compile(r"In CSV column #(\d+): .*(?:invalid value|The string) '(.*)'", re.DOTALL)
_DIGITS = 76
_TEXT_FIRST = (pa.types.is_list, pa.types.is_binary, pa.types.is_decimal256)

_TYPES: dict[str, Callable[[], Any]] = {
    "bool": pa.bool_,
    "int2": pa.int16,
    "int4": pa.int32,
    "int8": pa.int64,
    "oid": pa.int64,
    "float4": pa.float32,
    "float8": pa.float64,
    "date": pa.date32,
    "time": lambda: pa.time64("us"),
    "timestamp": lambda: pa.timestamp("us"),
    "timestamptz": lambda: pa.timestamp("us", tz="UTC"),
    "bytea": pa.binary,
}


class Parquet:
    """A Parquet file whose row groups hold some megabytes each."""

    def __init__(self, fields: Sequence[Field]) -> None:
        if not fields:
            raise UsageError("parquet has no rows without a column", hint="Choose json or csv.")
        self.encoding = Encoding(
            ", ".join(map(encodings.parquet_value, fields)),
            encodings.csv_line(fields, encodings.parquet_value),
        )
        self._fields = fields
        self._schema = pa.schema([(field.name, _type(field)) for field in fields])
        self._sink = _Sink()
        self._writer = pyarrow.parquet.ParquetWriter(self._sink, self._schema)
        self._waiting = bytearray()

    def head(self) -> bytes:
        """Return nothing: the file begins with its first row group."""
        return b""

    def rows(self, lines: bytes) -> bytes:
        """Return a row group when there are rows enough for one.

        Raises OperationFailed for a value that Parquet has none for.
        """
        self._waiting += lines
        if len(self._waiting) >= _GROUP:
            self._write_group()
        return self._sink.taken()

    def tail(self, end: End) -> bytes:  # noqa: ARG002
        """Return the last row group and where everything stands. Raises as `rows`."""
        if self._waiting:
            self._write_group()
        self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        lines = bytes(self._waiting)
        self._waiting.clear()
        table = _read(lines, self._schema)
        columns = [
            _converted(column.combine_chunks(), field, kind)
            for column, field, kind in zip(
                table.columns, self._fields, self._schema.types, strict=True
            )
        ]
        self._writer.write_table(
            pa.Table.from_arrays(columns, schema=self._schema), row_group_size=table.num_rows
        )


def _read(lines: bytes, schema: Any) -> Any:
    """Read CSV without a header, of types that Arrow reads, the others as text."""
    names = [str(at) for at in range(len(schema))]
    try:
        return pyarrow.csv.read_csv(
            io.BytesIO(lines),
            read_options=pyarrow.csv.ReadOptions(
                column_names=names, block_size=len(lines) + 1, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={
                    name: pa.string() if _is_text_first(kind) else kind
                    for name, kind in zip(names, schema.types, strict=True)
                },
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        fault = _FAULT.search(str(error))
        if fault is None:
            raise
        at = int(fault[1])
        raise _impossible(schema.names[at], fault[2], schema.types[at]) from error


def _type(field: Field) -> Any:
    if field.masked:
        return pa.string()
    leaf = _leaf_type(field)
    return pa.list_(leaf) if field.is_array else leaf


def _leaf_type(field: Field) -> Any:
    if field.leaf == "numeric":
        precision, scale = field.precision, field.scale or 0
        if precision is None or precision > _DIGITS or not 0 <= scale <= precision:
            return pa.string()  # any digits, which no type of fixed width holds
        return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    return _TYPES.get(field.leaf, pa.string)()


def _is_text_first(kind: Any) -> bool:
    return any(is_one(kind) for is_one in _TEXT_FIRST)


def _converted(column: Any, field: Field, kind: Any) -> Any:
    """Make bytes of base64 and lists of JSON; everything else is what it has to be."""
    if pa.types.is_list(kind):
        column = _lists(column, field, kind)
    if pa.types.is_binary(kind):
        return pa.array(map(_bytes, column.to_pylist()), kind)
    if pa.types.is_list(kind) and pa.types.is_binary(kind.value_type):
        return pa.array((row and [*map(_bytes, row)] for row in column.to_pylist()), kind)
    if pa.types.is_list(kind) and pa.types.is_time(kind.value_type):  # which cast does not know
        rows = column.to_pylist()
        return pa.array((row and [_time(text, field, kind) for text in row] for row in rows), kind)
    return column if column.type == kind else _cast(column, field, kind)


def _lists(column: Any, field: Field, kind: Any) -> Any:
    """Read a column of JSON arrays, whose elements are texts but for integers and booleans."""
    plain = pa.types.is_boolean(kind.value_type) or pa.types.is_signed_integer(kind.value_type)
    schema = pa.schema([("v", kind if plain else pa.list_(pa.string()))])
    lines = pyarrow.compute.binary_join_element_wise(
        '{"v":', column, "}\n", "", null_handling="replace", null_replacement="null"
    )
    data = lines.buffers()[2]
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=data.size + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema),
        )
    except pa.ArrowInvalid as error:
        nested = next((text for text in column.to_pylist() if text and text[:2] == "[["), None)
        if nested is None:
            raise
        raise _impossible(field.name, nested, kind) from error
    return table.column("v").combine_chunks()


def _cast(column: Any, field: Field, kind: Any) -> Any:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as error:
        if pa.types.is_list(kind):
            column, kind = column.flatten(), kind.value_type
        value = next(text for text in column.to_pylist() if not _fits(text, kind))
        raise _impossible(field.name, value, kind) from error


def _fits(text: str | None, kind: Any) -> bool:
    try:
        pa.scalar(text, pa.string()).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


def _time(text: str | None, field: Field, kind: Any) -> time | None:
    if text == "24:00:00":
        raise _impossible(field.name, text, kind.value_type)
    return None if text is None else time.fromisoformat(text)


def _impossible(name: str, value: str, kind: Any) -> OperationFailed:
    shown = value if len(value) <= 60 else f"{value[:60]}…"
    return OperationFailed(
        f"{name} holds {shown}, which Parquet's {kind} cannot",
        hint=f"Leave such rows out, leave {name} out, read it as text with `dbctl inspect query`, "
        "or choose csv or ndjson, which hold everything.",
        code=ErrorCode.QUERY_FAILED,
    )


class _Sink(io.RawIOBase):
    """Bytes that were written and not taken yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Keep `data`."""
        self._bytes += data
        return len(data)

    def taken(self) -> bytes:
        """Return what there is, and forget it."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data
