"""The operation behind `inspect indexes`: what each index does, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.names import listed, suggestion
from dbctl.errors import UsageError
from dbctl.inspect.database.constants import Constants, constants_of
from dbctl.inspect.database.results.indexes import Fault, Finding, Index, IndexesResult
from dbctl.inspect.database.schemas import known_schema
from dbctl.inspect.masking import Masks
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading

# Days for which scans must have been counted before an index without one is called unused: what
# runs once a week has run by then.
UNUSED_AFTER = 7.0
_DAY = 24 * 3600.0

type Row = Mapping[str, Any]


def parse_faults(text: str | None) -> tuple[Fault, ...]:
    """Split a list of faults at its commas; None means none. Raises UsageError for another word."""
    words = [word.strip().lower() for word in text.split(",")] if text is not None else []
    for word in words:
        if word not in set(Fault):
            raise UsageError(
                f"{word!r} is no finding about an index",
                hint=suggestion(word, Fault, f"There are {listed([*Fault])}."),
            )
    return tuple(Fault(word) for word in words)


async def list_indexes(
    connection: asyncpg.Connection[Any],
    *,
    schema: str | None = None,
    only: Sequence[Fault] = (),
    unused_after: float = UNUSED_AFTER,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> IndexesResult:
    """List the indexes with their use, and what is wrong with them; `only` those faults.

    None is called unused before its scans were counted for `unused_after` days. The constants of
    columns that `masks` hide are left out.
    Raises UsageError where there is no such schema.
    """
    async with reading(connection, statement_timeout):
        name = await known_schema(connection, schema)
        rows = await fetch(connection, "inspect.database", "all_indexes", schema=name)
        keys = await fetch(connection, "inspect.database", "unindexed_keys", schema=name)
        (counting,) = await fetch(
            connection, "inspect.database", "counting", seconds=unused_after * _DAY
        )
        (moment,) = await fetch(connection, "inspect.database", "moment")
        made = [row for row in rows if row["predicate"] or any("(" in key for key in row["keys"])]
        constants = await constants_of(connection, {row["table"] for row in made}, (), masks)
    found = list(_faults(rows, counted_long=counting["counted_long"]))
    findings = [finding for _, finding in found] + [_missing(key) for key in keys]
    wanted = [finding for finding in findings if not only or finding.fault in only]
    faults: dict[int, list[Fault]] = {}
    for oid, finding in found:
        if finding in wanted:
            faults.setdefault(oid, []).append(finding.fault)
    return IndexesResult(
        database=moment["database"],
        read_at=moment["read_at"],
        standby=counting["standby"],
        counted_since=counting["counted_since"],
        counted_long=counting["counted_long"],
        only=tuple(only),
        indexes=tuple(
            _index(row, faults.get(row["oid"], ()), constants)
            for row in rows
            if not only or row["oid"] in faults
        ),
        findings=tuple(sorted(wanted, key=lambda f: [*Fault].index(f.fault))),
    )


def _index(row: Row, faults: Sequence[Fault], constants: Constants) -> Index:
    known = {name: row[name] for name in Index.model_fields if name in row}
    known["predicate"] = constants.shown(row["predicate"])
    known["keys"] = tuple(map(constants.shown, row["keys"]))
    return Index(schema_name=row["schema"], faults=tuple(faults), **known)


def _faults(rows: Sequence[Row], *, counted_long: bool) -> Iterator[tuple[int, Finding]]:
    """Yield the OID of each index with what is wrong with it.

    What is served by another counts as a use of that other, so that never both are to go.
    """
    for _, group in groupby(rows, key=lambda row: row["table_oid"]):
        of_table = [row for row in group if not row["building"]]
        scans = {row["oid"]: row["scans"] for row in of_table}
        plain = []
        for row in of_table:
            others = [other for other in of_table if _covers(other, row)]
            # The longest is covered by none of the others.
            other = min(others, key=lambda one: (-len(one["key_ids"]), _rank(one)), default=None)
            if not row["valid"]:
                yield row["oid"], _invalid(row)
            elif other is not None:
                scans[other["oid"]] += row["scans"]
                yield row["oid"], _duplicate(row, other)
            elif not (row["unique"] or row["needed"] or row["serves_key"]):
                plain.append(row)
        for row in plain:
            if counted_long and not scans[row["oid"]]:
                yield row["oid"], _finding(row, Fault.UNUSED, "no scan was counted", _drop(row))


def _covers(other: Row, row: Row) -> bool:
    """Tell whether `other` serves for all that `row` does.

    The same keys and predicate; or, in a B-tree, keys that begin with those of a plain index. Of
    two that are equal the needed one stays, then the unique, the more used, the first by name.
    """
    if other["oid"] == row["oid"] or row["needed"] or not other["valid"]:
        return False
    if (row["method"], row["predicate"]) != (other["method"], other["predicate"]):
        return False
    length = len(row["key_ids"])
    if other["key_ids"][:length] != row["key_ids"]:
        return False
    carried = {*other["included"], *other["keys"]}
    if not carried.issuperset(row["included"]):
        return False
    if len(other["key_ids"]) > length:
        return row["method"] == "btree" and not row["unique"]
    if row["unique"] != other["unique"]:
        return bool(other["unique"])
    if len(other["included"]) != len(row["included"]):
        return len(other["included"]) > len(row["included"])
    rank = _rank(other), _rank(row)
    return rank[0] < rank[1]


def _rank(row: Row) -> tuple[bool, int, str]:
    return (not row["needed"], -row["scans"], row["name"])


def _duplicate(row: Row, other: Row) -> Finding:
    exact = row["key_ids"] == other["key_ids"]
    how = "does the same" if exact else "begins with the same columns"
    return _finding(row, Fault.DUPLICATE, f"{other['label']} {how}", _drop(row))


def _invalid(row: Row) -> Finding:
    if row["is_partitioned"]:
        # It becomes valid once each partition has an index that is attached to it.
        remedy = f"REINDEX INDEX {row['label']};"
        return _finding(row, Fault.INVALID, "not every partition has it", remedy)
    detail = "its build failed or was cancelled: it costs writes and serves no read"
    return _finding(row, Fault.INVALID, detail, f"REINDEX INDEX CONCURRENTLY {row['label']};")


def _missing(key: Row) -> Finding:
    table = key["table"]
    columns = ", ".join(key["columns"])
    how = "INDEX" if key["is_partitioned"] else "INDEX CONCURRENTLY"
    return Finding(
        fault=Fault.MISSING,
        table=table,
        index=None,
        detail=f"no index for the foreign key {key['name']} ({columns})",
        remedy=f"CREATE {how} ON {table} ({columns});",
        bytes=key["bytes"],
    )


def _finding(row: Row, fault: Fault, detail: str, remedy: str) -> Finding:
    return Finding(
        fault=fault,
        table=row["table_label"],
        index=row["label"],
        detail=detail,
        remedy=remedy,
        bytes=row["bytes"],
    )


def _drop(row: Row) -> str:
    # The index of a partitioned table cannot be dropped concurrently.
    return f"DROP INDEX {'' if row['is_partitioned'] else 'CONCURRENTLY '}{row['label']};"
