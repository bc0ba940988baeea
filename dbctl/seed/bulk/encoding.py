"""Values in PostgreSQL's binary form, a column of a batch at a time.

The driver encodes a value at a time, by way of the codec of its type: three times the work for a
row of ten columns. The forms are those of the server's `*_recv` functions; a value comes with its
length before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import ip_interface
from math import prod
from typing import Any
from uuid import UUID

import asyncpg

from dbctl.db.catalog import Column

type Encoder = Callable[[Sequence[Any]], list[bytes]]

# What an encoder may raise for a value that is not of its type, or out of its range.
UNENCODABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_LISTS = (list, tuple)
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - a timestamp has no time zone
_EPOCH_UTC = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
# Python has no such moments; they come by their names.
_INFINITE_DAYS = {"infinity": 2**31 - 1, "-infinity": -(2**31)}
_INFINITE_TIMES = {"infinity": 2**63 - 1, "-infinity": -(2**63)}
_DAY = 86_400_000_000

_length = struct.Struct("!i").pack
_int8 = struct.Struct("!iq").pack
_array_head = struct.Struct("!iiii").pack
_row_head = struct.Struct("!iiiiii").pack
_uuid_length = _length(16)


def takes_text(column: Column) -> bool:
    """Tell whether values of `column` are handed over as text, as PostgreSQL writes them.

    So it is with every type whose binary form is not known here.
    """
    return _leaf(column) is None


def encoder(column: Column, element: int | None = None) -> Encoder:
    """Return what encodes values of `column`; `element` is the oid of what it is an array of.

    The values are those that the driver takes for the type, text where `takes_text` says so; dates
    and timestamps may also be `infinity` and `-infinity`.
    """
    leaf = _leaf(column)
    if leaf is None:
        return _text
    encode = _Labels().encode if column.labels else _ENCODERS[leaf]
    if not column.is_array:
        return encode
    if element is None:
        raise ValueError(f"the column {column.name} is an array")
    return partial(_arrays, element, encode)


def rows(encoders: Sequence[Encoder], records: Sequence[Sequence[object]]) -> bytes:
    """Return the records as COPY reads them; raises one of UNENCODABLE."""
    columns = zip(*records, strict=True)
    fields = [encode(values) for encode, values in zip(encoders, columns, strict=True)]
    count = [len(encoders).to_bytes(2)] * len(records)
    return b"".join(map(b"".join, zip(count, *fields, strict=True)))


def _leaf(column: Column) -> str | None:
    """Return the type whose encoder is that of `column`, or of what it is an array of."""
    if column.labels:
        return "text"
    if column.leaf in _ENCODERS:
        return column.leaf
    # The one type of an extension that nearly everybody uses; its form is that of text.
    return "text" if column.base_name == "citext" else None


def _packed(form: str, size: int) -> Encoder:
    """Return the encoder of a type that `struct` knows by the letter `form`."""
    pack = struct.Struct(f"!i{form}").pack
    return lambda values: [_NULL if value is None else pack(size, value) for value in values]


def _text(values: Sequence[Any]) -> list[bytes]:
    return [
        _NULL if value is None else _length(len(data := value.encode())) + data for value in values
    ]


def _jsonb(values: Sequence[Any]) -> list[bytes]:
    return [
        _NULL if value is None else _length(len(data := value.encode()) + 1) + b"\x01" + data
        for value in values
    ]


def _bytea(values: Sequence[Any]) -> list[bytes]:
    return [
        _NULL if value is None else _length(len(data := memoryview(value).tobytes())) + data
        for value in values
    ]


class _Labels(dict[str | None, bytes]):
    """The labels of an enum, each encoded once; the server judges whether it is one."""

    def __init__(self) -> None:
        super().__init__({None: _NULL})

    def __missing__(self, label: str | None) -> bytes:
        (self[label],) = _text((label,))
        return self[label]

    def encode(self, values: Sequence[Any]) -> list[bytes]:
        return list(map(self.__getitem__, values))


_BOOLS = {None: _NULL, False: b"\0\0\0\x01\0", True: b"\0\0\0\x01\x01"}


def _bools(values: Sequence[Any]) -> list[bytes]:
    return list(map(_BOOLS.__getitem__, values))


def _uuids(values: Sequence[Any]) -> list[bytes]:
    return [
        _NULL
        if value is None
        else _uuid_length + (value if isinstance(value, UUID) else UUID(value)).int.to_bytes(16)
        for value in values
    ]


def _dates(values: Sequence[Any]) -> list[bytes]:
    pack = struct.Struct("!ii").pack
    return [
        _NULL
        if value is None
        else pack(4, _INFINITE_DAYS[value])
        if isinstance(value, str)
        else pack(4, value.toordinal() - _EPOCH_DAY)
        for value in values
    ]


def _timestamps(epoch: datetime, values: Sequence[Any]) -> list[bytes]:
    return [
        _NULL
        if value is None
        else _int8(8, _INFINITE_TIMES[value])
        if isinstance(value, str)
        else _int8(
            8,
            (since := value - epoch).days * _DAY + since.seconds * 1_000_000 + since.microseconds,
        )
        for value in values
    ]


def _microseconds(value: time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _times(values: Sequence[Any]) -> list[bytes]:
    return [_NULL if value is None else _int8(8, _microseconds(value)) for value in values]


def _time_with_zone(value: time) -> bytes:
    offset = value.utcoffset()
    if offset is None:
        raise ValueError(f"{value} has no time zone")
    return struct.pack("!iqi", 12, _microseconds(value), -int(offset.total_seconds()))


def _interval(value: timedelta) -> bytes:
    within = value.seconds * 1_000_000 + value.microseconds
    return struct.pack("!iqii", 16, within, value.days, getattr(value, "months", 0))


_NOT_FINITE = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}


def _numeric(value: Decimal | int | str) -> bytes:
    """Encode digits in groups of four, on either side of the decimal point."""
    number = Decimal(value)
    if not number.is_finite():
        return struct.pack("!ihhHh", 8, 0, 0, _NOT_FINITE[str(number)], 0)
    whole, _, fraction = f"{number.copy_abs():f}".partition(".")
    scale = len(fraction)
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    digits = whole + fraction.ljust(-(-scale // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    weight = len(whole) // 4 - 1
    while groups and not groups[0]:
        del groups[0]
        weight -= 1
    while groups and not groups[-1]:
        del groups[-1]
    sign = 0x4000 if number.is_signed() and groups else 0
    return struct.pack(
        f"!ihhHH{len(groups)}h",
        8 + 2 * len(groups),
        len(groups),
        weight if groups else 0,
        sign,
        scale,
        *groups,
    )


def _network(value: Any, *, is_cidr: bool) -> bytes:
    """Encode an address or a network of `ipaddress`, or the text of one."""
    interface = ip_interface(str(value))
    data = interface.packed
    family = 2 if interface.version == 4 else 3
    facts = bytes((family, interface.network.prefixlen, is_cidr, len(data)))
    return _length(4 + len(data)) + facts + data


def _each(encode: Callable[[Any], bytes]) -> Encoder:
    """Return an encoder that takes one value at a time, for types that are rare."""
    return lambda values: [_NULL if value is None else encode(value) for value in values]


def _arrays(element: int, encode: Encoder, values: Sequence[Any]) -> list[bytes]:
    """Encode arrays; a list that comes again and again, as those of tags may, only once."""
    lists = {id(value): value for value in values}
    encoded = dict(zip(lists, _lists_of(element, encode, list(lists.values())), strict=True))
    return [encoded[id(value)] for value in values]


def _lists_of(element: int, encode: Encoder, values: Sequence[Any]) -> list[bytes]:
    """Encode lists, the items of all of them at once."""
    flat: list[Any] = []
    shapes = [None if value is None else _flatten(value, flat) for value in values]
    items = encode(flat)
    encoded, at = [], 0
    for shape in shapes:
        if shape is None:
            encoded.append(_NULL)
            continue
        begin = at
        if len(shape) == 1:
            at += shape[0]
            part = items[begin:at]
            body = b"".join(part)
            head = _row_head(20 + len(body), 1, _NULL in part, element, shape[0], 1)
        else:
            at += prod(shape) if shape else 0
            part = items[begin:at]
            body = b"".join((*(struct.pack("!ii", length, 1) for length in shape), *part))
            head = _array_head(12 + len(body), len(shape), _NULL in part, element)
        encoded.append(head + body)
    return encoded


def _flatten(value: Any, flat: list[Any]) -> tuple[int, ...]:
    """Append the items of an array to `flat` and return the lengths of its dimensions."""
    if not isinstance(value, _LISTS):
        raise TypeError(f"an array is a list, not {type(value).__name__}")
    if not value:
        return ()
    if not isinstance(value[0], _LISTS):
        flat += value
        return (len(value),)
    inner = {_flatten(item, flat) for item in value}
    if len(inner) > 1 or () in inner:
        raise ValueError("the lists in a list are not all of one length")
    return (len(value), *inner.pop())


def _ranges(encode: Encoder, values: Sequence[Any]) -> list[bytes]:
    return [_NULL if value is None else _range(encode, value) for value in values]


def _range(encode: Encoder, value: asyncpg.Range) -> bytes:
    if value.isempty:
        return b"\0\0\0\x01\x01"
    flags = (
        (0x02 if value.lower_inc else 0)
        | (0x04 if value.upper_inc else 0)
        | (0x08 if value.lower is None else 0)
        | (0x10 if value.upper is None else 0)
    )
    bounds = [bound for bound in (value.lower, value.upper) if bound is not None]
    body = b"".join((bytes((flags,)), *encode(bounds)))
    return _length(len(body)) + body


_SCALARS: Mapping[str, Encoder] = {
    "bool": _bools,
    "int2": _packed("h", 2),
    "int4": _packed("i", 4),
    "int8": _packed("q", 8),
    "oid": _packed("I", 4),
    "float4": _packed("f", 4),
    "float8": _packed("d", 8),
    "numeric": _each(_numeric),
    "text": _text,
    "varchar": _text,
    "bpchar": _text,
    "name": _text,
    "json": _text,
    "jsonb": _jsonb,
    "bytea": _bytea,
    "uuid": _uuids,
    "date": _dates,
    "time": _times,
    "timetz": _each(_time_with_zone),
    "timestamp": partial(_timestamps, _EPOCH),
    "timestamptz": partial(_timestamps, _EPOCH_UTC),
    "interval": _each(_interval),
    "inet": _each(partial(_network, is_cidr=False)),
    "cidr": _each(partial(_network, is_cidr=True)),
}
_ENCODERS = dict(_SCALARS) | {
    name: partial(_ranges, _SCALARS[of])
    for name, of in (
        ("int4range", "int4"),
        ("int8range", "int8"),
        ("numrange", "numeric"),
        ("daterange", "date"),
        ("tsrange", "timestamp"),
        ("tstzrange", "timestamptz"),
    )
}

# What encodes the numbers of rows.
NUMBER = _SCALARS["int8"]
