"""Describe what statements do to a database, from their text and its catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.migrate.catalogue.effects import Effect, apply
from dbctl.migrate.catalogue.reading import read_catalogue, read_sizes
from dbctl.migrate.statements import Assessment


async def describe(
    connection: AsyncConnection,
    path: Sequence[str],
    time_zone: str,
    revisions: Sequence[Sequence[Assessment]],
) -> list[list[Effect]]:
    """Return the effect of each statement of each revision, run in this order.

    `path` is the search_path that a revision starts with, `time_zone` the TimeZone, both empty for
    those of a session. No lock is waited for, and nothing is written;
    the connection is in no transaction afterwards.
    """
    if not any(revisions):
        return [[] for _ in revisions]
    catalogue = await read_catalogue(connection, path, time_zone, revisions)
    effects = []
    for statements in revisions:
        catalogue.begin_revision()
        effects.append([apply(each, catalogue) for each in statements])
    await connection.rollback()
    sizes = await read_sizes(connection, catalogue.shown.values())
    measured = {name: sizes.get(oid, (None, None)) for name, oid in catalogue.shown.items()}
    return [[_with_sizes(effect, measured) for effect in each] for each in effects]


def _with_sizes(effect: Effect, measured: dict[str, tuple[int | None, int | None]]) -> Effect:
    locks = []
    for lock in effect.locks:
        rows, size = measured.get(lock.table, (None, None))
        locks.append(replace(lock, rows=rows, bytes=size))
    return replace(effect, locks=tuple(locks))
