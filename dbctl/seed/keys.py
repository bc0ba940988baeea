"""How a seed set says by which columns a row is known again."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyed:
    """A row of a set with its natural key, and the fields that only its creation writes."""

    row: object
    key: tuple[str, ...]
    keep: frozenset[str]


def keyed(row: object, *key: str, keep: Collection[str] = ()) -> Keyed:
    """Return `row`, an instance of a model, as a seed set yields it.

    The row is known again by the fields `key`; without them, by its primary key or the one UNIQUE
    whose fields are given. A later run leaves the fields of `keep` as they are in the database.
    """
    return Keyed(row, key, frozenset([keep] if isinstance(keep, str) else keep))
