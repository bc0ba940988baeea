"""TLS against a real server: what each sslmode takes, refuses, and says."""

import logging
from typing import Any

import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ConnectionFailed, ExitCode
from tests.support.cli import run_dbctl
from tests.support.tls import PASSWORD, ROBOT, TlsServer


def manager_of(url: str, waits: list[str]) -> DatabaseSessionManager:
    parsed = dsn.parse(url, environ={})
    return DatabaseSessionManager(parsed, pooling=False, connect_deadline=20, on_wait=waits.append)


async def asked_over(url: str) -> tuple[str, str | None]:
    """Log in and return what the server and what we say of the TLS between us."""
    waits: list[str] = []
    manager = manager_of(url, waits)
    async with manager.engine.connect() as connection:
        version = await connection.exec_driver_sql(
            "select version from pg_stat_ssl where pid = pg_backend_pid()"
        )
        served = version.scalar_one()
    await manager.close()
    assert waits == []
    assert manager.server is not None
    return served, manager.server.tls


async def refusal_of(url: str) -> ConnectionFailed:
    """Fail to connect, at once, and return the error."""
    waits: list[str] = []
    manager = manager_of(url, waits)
    with pytest.raises(ConnectionFailed) as refused:
        async with manager.connect():
            pytest.fail("it connected")
    assert waits == [], "waiting does not mend it"
    error = refused.value
    assert error.exit_code is ExitCode.UNREACHABLE
    assert error.hint
    assert PASSWORD not in f"{error} {error.hint} {manager.dsn!r} {manager.label}"
    return error


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
async def test_every_mode_above_allow_speaks_tls(tls_server: TlsServer, mode: str) -> None:
    roots: dict[str, Any] = (
        {"sslrootcert": tls_server.authority} if mode.startswith("verify") else {}
    )
    served, seen = await asked_over(tls_server.url(sslmode=mode, **roots))
    assert served == seen == "TLSv1.3"


async def test_the_highest_protocol_version_can_be_lowered(tls_server: TlsServer) -> None:
    url = tls_server.url(sslmode="require", ssl_max_protocol_version="TLSv1.2")
    assert await asked_over(url) == ("TLSv1.2", "TLSv1.2")


async def test_a_client_certificate_logs_in_without_a_password(tls_server: TlsServer) -> None:
    url = tls_server.url(
        user=ROBOT,
        password=None,
        sslmode="verify-full",
        sslrootcert=tls_server.authority,
        sslcert=tls_server.certificate,
        sslkey=tls_server.key,
    )
    served, _ = await asked_over(url)
    assert served == "TLSv1.3"


async def test_without_its_certificate_a_client_that_needs_one_is_refused(
    tls_server: TlsServer,
) -> None:
    error = await refusal_of(tls_server.url(user=ROBOT, password=None, sslmode="require"))
    assert "requires a valid client certificate" in error.message


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_certificate_of_another_authority_is_refused(
    tls_server: TlsServer, mode: str
) -> None:
    error = await refusal_of(tls_server.url(sslmode=mode, sslrootcert=tls_server.stranger))
    assert "its TLS certificate is not trusted: " in error.message
    assert "sslrootcert" in (error.hint or "")


async def test_a_certificate_for_another_name_is_refused_by_verify_full_alone(
    tls_server: TlsServer,
) -> None:
    by_address: dict[str, Any] = {"host": "127.0.0.1", "sslrootcert": tls_server.authority}
    served, _ = await asked_over(tls_server.url(sslmode="verify-ca", **by_address))
    assert served == "TLSv1.3"
    error = await refusal_of(tls_server.url(sslmode="verify-full", **by_address))
    assert "certificate is not valid for '127.0.0.1'" in error.message


async def test_a_server_that_wants_tls_refuses_plaintext(tls_server: TlsServer) -> None:
    error = await refusal_of(tls_server.url(sslmode="disable"))
    assert "no encryption" in error.message
    assert "may require TLS" in (error.hint or "")


@pytest.mark.parametrize("mode", ["prefer", "require"])
async def test_a_wrong_password_is_told_as_one_and_not_tried_again(
    tls_server: TlsServer, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "Wr0ng-hunter-3"
    error = await refusal_of(tls_server.url(password=wrong, sslmode=mode))
    assert 'password authentication failed for user "app"' in error.message
    assert error.hint == "Check the user and the password of the connection string."
    assert wrong not in f"{error} {error.hint} {caplog.text}"


def test_the_password_is_in_nothing_that_dbctl_prints(tls_server: TlsServer) -> None:
    refused = run_dbctl(
        "-v", "migrate", "status", env={"DATABASE_URL": tls_server.url(database="absent")}
    )
    assert refused.exit_code == ExitCode.UNREACHABLE
    assert 'database "absent" does not exist' in refused.stderr
    assert PASSWORD not in refused.stdout + refused.stderr
    assert "Hünter2" not in refused.stdout + refused.stderr
