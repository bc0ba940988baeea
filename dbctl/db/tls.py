"""TLS as libpq does it: from a connection string's parameters to what asyncpg takes as `ssl`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dbctl.db.dsn import Dsn, SslMode
from dbctl.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

_SYSTEM = "system"


def ssl_argument(dsn: Dsn) -> "ssl.SSLContext | str | bool":
    """Choose the `ssl` argument of `asyncpg.connect()` for these addresses and parameters.

    False is no TLS, a string asyncpg's own opportunistic mode, a context TLS or nothing. As in
    libpq, `require` verifies the chain once a root certificate is there. Raises
    ConfigurationError when a file cannot be loaded.
    """
    if dsn.sslmode is SslMode.DISABLE or all(address.is_unix for address in dsn.addresses):
        return False
    files = (dsn.sslrootcert, dsn.sslcert, dsn.sslkey)
    if dsn.sslmode in (SslMode.ALLOW, SslMode.PREFER) and not any(files):
        return dsn.sslmode.value
    return _context(dsn)


def _context(dsn: Dsn) -> "ssl.SSLContext":
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if dsn.ssl_min_protocol_version == "TLSv1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if dsn.ssl_max_protocol_version == "TLSv1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if ssl.HAS_ALPN:  # direct TLS needs it
        context.set_alpn_protocols(["postgresql"])
    root = _file(dsn.sslrootcert, "PGSSLROOTCERT", "root.crt")
    verifies = dsn.sslmode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)
    context.check_hostname = dsn.sslmode is SslMode.VERIFY_FULL or root == _SYSTEM
    context.verify_mode = ssl.CERT_REQUIRED if verifies or root else ssl.CERT_NONE
    if root and root != _SYSTEM:
        _load_root(context, root)
    elif context.verify_mode is ssl.CERT_REQUIRED:
        context.load_default_certs()
    _load_client_certificate(context, dsn)
    return context


def _file(given: str | None, variable: str, default: str) -> str | None:
    """Find the file that counts: the parameter's, the variable's or the one in ~/.postgresql."""
    if named := given or os.environ.get(variable):
        return named
    try:
        path = Path.home() / ".postgresql" / default
        return str(path) if path.exists() else None
    except (OSError, RuntimeError):
        return None


def _readable(parameter: str, name: str) -> Path:
    """Check that the file can be read, as `ssl` reports a missing file without its name."""
    try:
        path = Path(name).expanduser()
        with path.open("rb"):
            return path
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such home"
    raise ConfigurationError(
        f"{parameter}: cannot read '{name}': {reason or 'unknown error'}",
        hint=f"Point {parameter} at a file that this user can read.",
    )


def _load_root(context: "ssl.SSLContext", root: str) -> None:
    import ssl

    path = _readable("sslrootcert", root)
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, ValueError):
        pass
    else:
        return
    raise ConfigurationError(
        f"sslrootcert: '{root}' holds no certificate",
        hint="Point sslrootcert at a PEM file of the authority that signed the server's.",
    )


def _load_client_certificate(context: "ssl.SSLContext", dsn: Dsn) -> None:
    import ssl

    certificate = _file(dsn.sslcert, "PGSSLCERT", "postgresql.crt")
    if certificate is None:
        if dsn.sslkey:
            raise ConfigurationError(
                f"sslkey: '{dsn.sslkey}' has no certificate beside it",
                hint="Give the client's certificate with sslcert.",
            )
        return
    key = _file(dsn.sslkey, "PGSSLKEY", "postgresql.key")
    certfile = _readable("sslcert", certificate)
    keyfile = None if key is None else _readable("sslkey", key)
    try:
        # Without a function OpenSSL would ask for the password on the terminal.
        context.load_cert_chain(certfile, keyfile, password=lambda: dsn.sslpassword or "")
    except (ssl.SSLError, ValueError):
        pass
    else:
        return
    raise ConfigurationError(
        f"sslcert, sslkey: '{certificate}' and '{key or certificate}' are not a certificate"
        " and its key",
        hint="Give PEM files that belong together, and sslpassword if the key is encrypted.",
    )
