"""Values as they are shown, read back: a JSON array as the literal that PostgreSQL takes."""

import base64
import binascii
import json

_NULL = frozenset({"null", "NULL"})


def in_quotes(text: str) -> str:
    """Return a text as it is shown: in quotes where it could be taken for another, or for NULL."""
    odd = not text or text in _NULL or text != text.strip() or text[0] == text[-1] == "'"
    return "'" + text.replace("'", "''") + "'" if odd else text


def null_or_text(value: str) -> str | None:
    """Return None for the word null, and what `in_quotes` shows like that; other text as it is."""
    if value in _NULL:
        return None
    text = value[1:-1].replace("''", "'")
    return text if in_quotes(text) == value else value


def array_literal(text: str, *, of_bytes: bool = False) -> str:
    """Return a JSON array as PostgreSQL writes it; any other text as it is.

    Bytes are shown in base64.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _literal(value, of_bytes=of_bytes) if isinstance(value, list) else text


def element_literal(text: str, *, of_bytes: bool = False) -> str:
    """Return the array of one element as PostgreSQL writes it."""
    return _literal([text], of_bytes=of_bytes)


def range_literal(text: str) -> str:
    """Return the range that holds one value as PostgreSQL writes it."""
    return f"[{_quoted(text)},{_quoted(text)}]"


def _literal(value: object, *, of_bytes: bool) -> str:
    if isinstance(value, list):
        return "{" + ",".join(_literal(item, of_bytes=of_bytes) for item in value) + "}"
    if value is None:
        return "NULL"
    element = value if isinstance(value, str) else json.dumps(value)
    return _quoted(_hexadecimal(element) if of_bytes else element)


def _hexadecimal(text: str) -> str:
    """Return bytes in base64 as PostgreSQL reads them; any other text as it is."""
    try:
        return f"\\x{base64.b64decode(text, validate=True).hex()}"
    except binascii.Error:
        return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
