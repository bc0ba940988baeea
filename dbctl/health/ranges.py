"""How much of their range the sequences and integer keys of a database have used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.grants import ROLE
from dbctl.db.names import literal

if TYPE_CHECKING:
    from dbctl.health.reader import LookReader

_WIDEN = "ALTER TABLE {table} ALTER COLUMN {column} TYPE {type};"
# PostgreSQL cannot change the type of a column that it partitions by.
_MOVE = "move the rows of {table} to a new table, where {column} is {type}"
# What a type of whole numbers ends at.
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a range is used, in percent; `remedy` is the SQL that makes it larger.

    `name` is that of the column, or of a sequence that feeds none. A key without a sequence is
    `guessed` from its largest value: nothing says that the next one is larger by one.
    """

    name: str
    sequence: str | None
    type: str
    last: int
    limit: int
    percent: float
    remedy: str
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """What cannot be read, and the GRANT that would help; None for what is locked at the moment."""

    name: str
    grant: str | None


async def read_ranges(reader: LookReader) -> tuple[list[Use], list[Unread]]:
    """Return how much is used, the most first, and what this role cannot read."""
    sequences, keys, (who,) = await asyncio.gather(
        fetch(reader, "health", "sequences"),
        fetch(reader, "health", "integer_keys"),
        reader.rows(ROLE),
    )
    role = who["role"]
    unread = {row["sequence"]: _unread_sequence(row, role) for row in sequences}
    unread |= {_column(key): _unread_key(key, role) for key in keys}
    uses = [_of_sequence(row) for row in sequences if row["last"] is not None]
    uses += await _of_keys(reader, [key for key in keys if unread[_column(key)] is None])
    uses.sort(key=lambda use: -use.percent)
    return uses, [one for one in unread.values() if one is not None]


def _unread_sequence(row: Mapping[str, Any], role: str) -> Unread | None:
    name = row["sequence"]
    if not row["permitted"]:
        return Unread(name, f"GRANT SELECT ON SEQUENCE {name} TO {role};")
    return Unread(name, None) if row["locked"] else None


def _unread_key(key: Mapping[str, Any], role: str) -> Unread | None:
    grants = []
    if not key["reachable"]:
        grants.append(f"GRANT USAGE ON SCHEMA {key['schema']} TO {role};")
    if not key["permitted"]:
        grants.append(f"GRANT SELECT ({key['column']}) ON {key['table']} TO {role};")
    if key["filtered"]:
        grants.append(f"ALTER ROLE {role} BYPASSRLS;")
    if grants:
        return Unread(_column(key), " ".join(grants))
    return Unread(_column(key), None) if key["locked"] else None


def _widened(table: str, column: str, *, partitioning: bool, type_: str = "bigint") -> str:
    return (_MOVE if partitioning else _WIDEN).format(table=table, column=column, type=type_)


def _of_sequence(row: Mapping[str, Any]) -> Use:
    return Use(
        name=f"{row['table']}.{row['column']}" if row["table"] else row["sequence"],
        sequence=row["sequence"],
        type=row["type"],
        last=row["last"],
        limit=row["bound"],
        percent=row["percent"],
        remedy=_remedy(row),
    )


def _remedy(row: Mapping[str, Any]) -> str:
    """Return what makes the range larger: of the column, of its sequence, or of both."""
    # A domain keeps what it asks of its values: it is made anew over bigint.
    widened = _widened(
        row["table"],
        row["column"],
        partitioning=row["partitioning"],
        type_=row["wide_type"] or "bigint",
    )
    if row["domain"] is not None:
        widened = f"{row['domain']} {widened}"
    if row["narrow"] or (row["partitioning"] and row["sequence_type"] != "bigint"):
        return widened
    if row["sequence_type"] != "bigint":
        sequence = f"ALTER SEQUENCE {row['sequence']} AS bigint;"
        return f"{sequence} {widened}" if row["base_type"] in {"smallint", "integer"} else sequence
    if abs(row["bound"]) < _LARGEST:
        end = "MAXVALUE" if row["ascending"] else "MINVALUE"
        return f"ALTER SEQUENCE {row['sequence']} NO {end};"
    if row["table"] is None:
        return f"set {row['sequence']} back to the last value that is used, with setval()"
    end = "max" if row["ascending"] else "min"
    last = f"SELECT {end}({row['column']}) FROM {row['table']}"  # noqa: S608 - quoted
    return f"SELECT setval({literal(row['sequence'])}, ({last}));"


async def _of_keys(reader: LookReader, keys: Sequence[Mapping[str, Any]]) -> list[Use]:
    """Read the largest value of each key, for which PostgreSQL looks at one end of its index."""
    if not keys:
        return []
    # Tables that inherit from one need have no index.
    largest = " UNION ALL ".join(
        f"SELECT {number} AS key, max({key['column']})::int8 AS last"  # noqa: S608
        f" FROM {'' if key['partitioned'] else 'ONLY '}{key['table']}"
        for number, key in enumerate(keys)
    )
    rows = await reader.rows(largest)
    return [_of_key(keys[row["key"]], row["last"]) for row in rows if row["last"] is not None]


def _of_key(key: Mapping[str, Any], last: int) -> Use:
    return Use(
        name=_column(key),
        sequence=None,
        type=key["type"],
        last=last,
        limit=key["bound"],
        percent=max(100 * last / key["bound"], 0.0),
        # A partitioned table's key of one column is what it is partitioned by.
        remedy=_widened(key["table"], key["column"], partitioning=key["partitioned"]),
        guessed=True,
    )


def _column(key: Mapping[str, Any]) -> str:
    return f"{key['table']}.{key['column']}"
