"""How dbctl was installed, and the command that installs an extra of it there."""

import os
import sys
from pathlib import Path

DISTRIBUTION = "dbctl-pg"


def install_command(extra: str) -> str:
    """Return the shell command that adds `extra` to the environment that dbctl runs in.

    uv, pipx and pip each leave files of their own in an environment: `uv-receipt.toml` in that of
    a tool, `pipx_metadata.json`, and the line `uv` in `pyvenv.cfg`; uvx runs from uv's cache.
    """
    requirement = f"'{DISTRIBUTION}[{extra}]'"
    environment = Path(sys.prefix)
    if (environment / "uv-receipt.toml").is_file():
        return f"uv tool install {requirement}"
    if (environment / "pipx_metadata.json").is_file():
        return f"pipx install --force {requirement}"
    if not _is_made_by_uv(environment):
        return f"pip install {requirement}"
    if _is_of_uvx(environment):
        return f"uvx --from {requirement} dbctl"
    return f"uv add {requirement}"


def command_prefix() -> str:
    """Return how dbctl is started in the shell: `dbctl`, or `uv run dbctl` in a project of uv's."""
    by_uv = os.environ.get("UV_RUN_RECURSION_DEPTH") or _is_of_uvx(Path(sys.prefix))
    return "uv run dbctl" if by_uv else "dbctl"


def uv_add(pyproject: str) -> str | None:
    """Return the command that makes dbctl a dependency, where uvx or `uv run --with` started it.

    `pyproject` is the text of pyproject.toml; None where that names dbctl.
    """
    if command_prefix() == "dbctl" or DISTRIBUTION in pyproject:
        return None
    return f"uv add '{DISTRIBUTION}[embedded]'"


def _is_of_uvx(environment: Path) -> bool:
    return "archive-v0" in environment.parts or "environments-v2" in environment.parts


def _is_made_by_uv(environment: Path) -> bool:
    try:
        lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # not a virtual environment
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in lines)
