"""Check that the tables are what the models say, where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbctl.db.names import listed
from dbctl.errors import ConfigurationError
from dbctl.health.access import missing_grants, read_state
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare the database, at the head, with the models as `dbctl migrate check` does.

    Opens further connections. Raises what `drift.find` raises.
    """
    from dbctl.migrate.drift import find

    loaded = context.loaded
    if error := loaded.checkout_error:
        return Finding(status=Status.FAIL, summary=error.message, remedy=error.hint, permanent=True)
    try:
        at = await read_state(reader, context)
    except ConfigurationError as error:
        return Finding(status=Status.FAIL, summary=error.message, remedy=error.hint)
    if not at.is_at_head:
        return Finding(
            status=Status.UNKNOWN,
            summary=f"not compared: the database {at.state.sentence}",
            remedy=at.hint,
        )
    found = await find(context.manager, loaded.revisions, loaded.models)
    uncompared = {one.table for one in found if one.kind == "not_compared"}
    denied = await missing_grants(reader, uncompared) if uncompared else {}
    if denied and all(one.kind == "not_compared" for one in found):
        return Finding(
            status=Status.UNKNOWN,
            summary=f"not compared: permission denied for {listed(list(denied))}",
            evidence=[{"table": name, "remedy": grants} for name, grants in denied.items()],
            remedy=" ".join(denied.values()),
        )
    source = loaded.models.source if loaded.models else loaded.revisions.env_label
    differs = f"{len(found)} difference{'' if len(found) == 1 else 's'} from {source}"
    return Finding(
        status=Status.FAIL if found else Status.PASS,
        summary=differs if found else f"as {source} says",
        value=len(found),
        evidence=[
            {"kind": one.kind, "table": one.table, "name": one.name, "detail": one.detail}
            for one in found
        ],
        remedy="dbctl migrate check" if found else None,
    )


CHECK = Check(
    name="drift",
    run=_run,
    measurement="differences",
    unit="differences",
    default=False,
    seconds=60.0,
)
