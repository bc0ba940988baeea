"""How statements are read: by their first words, and the readings that many of them share."""

from collections.abc import Callable, Mapping

from dbctl.migrate.statements.assessment import Draft
from dbctl.migrate.statements.levels import LockLevel
from dbctl.sqltokens import TokenReader, quote

type Reading = Callable[[TokenReader, Draft], None]


def reading_of(reader: TokenReader, readings: Mapping[str, Reading]) -> Reading:
    """Return how to read on, and step over the words that told."""
    for words, reading in readings.items():
        if reader.accept(*words.split()):
            return reading
    return unknown


def unknown(_reader: TokenReader, draft: Draft) -> None:
    """Admit that this is no statement whose locks the text tells."""
    draft.unknown("what it locks cannot be told from its text")


def no_table(_reader: TokenReader, _draft: Draft) -> None:
    """Add nothing: no table is locked."""


def alone(_reader: TokenReader, draft: Draft) -> None:
    """Read what locks no table and cannot run in a transaction."""
    draft.transactional = False


def locked(level: LockLevel) -> Reading:
    """Return the reading of the one table whose name comes next."""

    def read(reader: TokenReader, draft: Draft) -> None:
        reader.accept("if", "exists")
        draft.lock(reader.name(), level)

    return read


def locked_after(word: str, level: LockLevel) -> Reading:
    """Return the reading of the one table whose name stands behind `word`."""

    def read(reader: TokenReader, draft: Draft) -> None:
        found = reader.seek(word)
        reader.accept("only")
        draft.lock(reader.name() if found else None, level)

    return read


def lock_of_column(reader: TokenReader, draft: Draft, level: LockLevel) -> None:
    """Read the table of the column whose qualified name comes next."""
    *table, _ = reader.name_parts() or [""]
    draft.lock(".".join(map(quote, table)) or None, level)


# What has no rows: making, changing or dropping it locks no table.
WITHOUT_TABLE: Mapping[str, Reading] = dict.fromkeys(
    (
        "type", "domain", "function", "procedure", "routine", "aggregate", "extension", "schema",
        "role", "user", "group", "cast", "collation", "conversion", "operator", "language",
        "procedural language", "server", "text search", "access method", "event trigger",
        "foreign data wrapper", "transform", "default privileges", "large object", "sequence",
        "statistics", "publication", "subscription", "database",
    ),
    no_table,
)  # fmt: skip
