"""Rows of a JSON file: an array of objects, at its top or within an object."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar

import ijson  # type: ignore[import-untyped]

from dbctl.db.names import listed
from dbctl.errors import UsageError
from dbctl.seed.load import exact
from dbctl.seed.load.faults import FileFault, shown
from dbctl.seed.load.json_bytes import Whole
from dbctl.seed.load.rows import BATCH_BYTES, BATCH_ROWS, Batch, Broken, Dialect
from dbctl.seed.load.sources import Source

_CHUNK = 64 << 10
_SLICE = 32


def find_rows(source: Source, dialect: Dialect, table: str) -> str:
    """Return the path of the array that has the rows, empty where it is the whole file.

    In an object that is the one that `dialect` names, or else the one under the name of the table,
    or else the only one. Raises UsageError where there is none or several, FileFault.
    """
    if not _begins_with_object(source):
        return ""
    source.keep()
    found: dict[str, bool] = {}
    with source.open() as stream, _worded(source):
        depth = 0  # of arrays: what is within one has no path of its own
        begun: str | None = None
        for path, event, _ in ijson.parse(Whole(stream, source.label), buf_size=_CHUNK):
            if begun is not None:
                found[begun], begun = event == "start_map", None
            if event == "start_array":
                if not depth:
                    if path == (dialect.key or table):
                        return str(path)
                    begun = path
                depth += 1
            elif event == "end_array":
                depth -= 1
    return _chosen(source, dialect, table, found)


def _chosen(source: Source, dialect: Dialect, table: str, found: Mapping[str, bool]) -> str:
    """Choose among the arrays of a file of which none is at the very place that was looked for.

    `found` has their paths, and whether they begin with an object, as rows do.
    """
    names = listed([shown(path) for path in found])
    if dialect.key is not None:
        raise UsageError(
            f"{source.label} has no array {dialect.key!r}",
            hint=f"It has {names}." if found else "It has no array.",
        )
    of_objects = [path for path, holds_objects in found.items() if holds_objects]
    named = [path for path in found if path.rpartition(".")[2].casefold() == table.casefold()]
    for candidates in (named, of_objects, list(found)):
        if len(candidates) == 1:
            return candidates[0]
    if not found:
        raise UsageError(
            f"{source.label} is an object without an array",
            hint="Where it has an object on each line, give --from ndjson.",
        )
    raise UsageError(
        f"{source.label} has several arrays, and none is called {table}: {names}",
        hint=f"Name the one to load: --key {(of_objects or list(found))[0]}",
    )


def batches(source: Source, stream: io.BufferedReader, path: str) -> Iterator[Batch]:
    """Yield the rows of the array at `path`; numbers keep every digit.

    Raises FileFault where the file is no JSON or breaks off.
    """
    whole = Whole(stream, source.label)
    place = f"{path}.item" if path else "item"
    repeats: list[str] = []
    kind = type("Object", (_Object,), {"__slots__": (), "repeats": repeats})
    items = ijson.items(whole, place, buf_size=_CHUNK, map_type=kind)
    row = 0
    while True:
        rows: list[Any] = []
        begin = source.position
        with _worded(source, row, rows):
            while len(rows) < BATCH_ROWS and source.position - begin < BATCH_BYTES:
                before = len(rows)
                rows += islice(items, _SLICE)
                if len(rows) == before:
                    break
        if not rows:
            return
        numbers: Sequence[int] = range(row + 1, row + 1 + len(rows))
        row += len(rows)
        broken: list[Broken] = []
        if repeats:
            repeats.clear()
            rows, numbers, broken = _without_repeats(rows, numbers)
        yield Batch(rows, numbers, lambda _: None, broken, may_hold_nul=True)


class _Object(dict[str, Any]):
    """An object; of a key that comes again the first value stays, the others are in `again`.

    It is made for every object of a file: `repeats` belongs to the class, and `again` is only there
    where it is needed.
    """

    __slots__ = ("again",)
    again: list[tuple[str, Any]]
    repeats: ClassVar[list[str]]

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            self.again = [*_again(self), (key, value)]
            self.repeats.append(key)
        else:
            dict.__setitem__(self, key, value)


def _again(value: Any) -> list[tuple[str, Any]]:
    return getattr(value, "again", [])


def _without_repeats(
    rows: Sequence[Any], numbers: Sequence[int]
) -> tuple[list[Any], list[int], list[Broken]]:
    """Take the rows out that have a key more than once."""
    sound, kept, broken = [], [], []
    for row, number in zip(rows, numbers, strict=True):
        if (key := _repeated(row)) is None:
            sound.append(row)
            kept.append(number)
        else:
            broken.append(Broken(number, None, str(exact.RepeatedKey(key)), _text(row)))
    return sound, kept, broken


def _repeated(value: Any) -> str | None:
    """Return a key that an object has more than once."""
    if again := _again(value):
        return again[0][0]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_repeated, inner)), None)


def _text(value: Any) -> str:
    """Write a value with every key that it had."""
    if isinstance(value, dict):
        pairs = [f"{exact.dumps(k)}: {_text(v)}" for k, v in (*value.items(), *_again(value))]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return exact.dumps(value)


# What ijson says of a second document in a file: its C backends, and that in Python (a release has
# no wheel for every Python). Checked on 3.3.0 to 3.6.0.
_GOES_ON = re.compile("trailing garbage|Additional data found")


def _begins_with_object(source: Source) -> bool:
    """Tell an object from an array by its first character, which stays to be read."""
    return source.start().lstrip()[:1] != b"["


@contextmanager
def _worded(source: Source, row: int = 0, rows: Sequence[object] = ()) -> Iterator[None]:
    """Raise FileFault for what is no JSON, after `row` and the `rows` that were read since."""
    try:
        yield
    except ijson.JSONError as error:
        reason = str(error).splitlines()[0].removeprefix("parse error: ").strip()
        hint = "Nothing was loaded."
        if _GOES_ON.search(reason):
            hint += " Where it has an object on each line, give --from ndjson."
        elif source.is_repeatable and source.start().lstrip()[:1] not in {b"[", b"{"}:
            hint += " Where it has a row of fields on each line, give --from csv."
        raise FileFault(
            f"{source.label} is no JSON after row {row + len(rows)}: {reason}", hint=hint
        ) from error
