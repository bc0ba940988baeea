"""Columns as configuration names them: `users.email`, `public.users.email`, `*.ssn`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate

from dbctl.db.names import quote
from dbctl.errors import UsageError

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s]+)')


@dataclass(frozen=True, slots=True)
class Pattern:
    """A column of some tables, or some columns of them; no schema means any."""

    schema: re.Pattern[str] | None
    table: re.Pattern[str]
    column: re.Pattern[str]

    def covers(self, schema: str, table: str, column: str) -> bool:
        """Tell whether a column is one of those that are meant."""
        return bool(
            self.column.fullmatch(column)
            and self.table.fullmatch(table)
            and (self.schema is None or self.schema.fullmatch(schema))
        )


def parse_pattern(text: str) -> Pattern:
    """Read `[schema.]table.column`, each with `*`, `?` and `[…]` as in names of files.

    The case does not matter. A part in double quotes is a name to the letter. Raises UsageError for
    anything else.
    """
    parts = []
    at = 0
    while match := _PART.match(text, at):
        exact, loose = match.groups()
        if exact is not None:
            parts.append(re.compile(re.escape(exact.replace('""', '"'))))
        else:
            parts.append(re.compile(translate(loose), re.IGNORECASE))
        at = match.end()
        if at == len(text) or text[at] != ".":
            break
        at += 1
    if at != len(text) or len(parts) not in {2, 3}:
        raise UsageError(
            f"{text!r} does not name a column",
            hint="Write table.column or schema.table.column; * stands for any name.",
        )
    *schemas, table, column = parts
    return Pattern(schemas[0] if schemas else None, table, column)


def exactly(schema: str | None, table: str, column: str) -> str:
    """Write the pattern that covers one column alone, of any schema where that is None."""
    return ".".join(quote(part) for part in (schema, table, column) if part is not None)
