import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dbctl.db.dsn import parse
from dbctl.db.tls import ssl_argument
from dbctl.errors import ConfigurationError, ExitCode

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a home of its own, as ~/.postgresql counts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Return the certificate of an authority that signed nothing here."""
    path = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def choose(query: str, host: str = "db.example.com") -> ssl.SSLContext | str | bool:
    return ssl_argument(parse(f"postgresql://{host}/app?{query}", environ={}))


def context_for(query: str, host: str = "db.example.com") -> ssl.SSLContext:
    argument = choose(query, host)
    assert isinstance(argument, ssl.SSLContext)
    return argument


def refusal(query: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        choose(query)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint
    return caught.value


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> ssl.SSLObject:
    """Shake hands in memory; raise what a side objects to, or return the server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting
    return theirs


@pytest.fixture
def server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example.com").configure_cert(context)
    context.set_alpn_protocols(["postgresql"])
    return context


# --- which argument -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "query", "argument"),
    [
        ("db.example.com", "sslmode=disable", False),
        ("db.example.com", "sslmode=allow", "allow"),
        ("db.example.com", "sslmode=prefer", "prefer"),
        ("localhost", "", "prefer"),
        ("", "", "prefer"),
        ("%2Ftmp", "", False),
        ("%2Ftmp", "sslmode=verify-full", False),
        ("%2Ftmp,%2Frun", "sslmode=require", False),
    ],
)
def test_no_context_is_made_where_tls_is_off_or_a_mere_attempt(
    host: str, query: str, argument: str | bool
) -> None:
    assert choose(query, host) == argument


@pytest.mark.parametrize(
    ("query", "verify_mode", "check_hostname"),
    [
        ("", ssl.CERT_NONE, False),
        ("sslmode=require", ssl.CERT_NONE, False),
        ("sslmode=require&sslrootcert={root}", ssl.CERT_REQUIRED, False),
        ("sslmode=prefer&sslrootcert={root}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-ca&sslrootcert={root}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full&sslrootcert={root}", ssl.CERT_REQUIRED, True),
        ("sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-ca", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_each_mode_verifies_what_libpq_verifies(
    query: str, verify_mode: ssl.VerifyMode, check_hostname: bool, root: Path
) -> None:
    context = context_for(query.format(root=root))
    assert context.verify_mode is verify_mode
    assert context.check_hostname is check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_protocol_versions_are_those_asked_for() -> None:
    assert context_for("ssl_min_protocol_version=TLSv1").minimum_version is ssl.TLSVersion.TLSv1_2
    assert context_for("ssl_min_protocol_version=TLSv1.3").minimum_version is ssl.TLSVersion.TLSv1_3
    assert context_for("ssl_max_protocol_version=TLSv1.2").maximum_version is ssl.TLSVersion.TLSv1_2


# --- handshakes -----------------------------------------------------------------------------------


def test_require_takes_any_certificate(server: ssl.SSLContext) -> None:
    theirs = handshake(context_for("sslmode=require"), server, "other.example.com")
    assert theirs.selected_alpn_protocol() == "postgresql"


def test_verify_full_takes_the_right_host_and_authority(server: ssl.SSLContext, root: Path) -> None:
    context = context_for(f"sslmode=verify-full&sslrootcert={root}")
    assert handshake(context, server, "db.example.com").version() == "TLSv1.3"


def test_verify_full_refuses_another_host(server: ssl.SSLContext, root: Path) -> None:
    context = context_for(f"sslmode=verify-full&sslrootcert={root}")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(context, server, "other.example.com")


def test_verify_ca_takes_another_host(server: ssl.SSLContext, root: Path) -> None:
    context = context_for(f"sslmode=verify-ca&sslrootcert={root}")
    assert handshake(context, server, "other.example.com").version() == "TLSv1.3"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_root_certificate_rules_out_other_authorities(
    mode: str, server: ssl.SSLContext, stranger: Path
) -> None:
    context = context_for(f"sslmode={mode}&sslrootcert={stranger}")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(context, server, "db.example.com")


@pytest.mark.parametrize("query", ["sslrootcert=system", "sslmode=verify-full"])
def test_the_system_store_decides_without_a_root_file(
    query: str, server: ssl.SSLContext, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context_for(query), server, "db.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    assert handshake(context_for(query), server, "db.example.com").version() == "TLSv1.3"


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_the_root_certificate_of_the_home_folder_counts(
    mode: str, server: ssl.SSLContext, root: Path, home: Path
) -> None:
    (home / ".postgresql").mkdir()
    root.rename(home / ".postgresql" / "root.crt")
    context = context_for(f"sslmode={mode}")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert handshake(context, server, "db.example.com").version() == "TLSv1.3"


def test_the_root_certificate_of_the_environment_counts(
    stranger: Path, root: Path, server: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(root))
    assert handshake(context_for("sslmode=verify-full"), server, "db.example.com").version()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context_for(f"sslrootcert={stranger}"), server, "db.example.com")
    monkeypatch.setenv("PGSSLROOTCERT", "system")
    assert context_for("sslmode=require").check_hostname


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_client_certificate_is_shown_to_the_server(
    encrypted: bool, authority: trustme.CA, server: ssl.SSLContext, tmp_path: Path
) -> None:
    issued = authority.issue_cert("client.example.com")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    key = issued.private_key_pem.bytes()
    if encrypted:
        key = load_pem_private_key(key, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p/w")
        )
    (tmp_path / "client.key").write_bytes(key)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    query = f"sslcert={tmp_path}/client.pem&sslkey={tmp_path}/client.key&sslpassword=p/w"
    seen = handshake(context_for(query), server, "db.example.com").getpeercert()
    assert seen is not None
    assert seen["subjectAltName"] == (("DNS", "client.example.com"),)
    if encrypted:
        wrong = refusal(query.replace("p/w", "wr0ng"))
        assert "wr0ng" not in f"{wrong!r}{wrong.hint}"


# --- files that do not load -----------------------------------------------------------------------


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert"])
def test_a_missing_file_is_named_with_its_parameter(parameter: str, tmp_path: Path) -> None:
    error = refusal(f"{parameter}={tmp_path}/missing.pem")
    assert str(error) == (
        f"{parameter}: cannot read '{tmp_path}/missing.pem': No such file or directory"
    )
    assert error.__context__ is None


def test_a_missing_key_is_named(root: Path, tmp_path: Path) -> None:
    error = refusal(f"sslcert={root}&sslkey={tmp_path}/missing.key")
    assert str(error).startswith(f"sslkey: cannot read '{tmp_path}/missing.key': ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_named(root: Path) -> None:
    root.chmod(0)
    assert "Permission denied" in str(refusal(f"sslrootcert={root}"))


def test_a_folder_is_no_certificate(tmp_path: Path) -> None:
    assert str(refusal(f"sslrootcert={tmp_path}")).startswith("sslrootcert: cannot read ")


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\0\xff" * 50])
def test_a_file_without_a_certificate_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    assert str(refusal(f"sslrootcert={path}")) == f"sslrootcert: '{path}' holds no certificate"
    assert str(refusal(f"sslcert={path}")).startswith(f"sslcert, sslkey: '{path}' and ")


def test_a_key_needs_a_certificate(tmp_path: Path) -> None:
    assert str(refusal(f"sslkey={tmp_path}/client.key")).startswith("sslkey: ")


def test_a_home_of_nobody_is_a_missing_file() -> None:
    assert "cannot read '~nobody-of-this-name/ca.pem'" in str(
        refusal("sslrootcert=~nobody-of-this-name/ca.pem")
    )


def test_a_tilde_is_the_home_folder(root: Path, server: ssl.SSLContext) -> None:
    context = context_for(f"sslmode=verify-full&sslrootcert=~/{root.name}")
    assert handshake(context, server, "db.example.com").version() == "TLSv1.3"


# --- through asyncpg ------------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    server: ssl.SSLContext, *, direct: bool
) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve TLS as PostgreSQL starts it, up to the startup packet; yield port and TLS versions."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not direct:
                assert await reader.readexactly(8) == SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(server)
            seen.append(writer.get_extra_info("ssl_object").version())
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server if direct else None)
    async with listener:
        yield listener.sockets[0].getsockname()[1], seen


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
async def test_asyncpg_reaches_a_verified_server_either_way(
    negotiation: str, authority: trustme.CA, root: Path
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    server.set_alpn_protocols(["postgresql"])
    async with listening(server, direct=negotiation == "direct") as (port, seen):
        dsn = parse(
            f"postgresql://me:pw@127.0.0.1:{port}/app?sslmode=verify-full&sslrootcert={root}"
            f"&sslnegotiation={negotiation}",
            environ={},
        )
        with pytest.raises((OSError, asyncpg.ConnectionDoesNotExistError)):
            await asyncpg.connect(**dsn.connect_kwargs(), timeout=10)
    assert seen == ["TLSv1.3"]
