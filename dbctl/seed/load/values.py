"""What a value of a file must be to go into a column, and what the driver takes for it.

Each type is a schema of pydantic-core, so that whole batches are judged in one call; what only
PostgreSQL knows how to read is handed over as text.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Any

from asyncpg import Range as PgRange
from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from dbctl.db.catalog import Column
from dbctl.db.names import listed
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.load import exact, literals, moments
from dbctl.seed.load.notation import Notation, with_point

ISO = Notation()

_INTEGERS = {
    "int2": (-(1 << 15), (1 << 15) - 1),
    "int4": (-(1 << 31), (1 << 31) - 1),
    "int8": (-(1 << 63), (1 << 63) - 1),
    "oid": (0, (1 << 32) - 1),
}
_MOMENTS = frozenset({"date", "time", "timetz", "timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
# Arrays of which the value is remembered, and not read again.
_REMEMBERED = 4096
# What a real takes at most, and half of what it takes at least: the server rounds neither away.
_FLOAT4 = 3.4028235677973366e38
_FLOAT4_LEAST = 7.006492321624085e-46
# What PostgreSQL keeps of a numeric: digits before the decimal point, and after it.
_WHOLE_DIGITS, _DECIMAL_PLACES = 131_072, 16_383
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TOO_DEEP = "is nested too deeply"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS = {
    "bool": "true or false",
    "float4": "a number",
    "float8": "a number",
    "uuid": "a UUID",
    "json": "JSON",
    "jsonb": "JSON",
}


def value_schema(
    column: Column,
    *,
    from_text: bool,
    notation: Notation = ISO,
    write: Callable[[Any], str] | None = None,
) -> CoreSchema:
    """Return the schema of a value of `column` that is not null.

    `from_text` is whether the file has nothing but text, as CSV does. `write` makes the text of an
    object or a list for the server, where the column is of a type that has fields.
    """
    if takes_text(column):
        read: Callable[[Any], Any] = partial(_text, column.is_array)
        if write is not None:
            read = partial(_with_fields, write)
        if column.leaf == "money" and notation.decimal_comma:
            return core_schema.no_info_before_validator_function(
                with_point, core_schema.no_info_plain_validator_function(read)
            )
        if column.leaf in {"bit", "varbit"} and not column.is_array:
            read = partial(_bits, column.length, column.leaf == "bit")
        return core_schema.no_info_plain_validator_function(read)
    element = _element(column, from_text=from_text, notation=notation)
    if not column.is_array:
        return element
    read_array = partial(
        _array, SchemaValidator(_list_of(element)), described(column, element=True)
    )
    if from_text:
        # The same few arrays come again and again, as tags do; nobody changes the lists.
        return core_schema.no_info_plain_validator_function(lru_cache(_REMEMBERED)(read_array))
    nested = core_schema.no_info_plain_validator_function(read_array)
    return core_schema.union_schema([_list_of(element), nested], mode="left_to_right")


def described(column: Column, *, element: bool = False) -> str:
    """Say what a value of `column` has to be, or each element of an array."""
    if column.is_array and not element:
        return f"an array, each element of it {described(column, element=True)}"
    if column.labels:
        return f"one of {listed(column.labels, 'and')}"
    if bounds := _INTEGERS.get(column.leaf):
        return f"an integer from {bounds[0]} to {bounds[1]}"
    if column.leaf in _TEXTS:
        return "text" if column.length is None else f"text of at most {column.length} characters"
    return _KINDS.get(column.leaf, f"a value of {column.type}")


def _list_of(element: CoreSchema) -> CoreSchema:
    return core_schema.list_schema(core_schema.nullable_schema(element), strict=True)


def _element(column: Column, *, from_text: bool, notation: Notation) -> CoreSchema:
    """Return the schema of a value, or of an element where the column is an array."""
    if column.subtype is not None:
        return _range(column, from_text=from_text, notation=notation)
    schema = _scalar(column, from_text=from_text, notation=notation)
    if notation.decimal_comma and is_number(column):
        return core_schema.no_info_before_validator_function(with_point, schema)
    return schema


def is_number(column: Column) -> bool:
    """Return whether values of `column`, or its elements, are numbers."""
    return column.leaf in _INTEGERS or column.leaf in {"float4", "float8", "numeric", "money"}


def _scalar(column: Column, *, from_text: bool, notation: Notation) -> CoreSchema:
    leaf = column.leaf
    if column.labels:
        return core_schema.literal_schema(list(column.labels))
    if leaf in _TEXTS:
        return core_schema.str_schema(strict=True, max_length=column.length)
    if leaf in _INTEGERS:
        low, high = _INTEGERS[leaf]
        return _number(core_schema.int_schema(ge=low, le=high), from_text=from_text)
    if leaf == "float8":
        return _number(_FLOAT8, from_text=from_text)
    if leaf in _MOMENTS:
        reader = moments.reader(leaf, notation)
        return core_schema.no_info_plain_validator_function(reader)
    if leaf == "bool":
        return core_schema.bool_schema()
    if leaf == "uuid":
        return core_schema.uuid_schema()
    return core_schema.no_info_plain_validator_function(_read(column, from_text=from_text))


def _number(schema: CoreSchema, *, from_text: bool) -> CoreSchema:
    """Take numbers and text for a number; pydantic alone would take `true` for 1 as well."""
    if from_text:
        return schema
    numbers = core_schema.is_instance_schema((int, float, Decimal, str))
    no_bool = core_schema.no_info_plain_validator_function(_no_bool)
    strict = {**schema, "strict": True}
    return core_schema.union_schema(
        [strict, core_schema.chain_schema([numbers, no_bool, schema])],
        mode="left_to_right",
    )


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "is no number")
    return value


def _read(column: Column, *, from_text: bool) -> Callable[[Any], Any]:
    """Return the function that reads a value of the types which pydantic does not know."""
    match column.leaf:
        case "numeric":
            return partial(_numeric, column.precision, column.scale)
        case "float4":
            return _float4
        case "json" | "jsonb":
            return _json_text if from_text else _json_value
        case "bytea":
            return _bytes
        case "interval":
            return _interval
        case "inet":
            return partial(_address, ipaddress.ip_interface, "IP address")
        case "cidr":
            return partial(_address, ipaddress.ip_network, "IP network")
        case _:
            return partial(_text, False)


def _numeric(precision: int | None, scale: int | None, value: Any) -> Decimal:
    if isinstance(value, bool | list | dict):
        raise ValueError("is no number")  # noqa: TRY004 - pydantic's protocol
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("is no number") from None
    if number.is_snan():
        raise ValueError("is no number")
    if number.is_finite() and (
        number.adjusted() >= _WHOLE_DIGITS or -int(number.as_tuple().exponent) > _DECIMAL_PLACES
    ):
        raise ValueError("has more digits than a numeric takes")
    if precision is None or scale is None or number.is_nan():
        return number
    if number.is_infinite():
        raise ValueError(f"is not finite, and the column takes numeric({precision},{scale})")
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if any(digits) else 0
    if any(digits) and -(int(exponent) + zeros) > scale:
        raise ValueError(
            f"has more than {scale} decimal places, which numeric({precision},{scale}) would round"
        )
    if any(digits) and number.adjusted() >= precision - scale:
        raise ValueError(f"is too large for numeric({precision},{scale})")
    return number


def _float4(value: Any) -> float:
    if isinstance(value, bool | list | dict):
        raise ValueError("is no number")  # noqa: TRY004 - pydantic's protocol
    try:
        number = _within_range(float(value), value)
    except OverflowError:
        raise ValueError("is too large for a real") from None
    if abs(number) > _FLOAT4 and not math.isinf(number):
        raise ValueError("is too large for a real")
    if number and abs(number) <= _FLOAT4_LEAST:
        raise ValueError("is too small for a real")
    return number


def _within_range(number: float, written: Any) -> float:
    """Refuse what became zero or infinite only because it is too small or too large."""
    if not number and re.search("[1-9]", str(written).lower().partition("e")[0]):
        raise ValueError("is too small for a float")
    if math.isinf(number) and re.search(r"\d", str(written)):
        raise ValueError("is too large for a float")
    return number


def _float8(value: Any, number: core_schema.ValidatorFunctionWrapHandler) -> float:
    found: float = number(value)
    return found if found and not math.isinf(found) else _within_range(found, value)


_FLOAT8 = core_schema.no_info_wrap_validator_function(_float8, core_schema.float_schema())


def _json_text(value: Any) -> str:
    if not isinstance(value, str):  # an element of an array that is written in JSON
        return _json_value(value)
    return _json_for_server(value, partial(_parse, value))


def _parse(text: str) -> None:
    parsed = exact.loads(text)
    if _SURROGATE.search(text):
        exact.dumps(parsed).encode()


def _json_value(value: Any) -> str:
    try:
        text = exact.dumps(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return _json_for_server(text, text.encode)


def _json_for_server(text: str, parse: Callable[[], object]) -> str:
    try:
        parse()
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair, which is no character") from None
    except ValueError as error:
        raise ValueError(f"is no JSON: {str(error).partition(': line 1 ')[0]}") from None
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("holds the character NUL, which PostgreSQL has not")
    return text


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("is no text of bytes")  # noqa: TRY004 - pydantic's protocol
    try:
        if value.startswith("\\x"):
            return bytes.fromhex(value[2:])
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(r"is no bytes: write \x and hexadecimal digits, or base64") from None


def _interval(value: Any) -> literals.Interval:
    if not isinstance(value, str):
        raise ValueError("is no interval")  # noqa: TRY004 - pydantic's protocol
    return literals.interval(value)


def _address(parse: Callable[[str], Any], kind: str, value: Any) -> Any:
    try:
        # Python takes more than the server does: masks, and the names of interfaces.
        if isinstance(value, str) and "%" not in value and "." not in value.partition("/")[2]:
            return parse(value)
    except ValueError:
        pass
    raise ValueError(f"is no {kind}")


def _bits(length: int | None, fixed: bool, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[01]*", value):
        raise ValueError("is no string of bits")
    if length is not None and (len(value) != length if fixed else len(value) > length):
        raise ValueError(f"has {len(value)} bits, and the column takes {length}")
    return value


def _text(is_array: bool, value: Any) -> str:
    """Return text that the server reads; a list is written as PostgreSQL writes an array."""
    if is_array and isinstance(value, str) and value.lstrip().startswith("["):
        value = _json_list(value)
    if is_array and isinstance(value, list):
        return literals.written(value)
    return value if isinstance(value, str) else exact.dumps(value)


def _with_fields(write: Callable[[Any], str], value: Any) -> str:
    """Return the text of a value with fields, or of an array of such; JSON in a text is read."""
    if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
        with suppress(ValueError, RecursionError):  # an array as PostgreSQL writes it
            value = exact.loads(value)
    try:
        return write(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _array(elements: SchemaValidator, kind: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        items = _json_list(value) if value.lstrip().startswith("[") else literals.array(value)
    else:
        items = value
    if not isinstance(items, list):
        raise ValueError("is no array: write {a,b} or a JSON list")  # noqa: TRY004
    try:
        return _checked(elements, kind, items)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _checked(elements: SchemaValidator, kind: str, items: list[Any]) -> list[Any]:
    if any(isinstance(item, list) for item in items):
        if 0 in _shape(items):
            raise ValueError("is an array of empty arrays")
        return [_checked(elements, kind, item) for item in items]
    try:
        return elements.validate_python(items)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = int(first["loc"][0]) + 1 if first["loc"] else 1
        said = first["ctx"]["error"] if first["type"] == "value_error" else f"is not {kind}"
        raise ValueError(f"has an element, number {place}, that {said}") from None


def _shape(item: Any) -> tuple[int, ...]:
    """Return the lengths of the dimensions of an array."""
    if not isinstance(item, list):
        return ()
    inner = {_shape(part) for part in item} or {()}
    if len(inner) > 1:
        raise ValueError("is an array whose rows are not of one length")
    return (len(item), *inner.pop())


def _json_list(text: str) -> Any:
    try:
        return exact.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no array: write {a,b} or a JSON list") from None


def _is_above(low: Any, high: Any) -> bool:
    """Compare bounds as the server does: NaN is above all numbers, `infinity` above all moments."""
    if isinstance(low, Decimal) and (low.is_nan() or high.is_nan()):
        return bool(low.is_nan() and not high.is_nan())
    if isinstance(low, str) or isinstance(high, str):
        return bool(low != high and (low == "infinity" or high == "-infinity"))
    return bool(low > high)


def _range(column: Column, *, from_text: bool, notation: Notation) -> CoreSchema:
    assert column.subtype is not None  # noqa: S101 - a range is one of something
    bound = replace(column, leaf=column.subtype, subtype=None, is_array=False)
    schema = SchemaValidator(_element(bound, from_text=from_text, notation=notation))
    return core_schema.no_info_plain_validator_function(partial(_ranged, schema))


def _ranged(bounds: SchemaValidator, value: Any) -> PgRange:
    match value:
        case str():
            found = literals.range_bounds(value)
        case {"empty": True} | {"isempty": True}:
            found = None
        case {"lower": lower, "upper": upper, **rest}:
            found = (lower, upper, str(rest.get("bounds", "[)")))
        case _:
            raise ValueError("is no range: write [a,b) or empty")
    if found is None:
        return PgRange(empty=True)
    if found[2] not in {"[)", "[]", "(]", "()"}:
        raise ValueError("has bounds that are none of [) [] (] ()")
    try:
        low, high = (
            None if bound is None else bounds.validate_python(bound) for bound in found[:2]
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"has a bound, {exact.dumps(first['input'])}, that is none") from None
    if low is not None and high is not None and _is_above(low, high):
        raise ValueError("has a lower bound above its upper one")
    return PgRange(low, high, lower_inc=found[2][0] == "[", upper_inc=found[2][1] == "]")
