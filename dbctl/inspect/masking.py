"""Which columns hold what nobody should read over a shoulder: marked, configured, or by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbctl.errors import ErrorCode, RefusedError
from dbctl.settings import Environment, Settings

# What stands in place of a value.
MASK = "***"

_NAMES = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|secret|token|api_?key|private_?key|credential)s?(?:_|$)"
)


@dataclass(frozen=True)
class Masks:
    """What is hidden; `columns` maps `schema.table.column` to the reason."""

    columns: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = True

    def reason(self, schema: str, table: str, column: str) -> str | None:
        """Say why a column is hidden, None where it is not."""
        if marked := self.columns.get(f"{schema}.{table}.{column}"):
            return marked
        return "its name" if self.by_name and _NAMES.search(column.lower()) else None


NOTHING_MASKED = Masks(by_name=False)


def masks_of(settings: Settings, *, reveal: bool = False, allow_production: bool = False) -> Masks:
    """Return what the settings hide; with `reveal`, nothing.

    Raises RefusedError where it would be revealed in production and that is not allowed.
    """
    if not reveal:
        return Masks()
    if settings.environment is Environment.PRODUCTION and not allow_production:
        raise RefusedError(
            "--reveal shows personal data, and ENVIRONMENT is production",
            hint="Add --allow-production if that is what you want.",
            code=ErrorCode.PRODUCTION_GUARD,
        )
    return NOTHING_MASKED
