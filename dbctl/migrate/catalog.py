"""The catalogue queries of the migrate operations, each in a file of its own beside them."""

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    """Return the SQL of the file `name`."""
    return (resources.files("dbctl.migrate") / f"{name}.sql").read_text(encoding="utf-8")
