"""Extensions: those that the project needs are installed, and as new as the server has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch
from dbctl.db.names import quote
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.needs import Needs
from dbctl.health.results import Finding, Status

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_CONFIGURED = "extensions in [tool.dbctl.health]"
# They need another extension, which CASCADE installs as well.
_DEPENDENT = frozenset({"earthdistance", "postgis_raster"})


async def _run(reader: LookReader, context: Context) -> Finding:
    """Look for the extensions that are configured, or else that the models of the project need."""
    needs = context.loaded.needs
    if context.configured is not None:
        needs = Needs(dict.fromkeys(context.configured, _CONFIGURED))
    assert needs is not None  # noqa: S101 - loaded for this check
    if needs.error is not None:
        return Finding(
            status=Status.UNKNOWN,
            summary=f"which are needed is not known: {needs.error.message}",
            remedy=needs.error.hint,
        )
    needed = needs.extensions
    rows = await fetch(reader, "health", "extensions", names="\n".join(needed))
    found = {row["name"]: row for row in rows}
    missing = [name for name in needed if name not in found or found[name]["installed"] is None]
    evidence = [
        {
            "extension": name,
            "needed_by": needed[name],
            "available": found[name]["available"] if name in found else None,
        }
        for name in missing
    ]
    installed = [row for row in rows if row["installed"] is not None]
    observed = {
        "needed": tuple(needed),
        "installed": tuple(row["name"] for row in installed),
    }
    if missing:
        return Finding(
            status=Status.FAIL,
            summary=f"not installed: {', '.join(missing)}",
            value=len(missing),
            evidence=evidence,
            observed=observed,
            remedy=_remedy(evidence),
        )
    behind = [row for row in installed if row["available"] not in (None, row["installed"])]
    if behind:
        names = [
            f"{row['name']} {row['installed']} (the server has {row['available']})"
            for row in behind
        ]
        return Finding(
            status=Status.WARN,
            summary=f"behind: {', '.join(names)}",
            value=0,
            evidence=[dict(row) for row in behind],
            observed=observed,
            remedy=" ".join(f"ALTER EXTENSION {quote(row['name'])} UPDATE;" for row in behind),
        )
    summary = f"{plural(len(needed), 'needed extension')} installed" if needed else "none is needed"
    return Finding(status=Status.PASS, summary=summary, value=0, observed=observed)


def _remedy(missing: list[dict[str, str | None]]) -> str:
    """Return what installs the extensions, and what is to be done before for some."""
    statements = []
    for each in missing:
        name = str(each["extension"])
        cascade = " CASCADE" if name in _DEPENDENT else ""
        statements.append(f"CREATE EXTENSION IF NOT EXISTS {quote(name)}{cascade};")
    strangers = [str(each["extension"]) for each in missing if each["available"] is None]
    if not strangers:
        return " ".join(statements)
    return f"install {', '.join(strangers)} on the server, then: {' '.join(statements)}"


def _parse(value: object) -> tuple[str, ...]:
    """Return the names of `extensions = ["pg_trgm", "vector"]`."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise ValueError('write a list of names: extensions = ["pg_trgm", "vector"]')
    return tuple(dict.fromkeys(value))


CHECK = Check(
    name="extensions",
    run=_run,
    measurement="missing",
    unit="extensions",
    parse=_parse,
)
