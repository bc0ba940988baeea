"""How a value of each type is written, losslessly: the SQL that has the server do it.

In JSON, numbers, booleans and text are themselves, and json is what it holds, to the byte. A
numeric is its exact text; bytes are base64; dates and times are ISO 8601; arrays are lists. Every
other type is the text that PostgreSQL writes for it. NaN and the infinities are text, since JSON
has none.

In CSV every value is the text that COPY writes for it, but bytes are base64.
"""

import re
from collections.abc import Callable, Sequence

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
_JSON = frozenset({"json", "jsonb"})
# What JSON has as something else than text, integers and booleans.
_NO_TEXT = _JSON | {"float4", "float8"}
# What a spreadsheet takes for no formula, whatever sign it begins with.
_NO_FORMULA = frozenset(
    {
        "bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "money", "date",
        "time", "timetz", "timestamp", "timestamptz", "interval", "uuid",
    }
)  # fmt: skip
# With what OWASP says that a formula begins, as a regular expression of Python and PostgreSQL.
_FORMULA = r"^([-=+@\t\r\n])"


def json_rows(fields: Sequence[Field], *, flat: bool = False) -> str:
    """Return a SELECT list of one JSON object per row, up to the FROM of what is read.

    Its keys are the fields' names. With `flat`, json is text within it.
    """
    inner = ", ".join(f"{json_value(field, flat=flat)} AS {quote(field.name)}" for field in fields)
    return f"pg_catalog.row_to_json(o.*) FROM (SELECT {inner}"


def json_row(fields: Sequence[Field], *, flat: bool = False) -> str:
    """Return the same object as an expression, beside which others can be selected."""
    return f"(SELECT {json_rows(fields, flat=flat)}) o)"


def json_value(field: Field, *, flat: bool = False) -> str:
    """Return the SQL expression that row_to_json takes for a value of `field`."""
    value, array = field.sql, "[]" * field.is_array
    if field.masked:
        return _masked(value)
    text = f"CAST({value} AS pg_catalog.text{array})"
    if flat and is_flat(field):
        return text
    if field.leaf in _AS_JSON:
        return value
    if field.leaf == "oid":  # which JSON would have as text
        return f"CAST({value} AS pg_catalog.int8{array})"
    match field.leaf:
        case "bytea" if not array:
            return _base64(value)
        case "bytea":  # the elements of several dimensions stay as SQL writes them
            return (
                f"CASE WHEN pg_catalog.array_ndims({value}) > 1 THEN {text} ELSE"  # noqa: S608
                f" (SELECT COALESCE(pg_catalog.array_agg({_base64('e')} ORDER BY at), '{{}}')"
                f" FROM pg_catalog.unnest({value}) WITH ORDINALITY u (e, at)"
                f" HAVING {value} IS NOT NULL) END"
            )
        case "timetz":  # an array has it in one text, unquoted
            minutes = r"'([+-][0-9][0-9])($|[,}])', '\1:00\2', 'g'"
            whole = f"pg_catalog.regexp_replace(CAST({value} AS pg_catalog.text), {minutes})"
            return f"CAST({whole} AS pg_catalog.text{array})"
        case _:
            return text


def is_flat(field: Field) -> bool:
    """Tell whether `flat` JSON has the text of a value in place of its structure."""
    return field.leaf in _JSON and not field.is_array and not field.masked


def csv_value(field: Field, *, safe: bool = False) -> str:
    """Return the SQL expression whose text stands for a value of `field`.

    With `safe`, text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    if field.masked:
        return _masked(field.sql)
    is_bytes = field.leaf == "bytea" and not field.is_array
    value = _base64(field.sql) if is_bytes else field.sql
    if not safe or field.is_array or field.leaf in _NO_FORMULA:
        return value
    return rf"pg_catalog.regexp_replace({_text(value)}, '{_FORMULA}', '''\1')"


def parquet_value(field: Field) -> str:
    """Return what `csv_value` does, but the JSON of an array, whose elements are texts.

    Only integers and booleans are themselves, and bytes base64.
    """
    if field.masked or not field.is_array:
        return csv_value(field)
    elements = json_value(field)
    if field.leaf in _NO_TEXT:
        elements = f"CAST({field.sql} AS pg_catalog.text[])"
    return _text(f"pg_catalog.to_json({elements})")


def csv_line(fields: Sequence[Field], value: Callable[[Field], str] = csv_value) -> str:
    """Return the SQL expression of a row's text: what COPY writes for it, where it cannot run."""
    # COPY quotes what would end its input where it stands alone.
    odd = r'[",\n\r]|^$' + r"|^\\\.$" * (len(fields) == 1)
    cells = [
        f"(SELECT CASE WHEN t IS NULL THEN '' WHEN t ~ '{odd}'"  # noqa: S608
        """ THEN '"' || pg_catalog.replace(t, '"', '""') || '"' ELSE t END"""
        f" FROM (SELECT {_text(value(field))} OFFSET 0) v (t))"
        for field in fields
    ]
    return f"pg_catalog.array_to_string(CAST(ARRAY[{', '.join(cells)}] AS pg_catalog.text[]), ',')"


def without_formula(text: str) -> str:
    """Return what `safe` makes of a text."""
    return re.sub(_FORMULA, r"'\1", text)


def _masked(value: str) -> str:
    # IS NOT NULL is false for a row value that has a NULL in it.
    return f"CASE WHEN {value} IS DISTINCT FROM NULL THEN '{MASK}' END"


def _text(value: str) -> str:
    """Return what the type's output function writes; a cast would lose the blanks of char(n)."""
    text = f"CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {value}) END"
    return f'({text}) COLLATE pg_catalog."C"'  # other collations may know no regular expressions


def _base64(value: str) -> str:
    # PostgreSQL breaks it into lines.
    return f"pg_catalog.translate(pg_catalog.encode({value}, 'base64'), E'\\n', '')"
