"""Rows whose JSON stays, to the byte, what the server wrote.

Decoded and written again it would lose digits of numbers, keys that a json has twice, and could not
be written at all where it is deep or holds half a surrogate pair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, PlainSerializer, SkipValidation

# What stands for a row until it is put in: no text of PostgreSQL can hold it.
_MARK = "\0"
_MARKED = re.compile(re.escape(json.dumps(_MARK)))


# Digits that Python reads and writes as an integer.
_DIGITS = 4000


def decoded(row: str | bytes) -> dict[str, Any]:
    """Return a row by its columns; a number that Python cannot hold is its text."""
    values: dict[str, Any] = json.loads(row, parse_int=_integer, parse_float=_float)
    return values


def _integer(text: str) -> object:
    if text == "-0":
        return -0.0
    return int(text) if len(text) <= _DIGITS else text


def _float(text: str) -> object:
    number = float(text)
    return number if isfinite(number) else text


class JsonText(str):
    """The text of a json value, among values that are decoded."""

    __slots__ = ()


class Row(dict[str, Any]):
    """A row by its columns, decoded; `text` is its JSON as the server wrote it."""

    def __init__(self, values: dict[str, Any], text: str) -> None:
        super().__init__(values)
        self.text = text


def _mark(row: dict[str, Any]) -> object:
    return _MARK if isinstance(row, Row) else row


type JsonRow = Annotated[
    dict[str, Any], SkipValidation, PlainSerializer(_mark, return_type=object, when_used="json")
]


class WithRows(BaseModel):
    """A result whose JSON has the rows that are somewhere in it as they were read."""

    def json_rows(self) -> Iterator[dict[str, Any]]:
        """Yield every row in the order of the JSON."""
        raise NotImplementedError

    def model_dump_json(self, **options: Any) -> str:
        """Return the JSON document."""
        texts = (row.text for row in self.json_rows() if isinstance(row, Row))
        document = super().model_dump_json(**options)
        return _MARKED.sub(lambda _mark: next(texts), document)
