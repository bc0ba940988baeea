"""Values as they are shown, read back: a JSON array as the literal that PostgreSQL takes."""

import json


def array_literal(text: str) -> str:
    """Return a JSON array as PostgreSQL writes it; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _literal(value) if isinstance(value, list) else text


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(map(_literal, value)) + "}"
    if value is None:
        return "NULL"
    element = value if isinstance(value, str) else json.dumps(value)
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
