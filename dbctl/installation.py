"""How dbctl was installed, and the command that installs an extra of it there."""

import os
import sys
from enum import Enum, auto
from pathlib import Path

DISTRIBUTION = "dbctl-pg"


class Installer(Enum):
    """What makes an environment; `is_isolated` where it is dbctl's alone, not the project's."""

    UV = auto()
    UV_TOOL = auto()
    UVX = auto()
    PIP = auto()
    PIPX = auto()

    @property
    def is_isolated(self) -> bool:
        """Return whether the project's own packages are not in the environment."""
        return self in {Installer.UV_TOOL, Installer.UVX, Installer.PIPX}


def install_command(extra: str) -> str:
    """Return the shell command that adds `extra` to the environment that dbctl runs in."""
    requirement = f"'{DISTRIBUTION}[{extra}]'"
    return {
        Installer.UV_TOOL: f"uv tool install {requirement}",
        Installer.PIPX: f"pipx install --force {requirement}",
        Installer.UVX: f"uvx --from {requirement} dbctl",
    }.get(installer()) or _into_environment(requirement)


def install_beside(requirement: str) -> str:
    """Return the shell command that adds another package to the environment that dbctl runs in."""
    quoted = f"'{requirement}'"
    return {
        Installer.UV_TOOL: f"uv tool install {DISTRIBUTION} --with {quoted}",
        Installer.PIPX: f"pipx inject {DISTRIBUTION} {quoted}",
        Installer.UVX: f"uvx --from {DISTRIBUTION} --with {quoted} dbctl",
    }.get(installer()) or _into_environment(quoted)


def _into_environment(quoted: str) -> str:
    return f"{'uv add' if installer() is Installer.UV else 'pip install'} {quoted}"


def installer() -> Installer:
    """Return what made the environment that dbctl runs in.

    uv, pipx and pip each leave files of their own in an environment: `uv-receipt.toml` in that of
    a tool, `pipx_metadata.json`, and the line `uv` in `pyvenv.cfg`; uvx runs from uv's cache.
    """
    environment = Path(sys.prefix)
    if (environment / "uv-receipt.toml").is_file():
        return Installer.UV_TOOL
    if (environment / "pipx_metadata.json").is_file():
        return Installer.PIPX
    if not _is_made_by_uv(environment):
        return Installer.PIP
    if "archive-v0" in environment.parts or "environments-v2" in environment.parts:
        return Installer.UVX
    return Installer.UV


def command_prefix() -> str:
    """Return how dbctl is started in the shell: `dbctl`, or `uv run dbctl` in a project of uv's."""
    by_uv = os.environ.get("UV_RUN_RECURSION_DEPTH") or installer() is Installer.UVX
    return "uv run dbctl" if by_uv else "dbctl"


def uv_add(pyproject: str) -> str | None:
    """Return the command that makes dbctl a dependency, where uvx or `uv run --with` started it.

    `pyproject` is the text of pyproject.toml; None where that names dbctl.
    """
    if command_prefix() == "dbctl" or DISTRIBUTION in pyproject:
        return None
    return f"uv add '{DISTRIBUTION}[embedded]'"


def _is_made_by_uv(environment: Path) -> bool:
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # not a virtual environment
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in lines)
