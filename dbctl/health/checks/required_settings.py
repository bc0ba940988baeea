"""Settings of the server: those that the project requires, and those that endanger its data."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.grants import role_name
from dbctl.db.names import literal, quote
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader
    from dbctl.health.results import Value

_NAME = re.compile(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?")
_REQUIRED = re.compile(r"\s*(>=|<=|!=|>|<|=)?\s*([^\s<>=!].*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(\d*[a-zA-Z]*)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
# In bytes and in ms; 8kB is the unit of settings that count blocks.
_UNITS = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40} | {
    "us": 0.001,
    "ms": 1,
    "s": 1000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_TRUE = frozenset({"on", "true", "yes", "1"})


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a setting must be; `why` and `status` tell what it means where it is not.

    `deployed` is one for data that people depend on: development may be fast instead.
    """

    name: str
    comparison: str
    value: str
    why: str = "required by [tool.dbctl.health.settings]"
    status: Status = Status.FAIL
    deployed: bool = False


_DURABLE = "a crash of the machine may corrupt the data"
_MASKED = "damaged data is hidden, and lost"
_DANGEROUS = (
    Requirement("fsync", "=", "on", _DURABLE, Status.FAIL, deployed=True),
    Requirement("full_page_writes", "=", "on", _DURABLE, Status.WARN, deployed=True),
    Requirement(
        "data_checksums", "=", "on", "damage on disk goes unnoticed", Status.WARN, deployed=True
    ),
    Requirement("zero_damaged_pages", "=", "off", _MASKED, Status.WARN),
    Requirement("ignore_checksum_failure", "=", "off", _MASKED, Status.WARN),
    Requirement("ignore_system_indexes", "=", "off", "the catalogue is read slowly", Status.WARN),
    Requirement(
        "allow_system_table_mods", "=", "off", "a slip may destroy the catalogue", Status.WARN
    ),
)
# Neon's storage is durable by itself, and its computes run without.
_NOT_ON_NEON = frozenset({"fsync", "full_page_writes", "data_checksums"})


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare the settings, as they hold for this role and database, with what they must be."""
    own: tuple[Requirement, ...] = context.configured or ()
    named = {requirement.name for requirement in own}
    deployed = context.settings.environment.is_deployed
    guards = [
        each for each in _DANGEROUS if each.name not in named and (deployed or not each.deployed)
    ]
    wanted = [*own, *guards]
    rows = {
        row["name"]: row
        for row in await fetch(
            reader, "health", "required_settings", names="\n".join(each.name for each in wanted)
        )
    }
    neon = any(row["neon"] for row in rows.values())
    wanted = [each for each in wanted if each in own or not (neon and each.name in _NOT_ON_NEON)]
    hidden = [each for each in own if _is_hidden(rows[each.name])]
    wrong = [each for each in wanted if each not in hidden and not _holds(each, rows[each.name])]
    observed: dict[str, Value] = {each.name: rows[each.name]["shown"] for each in own}
    evidence = [
        {
            "setting": each.name,
            "observed": rows[each.name]["shown"],
            "required": f"{each.comparison} {each.value}",
            "why": each.why,
        }
        for each in sorted(wrong, key=lambda each: each.status is not Status.FAIL)
    ]
    if wrong:
        fails = any(each.status is Status.FAIL for each in wrong)
        told = [f"{each['setting']} is {each['observed'] or 'not there'}" for each in evidence]
        return Finding(
            status=Status.FAIL if fails else Status.WARN,
            summary=f"{', '.join(told)}; {evidence[0]['why']}",
            value=len(wrong),
            evidence=evidence,
            observed=observed,
            remedy=" ".join(_remedy(each, rows[each.name]) for each in wrong),
        )
    if hidden:
        names = ", ".join(each.name for each in hidden)
        return Finding(
            status=Status.UNKNOWN,
            summary=f"hidden from this role: {names}",
            value=0,
            observed=observed,
            remedy=f"GRANT pg_read_all_settings TO {await role_name(reader)};",
        )
    return Finding(
        status=Status.PASS,
        summary=f"{plural(len(wanted), 'setting')} as {'it' if len(wanted) == 1 else 'they'} "
        "should be",
        value=0,
        observed=observed,
    )


def _is_hidden(row: Mapping[str, Any]) -> bool:
    return row["setting"] is None and not row["sees_all"]


def _holds(requirement: Requirement, row: Mapping[str, Any]) -> bool:
    """Tell whether a setting is as required; numbers are compared in the setting's unit."""
    if row["setting"] is None:
        # An older version lacks some; of those nothing is to be feared.
        return requirement in _DANGEROUS
    compare = _COMPARE[requirement.comparison]
    match row["vartype"]:
        case "integer" | "real":
            required = _number(requirement.value, row["unit"])
            return required is not None and compare(float(row["setting"]), required)
        case "bool":
            return compare(row["setting"] == "on", requirement.value.lower() in _TRUE)
        case "enum":
            return compare(row["setting"].lower(), requirement.value.lower())
        case _:
            return compare(row["setting"], requirement.value)


def _number(text: str, unit: str | None) -> float | None:
    """Return a value such as 64MB in `unit`, which may be 8kB; None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number, written = float(match[1]), match[2]
    if not written:
        return number
    scale = _scale(written)
    base = _scale(unit or "")
    return number * scale / base if scale and base else None


def _scale(unit: str) -> float | None:
    match = re.fullmatch(r"(\d*)([a-zA-Z]+)", unit)
    if match is None or match[2] not in _UNITS:
        return None
    return int(match[1] or 1) * _UNITS[match[2]]


def _remedy(requirement: Requirement, row: Mapping[str, Any]) -> str:
    """Return what sets it: for the database where that is possible, else for the server."""
    name = ".".join(quote(part) for part in requirement.name.split("."))
    if requirement.name == "data_checksums":
        return "stop the server and run pg_checksums --enable;"
    if row["setting"] is None and "." not in requirement.name:
        return f"correct {requirement.name}, which this server does not have;"
    if requirement.comparison in ("!=", "<", ">"):
        return f"set {requirement.name} to a value {requirement.comparison} {requirement.value};"
    # Of a list each item is a literal: quoted as one it would be one strange item.
    value = ", ".join(literal(item.strip()) for item in requirement.value.split(","))
    match row["context"]:
        case "internal":
            return f"{requirement.name} is fixed when the server is built or initialised;"
        case "user" | "superuser" | None:
            return f"ALTER DATABASE {quote(row['database'])} SET {name} = {value};"
        case "postmaster":
            return f"ALTER SYSTEM SET {name} = {value}; and restart the server;"
        case _:
            return f"ALTER SYSTEM SET {name} = {value}; SELECT pg_catalog.pg_reload_conf();"


def _parse(value: object) -> tuple[Requirement, ...]:
    """Read `[tool.dbctl.health.settings]`, such as `work_mem = ">= 16MB"` or `jit = false`."""
    if not isinstance(value, Mapping):
        example = 'write a table: [tool.dbctl.health.settings], then work_mem = ">= 16MB"'
        raise ValueError(example)  # noqa: TRY004 - what `parse` is to raise
    return tuple(_requirement(str(name).lower(), required) for name, required in value.items())


def _requirement(name: str, required: object) -> Requirement:
    if isinstance(required, bool):
        required = "on" if required else "off"
    if not _NAME.fullmatch(name) or not isinstance(required, str | int | float):
        raise ValueError(f'{name} is not written as name = "value" or name = ">= value"')
    match = _REQUIRED.fullmatch(str(required))
    if match is None:
        raise ValueError(f"{name} has no value")
    return Requirement(name, match[1] or "=", match[2])


CHECK = Check(name="settings", run=_run, measurement="violations", unit="settings", parse=_parse)
