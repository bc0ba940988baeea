"""Rows of an NDJSON file: a JSON object on each line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from dbctl.seed.load import exact
from dbctl.seed.load.faults import FileFault
from dbctl.seed.load.rows import BATCH_BYTES, BATCH_ROWS, ROW_LIMIT, Batch, Broken, Dialect
from dbctl.seed.load.sources import Source

_TEXT = 2000
_KEY = re.compile(rb'"\s*:')


class _Unparsed:
    """Stands for a line that is no JSON."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def batches(source: Source, stream: io.BufferedReader, dialect: Dialect) -> Iterator[Batch]:
    """Yield the rows; blank lines are none, and lines that are no JSON are `broken`.

    Raises FileFault for a line that is longer than any row.
    """
    parse = _exactly if dialect.exact else _quickly
    row, line = 0, 0
    for lines in _lines(source, stream):
        for start in range(0, len(lines), BATCH_ROWS):
            part = lines[start : start + BATCH_ROWS]
            places = [index for index, text in enumerate(part, line) if not text.isspace()]
            texts = [part[index - line] for index in places]
            nul = any(b"\\u0000" in text for text in texts)
            batch = _batch(parse(texts), texts, row, places, nul)
            row += len(texts)
            line += len(part)
            if texts:
                yield batch


def _lines(source: Source, stream: io.BufferedReader) -> Iterator[list[bytes]]:
    rest = b""
    while data := stream.read(BATCH_BYTES):
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > ROW_LIMIT:
            raise FileFault(
                f"{source.label} has a line of more than {ROW_LIMIT >> 20} MiB",
                hint="Nothing was loaded. Where it is an array of objects, give --from json.",
            )
        if lines:
            yield [line or b" " for line in lines]
    if rest:
        yield [rest]


def _batch(values: list[Any], texts: list[bytes], row: int, places: list[int], nul: bool) -> Batch:
    """Tell the parsed from the broken rows, the first of them after row `row`."""
    faulty = {i: value for i, value in enumerate(values) if type(value) is _Unparsed}
    broken = [
        Broken(row + i + 1, places[i] + 1, value.reason, _shortened(texts[i]))
        for i, value in faulty.items()
    ]
    numbers: range | list[int] = range(row + 1, row + 1 + len(values))
    if faulty:
        kept = [i for i in range(len(values)) if i not in faulty]
        values = [values[i] for i in kept]
        places = [places[i] for i in kept]
        numbers = [row + i + 1 for i in kept]
    return Batch(values, numbers, lambda index: places[index] + 1, broken, nul)


def _shortened(text: bytes) -> str:
    return text[:_TEXT].decode("utf-8", "replace").strip()


def _quickly(lines: list[bytes]) -> list[Any]:
    try:
        values = [from_json(line, allow_inf_nan=False) for line in lines]
    except ValueError:
        return [_parsed(line, _from_json) for line in lines]
    if any(map(_may_repeat, lines, values)):
        return [_parsed(line, _from_json) for line in lines]
    return values


def _exactly(lines: list[bytes]) -> list[Any]:
    return [_parsed(line, _loads) for line in lines]


def _from_json(line: bytes) -> Any:
    value = from_json(line, allow_inf_nan=False)
    if _may_repeat(line, value):
        exact.refuse_repeated_keys(line.decode())
    return value


def _loads(line: bytes) -> Any:
    text = line.decode()
    value = exact.loads(text)
    if _may_repeat(line, value):
        exact.refuse_repeated_keys(text)
    return value


def _may_repeat(line: bytes, value: Any) -> bool:
    """Return whether an object may have a key twice: where there are fewer than the line names.

    The value of a text may look like a key, too.
    """
    named = len(_KEY.findall(line))
    return named != len(value) and named != _keys(value) if isinstance(value, dict) else named > 0


def _keys(value: Any) -> int:
    """Count the keys of all objects in a value."""
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _parsed(line: bytes, parse: Any) -> Any:
    try:
        return parse(line)
    except UnicodeDecodeError as error:
        return _Unparsed(f"is not UTF-8 at byte {error.start + 1} of the line")
    except exact.RepeatedKey as error:
        return _Unparsed(str(error))
    except (ValueError, RecursionError) as error:
        reason = str(error).partition(" at line 1 ")[0].partition(": line 1 ")[0]
        return _Unparsed(f"is no JSON: {reason}")
