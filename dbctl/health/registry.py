"""Every check there is, in the order of the report, and those that a run makes."""

from __future__ import annotations

from collections.abc import Collection

from dbctl.db.names import listed, suggestion
from dbctl.errors import UsageError
from dbctl.health.check import Check
from dbctl.health.checks import (
    blockers,
    clock,
    connection,
    connections,
    disk,
    drift,
    extensions,
    indexes,
    migrations,
    pool,
    replication,
    required_settings,
    sequences,
    slots,
    transactions,
    vacuum,
    wraparound,
)

CHECKS: tuple[Check, ...] = (
    connection.CHECK,
    migrations.CHECK,
    drift.CHECK,
    pool.CHECK,
    connections.CHECK,
    blockers.CHECK,
    transactions.CHECK,
    indexes.CHECK,
    sequences.CHECK,
    wraparound.CHECK,
    vacuum.CHECK,
    replication.CHECK,
    slots.CHECK,
    disk.CHECK,
    extensions.CHECK,
    clock.CHECK,
    required_settings.CHECK,
)
BY_NAME = {check.name: check for check in CHECKS}
_EVERY = f"The checks are {listed(list(BY_NAME))}."


def select(
    only: Collection[str] = (), skip: Collection[str] = (), also: Collection[str] = ()
) -> tuple[Check, ...]:
    """Return the checks to make: `only` those, or the default ones and `also`, without `skip`.

    Each item may be several names with commas between. Raises UsageError for a name that is none,
    and where nothing is left.
    """
    default = {check.name for check in CHECKS if check.default}
    wanted = _names(only, "--only") if only else default
    left = (wanted | _names(also, "--also")) - _names(skip, "--skip")
    if not left:
        raise UsageError("no check is left", hint=_EVERY)
    return tuple(check for check in CHECKS if check.name in left)


def _names(items: Collection[str], option: str) -> set[str]:
    names = {name.strip() for item in items for name in item.split(",")} - {""}
    for name in sorted(names - BY_NAME.keys()):
        hint = suggestion(name, BY_NAME, _EVERY)
        raise UsageError(f"{option}: there is no check {name!r}", hint=hint)
    if items and not names:
        raise UsageError(f"{option}: no check is named", hint=_EVERY)
    return names
