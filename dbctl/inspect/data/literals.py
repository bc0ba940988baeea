"""Values as they are shown, read back: a JSON array as the literal that PostgreSQL takes."""

import json
import re

# The word NULL as it is shown, in quotes; with quotes of its own it takes one pair more.
_WORD_NULL = re.compile(r"'('*(?:null|NULL)'*)'")


def null_or_text(value: str) -> str | None:
    """Return None for the word null, and the word for `'null'`; any other text as it is."""
    if value in {"null", "NULL"}:
        return None
    word = _WORD_NULL.fullmatch(value)
    return word[1] if word else value


def array_literal(text: str) -> str:
    """Return a JSON array as PostgreSQL writes it; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _literal(value) if isinstance(value, list) else text


def element_literal(text: str) -> str:
    """Return the array of one element as PostgreSQL writes it."""
    return _literal([text])


def range_literal(text: str) -> str:
    """Return the range that holds one value as PostgreSQL writes it."""
    return f"[{_quoted(text)},{_quoted(text)}]"


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(map(_literal, value)) + "}"
    if value is None:
        return "NULL"
    element = value if isinstance(value, str) else json.dumps(value)
    return _quoted(element)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
