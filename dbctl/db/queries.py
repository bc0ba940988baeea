"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

from functools import cache
from importlib import resources


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`."""
    return (resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
