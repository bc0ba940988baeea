"""How sessions and transactions are told, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbctl.db.names import literal
from dbctl.sqlliterals import CONSTANT, without_literals

# A statement is told up to its first value, which may be a secret, and no further than this.
_LENGTH = 60


def first_words(query: str | None) -> str | None:
    """Return how a statement begins, on one line and without a quoted value."""
    if not query:
        return None
    text = " ".join(without_literals(query).split())
    before, constant, _ = text.partition(CONSTANT)
    is_all = not constant and len(text) <= _LENGTH
    return text if is_all else f"{before[:_LENGTH].rstrip()} …"


def ending(backend: Mapping[str, Any]) -> str:
    """Return the SQL that ends what a session does: its statement, or where none runs all of it."""
    function = "pg_cancel_backend" if backend["state"] == "active" else "pg_terminate_backend"
    return f"SELECT {function}({backend['pid']});"


def rollback(prepared: str) -> str:
    """Return the SQL that ends a prepared transaction."""
    return f"ROLLBACK PREPARED {literal(prepared)};"
