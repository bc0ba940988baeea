"""Rows, as lines of JSON or CSV, without the values inside of JSON that are masked by their key."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from dbctl.inspect.data.formats.lines import CELL, csv_rows, lines_of
from dbctl.inspect.data.source import OPAQUE, Field
from dbctl.inspect.masking import MASK
from dbctl.inspect.sensitive.keys import KeyRule, end_of_value

_JSON = frozenset({"json", "jsonb"})
# Between texts of JSON, none of which can hold it.
_SEPARATOR = b"\x01"
_NAME = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)":\s*+', re.DOTALL)
# A text that has JSON, or the pairs of an hstore, in it.
_INNER_KEY = re.compile(rb'\\"\s*(?::|=>)')


class KeyMasking:
    """Mask the values under secret keys, in rows of `fields`.

    The rows are lines of JSON, or with `is_csv` of CSV, in which arrays are JSON with
    `json_arrays`; with `flat`, json is text within JSON.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        is_csv: bool = False,
        json_arrays: bool = False,
        flat: bool = False,
    ) -> None:
        self._json_arrays = json_arrays
        self._is_csv = is_csv
        self._fields = fields
        self._named = {_written(field.name): field for field in fields}
        self._rules = list({id(f.keys): f.keys for f in fields if f.keys is not None}.values())
        self._has_texts = flat or any(f.keys is not None and f.leaf not in _JSON for f in fields)
        # A key that is also a shown column is masked only where it is a key.
        self._shown = {name for name, field in self._named.items() if not field.masked}

    def lines(self, lines: bytes) -> bytes:
        """Return some rows, each with the line break at its end."""
        if not self._rules:
            return lines
        lines = bytes(lines)  # COPY gives a bytearray
        if self._is_csv:
            if not any(rule.may_change(lines) for rule in self._rules):
                return lines
            return self._csv(lines)
        if len(self._rules) == 1 and not (self._has_texts and _INNER_KEY.search(lines)):
            (rule,) = self._rules
            secret = rule.secret_keys(lines)
            if self._shown.isdisjoint(secret):
                return rule.json(lines, secret)
        # A row with a line break in it stands between two marks.
        return b"".join(
            b"\x01%s\x01\n" % row if b"\n" in row or b"\r" in row else row + b"\n"
            for row in map(self._json_row, lines_of(lines))
        )

    def row(self, text: str) -> str:
        """Return the JSON of one row."""
        if not self._rules:
            return text
        return self._json_row(text.encode(errors="surrogateescape")).decode(
            errors="surrogateescape"
        )

    def _json_row(self, row: bytes) -> bytes:
        parts: list[bytes] = []
        at = start = 0
        while match := _NAME.search(row, at):
            at, end = match.end(), end_of_value(row, match.end())
            field = self._named.get(match[1])
            if field is not None and field.keys is not None:
                masked = self._in_json(field, field.keys, row[at:end])
                parts += row[start:at], masked
                start = end
            at = end
        return b"".join((*parts, row[start:]))

    def _in_json(self, field: Field, rule: KeyRule, value: bytes) -> bytes:
        if not value.startswith(b'"'):
            if field.leaf in _JSON:
                return rule.json(value)
            return value if rule.other(value) == value else b'"%s"' % MASK.encode()
        text = json.loads(value, strict=False).encode(errors="surrogatepass")
        masked = self._text(field, rule, text)
        if masked == text:
            return value
        return json.dumps(masked.decode(errors="surrogatepass"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )

    def _csv(self, lines: bytes) -> bytes:
        table = [CELL.findall(row)[: len(self._fields)] for row in csv_rows(lines)]
        for at, field in enumerate(self._fields):
            if (rule := field.keys) is None:
                continue
            # NULL, numbers and the like have no quotes.
            rows = [row for row in table if row[at].startswith(b'"')]
            texts = [row[at][1:-1].replace(b'""', b'"') for row in rows]
            if field.leaf in _JSON and not field.is_array:  # faster than one by one
                masked = rule.json(_SEPARATOR.join(texts)).split(_SEPARATOR) if texts else []
            else:
                masked = [self._text(field, rule, text) for text in texts]
            for row, text, new in zip(rows, texts, masked, strict=True):
                if new != text:
                    row[at] = b'"%s"' % new.replace(b'"', b'""')
        return b"".join(b",".join(row) + b"\n" for row in table)

    def _text(self, field: Field, rule: KeyRule, text: bytes) -> bytes:
        """Return the text of a value."""
        if field.is_array and field.leaf in _JSON:
            return self._array(rule, text)
        if field.is_array and self._json_arrays and rule.other(text) != text:
            return b'["%s"]' % MASK.encode()
        if field.leaf not in OPAQUE and not field.is_array:
            return rule.json(text)
        if field.type.rpartition(".")[2] == "hstore":
            return rule.hstore(text)
        return rule.other(text)

    def _array(self, rule: KeyRule, text: bytes) -> bytes:
        if not self._json_arrays:
            return rule.array(text)
        elements = [
            element if element is None else rule.json(element.encode()).decode()
            for element in json.loads(text)
        ]
        return json.dumps(elements, ensure_ascii=False).encode()


def _written(name: str) -> bytes:
    """Return a name as row_to_json writes it."""
    return json.dumps(name, ensure_ascii=False)[1:-1].encode()
