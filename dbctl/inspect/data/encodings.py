"""How a value of each type is written, losslessly: the SQL that has the server do it.

In JSON, numbers, booleans and text are themselves, and json is what it holds, to the byte. A
numeric is its exact text; bytes are base64; dates and times are ISO 8601; arrays are lists. Every
other type is the text that PostgreSQL writes for it. NaN and the infinities are text, since JSON
has none.
"""

from collections.abc import Sequence

from dbctl.db.names import quote
from dbctl.inspect.data.source import Field
from dbctl.inspect.masking import MASK

# What row_to_json writes as it is wanted here.
_AS_JSON = frozenset(
    {
        "bool", "int2", "int4", "int8", "float4", "float8", "json", "jsonb", "text", "varchar",
        "bpchar", "name", "date", "time", "timestamp", "timestamptz", "uuid", "inet", "cidr",
    }
)  # fmt: skip


def json_rows(fields: Sequence[Field]) -> str:
    """Return a SELECT list of one JSON object per row, whose keys are the fields' names."""
    inner = ", ".join(f"{json_value(field)} AS {quote(field.name)}" for field in fields)
    return f"pg_catalog.row_to_json(o) FROM (SELECT {inner}"


def json_value(field: Field) -> str:
    """Return the SQL expression that row_to_json takes for a value of `field`."""
    value, array = field.sql, "[]" * field.is_array
    if field.masked:
        return f"CASE WHEN {value} IS NOT NULL THEN '{MASK}' END"
    if field.leaf in _AS_JSON:
        return value
    if field.leaf == "oid":  # which JSON would have as text
        return f"CAST({value} AS pg_catalog.int8{array})"
    text = f"CAST({value} AS pg_catalog.text{array})"
    match field.leaf:
        case "bytea" if not array:
            return _base64(value)
        case "bytea":  # the elements of several dimensions stay as SQL writes them
            return (
                f"CASE WHEN pg_catalog.array_ndims({value}) > 1 THEN {text} ELSE"  # noqa: S608
                f" (SELECT pg_catalog.array_agg({_base64('e')} ORDER BY at)"
                f" FROM pg_catalog.unnest({value}) WITH ORDINALITY u (e, at)"
                f" HAVING {value} IS NOT NULL) END"
            )
        case "timetz" if not array:
            return f"pg_catalog.regexp_replace({text}, '([+-][0-9][0-9])$', '\\1:00')"
        case _:
            return text


def _base64(value: str) -> str:
    # PostgreSQL breaks it into lines.
    return f"pg_catalog.translate(pg_catalog.encode({value}, 'base64'), E'\\n', '')"
